"""Training over HTTP. Models, data sets and runs have names and ids; where their files are is the server's setting, never the client's."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError, nearest_names
from ..sessions.reading import IMAGE_ENDINGS
from ..training.desk import FILES, REPORT, Desk, plain
from ..training.runs.model import ENDED
from .gallery_library import without_paths
from .gallery_pages import version as catalog_version
from .model import Empty
from .model_training import (
    DatasetAudit,
    DatasetCard,
    DatasetForgotten,
    DatasetPreview,
    Datasets,
    Forgotten,
    Improvement,
    Improvements,
    LogAsked,
    LogPiece,
    ReasonCount,
    RecipeAsked,
    RecipeBody,
    RunCard,
    RunCause,
    RunDetails,
    RunPoint,
    Runs,
    RunSample,
    TrainBody,
    TrainCheck,
    TrainerEntry,
    Trainers,
    TrainersAsked,
    TrainingGroup,
    TrainingOption,
    TrainingPreset,
    TrainingProblem,
)
from .route import Call, Engine, File, Route

if TYPE_CHECKING:
    from ..training.datasets.choose import Selection
    from ..training.datasets.folder import DataSet
    from ..training.datasets.recipe import Recipe
    from ..training.runs.ledger import Run
    from ..training.runs.model import Job, Problem

#: Images of a data set's preview, and of the problems of one that are said.
_SHOWN, _PROBLEMS = 12, 50
#: Curves of losses, the one that says most first.
_LOSSES = ("loss/current", "loss", "loss/average")
#: Bytes around a piece of a log in which the rest of its first and last line is looked for.
_AROUND = 4 << 10
_BREAK = re.compile(rb"[\r\n]")
_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}


def version(engine: Engine, call: Call) -> str:
    """What lists of runs and data sets depend on."""
    return engine.desk.version()


# ---- trainers ----------------------------------------------------------------------------------------------------------------


def trainers(engine: Engine, call: Call) -> Trainers:
    """What can train, with the forms for a model. Raises ``unknown-item`` for a model that is not there."""
    from ..training.runs.trainers import steps_for

    desk = engine.desk
    known = list(desk.files("checkpoints"))
    wanted = call.query.checkpoint or next(iter(known), "")
    base = desk.checkpoint(wanted) if wanted else None
    return Trainers(
        trainers=[_entry(desk, name, base) for name in desk.names],
        checkpoints=known,
        checkpoint=wanted,
        steps=steps_for(base) if base else 0,
        shares=list(desk.shares),
    )


def _entry(desk: Desk, name: str, base: Path | None) -> TrainerEntry:
    """A trainer with its form; why it has none, where it has none."""
    problems: list[TrainingProblem] = []
    form: dict[str, Any] = {"groups": [], "presets": []}
    if desk.problem:
        problems.append(_told("needs-comfyui", desk.problem))
    elif base is not None:
        try:
            form = desk.runs.trainer(name).form(base)
        except SDGenError as error:
            problems.append(_told(error.code, plain(str(error)), plain(error.hint)))
    groups = [
        TrainingGroup(name=group["name"], options=[_option(desk, one) for one in group["options"] if _offered(one)])
        for group in form["groups"]
    ]
    presets = [
        TrainingPreset(**{name: one[name] for name in ("name", "title", "note", "options")}) for one in form["presets"]
    ]
    return TrainerEntry(name=name, problems=problems, groups=[one for one in groups if one.options], presets=presets)


def _offered(option: Mapping[str, Any]) -> bool:
    """Whether it can be said here: what names a file or folder only where ComfyUI knows some of its kind."""
    name = str(option["name"])
    return name in FILES or not name.endswith(("_dir", "_file", "_path", "_prompts"))


def _option(desk: Desk, option: Mapping[str, Any]) -> TrainingOption:
    kind, choices = option["kind"], list(option["choices"] or ())
    if option["name"] in FILES:
        kind, choices = "choice", list(desk.files(FILES[option["name"]]))
    return TrainingOption(
        name=option["name"],
        label=option["label"],
        kind=kind,
        default=_without_folders(option["default"]),
        choices=choices,
        help=option["help"],
    )


def _told(code: str, message: str, hint: str = "") -> TrainingProblem:
    return TrainingProblem(code=code, message=message, hint=hint, option="", file="", fatal=True)


def _problems(found: Iterable[Problem]) -> list[TrainingProblem]:
    return [
        TrainingProblem(
            code=one.code,
            message=plain(one.message),
            hint=plain(one.hint),
            option=one.option,
            file=_name(one.file),
            fatal=one.fatal,
        )
        for one in found
    ][:_PROBLEMS]


def _name(path: str | Path) -> str:
    return PureWindowsPath(path).name  # knows both kinds of slashes


def _without_folders(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    return [_without_folders(one) for one in value] if isinstance(value, list) else value


# ---- data sets ---------------------------------------------------------------------------------------------------------------


def datasets(engine: Engine, call: Call) -> Datasets:
    """The data sets, the newest first."""
    from ..training.datasets.folder import DataSet

    def card(folder: Path, made: float) -> DatasetCard:
        try:
            return _card(DataSet.read(folder), made)
        except (SDGenError, AttributeError) as error:  # a recipe that is none
            said = {"images": 0, "trigger": "", "value": "", "problem": plain(str(error))}
            return DatasetCard(name=folder.name, created_at=round(made * 1000), **said)

    desk = engine.desk
    now = desk.version()
    _tell(engine)
    return Datasets(datasets=desk.data_sets(card), version=now)


def _card(found: DataSet, made: float) -> DatasetCard:
    return DatasetCard(
        name=found.folder.name,
        images=len(found.images),
        created_at=round(made * 1000),
        trigger=str(found.recipe.get("captions", {}).get("trigger", "")),
        value=str(found.recipe.get("value", "")),
        problem="",
    )


def dataset(engine: Engine, call: Call) -> DatasetAudit:
    """What a data set holds; every image is decoded. Raises ``unknown-item`` and ``not-a-dataset``."""
    from ..training.datasets.audit import audit

    found = engine.desk.data_set(call.path["dataset"])
    told = audit(found.folder)
    return DatasetAudit(
        name=found.folder.name,
        images=told.images,
        recipe=_recipe_without_paths(found.recipe),
        captions=dict(told.captions),
        values={name: dict(counts) for name, counts in told.values.items()},
        buckets={f"{one.width}×{one.height}": one.images for one in told.buckets},
        steps=told.steps,
        problems=_problems(told.problems),
    )


def _recipe_without_paths(recipe: Mapping[str, Any]) -> dict[str, Any]:
    apart = dict(recipe.get("apart") or {})
    return {**recipe, "apart": {**apart, "file": _name(str(apart.get("file", "")))}}


def preview(engine: Engine, call: Call) -> DatasetPreview:
    """What a recipe would make; nothing is written. Raises what ``choose`` raises, and ``bad-recipe``."""
    from ..training.datasets.choose import REASONS
    from ..training.datasets.write import folder_of, unused

    recipe = _recipe(call.body.recipe)
    found = _selection(engine, recipe, engine.desk.turn(call.body.asker))
    some = found.images[:: max(1, len(found.images) // _SHOWN)][:_SHOWN]
    return DatasetPreview(
        name=unused(found, folder_of(engine.desk.runs.folder, recipe.name)).name,
        images=len(found.images),
        considered=found.considered,
        left_out=[
            ReasonCount(reason=reason, text=REASONS[reason][0], hint=REASONS[reason][1], images=images)
            for reason, images in found.counts.items()
        ],
        ids=[one.id for one in some],
        captions=[one.caption for one in some],
        remarks=[without_paths(engine.library, remark) for remark in found.remarks],
    )


def make(engine: Engine, call: Call) -> DatasetCard:
    """Write a data set; where another one has its name, under another. Raises what ``choose`` and ``write`` raise."""
    from ..training.datasets.write import folder_of, unused, write

    recipe = _recipe(call.body.recipe)
    found = _selection(engine, recipe)
    found.needed()
    folder = unused(found, folder_of(engine.desk.runs.folder, recipe.name))
    made = write(engine.library, found, folder)
    engine.library.tell("training", id="", run=None)
    return _card(made, made.folder.stat().st_mtime)


def _selection(engine: Engine, recipe: Recipe, looks: Callable[[int], None] = lambda looked: None) -> Selection:
    """What a recipe chooses, whatever it is called. Raises what ``choose`` raises."""
    from ..training.datasets import choose

    key = f"{catalog_version(engine)} {recipe.model_dump_json(exclude={'name'})}"
    found = engine.desk.chosen(key, lambda: choose.choose(engine.library, recipe, looks))
    return replace(found, recipe=recipe)


def forget_dataset(engine: Engine, call: Call) -> DatasetForgotten:
    """Delete a data set. Raises ``unknown-item``, ``bad-run-state`` while a run needs it, and ``unwritable-folder``."""
    name = call.path["dataset"]
    engine.desk.forget_data_set(name)
    engine.library.tell("training", id="", run=None)
    return DatasetForgotten(dataset=name)


def _recipe(given: Mapping[str, Any]) -> Recipe:
    """Raises ``bad-recipe``."""
    from ..training.datasets.recipe import Recipe

    recipe = Recipe.of(given)
    if recipe.apart.file:
        raise SDGenError("bad-recipe", "apart.file: files of this machine cannot be named here")
    return recipe


# ---- runs --------------------------------------------------------------------------------------------------------------------


def runs(engine: Engine, call: Call) -> Runs:
    """The runs, the newest first."""
    desk = engine.desk
    now = desk.version()
    found = desk.runs.ledger.runs() if desk.runs.there else []
    _tell(engine)
    return Runs(runs=[_run_card(desk, one) for one in found], problem=desk.problem, version=now)


def _tell(engine: Engine) -> None:
    """Who has asked for the runs is told of them."""
    desk = engine.desk
    desk.tell(lambda run: _run_card(desk, run).model_dump(mode="json"))


def _run_card(desk: Desk, run: Run) -> RunCard:
    return RunCard(**_said(desk, run))


def _said(desk: Desk, run: Run) -> dict[str, Any]:
    left = None if run.pace is None else (run.steps - run.step) * run.pace
    ended = run.state in ENDED
    # of one that waits also that nobody would start it, which is in no ledger
    reason = desk.runs.status(run.id)["reason"] if run.state == "waiting" else run.reason
    return {
        "id": run.id,
        "name": run.name,
        "trainer": run.job.trainer,
        "checkpoint": _name(run.job.base),
        "dataset": _name(run.job.dataset),
        "state": run.state,
        "reason": plain(reason),
        "wish": "" if ended else run.wish,
        "phase": "" if ended else run.phase,
        "step": run.step,
        "steps": run.steps,
        "loss": run.loss,
        "left": None if ended else left,
        "created_at": round(run.created * 1000),
        "ended_at": None if run.ended is None or not ended else round(run.ended * 1000),
        "cause": run.cause
        and RunCause(code=run.cause.code, sentence=plain(run.cause.sentence), hint=plain(run.cause.hint)),
        "saves": run.saves,
        "resumable": run.resumable,
        "lora": _name(run.output or ""),
    }


def run(engine: Engine, call: Call) -> RunDetails:
    """Everything about a run. Raises ``unknown-run``."""
    desk = engine.desk
    found = desk.run(call.path["run"])
    _tell(engine)
    curves = desk.runs.curves(found.id)
    curve: list[tuple[int, float]] = next((curves[tag] for tag in _LOSSES if tag in curves), [])
    segments = desk.runs.ledger.segments(found.id)
    options = {name: _without_folders(value) for name, value in found.job.options.items()}
    return RunDetails(
        **_said(desk, found),
        options=options,
        curve=[RunPoint(step=step, loss=loss) for step, loss in curve],
        samples=[RunSample(key=key, name=path.name) for key, path in _samples(found).items()],
        saved=[one.step for one in found.saved],
        seconds=sum(max(0.0, (one.ended or found.updated) - one.started) for one in segments),
        log=_size(found.job.log),
    )


def _samples(found: Run) -> dict[str, Path]:
    """The images that a trainer made, by a key of each, in their order. Only those in the run's own folder."""
    inside = Path(os.path.realpath(found.job.folder))
    paths = [Path(one) for one in found.samples]
    with contextlib.suppress(OSError):
        paths += sorted(found.job.samples.rglob("*"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    out = {}
    for path in paths:
        real = Path(os.path.realpath(path))
        if real.is_relative_to(inside) and real.suffix.lower() in IMAGE_ENDINGS & _TYPES.keys() and real.is_file():
            key = hashlib.blake2b(real.relative_to(inside).as_posix().encode("utf-8", "surrogatepass"), digest_size=8)
            out[key.hexdigest()] = real
    return out


def sample(engine: Engine, call: Call) -> File:
    """An image that a trainer made. Raises ``unknown-run`` and ``unknown-item``."""
    found = _samples(engine.desk.run(call.path["run"])).get(call.path["key"])
    if found is None:
        raise SDGenError("unknown-item", "there is no such sample", hint="It was deleted with its run.")
    return File(found, _TYPES[found.suffix.lower()])


def log(engine: Engine, call: Call) -> LogPiece:
    """A piece of a run's log, cut between characters. Raises ``unknown-run``."""
    path, asked = engine.desk.run(call.path["run"]).job.log, call.query
    size = _size(path)
    start = max(0, size - asked.limit) if asked.start < 0 else min(asked.start, size)
    first, read = max(0, start - _AROUND), b""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(first)
        read = file.read(start - first + asked.limit + _AROUND)
    if asked.start < 0 and start:  # a tail begins with a line
        start += read[start - first :].find(b"\n") + 1
    before, rest = read[: start - first], read[start - first :]
    data = rest[: asked.limit]
    if start + len(data) < size:
        data = _whole(data)
    return LogPiece(start=start, end=start + len(data), size=size, text=_between(before, data, rest[len(data) :]))


def _between(before: bytes, data: bytes, after: bytes) -> str:
    """A piece of a log without the folders that it names, as it stands between what is before and after it: a path that is cut in two
    would not be known for one."""
    head, tail = _BREAK.split(before)[-1], _BREAK.split(after)[0]
    left, text, right = (plain(one.decode("utf-8", "replace")) for one in (head, head + data + tail, tail))
    text = text[_shared(left, text) :]
    return text[: len(text) - _shared(right[::-1], text[::-1])]


def _shared(one: str, other: str) -> int:
    """With how many same characters both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))


def _whole(data: bytes) -> bytes:
    """Without the beginning of a character at the end; a piece that has nothing else stays."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            wanted = 1 if byte < 0xC0 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return data[:-back] if wanted > back and len(data) > back else data
    return data


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


# ---- improvements ------------------------------------------------------------------------------------------------------------


def improvements(engine: Engine, call: Call) -> Improvements:
    """What became of values that were to be improved, the newest first; what cannot be read is passed over."""
    found = []
    for path in engine.desk.loops():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            found += _cycles(path)
    return Improvements(
        improvements=sorted(found, key=lambda one: (-one.at, -one.number)), version=version(engine, call)
    )


def _cycles(path: Path) -> list[Improvement]:
    """The cycles of a loop, by its state file (see ``training.improve.loop``). Raises what a damaged one raises."""
    data = json.loads(path.read_text(encoding="utf-8"))
    at, report = round(path.stat().st_mtime * 1000), (path.parent / REPORT).is_file()
    out = []
    for cycle in data["cycles"]:
        done = cycle["done"]
        if "aim" not in done:
            continue
        end = done.get("end", {})
        verdict: dict[str, Any] = next((said for step, said in reversed(done.items()) if step.startswith("judge ")), {})
        risen = verdict.get("target") or {}
        out.append(
            Improvement(
                loop=path.parent.name,
                name=str(data["name"]),
                number=cycle["number"],
                **{name: str(done["aim"][name]) for name in ("placeholder", "key", "text")},
                outcome=str(end.get("outcome", "")),
                **{name: risen.get(name) for name in ("before", "after", "low", "high")},
                reasons=[plain(str(one)) for one in verdict.get("reasons", ())],
                lora=_name(str(end.get("lora") or "")),
                strength=end.get("strength"),
                run=str(done.get("train", {}).get("run", "")),
                report=report,
                at=at,
            )
        )
    return out


def report(engine: Engine, call: Call) -> File:
    """The report of a loop, with its pictures. Raises ``unknown-item``."""
    known = {path.parent.name: path.parent / REPORT for path in engine.desk.loops()}
    found = known.get(call.path["loop"])
    if found is None or not found.is_file():
        raise SDGenError("unknown-item", f"there is no report {call.path['loop']!r}", hint="`sdgen improve` writes it.")
    return File(found, "text/html", page=True)


# ---- doing -------------------------------------------------------------------------------------------------------------------


def start(engine: Engine, call: Call) -> RunCard:
    """Put a training in line. Raises ``Refused`` with all that speaks against it."""
    desk = engine.desk
    job = _job(desk, call.body)
    return _run_card(desk, desk.run(desk.runs.start(job, share=_share(desk, call.body.share))))


def _share(desk: Desk, wanted: str) -> str:
    if wanted not in desk.shares:
        near = nearest_names(wanted, desk.shares)
        raise SDGenError("bad-option", f"{wanted!r} cannot be had without ComfyUI", nearest=near)
    return wanted


def check(engine: Engine, call: Call) -> TrainCheck:
    """What speaks against a desk, and how long it takes."""
    desk = engine.desk
    job = _job(desk, call.body)
    return TrainCheck(problems=_problems(desk.runs.check(job)), seconds=_estimate(desk, job))


def _job(desk: Desk, body: TrainBody) -> Job:
    """Raises ``unknown-trainer``, ``unknown-item``, ``needs-comfyui``, ``bad-option`` and ``bad-training-option``."""
    if desk.problem:
        raise SDGenError("needs-comfyui", desk.problem)
    return desk.runs.job(
        body.name,
        body.trainer,
        base=desk.checkpoint(body.checkpoint),
        dataset=desk.data_set(body.dataset).folder,
        steps=body.steps,
        options=desk.options(body.options),
    )


def _estimate(desk: Desk, job: Job) -> float | None:
    """Seconds for all steps, as fast as the last run of this trainer for this model made them."""
    if not desk.runs.there:
        return None
    for one in desk.runs.ledger.runs():
        if (one.job.trainer, one.job.base) == (job.trainer, job.base):
            done = [part for part in desk.runs.ledger.segments(one.id) if part.ended and part.reached]
            if done:
                took = sum(part.ended - part.started for part in done if part.ended)
                return job.steps * took / sum(part.reached for part in done)
    return None


def stop(engine: Engine, call: Call) -> RunCard:
    """Stop a run at once. Raises ``unknown-run`` and ``bad-run-state``."""
    return _acted(engine, call, lambda desk, key: desk.runs.stop(key))


def save(engine: Engine, call: Call) -> RunCard:
    """Stop a run at its next saved state. Raises also ``nothing-saved``."""
    return _acted(engine, call, lambda desk, key: desk.runs.stop(key, save=True))


def resume(engine: Engine, call: Call) -> RunCard:
    """Go on from the last saved state. Raises ``unknown-run``, ``bad-run-state``, ``nothing-saved`` and what starting raises."""
    if engine.desk.problem:
        raise SDGenError("needs-comfyui", engine.desk.problem)
    return _acted(engine, call, lambda desk, key: desk.runs.resume(key))


def _acted(engine: Engine, call: Call, act: Callable[[Desk, str], Run]) -> RunCard:
    desk = engine.desk
    return _run_card(desk, act(desk, desk.run(call.path["run"]).id))


def forget(engine: Engine, call: Call) -> Forgotten:
    """Take a run that has ended off the list, with its folder. Raises ``unknown-run``, ``bad-run-state``, ``unwritable-folder``."""
    desk = engine.desk
    return Forgotten(run=desk.runs.forget(desk.run(call.path["run"]).id).id)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Errors from here on name no folders."""
    try:
        yield
    except SDGenError as error:
        every = [error, *error.remarks, *getattr(error, "errors", ())]
        for one in every:
            one.message, one.hint = plain(one.message), plain(one.hint)
            one.place = one.place and replace(one.place, file=_name(one.place.file))
        raise


_ROUTES = (
    Route(
        "GET",
        "/sdgen/training/trainers",
        trainers,
        "What can train a LoRA for a model, with the options of each",
        query=TrainersAsked,
        answer=Trainers,
        slow=True,
    ),
    Route("GET", "/sdgen/training/datasets", datasets, "The data sets", answer=Datasets, version=version),
    Route(
        "GET",
        "/sdgen/training/datasets/{dataset}",
        dataset,
        "What a data set holds, and what speaks against training with it",
        answer=DatasetAudit,
        slow=True,
    ),
    Route(
        "POST",
        "/sdgen/training/datasets/preview",
        preview,
        "What a recipe would make, and why each other image is left out",
        body=RecipeAsked,
        answer=DatasetPreview,
        asks=True,
        slow=True,
    ),
    Route("POST", "/sdgen/training/datasets", make, "Make a data set", body=RecipeBody, answer=DatasetCard, slow=True),
    Route(
        "POST",
        "/sdgen/training/datasets/{dataset}/forget",
        forget_dataset,
        "Delete a data set",
        body=Empty,
        answer=DatasetForgotten,
        slow=True,
    ),
    Route(
        "GET",
        "/sdgen/training/improvements",
        improvements,
        "What became of values that were to be improved",
        answer=Improvements,
        version=version,
    ),
    Route("GET", "/sdgen/training/improvements/{loop}/report", report, "The report of one", types=("text/html",)),
    Route("GET", "/sdgen/training/runs", runs, "The runs", answer=Runs, version=version),
    Route("POST", "/sdgen/training/runs", start, "Put a training in line", body=TrainBody, answer=RunCard, slow=True),
    Route(
        "POST",
        "/sdgen/training/runs/check",
        check,
        "What speaks against a desk, and how long it takes",
        body=TrainBody,
        answer=TrainCheck,
        slow=True,
    ),
    Route("GET", "/sdgen/training/runs/{run}", run, "Everything about a run", answer=RunDetails, slow=True),
    Route("GET", "/sdgen/training/runs/{run}/log", log, "A piece of its log", query=LogAsked, answer=LogPiece),
    Route(
        "GET",
        "/sdgen/training/runs/{run}/samples/{key}",
        sample,
        "A sample of it",
        types=tuple(dict.fromkeys(_TYPES.values())),
    ),
    Route("POST", "/sdgen/training/runs/{run}/stop", stop, "Stop it at once", body=Empty, answer=RunCard),
    Route(
        "POST", "/sdgen/training/runs/{run}/save", save, "Stop it at its next saved state", body=Empty, answer=RunCard
    ),
    Route(
        "POST",
        "/sdgen/training/runs/{run}/resume",
        resume,
        "Go on from its last saved state",
        body=Empty,
        answer=RunCard,
        slow=True,
    ),
    Route(
        "POST",
        "/sdgen/training/runs/{run}/forget",
        forget,
        "Take it off the list, with its folder",
        body=Empty,
        answer=Forgotten,
        slow=True,
    ),
)

ROUTES: tuple[Route, ...] = tuple(replace(route, handler=_quiet()(route.handler)) for route in _ROUTES)
