"""How a run shares the machine with generation, by choice: both need the graphics card.

``wait``: it starts when ComfyUI has nothing to do and no session makes images. ``pause``: sessions that make images are paused, and go on
when it has ended. ``both``: they are paused, and it starts when ComfyUI has finished what it had begun. ``none``: it starts at once.
What is started while a run trains is not held back.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import SDGenError, nearest_names

if TYPE_CHECKING:
    from ...comfy.client import ComfyClient

CHOICES = ("none", "wait", "pause", "both")


@dataclass(frozen=True)
class Host:
    """What a ComfyUI is asked, and asked to do: ``busy`` whether it executes a prompt or has one in its queue, ``making`` the ids of the
    sessions that make images, ``pause`` one of them for a reason, ``resume`` one that is still paused for this reason, ``free`` its models'
    memory as soon as it can, ``elsewhere`` whether its loaders find a LoRA of this file name outside of the training folder.
    """

    busy: Callable[[], bool] = lambda: False
    making: Callable[[], list[str]] = list
    pause: Callable[[str, str], None] = lambda session, reason: None
    resume: Callable[[str, str], None] = lambda session, reason: None
    free: Callable[[], None] = lambda: None
    elsewhere: Callable[[str], bool] = lambda name: False


def checked(choice: str) -> str:
    """Raises ``bad-option``."""
    if choice not in CHOICES:
        raise SDGenError("bad-option", f"{choice!r} is no way to share", nearest=nearest_names(choice, CHOICES))
    return choice


def reason_for(name: str) -> str:
    """What a paused session says; by that it is known again."""
    return f"paused while {name} is trained"


def make_room(host: Host, choice: str, name: str, remember: Callable[[list[str]], None]) -> str:
    """Before a run starts: what it still has to wait for; empty when it may start. ``remember`` is told the sessions that are about to
    be paused, so that a crash leaves none of them paused for good."""
    if choice == "none":
        return ""
    making = host.making()
    if making and choice == "wait":
        return "waits until no session makes images"
    if making:
        remember(making)
        for session in making:
            with contextlib.suppress(SDGenError):  # it has ended in this moment
                host.pause(session, reason_for(name))
    if choice != "pause" and host.busy():
        return "waits until ComfyUI has nothing to do"
    host.free()
    return ""


def give_back(host: Host, sessions: tuple[str, ...], name: str) -> None:
    """After a run: sessions that were paused for it go on, save those that somebody has resumed or stopped meanwhile. Raises ``no-server``
    while no ComfyUI runs: they wait for the next one."""
    for session in sessions:
        try:
            host.resume(session, reason_for(name))
        except SDGenError as error:
            if error.code == "no-server":
                raise
            # it is gone, or has ended


def remote(client: ComfyClient) -> Host:
    """A ComfyUI that is reached by its address. One that does not run has nothing to do, and one without SDGen no sessions; of one that
    runs and does not answer nobody knows: its error is raised."""

    def busy() -> bool:
        try:
            return bool(client.queued_ids())
        except SDGenError as error:
            if _absent(error):
                return False
            raise

    def making() -> list[str]:
        try:
            found = client.get("/sdgen/sessions")["sessions"]
        except SDGenError as error:
            if _absent(error) or getattr(error, "status", 0) == 404:
                return []
            raise
        return [one["id"] for one in found if one["state"] in ("planned", "running")]

    def pause(session: str, reason: str) -> None:  # the route takes no reason
        client.post(f"/sdgen/sessions/{session}/pause", {})

    def resume(session: str, reason: str) -> None:
        if client.get(f"/sdgen/sessions/{session}")["state"] == "paused":
            client.post(f"/sdgen/sessions/{session}/resume", {})

    def free() -> None:
        with contextlib.suppress(SDGenError):
            client.post("/free", {"unload_models": True, "free_memory": True})

    return Host(busy, making, pause, resume, free)


def _absent(error: SDGenError) -> bool:
    """Whether there is nobody at the address: no connection was had, which is another matter than no answer."""
    cause = error.__cause__
    return isinstance(cause, (ConnectionRefusedError, socket.gaierror)) or (
        isinstance(cause, OSError) and cause.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL)
    )
