"""What tests against a real ComfyUI share: post a prompt and wait for it; the server's log beside a failed test."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from sdgen_core.comfy.runtime import ComfyServer

Graph = Mapping[str, Any]


def post_prompt(server: ComfyServer, graph: Graph, **extra: Any) -> str:
    """Queue an API-format graph as a user's browser does; returns the prompt's id."""
    body = {"prompt": graph, "client_id": uuid.uuid4().hex, **extra}
    return server.client.queue_prompt(body)


def wait_for_prompt(server: ComfyServer, prompt_id: str, timeout: float = 60.0) -> dict[str, Any]:
    """The history entry of a prompt, once it has ended in whichever way."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        entry = server.client.history(prompt_id)
        if entry is not None:
            return entry
        assert server.running, f"ComfyUI died:\n{server.log_tail()}"
        time.sleep(0.05)
    pytest.fail(f"prompt {prompt_id} did not end within {timeout} s; the end of the log:\n{server.log_tail()}")


def wait_until(condition: Callable[[], Any], what: str, timeout: float = 60.0, pause: float = 0.05) -> Any:
    """Ask ``condition`` again and again until it is true, and return what it said then; fail after ``timeout``
    seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout} s in vain for: {what}")
        time.sleep(pause)


@pytest.fixture(name="post_prompt", scope="session")
def _post_prompt() -> Callable[..., str]:
    """``post_prompt(server, graph, **more of the body)`` -> prompt id."""
    return post_prompt


@pytest.fixture(name="wait_for_prompt", scope="session")
def _wait_for_prompt() -> Callable[..., dict[str, Any]]:
    """``wait_for_prompt(server, prompt_id, timeout=60)`` -> history entry."""
    return wait_for_prompt


@pytest.fixture(name="wait_until", scope="session")
def _wait_until() -> Callable[..., Any]:
    """``wait_until(condition, what, timeout=60)`` -> the first true value of ``condition()``."""
    return wait_until


@pytest.fixture
def run_prompt() -> Callable[..., dict[str, Any]]:
    """``run_prompt(server, graph, timeout=60)``: queue a graph, wait, and return its history entry."""

    def run(server: ComfyServer, graph: Graph, timeout: float = 60.0, **extra: Any) -> dict[str, Any]:
        return wait_for_prompt(server, post_prompt(server, graph, **extra), timeout)

    return run


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Put the end of the log of every server that a failed test used into its report."""
    report: pytest.TestReport = yield  # type: ignore[misc,assignment]
    if report.when == "call" and report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, ComfyServer):
                report.sections.append((f"log of the ComfyUI server {name!r}", value.log_tail(60)))
    return report  # type: ignore[return-value]
