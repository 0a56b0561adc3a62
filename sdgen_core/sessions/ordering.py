"""From an order to a session: a press of Run makes a new one, goes on with the one that is there, or extends it."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError
from ..templates.parameters import ParameterFiller, parameter_names
from .batching import BatchGraph, batch_graph
from .compile import CompiledGraph, Prompt, compile_graph
from .estimate import Estimate, estimate
from .items import LoadedPart, PartOptions
from .ledger import Part, SessionRow, new_session_id
from .manifest import ManifestWriter, build_snapshot, manifest_may_wait
from .mix import Mix, single
from .naming import create_session_folder, safe_name, session_folder_name
from .parameters import FILES, ParameterRules, Parameters, canonical_name
from .plan import Plan
from .session_file import SESSION_FILE, write_session_file
from .theme_loras import checked_loras, with_loras
from .upkeep import MANIFEST_STATUS

if TYPE_CHECKING:
    from .service import Sessions

#: More items than this in one session are more likely a slip than a wish; `count` or a limit says otherwise.
MAX_ITEMS = 1_000_000

ON_EXISTING = ("resume", "extend", "new")


@dataclass(frozen=True)
class SessionRequest:
    """An order for a session, as the planner node gives it.

    ``name`` overrides the template's session name when not empty; with ``on_existing`` "extend" it may also be a session's id or
    folder. ``credentials`` are what ComfyUI's API nodes sign in with; they stay in memory.
    """

    plan: Plan | Mix
    graph: Prompt
    planner: str
    defaults: Parameters
    workflow: dict[str, Any] | None = None
    client: str | None = None
    name: str = ""
    on_existing: str = "resume"
    options: PartOptions = field(default_factory=PartOptions)
    credentials: Mapping[str, str] = field(default_factory=dict)

    @property
    def mix(self) -> Mix:
        return self.plan if isinstance(self.plan, Mix) else single(self.plan)

    def parts(self, plans: tuple[Plan, ...]) -> list[Part]:
        """The order of each plan as the ledger keeps it."""
        defaults = self.options.stored(self.defaults)
        return [Part(p.to_json(), self.graph, self.planner, self.workflow, defaults) for p in plans]


@dataclass(frozen=True)
class Submitted:
    """What became of a request: ``action`` is created, resumed, extended or complete; ``added`` counts new items."""

    session: SessionRow
    action: str
    added: int
    warnings: list[str]
    estimate: Estimate | None = None


def submit(sessions: Sessions, request: SessionRequest) -> Submitted:
    """Make a session of ``request``, or attach to the one that is meant, by ``on_existing``.

    Raises the errors of the plan, the graph and the parameters before anything is written.
    """
    if request.on_existing not in ON_EXISTING:
        raise SDGenError(
            "bad-option", f"on existing must be one of {', '.join(ON_EXISTING)}, not {request.on_existing!r}"
        )
    mix = request.mix
    first = mix.plans[0].resolved if mix.plans else None
    if first is None or mix.count == 0:
        raise SDGenError("empty-plan", f"the plan{f' of {first.name!r}' if first else ''} is empty: 0 images")
    if mix.count > MAX_ITEMS:
        raise SDGenError(
            "plan-too-large", f"the plan of {first.name!r} has {mix.count:,} images, more than {MAX_ITEMS:,}"
        )
    compiled = compile_graph(request.graph, request.planner)
    warnings = [str(w) for w in mix.warnings]
    host = sessions.host
    rules = ParameterRules(request.defaults, host.samplers(), host.schedulers(), host.files)
    batching, remarks = _batching(request.options, compiled)
    for plan in mix.plans:
        loras = checked_loras(plan.resolved.theme, plan.resolved.loras, host.files("loras") if host.files else None)
        with_loras(compiled, loras)
        remarks += _check(plan, rules, compiled, batching)
    warnings += [w for w in dict.fromkeys(remarks) if w not in warnings]
    name = safe_name(request.name.strip() or first.session_name)
    key = _key(request, mix, compiled, name)
    ledger = sessions.ledger
    # An extension pressed again is the same order too: it attaches and adds nothing.
    same = ledger.find(key=key) if request.on_existing != "new" else None
    if same is not None and same.folder.is_dir():
        return _attach(sessions, same, request, warnings)
    older = ledger.find(named=request.name.strip() or name) if request.on_existing == "extend" else None
    if older is not None and older.folder.is_dir():
        plans = [Plan.from_json(part.plan) for part in ledger.parts(older.id)]
        return add(sessions, older, request, mix.drawn_as(plans[0]), plans, key, warnings)
    return _create(sessions, request, mix, key, name, warnings)


def _batching(options: PartOptions, compiled: CompiledGraph) -> tuple[BatchGraph | None, list[str]]:
    """How the graph makes several images at once, or why it makes them one by one though more were asked for."""
    if options.batch < 2:
        return None, []
    try:
        return batch_graph(compiled, anyway=options.batch_anyway), []
    except SDGenError as error:
        return None, [f"images are made one by one: {error.message}"]


def _check(plan: Plan, rules: ParameterRules, compiled: CompiledGraph, batching: BatchGraph | None) -> list[str]:
    """Hold every value that a parameter can take against the server; gives remarks. Raises ``bad-parameter``."""
    resolved = plan.resolved
    written = resolved.parameters
    fill = ParameterFiller(written, resolved.values, frozenset(resolved.removed), resolved.images)
    start = plan.choice(0)
    read = compiled.outputs
    stochastic: set[str] = set()
    for name, key in [*((n, k) for n in parameter_names(written) for k in plan.pools.get(n, ())), ("", "")]:
        choice = {**start, name: key} if name else start
        try:
            found = rules.resolve(fill(choice))
            for output in read & {"checkpoint", "vae", "image"}:
                if not getattr(found, output):
                    raise SDGenError(
                        "bad-parameter",
                        f"the graph takes the {output} from the SDGen Session Plan node, but neither that nor the template names one",
                        hint=f"Write parameters: {{{output}: NAME}} in the template, or choose it in the planner.",
                    )
            if batching is not None and not batching.anyway:
                stochastic.update(batching.stochastic(found.to_dict()))
        except SDGenError as error:
            if not name:
                raise
            raise SDGenError(
                error.code, f"{name}[{key}]: {error.message}", nearest=error.nearest, hint=error.hint
            ) from error
    remarks: list[str] = []
    given = {canonical_name(key): key for key, value in written.items() if value is not None}
    if stochastic:
        remarks.append(
            f"images of sampler {', '.join(sorted(stochastic))} are made one by one: in a batch they come out differently"
        )
    for name in Parameters().to_dict():
        if name in given and name not in read:
            remarks.append(
                f"parameter {given[name]!r} has no effect: the graph does not take it from the SDGen Session Plan node"
            )
    return remarks


def _key(request: SessionRequest, mix: Mix, compiled: CompiledGraph, name: str) -> str:
    """What was asked for. A random base seed is no part of it: pressing Run twice means the same session."""
    nodes = {node_id: [node["class_type"], node["inputs"]] for node_id, node in compiled.nodes.items()}
    plain = Parameters().to_dict()
    # Parameters that came later leave the keys of older orders alone while they are not used.
    later = {*FILES, "lora_strength"}
    defaults = {k: v for k, v in request.defaults.to_dict().items() if k not in later or v != plain[k]}
    asked = [mix.fingerprint(), nodes, compiled.slots, defaults, name]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def _create(
    sessions: Sessions, request: SessionRequest, mix: Mix, key: str, name: str, warnings: list[str]
) -> Submitted:
    started = datetime.now()
    folder_name = session_folder_name(started, name, mix.theme, mix.plans[0].resolved.style)
    folder = create_session_folder(sessions.root, folder_name)
    session_id = new_session_id()
    parts = request.parts(mix.plans)
    try:
        loaded = [LoadedPart(part, sessions.host, name) for part in parts]
        cost = estimate(sessions, mix, loaded)
        ManifestWriter(folder).start(_merged([_snapshot(sessions, session_id, p, started) for p in loaded], mix.count))
        sessions.ledger.create(
            session_id=session_id,
            key=key,
            name=name,
            folder=folder,
            parts=parts,
            items=mix.order,
            client=request.client,
        )
        with manifest_may_wait(folder):
            write_session_file(sessions.ledger, session_id)
    except BaseException:
        _remove_empty_session(folder)
        raise
    sessions.credentials[session_id] = request.credentials
    sessions.notify(session_id)
    return Submitted(sessions.ledger.session(session_id), "created", mix.count, warnings, cost)


def _attach(sessions: Sessions, row: SessionRow, request: SessionRequest, warnings: list[str]) -> Submitted:
    sessions.ledger.set_client(row.id, request.client)
    sessions.credentials[row.id] = request.credentials
    wanted = request.options
    if sessions.ledger.set_options(row.id, {"batch": wanted.batch, "batch_anyway": wanted.batch_anyway}):
        sessions.forget(row.id)
        with manifest_may_wait(row.folder):
            write_session_file(sessions.ledger, row.id)
    _, again = sessions.retry(row.id)
    row = sessions.ledger.session(row.id)
    if row.left == 0:
        return Submitted(sessions.finish_if_done(row.id), "complete", 0, warnings)
    if not again:
        row = sessions.resume(row.id)
    return Submitted(row, "resumed", 0, warnings)


def add(
    sessions: Sessions,
    row: SessionRow,
    request: SessionRequest,
    mix: Mix,
    plans: list[Plan],
    key: str,
    warnings: list[str],
) -> Submitted:
    """Append what ``mix`` asks for and the session (made of ``plans``) lacks."""
    there = {_made_of(plans[part], n) for _, part, n in sessions.ledger.numbers(row.id)}
    wanted = [(part, n) for part, n in mix.order if _made_of(mix.plans[part], n) not in there]
    if not wanted:
        return _attach(sessions, row, request, warnings)
    sessions.ledger.set_client(row.id, request.client)
    sessions.credentials[row.id] = request.credentials
    added = sessions.ledger.extend(row.id, key=key, parts=request.parts(mix.plans), items=wanted)
    with manifest_may_wait(row.folder):
        write_session_file(sessions.ledger, row.id)
    replanned(sessions, row.id)
    return Submitted(sessions.ledger.session(row.id), "extended", added, warnings)


def replanned(sessions: Sessions, session_id: str) -> None:
    """The plan of a session has changed: its manifest says so."""
    sessions.forget(session_id)
    row = sessions.ledger.session(session_id)
    loaded = sessions.load(session_id)
    snapshots = [_snapshot(sessions, row.id, part, loaded.created) for part in loaded.parts]
    with manifest_may_wait(row.folder):
        loaded.manifest.extended(_merged(snapshots, row.total))
        if (word := MANIFEST_STATUS[row.state]) != "ongoing":
            loaded.manifest.status(word)
    sessions.notify(session_id)


def _snapshot(sessions: Sessions, session_id: str, part: LoadedPart, started: datetime) -> dict[str, Any]:
    checkpoint = part.checkpoint(part.parameters(part.plan.item(0)))
    extra: dict[str, Any] = {"session": session_id, "comfyui": sessions.host.version}
    if part.loras:
        extra["loras"] = [lora.to_json() for lora in part.loras]
    return build_snapshot(part.plan, started=started, checkpoint=checkpoint, extra=extra)


def _made_of(plan: Plan, n: int) -> tuple[str | None, str, str]:
    """What tells the items of several plans apart: one key means another value in another theme."""
    return plan.resolved.theme, plan.resolved.style, plan.identity(n)


def _merged(snapshots: list[dict[str, Any]], total: int) -> dict[str, Any]:
    """The snapshot of a session of several parts: that of its newest part, with the values and themes of all."""
    merged = copy.deepcopy(snapshots[-1])
    merged["generation_params"]["num_images"] = total
    for older in reversed(snapshots[:-1]):
        for name, values in older["variations"].items():
            target = merged["variations"].setdefault(name, {"available": [], "used": [], "count": 0})
            for which in ("available", "used"):
                target[which] = values[which] + [v for v in target[which] if v not in values[which]]
            target["count"] = len(target["available"])
    themes = {(s["theme_name"], s["style"]): s["sdgen"].get("loras") for s in snapshots}
    if len(themes) > 1:
        merged["sdgen"]["themes"] = [
            {"theme": theme, "style": style, **({"loras": loras} if loras else {})}
            for (theme, style), loras in themes.items()
        ]
    return merged


def _remove_empty_session(folder: Path) -> None:
    """Take back a folder that never became a session; a folder with images is never touched."""
    for name in ("manifest.json", "manifest.jsonl", SESSION_FILE):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
