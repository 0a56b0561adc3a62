"""What can be done with sessions: submit, feed, save, pause, resume, retry, recover.

One ``Sessions`` object serves a ComfyUI process: the planner node submits, the feeder asks for child prompts, the save node
hands in images, routes and the command line read states. All of them meet in the ledger; nothing here knows ComfyUI.

Exactly once on disk: the file name is a pure function of the item, a save is write → fsync → replace → journal → ledger, and an
item whose "done" was not committed is made again under the same name.
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
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError
from .compile import CompiledGraph, Prompt, compile_graph
from .files import remove_leftovers
from .items import Child, Host, LoadedSession, parse_token
from .ledger import ItemRow, Ledger, Part, SessionRow, new_session_id
from .manifest import ManifestWriter, build_snapshot
from .models import ModelHashes
from .naming import create_session_folder, safe_name, session_folder_name
from .parameters import ParameterRules, Parameters
from .plan import Plan
from .reading import load_manifest
from .recovery import rebuild, verify

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

    def __init__(self, ledger: Ledger, root: Path, host: Host, *, user_dir: Path) -> None:
        self.ledger = ledger
        self.root = root
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
        self._start_hashing(compiled.checkpoint)
        name = safe_name(request.name.strip() or plan.resolved.session_name)
        key = self._key(request, compiled, name)
        # An extension pressed again is the same order too: it attaches and adds nothing.
        same = self.ledger.find(key=key) if request.on_existing != "new" else None
        if same is not None and same.folder.is_dir():
            return self._attach(same, request, warnings)
        older = self.ledger.find(name=name) if request.on_existing == "extend" else None
        if older is not None and older.folder.is_dir():
            plans = [Plan.from_json(part.plan) for part in self.ledger.parts(older.id)]
            request = replace(request, plan=plan.drawn_as(plans[0]))
            return self._extend(older, request, plans, key, warnings)
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
        except BaseException:
            _remove_empty_session(folder)
            raise
        self._credentials[session_id] = request.credentials
        self._notify(session_id)
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

    def _extend(
        self, row: SessionRow, request: SessionRequest, plans: list[Plan], key: str, warnings: list[str]
    ) -> Submitted:
        there = {plans[item.part].identity(item.n) for item in self.ledger.items(row.id)}
        wanted = [n for n in range(request.plan.count) if request.plan.identity(n) not in there]
        if not wanted:
            return self._attach(row, request, warnings)
        self.ledger.set_client(row.id, request.client)
        self._credentials[row.id] = request.credentials
        added = self.ledger.extend(row.id, key=key, part=self._part(request), items=wanted)
        self._forget(row.id)
        loaded = self._load(row.id)
        checkpoint = loaded.parts[-1].graph.checkpoint
        snapshots = [self._snapshot(row.id, plan, loaded.created, checkpoint) for plan in [*plans, request.plan]]
        with _manifest_may_wait(row.folder):
            loaded.manifest.extended(_merged(snapshots, total=row.total + added))
        self._notify(row.id)
        return Submitted(self.ledger.session(row.id), "extended", added, warnings)

    def _snapshot(self, session_id: str, plan: Plan, started: datetime, checkpoint: str | None) -> dict[str, Any]:
        extra = {"session": session_id, "comfyui": self.host.version}
        return build_snapshot(plan, started=started, checkpoint=checkpoint, extra=extra)

    # ---- feeding ---------------------------------------------------------------------------------------------------------

    def child(self, item: ItemRow, attempt: int) -> Child:
        """The prompt of one item. Raises what rendering raises; the caller records it as the item's failure."""
        child = self._load(item.session).child(item, attempt)
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
        loaded = self._load(session_id)
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
        self._notify(loaded.id)
        return [loaded.folder / entry["filename"] for entry in entries]

    # ---- the session's course --------------------------------------------------------------------------------------------

    def item_failed(self, session_id: str, idx: int, code: str, message: str) -> None:
        """Record an item's failure in ledger and journal; the session goes on."""
        if self.ledger.mark_failed(session_id, idx, {"error": code, "message": message}):
            row = self.ledger.item(session_id, idx)
            with _manifest_may_wait(self.ledger.session(session_id).folder):
                self._load(session_id).manifest.failed(idx, code, message, row.attempts)
            self._notify(session_id)

    def finish_if_done(self, session_id: str) -> SessionRow:
        """Close a running or paused session that has nothing left to do: completed, or failed when items failed."""
        row = self.ledger.session(session_id)
        if row.state in ("running", "paused") and row.left == 0:
            state, reason = "completed", ""
            if row.failed:
                state, reason = "failed", f"{row.failed} of {row.total} images failed"
            # The manifest first: whoever reads "completed" finds it whole, and after a crash in between this is done again.
            # The word is the predecessor's for a run that came to its end; the failed items are listed beside it.
            with _manifest_may_wait(row.folder):
                self._load(session_id).manifest.status("completed")
                self._forget(session_id)
            if self.ledger.close_session(session_id, state, reason):
                self._credentials.pop(session_id, None)
                self._notify(session_id)
            else:  # it was extended or retried in this moment
                with _manifest_may_wait(row.folder):
                    self._load(session_id).manifest.status("ongoing")
            row = self.ledger.session(session_id)
        return row

    def pause(self, session_id: str, reason: str = "") -> SessionRow:
        """Stop feeding a running session; what is in the queue goes back. Raises ``bad-state`` for ended sessions."""
        row = self.ledger.session(session_id)
        if row.state not in ("running", "paused"):
            raise SDGenError("bad-state", f"session {row.name} is {row.state}: there is nothing to pause")
        if row.state == "running":
            with _manifest_may_wait(row.folder):
                self._load(row.id).manifest.write()
            if self.ledger.set_state(row.id, "paused", reason, only_from=("running",)):
                self._notify(row.id)
        return self.ledger.session(row.id)

    def resume(self, session_id: str) -> SessionRow:
        """Go on with what is left. Failed items stay failed (see ``retry``). Raises ``bad-state`` when nothing is left."""
        row = self.finish_if_done(session_id)
        if row.left == 0:
            hint = f"; `sdgen sessions retry {row.id}` makes the {row.failed} failed again" if row.failed else ""
            raise SDGenError("bad-state", f"session {row.name} is {row.state}: nothing is left to do{hint}")
        if row.state != "running":
            loaded = self._load(row.id)
            if not loaded.folder.is_dir():
                raise SDGenError("missing-file", f"the folder of session {row.name} is gone: {loaded.folder}")
            loaded.last_saved = time.monotonic()
            with _manifest_may_wait(row.folder):
                self._catch_up(row)
                loaded.manifest.status("ongoing")
            self.ledger.set_state(row.id, "running")
            self._notify(row.id)
        return self.ledger.session(row.id)

    def retry(self, session_id: str) -> tuple[SessionRow, int]:
        """Make the failed items again, and those whose file is gone. Gives the session and how many were put back."""
        row = self.ledger.session(session_id)
        again = self.ledger.put_back(row.id, state="failed")
        gone = [i.idx for i in self.ledger.items(row.id, "done") if not (row.folder / str(i.file)).is_file()]
        again += self.ledger.put_back(row.id, gone, state="done")
        if again:
            self.resume(row.id)
        return self.ledger.session(row.id), again

    def recover(self) -> list[SessionRow]:
        """After a start: queued items are done when their file is whole, else to be done again. Gives running sessions.

        ComfyUI's queue is empty after a start, so no queued item can still arrive. A session that cannot be read is paused
        with the reason; it must not keep the others from running.
        """
        running = []
        for row in self.ledger.sessions():
            if not row.queued and row.state not in ("running", "paused"):
                continue
            try:
                for item in self.ledger.items(row.id, "queued"):
                    if not self._adopt(row, item):
                        self.ledger.put_back(row.id, [item.idx])
                if row.queued or row.state == "running":
                    remove_leftovers(row.folder, min_age=0)  # this process has not saved anything yet
                    self._catch_up(row)
                row = self.finish_if_done(row.id)
                if row.state == "running":
                    running.append(row)
            except Exception as error:
                log.exception("SDGen: session %s cannot be taken up", row.name)
                self.ledger.put_back(row.id)
                self.ledger.set_state(row.id, "paused", f"cannot be taken up: {error}", only_from=("running",))
        return running

    def _adopt(self, row: SessionRow, item: ItemRow) -> bool:
        """Take over an item's files that were written before the ledger could say so."""
        loaded = self._load(row.id)
        entries = loaded.found(item)
        for entry in entries:
            loaded.manifest.image(entry)
        if entries:
            first = entries[0]
            self.ledger.mark_done(row.id, item.idx, file=first["filename"], sha256=first["sdgen"]["sha256"])
        return bool(entries)

    def _catch_up(self, row: SessionRow) -> None:
        """Rebuild a manifest that is behind the ledger: after a power cut its last lines may not have reached the disk."""
        row = self.ledger.session(row.id)
        listed = {entry.get("sdgen", {}).get("index") for entry in load_manifest(row.folder).images}
        if len(listed) < row.done:
            log.info("SDGen: the manifest of session %s is rebuilt from its images", row.name)
            rebuild(row.folder)
            self._forget(row.id)

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

    def verify(self, session_id: str, *, hashes: bool = False, repair: bool = False) -> dict[str, Any]:
        """Files against manifest and ledger. ``ok`` when all agree; ``hashes`` also reads every file, ``repair`` first
        rebuilds the manifest from what is there."""
        row = self.ledger.session(session_id)
        if repair:
            self._forget(row.id)
            rebuild(row.folder)
            self._load(row.id).manifest.status("completed" if row.state in ("completed", "failed") else "ongoing")
        report = verify(row.folder, hashes=hashes).to_dict()
        unsaved = [i.idx for i in self.ledger.items(row.id, "done") if not (row.folder / str(i.file)).is_file()]
        report["done_without_file"] = unsaved
        report["ok"] = bool(report["ok"]) and not unsaved
        return {**self.status(row), "verify": report}

    # ---- inside ----------------------------------------------------------------------------------------------------------

    def _load(self, session_id: str) -> LoadedSession:
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

    def _forget(self, session_id: str) -> None:
        with self._lock:
            if loaded := self._loaded.pop(session_id, None):
                loaded.manifest.close()

    def close(self) -> None:
        """Write the manifests that are due and close the ledger."""
        with self._lock:
            for session_id in list(self._loaded):
                self._forget(session_id)
        self.ledger.close()

    def _start_hashing(self, checkpoint: str | None) -> None:
        if checkpoint and (path := self.host.checkpoint_path(checkpoint)):
            self.models.start(checkpoint, path)

    def _notify(self, session_id: str) -> None:
        for listener in self.changed:
            listener(session_id)


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


@contextlib.contextmanager
def _manifest_may_wait(folder: Path) -> Iterator[None]:
    """A manifest that cannot be written now (disk full, folder gone) is rebuilt later; the ledger's word must not wait for it."""
    try:
        yield
    except (SDGenError, OSError) as error:
        log.warning("SDGen: the manifest in %s is behind: %s", folder, error)


def _remove_empty_session(folder: Path) -> None:
    """Take back a folder that never became a session; a folder with images is never touched."""
    for name in ("manifest.json", "manifest.jsonl"):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
