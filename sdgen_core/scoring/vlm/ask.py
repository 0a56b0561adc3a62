"""Yes or no from a vision-language model behind an OpenAI-compatible address: Ollama, LM Studio, vLLM, llama.cpp's server.

One question a value and image, ``POST /chat/completions`` with the image as a data URL, temperature 0 and token probabilities. The image
stands before the question, so that a server which keeps the beginning of a prompt looks at an image once for all its values.

Nothing leaves the house unless ``remote`` says so (see ``vlm_address``), and nothing is refused on this side: what a model will not
answer is counted and left to the other tiers.
"""

from __future__ import annotations

import asyncio
import base64
import io
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import SDGenError
from .answers import Verdict
from .client import VlmClient
from .http import VlmError
from .settings import VlmSettings

if TYPE_CHECKING:
    from PIL import Image

_T = TypeVar("_T")

_GIVE_UP = 5  # failures in a row, whatever their kind
_LOOK = 0.05  # s between two looks at whether to stop
_HEAR = 0.2  # s between two chances for Ctrl-C, which a wait without end does not notice on every system
_JPEG_QUALITY = 90


@dataclass(frozen=True)
class Ask:
    """One question about one image; ``image`` is its key."""

    image: str
    question: str


def data_url(image: Image.Image, side: int) -> str:
    """The image as a JPEG in a data URL, its longer side at most ``side`` pixels."""
    out = image.convert("RGB")
    out.thumbnail((side, side))
    file = io.BytesIO()
    out.save(file, "JPEG", quality=_JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def model_name(settings: VlmSettings, environment: Mapping[str, str] = os.environ) -> str:
    """The model that will be asked; talks to the server only when the settings name none."""

    async def chosen() -> str:
        async with VlmClient(settings, environment) as client:
            return await client.choose()

    return settings.model or _apart(chosen())


def ask_all(
    settings: VlmSettings,
    asks: Iterable[Ask],
    open_image: Callable[[str], Image.Image],
    answered: Callable[[Ask, Verdict | SDGenError], None],
    stopped: Callable[[], bool] = lambda: False,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Ask everything, the questions of one image one after the other, several images at once.

    ``answered`` is called for every question that was asked, one call at a time, in another thread; so is ``stopped``, and
    ``open_image`` (key -> image; what it raises is that image's error) in several. Returns early when ``stopped``; raises the
    ``VlmError`` that makes going on useless.
    """
    client, left = VlmClient(settings, environment), threading.Event()
    _apart(_ask_all(client, settings, list(asks), open_image, answered, lambda: left.is_set() or stopped()), left)


def _apart(work: Coroutine[Any, Any, _T], left: threading.Event | None = None) -> _T:
    """Do the work in a thread and an event loop of its own: ComfyUI runs nodes inside a loop. ``left`` is set on Ctrl-C, before the
    thread is waited for."""
    with ThreadPoolExecutor(1, "sdgen-vlm") as pool:
        try:
            doing = pool.submit(asyncio.run, work)
            while not wait([doing], timeout=_HEAR).done:
                pass
            return doing.result()
        finally:
            if left is not None:
                left.set()


async def _ask_all(
    client: VlmClient,
    settings: VlmSettings,
    asks: Sequence[Ask],
    open_image: Callable[[str], Image.Image],
    answered: Callable[[Ask, Verdict | SDGenError], None],
    stopped: Callable[[], bool],
) -> None:
    by_image: dict[str, list[Ask]] = {}
    for ask in asks:
        by_image.setdefault(ask.image, []).append(ask)
    images = iter(by_image.items())
    row = _InARow()

    async def worker() -> None:
        for key, questions in images:
            try:
                url = await asyncio.to_thread(_sent, open_image, key, settings.image_side)
            except Exception as error:  # whatever a damaged file makes Pillow raise
                for ask in questions:
                    answered(ask, _unreadable(key, error))
                continue
            for ask in questions:
                try:
                    verdict = await client.ask(url, ask.question)
                except SDGenError as error:
                    answered(ask, error)
                    row.failed(error)
                else:
                    answered(ask, verdict)
                    row.length = 0

    async with client:
        if await _unless_stopped([client.choose()], stopped):
            await _unless_stopped([worker() for _ in range(min(settings.concurrency, len(by_image)))], stopped)


async def _unless_stopped(works: Sequence[Coroutine[Any, Any, object]], stopped: Callable[[], bool]) -> bool:
    """Do all at once; whether all is done. The first error ends them all, and is raised."""
    tasks = [asyncio.create_task(work) for work in works]
    waiting = set(tasks)
    try:
        while waiting and not stopped():
            done, waiting = await asyncio.wait(waiting, timeout=_LOOK, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        return not waiting
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _sent(open_image: Callable[[str], Image.Image], key: str, side: int) -> str:
    return data_url(open_image(key), side)


class _InARow:
    """Counts failures without a success between; raises the one that makes going on useless."""

    def __init__(self) -> None:
        self.length = 0

    def failed(self, error: SDGenError) -> None:
        self.length += 1
        fatal = error.fatal if isinstance(error, VlmError) else True
        if fatal:
            raise error
        if self.length >= _GIVE_UP:
            message = f"{error.message.rstrip('.')} ({self.length} failures in a row)"
            raise VlmError(error.code, message, fatal=True) from error


def _unreadable(key: str, error: Exception) -> SDGenError:
    return (
        error if isinstance(error, SDGenError) else SDGenError("broken-image", f"image {key} cannot be read: {error}")
    )
