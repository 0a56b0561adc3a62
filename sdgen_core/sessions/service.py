"""What can be done with sessions: submit, feed, save, pause, resume, stop, retry, skip.

One ``Sessions`` object serves a ComfyUI process: the planner node submits, the feeder asks for child prompts, the save node
hands in images, routes and the command line read states. All of them meet in the ledger; nothing here knows ComfyUI.

Exactly once on disk: the file name is a pure function of the item, a save is write → fsync → replace → journal → ledger, and an
item whose "done" was not committed is made again under the same name. Changes of a session's plan are in ``changes``, its care
(recovery, checks, moving) in ``upkeep``.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError
from . import ordering
from .annotate import Annotator
from .items import Child, Host, LoadedSession, parse_token
from .journal import JournalIndex
from .ledger import ItemRow, Ledger, SessionRow
from .manifest import manifest_may_wait
from .models import ModelHashes
from .ordering import SessionRequest, Submitted
from .reading import ManifestData
from .recovery import rebuild
from .session_file import write_session_file
from .upkeep import found_folder, settle_removed

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger("sdgen")

#: Errors of the machine, not of the item: the session waits for the user instead of failing item after item.
_MACHINE_ERRORS = frozenset({"disk-full", "unwritable-folder", "ledger-unusable"})


class Sessions:
    """The sessions of one ledger. ``root`` is the folder new session folders are made in. Safe for many threads."""

    def __init__(
        self, ledger: Ledger, root: Path, host: Host, *, user_dir: Path, places: Mapping[str, Path] | None = None
    ) -> None:
        self.ledger = ledger
        self.root = root
        #: Folders that sessions may be moved to, by the names that clients use.
        self.places: Mapping[str, Path] = {"output": root, **(places or {})}
        self.host = host
        self.annotator = Annotator()
        self.models = ModelHashes(user_dir / "model_hashes.json")
        #: Called (with the session id) whenever an item or a session changed; the feeder and the status line listen.
        self.changed: list[Callable[[str], None]] = []
        #: Called with the session's folder, the manifest's entries and the decoded images of each item that was saved.
        self.saved: list[Callable[[Path, list[dict[str, Any]], list[Image]], None]] = []
        #: Called with the session's folder, an attempt's token and its images: what a model said of each, where one did.
        self.scores_of: Callable[[Path, str, list[Image]], Sequence[Mapping[str, Any] | None]] = lambda *_: ()
        self._loaded: OrderedDict[str, LoadedSession] = OrderedDict()
        self._saves: dict[str, deque[float]] = {}
        self.credentials: dict[str, Mapping[str, str]] = {}
        self._lock = threading.RLock()

    def submit(self, request: SessionRequest) -> Submitted:
        """See ``ordering.submit``."""
        return ordering.submit(self, request)

    # ---- feeding ---------------------------------------------------------------------------------------------------------

    def batch(self, session_id: str) -> int:
        """The most images that were ordered for one prompt."""
        return max(part.options.batch for part in self.load(session_id).parts)

    def groups(self, session_id: str, items: Sequence[ItemRow], most: int) -> list[list[ItemRow]]:
        """See ``LoadedSession.groups``."""
        parts = self.load(session_id).parts
        if any(item.part >= len(parts) for item in items):  # extended in this moment, by another thread
            self.forget(session_id)
        return self.load(session_id).groups(items, most)

    def child(self, items: Sequence[ItemRow], attempts: Mapping[int, int]) -> Child:
        """The prompt of an item or of a group. Raises what rendering raises; the caller records it as the item's failure."""
        loaded = self.load(items[0].session)
        child = loaded.child_of(items, attempts)
        checkpoint = loaded.checkpoint(items[0])
        if checkpoint and (path := self.host.checkpoint_path(checkpoint)):
            self.models.start(checkpoint, path)  # its hash is known when the image comes
        return Child(child.prompt, {**self.credentials.get(loaded.id, {}), **child.extra_data})

    # ---- saving ----------------------------------------------------------------------------------------------------------

    def save(
        self, token: str, images: Iterable[Image], prompt: Mapping[str, Any], extra_pnginfo: Mapping[str, Any]
    ) -> list[Path]:
        """Write the images of one attempt and mark its item done. Gives the files, the first one being the item's. Of a group every
        item gets the image in its place, with the metadata of a prompt of its own.

        What the files say comes from the stored plan; of ``extra_pnginfo`` only further chunks such as the workflow are taken.
        A full disk or a folder that cannot be written pauses the session; the item stays to be done. Raises ``not-batchable`` when
        a group did not come with one image for each item.
        """
        session_id, indexes = parse_token(token)
        loaded = self.load(session_id)
        claimed = extra_pnginfo.get("sdgen")
        claimed = claimed if isinstance(claimed, dict) else {}
        if (claimed.get("session"), claimed.get("indexes", [claimed.get("index")])) != (session_id, indexes):
            raise SDGenError(
                "bad-item", f"this prompt names item {indexes[0]} of session {session_id} but was not queued by it"
            )
        try:
            items = [self.ledger.item(session_id, idx) for idx in indexes]
            pictures = list(images)
            scores = self.scores_of(loaded.folder, token, pictures)
            if len(items) == 1:
                return self._save(loaded, items[0], pictures, prompt, extra_pnginfo, time.monotonic(), scores)
            return self._save_group(loaded, items, pictures, extra_pnginfo, scores)
        except SDGenError as error:
            if error.code in _MACHINE_ERRORS:
                # The ledger may be on the full disk too; then the feeder waits until it can write again.
                with contextlib.suppress(SDGenError):
                    self.ledger.put_back(session_id, indexes)
                    self.pause(session_id, error.advice)
            raise

    def _save_group(
        self,
        loaded: LoadedSession,
        items: list[ItemRow],
        images: list[Image],
        extra_pnginfo: Mapping[str, Any],
        scores: Sequence[Mapping[str, Any] | None],
    ) -> list[Path]:
        if len(images) != len(items):
            raise SDGenError("not-batchable", f"a batch of {len(items)} items came with {len(images)} images")
        # They came together, so each has its share of the time.
        begun, now = loaded.last_saved, time.monotonic()
        share = (now - begun) / len(items)

        def write(
            item: ItemRow, image: Image, own: Child, model_hash: str | None, said: Mapping[str, Any] | None
        ) -> list[dict[str, Any]]:
            chunks = {**extra_pnginfo, **own.extra_data["extra_pnginfo"]}
            return loaded.write(item, [image], own.prompt, chunks, model_hash, round(share, 4), [said])

        every = [*scores, *[None] * (len(items) - len(scores))]
        own = [
            (loaded.child(item, item.attempts), self._model_hash(loaded, item), said)
            for item, said in zip(items, every, strict=True)
        ]
        # Most of writing is waiting for the disk: that is done for all at once.
        with ThreadPoolExecutor(len(items), "sdgen-save") as pool:
            written = [pool.submit(write, i, image, *what) for i, image, what in zip(items, images, own, strict=True)]
        files: list[Path] = []
        for n, (item, image, entries) in enumerate(zip(items, images, written, strict=True), 1):
            if entries.exception() is None:
                files += self._record(loaded, item, entries.result(), [image], share, begun + share * n)
        for entries in written:
            entries.result()  # what could be written is recorded; then the first failure is raised
        return files

    def _save(
        self,
        loaded: LoadedSession,
        item: ItemRow,
        images: list[Image],
        prompt: Mapping[str, Any],
        extra_pnginfo: Mapping[str, Any],
        now: float,
        scores: Sequence[Mapping[str, Any] | None],
    ) -> list[Path]:
        """Save one item that was ready at ``now``, in seconds of the monotonic clock."""
        model_hash, seconds = self._model_hash(loaded, item), now - loaded.last_saved
        entries = loaded.write(item, images, prompt, extra_pnginfo, model_hash, round(seconds, 4), scores)
        return self._record(loaded, item, entries, images, seconds, now)

    def _model_hash(self, loaded: LoadedSession, item: ItemRow) -> str | None:
        checkpoint = loaded.checkpoint(item)
        return self.models.wait(checkpoint, timeout=120) if checkpoint else None

    def _record(
        self,
        loaded: LoadedSession,
        item: ItemRow,
        entries: list[dict[str, Any]],
        images: list[Image],
        seconds: float,
        now: float,
    ) -> list[Path]:
        """Note that an item's files are there, in journal and ledger."""
        part = loaded.parts[item.part]
        for entry in entries:
            loaded.manifest.image(entry)
        loaded.last_saved = now
        self._saves.setdefault(loaded.id, deque(maxlen=30)).append(now)
        first = entries[0]
        self.ledger.mark_done(
            loaded.id, item.idx, file=first["filename"], sha256=first["sdgen"]["sha256"], seconds=seconds
        )
        if part.annotations is not None:
            for entry in entries:
                self.annotator.add(loaded.folder / entry["filename"], entry["applied_variations"], part.annotations)
        for listener in self.saved:
            listener(loaded.folder, entries, images)
        self.notify(loaded.id)
        return [loaded.folder / entry["filename"] for entry in entries]

    # ---- the session's course --------------------------------------------------------------------------------------------

    def item_failed(self, session_id: str, idx: int, code: str, message: str) -> None:
        """Record an item's failure in ledger and journal; the session goes on."""
        if self.ledger.mark_failed(session_id, idx, {"error": code, "message": message}):
            row = self.ledger.item(session_id, idx)
            with manifest_may_wait(self.ledger.session(session_id).folder):
                self.load(session_id).manifest.failed(idx, code, message, row.attempts)
            self.notify(session_id)

    def finish_if_done(self, session_id: str) -> SessionRow:
        """Close a session that has nothing left to do: completed, or failed when items failed."""
        row = self.ledger.session(session_id)
        state, reason = "completed", ""
        if row.failed:
            state, reason = "failed", f"{row.failed} of {row.total} images failed"
        # one that had failed may have fewer failures now: some were skipped
        if row.left == 0 and (
            row.state not in ("completed", "failed") or (row.state == "failed" and row.reason != reason)
        ):
            # The manifest first: whoever reads "completed" finds it whole, and after a crash in between this is done again.
            # The word is the predecessor's for a run that came to its end; the failed items are listed beside it.
            with manifest_may_wait(row.folder):
                self.catch_up(row)
                self.load(session_id).manifest.status("completed")
                self.forget(session_id)
            if self.ledger.close_session(session_id, state, reason):
                self.credentials.pop(session_id, None)
                self.notify(session_id)
            else:  # it was extended or retried in this moment
                with manifest_may_wait(row.folder):
                    self.load(session_id).manifest.status("ongoing")
            row = self.ledger.session(session_id)
        return row

    def pause(self, session_id: str, reason: str = "") -> SessionRow:
        """Stop feeding a session; what is in the queue goes back. Raises ``bad-state`` for ended sessions."""
        row = self.ledger.session(session_id)
        if row.state not in ("planned", "running", "paused"):
            raise SDGenError("bad-state", f"session {row.name} is {row.state}: there is nothing to pause")
        if row.state != "paused":
            with manifest_may_wait(row.folder):
                self.load(row.id).manifest.write()
            if self.ledger.set_state(row.id, "paused", reason, only_from=("planned", "running")):
                self.notify(row.id)
        return self.ledger.session(row.id)

    def stop(self, session_id: str, reason: str = "stopped by the user") -> SessionRow:
        """End a session before its end; its images stay, and ``resume`` takes it up again. Raises ``bad-state``."""
        row = self.ledger.session(session_id)
        if row.state not in ("planned", "running", "paused", "stopped"):
            raise SDGenError("bad-state", f"session {row.name} is {row.state}: there is nothing to stop")
        if row.state != "stopped":
            self.ledger.set_state(row.id, "stopped", reason)
            with manifest_may_wait(row.folder):
                self.load(row.id).manifest.status("aborted")
            self.notify(row.id)
        return self.ledger.session(row.id)

    def resume(self, session_id: str) -> SessionRow:
        """Go on with what is left. Failed items stay failed (see ``retry``). Raises ``bad-state`` when nothing is left."""
        row = self.finish_if_done(session_id)
        if row.left == 0:
            hint = f"; `sdgen sessions retry {row.id}` makes the {row.failed} failed again" if row.failed else ""
            raise SDGenError("bad-state", f"session {row.name} is {row.state}: nothing is left to do{hint}")
        if row.state not in ("planned", "running"):
            row = found_folder(self, row)
            with manifest_may_wait(row.folder):
                self.catch_up(row)
                self.load(row.id).manifest.status("ongoing")
            self.load(row.id).last_saved = time.monotonic()
            self.ledger.line_up(row.id)
            self.notify(row.id)
        return self.ledger.session(row.id)

    def begin(self, session_id: str) -> SessionRow:
        """A session in line has its turn."""
        if self.ledger.set_state(session_id, "running", only_from=("planned",)):
            self.load(session_id).last_saved = time.monotonic()
            self.notify(session_id)
        return self.ledger.session(session_id)

    def skip(self, session_id: str, indexes: Iterable[int]) -> tuple[SessionRow, int]:
        """Leave items out that wait or failed. Gives the session and how many; done and queued ones stay what they are."""
        row = self.ledger.session(session_id)
        wanted = list(indexes)
        beyond = [idx for idx in wanted if not 0 <= idx < self.ledger.end(row.id)]
        if beyond:
            raise SDGenError("unknown-item", f"session {row.name} has no item {beyond[0]}")
        skipped = self.ledger.skip(row.id, wanted)
        self.notify(row.id)
        return self.finish_if_done(row.id), skipped

    def retry(self, session_id: str, *, skipped: bool = False) -> tuple[SessionRow, int]:
        """Make the failed items again, those whose file is gone, and on demand the skipped ones, among which are those thrown away.
        Gives the session and how many were put back."""
        row = self.ledger.session(session_id)
        settle_removed(self, row)
        again = self.ledger.put_back(row.id, state="failed")
        if skipped:
            again += self.ledger.put_back(row.id, state="skipped")
        gone = [i.idx for i in self.ledger.items(row.id, "done") if not (row.folder / str(i.file)).is_file()]
        again += self.ledger.put_back(row.id, gone, state="done")
        if again:
            self.resume(row.id)
        return self.ledger.session(row.id), again

    def catch_up(self, row: SessionRow) -> None:
        """Bring what the folder says up to the ledger's word: after a power cut, a full disk or a careless hand the manifest may lack
        images, and it and ``sdgen-session.json`` may know an older plan."""
        row = self.ledger.session(row.id)
        journal = JournalIndex(row.folder)  # read anew: what every later snapshot is written from
        journal.update()
        if journal.removed:
            settle_removed(self, row)
            row = self.ledger.session(row.id)
        if len({index for index, _, _ in journal.images.values()}) < row.done:
            log.info("SDGen: the manifest of session %s is rebuilt from its images", row.name)
            rebuild(row.folder)
            self.forget(row.id)
        write_session_file(self.ledger, row.id)
        if ManifestData(row.folder, journal.snapshot or {}).num_images != row.total:
            ordering.replanned(self, row.id)

    def status(self, row: SessionRow) -> dict[str, Any]:
        """A session for people and programs; rate and time left come from the last 30 saves of this process."""
        saves = self._saves.get(row.id, deque())
        rate = (len(saves) - 1) / max(saves[-1] - saves[0], 1e-6) if len(saves) > 1 else None
        running = row.state == "running"
        return {
            "id": row.id,
            "name": row.name,
            "state": row.state,
            "reason": row.reason,
            "planned": row.total,
            "done": row.done,
            "failed": row.failed,
            "skipped": row.skipped,
            "left": row.left,
            "folder": str(row.folder),
            "manifest": str(row.folder / "manifest.json"),
            "created": datetime.fromtimestamp(row.created).isoformat(timespec="seconds"),
            "seconds_per_image": round(row.seconds / row.done, 3) if row.done else None,
            "images_per_minute": round(rate * 60, 1) if rate and running else None,
            "eta_seconds": round(row.left / rate) if rate and running else None,
        }

    def details(self, session_id: str) -> dict[str, Any]:
        """The status, with the failed items and ComfyUI's messages (the first 100 of them), and where it may be moved to."""
        row = self.ledger.session(session_id)
        failures = [
            {"index": item.idx, **(json.loads(item.error) if item.error else {})}
            for item in self.ledger.items(row.id, "failed", limit=100)
        ]
        return {**self.status(row), "failures": failures, "places": list(self.places)}

    # ---- inside ----------------------------------------------------------------------------------------------------------

    def load(self, session_id: str) -> LoadedSession:
        """The session's immutable side, kept while it is in use."""
        with self._lock:
            loaded = self._loaded.get(session_id)
            if loaded is None:
                loaded = LoadedSession(self.ledger.session(session_id), self.ledger.parts(session_id), self.host)
                self._loaded[session_id] = loaded
                while len(self._loaded) > 8:
                    self.forget(next(iter(self._loaded)))
            self._loaded.move_to_end(session_id)
            return loaded

    def forget(self, session_id: str) -> None:
        """Read the session anew next time; its manifest is written."""
        with self._lock:
            if loaded := self._loaded.pop(session_id, None):
                with manifest_may_wait(loaded.folder):
                    loaded.manifest.close()

    def close(self) -> None:
        """Write the manifests and copies that are due and close the ledger."""
        self.annotator.close()
        with self._lock:
            for session_id in list(self._loaded):
                self.forget(session_id)
        self.ledger.close()

    def notify(self, session_id: str) -> None:
        """Tell whoever listens that a session changed."""
        for listener in self.changed:
            listener(session_id)


def status_text(status: dict[str, Any]) -> str:
    """One line for people: ``12 of 48 images · 1 failed · 90 a minute · 24 s left``."""
    parts = [f"{status['name']}: {status['done']:,} of {status['planned']:,} images"]
    if status["failed"]:
        parts.append(f"{status['failed']:,} failed")
    if status["state"] != "running":
        parts.append(status["state"] + (f": {status['reason']}" if status["reason"] else ""))
    if status["images_per_minute"]:
        parts.append(f"{status['images_per_minute']:g} a minute")
    if status["eta_seconds"]:
        parts.append(f"{duration(status['eta_seconds'])} left")
    return " · ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as people say them: ``24 s``, ``3 min``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
