"""What can be done with sessions: submit, feed, save, pause, resume, stop, retry, skip.

One ``Sessions`` object serves a ComfyUI process: the planner node submits, the feeder asks for child prompts, the save node
hands in images, routes and the command line read states. All of them meet in the ledger; nothing here knows ComfyUI.

Exactly once on disk: the file name is a pure function of the item, a save is write → fsync → replace → journal → ledger, and an
item whose "done" was not committed is made again under the same name. Changes of a session's plan are in ``changes``, its care
(recovery, checks, moving) in ``upkeep``.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError
from .compile import CompiledGraph, Prompt, compile_graph
from .items import Child, Host, LoadedSession, parse_token
from .ledger import ItemRow, Ledger, Part, SessionRow, new_session_id
from .manifest import ManifestWriter, build_snapshot, manifest_may_wait
from .models import ModelHashes
from .naming import create_session_folder, safe_name, session_folder_name
from .parameters import ParameterRules, Parameters, ineffective_parameters
from .plan import Plan
from .reading import load_manifest
from .recovery import rebuild
from .session_file import SESSION_FILE, write_session_file

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger("sdgen")

#: More items than this in one session are more likely a slip than a wish; `count` or a limit says otherwise.
MAX_ITEMS = 1_000_000

ON_EXISTING = ("resume", "extend", "new")

#: Errors of the machine, not of the item: the session waits for the user instead of failing item after item.
_MACHINE_ERRORS = frozenset({"disk-full", "unwritable-folder", "ledger-unusable"})


@dataclass(frozen=True)
class SessionRequest:
    """An order for a session, as the planner node gives it.

    ``name`` overrides the template's session name when not empty; ``item_widget`` is the place of the planner's ``item`` widget
    in the canvas workflow. ``credentials`` are what ComfyUI's API nodes sign in with; they stay in memory.
    """

    plan: Plan
    graph: Prompt
    planner: str
    defaults: Parameters
    workflow: dict[str, Any] | None = None
    client: str | None = None
    name: str = ""
    on_existing: str = "resume"
    item_widget: int = 0
    credentials: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Submitted:
    """What became of a request: ``action`` is created, resumed, extended or complete; ``added`` counts new items."""

    session: SessionRow
    action: str
    added: int
    warnings: list[str]


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
        self.models = ModelHashes(user_dir / "model_hashes.json")
        #: Called (with the session id) whenever an item or a session changed; the feeder and the status line listen.
        self.changed: list[Callable[[str], None]] = []
        self._loaded: OrderedDict[str, LoadedSession] = OrderedDict()
        self._saves: dict[str, deque[float]] = {}
        self._credentials: dict[str, Mapping[str, str]] = {}
        self._lock = threading.RLock()

    # ---- ordering --------------------------------------------------------------------------------------------------------

    def submit(self, request: SessionRequest) -> Submitted:
        """Make a session of ``request``, or attach to the one that is meant, by ``on_existing``.

        Raises the errors of the plan, the graph and the parameters before anything is written.
        """
        if request.on_existing not in ON_EXISTING:
            raise SDGenError(
                "bad-option", f"on existing must be one of {', '.join(ON_EXISTING)}, not {request.on_existing!r}"
            )
        plan = request.plan
        count = plan.count
        if count == 0:
            raise SDGenError("empty-plan", f"the plan of {plan.resolved.name!r} is empty: 0 images")
        if count > MAX_ITEMS:
            raise SDGenError(
                "plan-too-large", f"the plan of {plan.resolved.name!r} has {count:,} images, more than {MAX_ITEMS:,}"
            )
        compiled = compile_graph(request.graph, request.planner)
        rules = ParameterRules(request.defaults, self.host.samplers(), self.host.schedulers())
        rules.resolve(plan.resolved.parameters)
        warnings = [str(w) for w in plan.warnings]
        warnings += [f"parameter {key!r} has no effect" for key in ineffective_parameters(plan.resolved.parameters)]
        self._start_hashing(compiled.checkpoint)
        name = safe_name(request.name.strip() or plan.resolved.session_name)
        key = self._key(request, compiled, name)
        # An extension pressed again is the same order too: it attaches and adds nothing.
        same = self.ledger.find(key=key) if request.on_existing != "new" else None
        if same is not None and same.folder.is_dir():
            return self._attach(same, request, warnings)
        older = self.ledger.find(named=request.name.strip() or name) if request.on_existing == "extend" else None
        if older is not None and older.folder.is_dir():
            plans = [Plan.from_json(part.plan) for part in self.ledger.parts(older.id)]
            request = replace(request, plan=plan.drawn_as(plans[0]))
            return self.add(older, request, plans, key, warnings)
        return self._create(request, key, name, compiled, warnings)

    def _part(self, request: SessionRequest) -> Part:
        return Part(
            plan=request.plan.to_json(),
            graph=request.graph,
            planner=request.planner,
            workflow=request.workflow,
            defaults={**request.defaults.to_dict(), "item_widget": request.item_widget},
        )

    def _key(self, request: SessionRequest, compiled: CompiledGraph, name: str) -> str:
        """What was asked for. A random base seed is no part of it: pressing Run twice means the same session."""
        nodes = {node_id: [node["class_type"], node["inputs"]] for node_id, node in compiled.nodes.items()}
        asked = [request.plan.fingerprint(), nodes, compiled.slots, request.defaults.to_dict(), name]
        return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()

    def _create(
        self, request: SessionRequest, key: str, name: str, compiled: CompiledGraph, warnings: list[str]
    ) -> Submitted:
        resolved = request.plan.resolved
        started = datetime.now()
        folder = create_session_folder(self.root, session_folder_name(started, name, resolved.theme, resolved.style))
        session_id = new_session_id()
        try:
            snapshot = self._snapshot(session_id, request.plan, started, compiled.checkpoint)
            ManifestWriter(folder).start(snapshot)
            self.ledger.create(
                session_id=session_id,
                key=key,
                name=name,
                folder=folder,
                part=self._part(request),
                items=range(request.plan.count),
                client=request.client,
            )
            with manifest_may_wait(folder):
                write_session_file(self.ledger, session_id)
        except BaseException:
            _remove_empty_session(folder)
            raise
        self._credentials[session_id] = request.credentials
        self.notify(session_id)
        return Submitted(self.ledger.session(session_id), "created", request.plan.count, warnings)

    def _attach(self, row: SessionRow, request: SessionRequest, warnings: list[str]) -> Submitted:
        self.ledger.set_client(row.id, request.client)
        self._credentials[row.id] = request.credentials
        _, again = self.retry(row.id)
        row = self.ledger.session(row.id)
        if row.left == 0:
            row = self.finish_if_done(row.id)
            return Submitted(row, "complete", 0, warnings)
        if not again:
            row = self.resume(row.id)
        return Submitted(row, "resumed", 0, warnings)

    def add(
        self, row: SessionRow, request: SessionRequest, plans: list[Plan], key: str, warnings: list[str]
    ) -> Submitted:
        """Append what ``request`` asks for and the session (made of ``plans``) lacks."""
        there = {_made_of(plans[item.part], item.n) for item in self.ledger.items(row.id)}
        wanted = [n for n in range(request.plan.count) if _made_of(request.plan, n) not in there]
        if not wanted:
            return self._attach(row, request, warnings)
        self.ledger.set_client(row.id, request.client)
        self._credentials[row.id] = request.credentials
        added = self.ledger.extend(row.id, key=key, part=self._part(request), items=wanted)
        with manifest_may_wait(row.folder):
            write_session_file(self.ledger, row.id)
        self.replanned(row.id)
        return Submitted(self.ledger.session(row.id), "extended", added, warnings)

    def replanned(self, session_id: str) -> None:
        """The plan of a session has changed: its manifest says so."""
        self.forget(session_id)
        row = self.ledger.session(session_id)
        loaded = self.load(session_id)
        checkpoint = loaded.parts[-1].graph.checkpoint
        snapshots = [self._snapshot(row.id, part.plan, loaded.created, checkpoint) for part in loaded.parts]
        with manifest_may_wait(row.folder):
            loaded.manifest.extended(_merged(snapshots, total=row.total))
        self.notify(session_id)

    def _snapshot(self, session_id: str, plan: Plan, started: datetime, checkpoint: str | None) -> dict[str, Any]:
        extra = {"session": session_id, "comfyui": self.host.version}
        return build_snapshot(plan, started=started, checkpoint=checkpoint, extra=extra)

    # ---- feeding ---------------------------------------------------------------------------------------------------------

    def child(self, item: ItemRow, attempt: int) -> Child:
        """The prompt of one item. Raises what rendering raises; the caller records it as the item's failure."""
        child = self.load(item.session).child(item, attempt)
        return Child(child.prompt, {**self._credentials.get(item.session, {}), **child.extra_data})

    # ---- saving ----------------------------------------------------------------------------------------------------------

    def save(
        self, token: str, images: Iterable[Image], prompt: Mapping[str, Any], extra_pnginfo: Mapping[str, Any]
    ) -> list[Path]:
        """Write the images of one attempt and mark its item done. Gives the files, the first one being the item's.

        What the files say comes from the stored plan; of ``extra_pnginfo`` only further chunks such as the workflow are taken.
        A full disk or a folder that cannot be written pauses the session; the item stays to be done.
        """
        session_id, idx = parse_token(token)
        loaded = self.load(session_id)
        claimed = extra_pnginfo.get("sdgen")
        if not isinstance(claimed, dict) or (claimed.get("session"), claimed.get("index")) != (session_id, idx):
            raise SDGenError(
                "bad-item", f"this prompt names item {idx} of session {session_id} but was not queued by it"
            )
        try:
            return self._save(loaded, self.ledger.item(session_id, idx), list(images), prompt, extra_pnginfo)
        except SDGenError as error:
            if error.code in _MACHINE_ERRORS:
                # The ledger may be on the full disk too; then the feeder waits until it can write again.
                with contextlib.suppress(SDGenError):
                    self.ledger.put_back(session_id, [idx])
                    self.pause(session_id, str(error))
            raise

    def _save(
        self,
        loaded: LoadedSession,
        item: ItemRow,
        images: list[Image],
        prompt: Mapping[str, Any],
        extra_pnginfo: Mapping[str, Any],
    ) -> list[Path]:
        checkpoint = loaded.parts[item.part].graph.checkpoint
        model_hash = self.models.wait(checkpoint, timeout=120) if checkpoint else None
        now = time.monotonic()
        seconds = now - loaded.last_saved
        entries = loaded.write(item, images, prompt, extra_pnginfo, model_hash, round(seconds, 4))
        for entry in entries:
            loaded.manifest.image(entry)
        loaded.last_saved = now
        self._saves.setdefault(loaded.id, deque(maxlen=30)).append(now)
        first = entries[0]
        self.ledger.mark_done(
            loaded.id, item.idx, file=first["filename"], sha256=first["sdgen"]["sha256"], seconds=seconds
        )
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
        if row.state in ("planned", "running", "paused", "stopped") and row.left == 0:
            state, reason = "completed", ""
            if row.failed:
                state, reason = "failed", f"{row.failed} of {row.total} images failed"
            # The manifest first: whoever reads "completed" finds it whole, and after a crash in between this is done again.
            # The word is the predecessor's for a run that came to its end; the failed items are listed beside it.
            with manifest_may_wait(row.folder):
                self.load(session_id).manifest.status("completed")
                self.forget(session_id)
            if self.ledger.close_session(session_id, state, reason):
                self._credentials.pop(session_id, None)
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
            loaded = self.load(row.id)
            if not loaded.folder.is_dir():
                raise SDGenError("missing-file", f"the folder of session {row.name} is gone: {loaded.folder}")
            loaded.last_saved = time.monotonic()
            with manifest_may_wait(row.folder):
                self.catch_up(row)
                loaded.manifest.status("ongoing")
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
        """Make the failed items again, those whose file is gone, and on demand the skipped ones. Gives the session and how
        many were put back."""
        row = self.ledger.session(session_id)
        again = self.ledger.put_back(row.id, state="failed")
        if skipped:
            again += self.ledger.put_back(row.id, state="skipped")
        gone = [i.idx for i in self.ledger.items(row.id, "done") if not (row.folder / str(i.file)).is_file()]
        again += self.ledger.put_back(row.id, gone, state="done")
        if again:
            self.resume(row.id)
        return self.ledger.session(row.id), again

    def catch_up(self, row: SessionRow) -> None:
        """Rebuild a manifest that is behind the ledger: after a power cut its last lines may not have reached the disk."""
        row = self.ledger.session(row.id)
        listed = {entry.get("sdgen", {}).get("index") for entry in load_manifest(row.folder).images}
        if len(listed) < row.done:
            log.info("SDGen: the manifest of session %s is rebuilt from its images", row.name)
            rebuild(row.folder)
            self.forget(row.id)

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
        """The status, with the failed items and ComfyUI's messages (the first 100 of them)."""
        row = self.ledger.session(session_id)
        failures = [
            {"index": item.idx, **(json.loads(item.error) if item.error else {})}
            for item in self.ledger.items(row.id, "failed", limit=100)
        ]
        return {**self.status(row), "failures": failures}

    # ---- inside ----------------------------------------------------------------------------------------------------------

    def load(self, session_id: str) -> LoadedSession:
        """The session's immutable side, kept while it is in use."""
        with self._lock:
            loaded = self._loaded.get(session_id)
            if loaded is None:
                loaded = LoadedSession(self.ledger.session(session_id), self.ledger.parts(session_id), self.host)
                self._start_hashing(loaded.parts[-1].graph.checkpoint)
                self._loaded[session_id] = loaded
                while len(self._loaded) > 8:
                    self._loaded.popitem(last=False)[1].manifest.close()
            self._loaded.move_to_end(session_id)
            return loaded

    def forget(self, session_id: str) -> None:
        """Read the session anew next time; its manifest is written."""
        with self._lock:
            if loaded := self._loaded.pop(session_id, None):
                loaded.manifest.close()

    def close(self) -> None:
        """Write the manifests that are due and close the ledger."""
        with self._lock:
            for session_id in list(self._loaded):
                self.forget(session_id)
        self.ledger.close()

    def _start_hashing(self, checkpoint: str | None) -> None:
        if checkpoint and (path := self.host.checkpoint_path(checkpoint)):
            self.models.start(checkpoint, path)

    def notify(self, session_id: str) -> None:
        """Tell whoever listens that a session changed."""
        for listener in self.changed:
            listener(session_id)


def _made_of(plan: Plan, n: int) -> tuple[str | None, str, str]:
    """What tells the items of several plans apart: one key means another value in another theme."""
    return plan.resolved.theme, plan.resolved.style, plan.identity(n)


def _merged(snapshots: list[dict[str, Any]], *, total: int) -> dict[str, Any]:
    """The snapshot of an extended session: that of its newest part, with the values of all parts."""
    merged = copy.deepcopy(snapshots[-1])
    merged["generation_params"]["num_images"] = total
    for older in reversed(snapshots[:-1]):
        for name, values in older["variations"].items():
            target = merged["variations"].setdefault(name, {"available": [], "used": [], "count": 0})
            for which in ("available", "used"):
                target[which] = values[which] + [v for v in target[which] if v not in values[which]]
            target["count"] = len(target["available"])
    return merged


def _remove_empty_session(folder: Path) -> None:
    """Take back a folder that never became a session; a folder with images is never touched."""
    for name in ("manifest.json", "manifest.jsonl", SESSION_FILE):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


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
