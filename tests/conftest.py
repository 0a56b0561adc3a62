"""What all tests share: where things are, real ComfyUI servers, and the order of the groups.

``dev.py test`` names the ComfyUI, its packages, the frontend and the browser in the environment; a plain ``pytest``
takes what ``dev.py setup`` has made."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest

from sdgen_core.comfy.runtime import ComfyServer

ROOT = Path(__file__).resolve().parents[1]
GROUPS = ["unit", "conformance", "demo", "comfy", "web"]
"""The folders of tests/ in the order in which they run: the quick ones first."""

hypothesis.settings.register_profile("default", deadline=None, print_blob=True)
# on a build machine the same examples every time: a change is judged by what it changed
hypothesis.settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")

# Torch's waiting threads must not spin: the tests' processes share few cores (see ComfyServer).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# What ComfyUI's page would put before a new user: no test is about that.
QUIET_SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.Locale": "en",
    "Comfy.Notification.ShowVersionUpdates": False,
    "Comfy.Workflow.ShowMissingModelsWarning": False,
}


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # started in the background of a shell: the programs that the tests start would ignore Ctrl-C too
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for group in GROUPS:
        config.addinivalue_line("markers", f"{group}: tests of the folder tests/{group}")
    # end in order, so that no server outlives its tests
    signal.signal(signal.SIGTERM, _terminate)


_terminated: list[int] = []


def _terminate(number: int, frame: object) -> None:
    _terminated.append(number)
    pytest.exit("terminated", returncode=128 + number)


def pytest_runtest_setup() -> None:
    if _terminated:  # the exception was lost: Python drops those that come while it collects garbage
        pytest.exit("terminated", returncode=128 + _terminated[0])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def group(item: pytest.Item) -> str:
        return item.path.relative_to(ROOT / "tests").parts[0]

    for item in items:
        if group(item) in GROUPS:
            item.add_marker(group(item))
    items.sort(key=lambda item: GROUPS.index(group(item)) if group(item) in GROUPS else len(GROUPS))


# ---- places ---------------------------------------------------------------------------------------------------------


def _from_environment(name: str, default: Path) -> Path:
    return Path(os.environ.get(name) or default)


def _needed(path: Path) -> Path:
    if not path.exists():
        pytest.fail(f"{path} is missing: run `python3 dev.py test`, which gets what the tests need", pytrace=False)
    return path


@pytest.fixture(scope="session")
def root() -> Path:
    """The working copy."""
    return ROOT


@pytest.fixture(scope="session")
def dev() -> ModuleType:
    """The module of dev.py."""
    return _dev()


def _dev() -> ModuleType:
    if "sdgen_dev" not in sys.modules:
        spec = importlib.util.spec_from_file_location("sdgen_dev", ROOT / "dev.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["sdgen_dev"] = module
        spec.loader.exec_module(module)
    return sys.modules["sdgen_dev"]


@pytest.fixture(scope="session")
def comfyui_folder() -> Path:
    """The checkout of the ComfyUI under test."""
    return _needed(_from_environment("SDGEN_TEST_COMFYUI", ROOT / ".comfyui"))


@pytest.fixture(scope="session")
def demo_models() -> Path:
    """The ``models`` folder with the demo checkpoint in it."""
    return _needed(_dev().DEMO_CHECKPOINT).parents[1]


@pytest.fixture(scope="session")
def newest_frontend() -> Path:
    """The folder of ComfyUI's newest frontend."""
    return _needed(_from_environment("SDGEN_TEST_FRONTEND", _dev().FRONTEND_FOLDER))


# ---- real servers ---------------------------------------------------------------------------------------------------

ComfyFactory = Callable[..., ComfyServer]


@pytest.fixture(scope="session")
def _new_server(comfyui_folder: Path, demo_models: Path) -> ComfyFactory:
    packages = os.environ.get("SDGEN_TEST_PACKAGES")

    def make(base: Path, *, pack: bool = True, **options: Any) -> ComfyServer:
        (base / "custom_nodes").mkdir(parents=True, exist_ok=True)
        settings = base / "user" / "default" / "comfy.settings.json"
        if not settings.is_file():
            settings.parent.mkdir(parents=True, exist_ok=True)
            settings.write_text(json.dumps(QUIET_SETTINGS), encoding="utf-8")
        options.setdefault("models", [demo_models])
        options.setdefault("packages", Path(packages) if packages else None)
        return ComfyServer(comfyui_folder, base, pack=ROOT if pack else None, **options)

    return make


@pytest.fixture(scope="session")
def comfy(_new_server: ComfyFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    """One running ComfyUI with SDGen and the demo checkpoint, shared by all tests that leave it as it was."""
    with _new_server(tmp_path_factory.mktemp("comfy")) as server:
        yield server


@pytest.fixture
def comfy_factory(_new_server: ComfyFactory, tmp_path: Path) -> Iterator[ComfyFactory]:
    """Make ComfyUI servers of a test's own: ``comfy_factory(base=None, pack=True, **options of ComfyServer)``.

    They are not started yet, so that a test may first put things (custom nodes, settings) into ``server.base``. The
    same ``base`` again is the same machine after a restart. Whatever still runs at the end of the test is killed."""
    made: list[ComfyServer] = []

    def make(base: Path | None = None, **options: Any) -> ComfyServer:
        server = _new_server(tmp_path / f"comfy{len(made)}" if base is None else base, **options)
        made.append(server)
        return server

    yield make
    for server in made:
        server.kill()
