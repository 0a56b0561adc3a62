"""The loop: find a value that fails, make images of it, keep the good ones, train a LoRA, measure it, promote it or roll it back, go on.

Every step's result is written down before the next one begins (``state.json`` in the loop's folder), and every step finds what an
interrupted one has left: sessions go on, a run is attached to, files are written whole or not at all. So a loop that was killed at any
moment goes on where it was when it is asked for the same again.

Images are chosen for training by one scorer and the LoRA is judged by another, or by people. A scorer that judges its own choice has a
better opinion of it than is true: what it takes for the value, right or wrong, is what the LoRA was taught. Where people judge, the loop
ends with a sample of images to be judged, and goes on when it is asked again.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...catalog.machine import Machine
from ...catalog.scan.importer import Importer
from ...comfy.client import ComfyClient
from ...errors import SDGenError, shown
from ...scoring.estimates.calibration import Calibration
from ...scoring.service import Scoring
from ...scoring.texts.wording import Wording
from ...sessions.files import atomic_file, make_folder, sha256_file, write_atomic
from ...sessions.naming import safe_name
from ...sessions.reading import load_manifest
from ...sessions.safetensors_file import BrokenFileError, copy_with_metadata
from ...sessions.service import duration
from ..datasets.choose import choose
from ..datasets.recipe import Recipe
from ..datasets.write import folder_of, write
from ..runs.service import Runs, refuse
from ..runs.supervisor import Hold
from ..runs.trainers import steps_for
from . import benchmark, decide, people
from .benchmark import Arm, Benchmark, Value
from .judge import Judge, Judged
from .making import Shot, Source, Wish, folder_of_shot, make
from .statistics import UNDECIDED

if TYPE_CHECKING:
    from ...catalog.catalog import Catalog
    from ...catalog.library import Library
    from ...scoring.backends.interface import Backend

_T = TypeVar("_T")

FORM = 1
STATE, LOG, REPORT = "state.json", "log.txt", "report.html"
NO_MATERIAL = "no material"
#: Folders below ComfyUI's LoRA folder: what is being measured, and what was promoted.
CANDIDATES, PROMOTED = "sdgen-candidates", "sdgen"
#: How often more images are made when too few are good.
_TRIES = 3
#: A value whose success is surely above this needs no repair.
GOOD = 0.8

SAME_JUDGE = (
    "judged by the same scorer that chose the images: it is likely to overstate the gain. Name another one with --judge, or judge yourself"
    " with --judge human."
)
#: What may change between two calls of one loop; and what else where it found no material, for there it begins again.
_FREE = {"cycles", "batch"}
_FOR_MATERIAL = {"focus", "best", "minimum", "least", "also"}

_Strength = Annotated[float, Field(gt=0, le=10)]


class Wanted(BaseModel):
    """What a loop is asked for. ``value``: Placeholder=Key, empty: the values that fail most, one a cycle. ``focus``: images made of a
    value to choose from; of these the ``best`` share is learned from, by score, from the ``minimum`` on: where a value hardly ever comes
    out, most of what a scorer takes for it is not. ``least``: good ones that are needed. ``images`` of each value in
    the benchmark; ``strengths`` that are tried; ``margin``: share by which another value may fall; ``diversity``: share of the distance
    between images that has to be left. ``steps`` and ``options`` of the ``trainer`` (steps None: its own choice). ``also``: sessions
    whose images of the value may be learned from too. ``people`` judge whether it rises."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: str = ""
    theme: str = ""
    cycles: int = Field(default=1, ge=1, le=100)
    focus: int = Field(default=192, ge=8, le=100_000)
    best: float = Field(default=0.06, gt=0, le=1)
    minimum: float = Field(default=0.9, ge=0, le=1)
    least: int = Field(default=8, ge=1, le=10_000)
    also: list[str] = Field(default=[], max_length=100)
    images: int = Field(default=benchmark.IMAGES, ge=8, le=1_000)
    strengths: list[_Strength] = Field(default=[0.7, 1.0], min_length=1, max_length=8)
    margin: float = Field(default=decide.MARGIN, gt=0, lt=1)
    diversity: float = Field(default=decide.DIVERSITY, ge=0, lt=1)
    trainer: str = "native"
    steps: int | None = Field(default=None, ge=1, le=1_000_000)
    options: dict[str, Any] = {}
    batch: int | None = Field(default=None, ge=1, le=64)
    people: bool = False

    @classmethod
    def of(cls, **said: Any) -> Wanted:
        """Raises ``bad-option`` with the name of what is wrong."""
        try:
            return cls(**said)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise SDGenError("bad-option", f"{name}: {first['msg']}") from error


@dataclass(frozen=True, eq=False)
class Tools:
    """What a loop works with. ``chooser`` scores the images that are made to choose from; ``judge`` the benchmark (None: the same one).
    ``embeddings``: folder of what scorers have seen."""

    client: ComfyClient
    library: Library
    scoring: Scoring
    chooser: Backend
    runs: Runs
    embeddings: Path
    judge: Backend | None = None
    match: float = 0.5
    wording: Wording | None = None


@dataclass
class Cycle:
    """One cycle as the state file has it: results of the steps that are done, and the seconds they took."""

    number: int
    done: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def target(self) -> Value | None:
        found = self.done.get("aim")
        return (found["placeholder"], found["key"]) if found else None

    @property
    def verdict(self) -> dict[str, Any] | None:
        """What was said last, if anything was."""
        return next((self.done[f"judge {n}"] for n in range(benchmark.LOOKS, 0, -1) if f"judge {n}" in self.done), None)

    @property
    def outcome(self) -> str:
        return str(self.done.get("end", {}).get("outcome", ""))

    @property
    def samples(self) -> list[dict[str, Any]]:
        """What people were asked to judge, the first sample first."""
        return [self.done[f"sample {n}"] for n in range(1, benchmark.LOOKS + 1) if f"sample {n}" in self.done]

    def to_dict(self) -> dict[str, Any]:
        return {"number": self.number, "done": self.done, "seconds": self.seconds}


class _Waiting(Exception):
    """People have not judged everything yet; the text says what."""


class Loop:
    """A loop in its ``folder``. ``tell`` is called with a line for people at every step, which is in the log as well."""

    def __init__(
        self,
        folder: Path,
        session: str,
        wanted: Wanted,
        tools: Tools,
        tell: Callable[[str], None] = lambda line: None,
        progress: Callable[[str, int, int], None] = lambda what, done, total: None,
    ) -> None:
        self.folder, self.session, self.wanted, self.tools = folder, session, wanted, tools
        self._tell, self._progress = tell, progress
        self.cycles: list[Cycle] = []
        self.source = Source.read(_folder_of(tools.library.catalog, session), wanted.theme)
        self._read()

    def run(self) -> list[Cycle]:
        """Do what is left to do, and give all cycles. Raises what a step raises; the same loop begun again goes on with that step. A cycle
        without an ``outcome`` waits for people.

        Raises ``improve-busy`` when another program does the same loop, and before anything is made what is known to be in the way of it.
        """
        make_folder(self.folder)
        hold = Hold(self.folder / "loop.lock")
        if not hold.take():
            raise SDGenError("improve-busy", f"another program works on {shown(self.folder)}")
        try:
            self._read()  # it may have gone on since
            return self._run()
        finally:
            hold.release()

    def _run(self) -> list[Cycle]:
        if self.cycles and self.cycles[-1].outcome == NO_MATERIAL:
            # other options, new verdicts or more images may help: what was made is found again
            last = self.cycles[-1]
            last.done = {name: said for name, said in last.done.items() if name == "aim"}
        for number in range(1, self.wanted.cycles + 1):
            if number > len(self.cycles):
                self.cycles.append(Cycle(number))
            cycle = self.cycles[number - 1]
            if cycle.outcome:
                continue
            if "train" not in cycle.done:
                self._ready()
            try:
                self._cycle(cycle)
            except _Waiting as waits:
                self._say(str(waits))
                break
            except SDGenError as error:
                if error.code != "improve-nothing-fails" or number == 1:
                    raise
                self._say(str(error))
                del self.cycles[number - 1 :]
                break
            self._tidy()
            self._say(f"cycle {number} took {duration(sum(cycle.seconds.values()))}; {self._used(cycle)}")
        return self.cycles

    def _ready(self) -> None:
        """Raises what is in the way of a training, before hours go into its images: folders, checkpoint, options, the trainer itself."""
        runs, base = self.tools.runs, self._base()
        self._loras()
        for slug in self.wanted.also:
            _folder_of(self.tools.library.catalog, slug)
        absent = self.folder / "no data set yet"
        job = runs.job(
            self.folder.name, self.wanted.trainer, base=base, dataset=absent, steps=1, options=self.wanted.options
        )
        of_dataset = shown(job.dataset)
        refuse([one for one in runs.trainer(job.trainer).check(job) if one.file != of_dataset])

    # ---- a cycle -----------------------------------------------------------------------------------------------------------

    def _cycle(self, cycle: Cycle) -> None:
        aim = self._step(cycle, "aim", lambda: self._aim(cycle))
        target = aim["placeholder"], aim["key"]
        name = f"{safe_name(self.source.name, 40)} {safe_name(target[0], 30)} {safe_name(target[1], 40)}"
        dataset = self._material(cycle, target, name)
        if dataset is None:
            advice = self._advice(target, cycle.done["focus 1"]["slug"])
            for line in advice:
                self._say(line)
            self._step(cycle, "end", lambda: {"outcome": NO_MATERIAL, "advice": advice})
            return
        lora = self._step(cycle, "train", lambda: self._train(f"{name} {cycle.number}", Path(dataset["folder"])))
        frozen = self._frozen(self._step(cycle, "benchmark", lambda: {"hash": self._freeze(target)})["hash"])
        strength = self._step(cycle, "strength", lambda: self._strength(frozen, lora))["strength"]
        verdict: dict[str, Any] = {}
        for look in range(1, benchmark.LOOKS + 1):
            verdict = self._step(
                cycle,
                f"judge {look}",
                lambda: self._judge(cycle, frozen, lora, strength, look, verdict),  # noqa: B023
            )
            if verdict["outcome"] != UNDECIDED or not verdict["needs"]:
                break
        self._step(cycle, "end", lambda: self._settle(lora, strength, verdict, name, cycle.number))

    def _aim(self, cycle: Cycle) -> dict[str, Any]:
        """The value of this cycle. Raises ``improve-nothing-fails``, ``unknown-value``."""
        values = self.source.values()
        if self.wanted.value:
            placeholder, key = self.source.value(self.wanted.value)
            return {"placeholder": placeholder, "key": key, "text": values[placeholder][key]}
        try:
            report = self.tools.scoring.report(self.session)
        except SDGenError as error:
            if error.code != "not-scored":
                raise
            self._say("the session was never scored: that is done first")
            report = self.tools.scoring.score(self.session, self.tools.chooser)
        tried = {one.target for one in self.cycles if one is not cycle}
        for rate in report["failing"]:
            value = rate["placeholder"], rate["key"]
            if value not in tried and rate["low"] < GOOD and rate["key"] in values.get(rate["placeholder"], {}):
                self._say(
                    f"{rate['placeholder']} {rate['text']} fails most: shown in {rate['matching']} of {rate['images']}"
                )
                return {"placeholder": value[0], "key": value[1], "text": rate["text"]}
        raise SDGenError("improve-nothing-fails", f"no {'other ' if tried else ''}value of {self.source.name} fails")

    def _material(self, cycle: Cycle, target: Value, name: str) -> dict[str, Any] | None:
        """A data set of good images of the value; None when there are too few however many are made."""
        sessions: list[str] = []
        before = self._before(cycle, target)
        for slug in self.wanted.also:
            self.tools.scoring.score(slug, self.tools.chooser)  # what is scored already costs little
        chosen: dict[str, Any] = {}
        for number in range(1, _TRIES + 1):
            made = self._step(
                cycle,
                f"focus {number}",
                lambda: self._focus(cycle, target, number, before),  # noqa: B023
            )
            sessions.append(made["slug"])
            chosen = self._step(
                cycle,
                f"choose {number}",
                lambda: self._choose(cycle, target, name, sessions),
            )
            if chosen["folder"]:
                return chosen
        what = f"{target[0]} {self.source.values()[target[0]][target[1]]}"
        self._say(f"too few images of {what} are good enough to learn from. {chosen['why']}")
        return None

    def _advice(self, target: Value, session: str) -> list[str]:
        """What brings in more images to learn from, each with what to type. ``session`` has those that were made."""
        text = self.source.values()[target[0]][target[1]]
        return [
            "what helps, each followed by the same command again, which goes on here:",
            f"  more seeds: the same command with --focus {self.wanted.focus * 2}",
            f"  your verdicts: say ok to {target[0]} in the gallery, on images of session {session} that do show it",
            f"  a lower bar, where images are better than their scores: the same command with --minimum"
            f" {max(0.0, self.wanted.minimum - 0.2):g}",
            "  images from elsewhere: sdgen catalog import FOLDER, and the same command with --also SESSION"
            f" (a session with images of {target[0]} {text})",
            f"  rephrasing: other words for {text!r} in the template, sdgen generate TEMPLATE, sdgen score NEW; then sdgen report NEW"
            f" --against {self.session} says which words do better, and sdgen improve NEW begins with them",
        ]

    def _before(self, cycle: Cycle, target: Value) -> tuple[str, float]:
        """The LoRA of an earlier cycle that raised this value, and its strength: with it more images come out. Nothing where none did."""
        for one in reversed(self.cycles[: cycle.number - 1]):
            verdict = one.verdict
            if one.target == target and verdict and verdict["target"]["low"] > 0:
                return self._candidate(one.done["train"]), float(verdict["strength"])
        return "", 0.0

    def _focus(self, cycle: Cycle, target: Value, number: int, before: tuple[str, float]) -> dict[str, Any]:
        """Images of the value to choose from, scored beside some of the other values: by itself a value that never comes out would be
        taken for one that always does."""
        placeholder, key = target
        others = [one for one in self.source.values_beside(target)[placeholder] if one != key]
        seed = self.source.fresh(10 + 10 * cycle.number + number)
        count = self.wanted.focus * 2 ** (number - 1)
        label = f"improve {safe_name(self.folder.name, 60)} {cycle.number}.{number} {safe_name(key, 30)}"
        wishes = [Wish(label, {placeholder: [key]}, count, seed)]
        if others:
            wishes.append(Wish(label, {placeholder: others}, max(count // 2, len(others)), seed))
        self._say(f"making {count} images of {placeholder} {key} to choose from")
        folder = make(
            self.tools.client,
            self.source,
            *wishes,
            lora=before[0],
            strength=before[1],
            batch=self.wanted.batch,
            progress=lambda done, total: self._progress("focused images", done, total),
        )
        slug = self._imported(folder)
        report = self.tools.scoring.score(slug, self.tools.chooser)
        shown_in = next(
            (f"{rate['matching']} of {rate['images']}" for rate in report["rates"] if _is(rate, target)), "none"
        )
        self._say(f"the scorer {report['scorer']} sees the value in {shown_in}")
        return {"folder": str(folder), "slug": slug}

    def _choose(self, cycle: Cycle, target: Value, name: str, sessions: Sequence[str]) -> dict[str, Any]:
        recipe = Recipe.of(
            {
                "name": f"{name} {cycle.number} {self.folder.name}",
                "sessions": [*sessions, *self.wanted.also],
                "value": "=".join(target),
                "best": self.wanted.best,
                "at_least": self.wanted.least,
                "minimum": self.wanted.minimum,
                "apart": {"seeds": 0, "prompts": 0},
            }
        )
        selection = choose(self.tools.library, recipe)
        self._say(selection.text().replace("\n", "; "))
        if len(selection.images) < self.wanted.least:
            return {"folder": "", "images": len(selection.images), "why": selection.text().replace("\n", "; ")}
        folder = folder_of(self.tools.runs.folder, f"{recipe.name} {len(sessions)}")
        try:
            write(self.tools.library, selection, folder)
        except SDGenError as error:
            if error.code != "dataset-exists":
                raise
            # a killed loop has written it, and verdicts or scores are others since
            folder = folder.with_name(f"{folder.name} {int(time.time())}")
            write(self.tools.library, selection, folder)
        return {"folder": str(folder), "images": len(selection.images), "why": ""}

    def _train(self, name: str, dataset: Path) -> dict[str, Any]:
        """A LoRA of a data set. Raises ``training-failed`` and what starting a run raises."""
        runs, base = self.tools.runs, self._base()
        steps = self.wanted.steps or steps_for(base)
        found = next((run for run in runs.list() if _same_run(run, dataset) and run["state"] != "failed"), None)
        if found is None:
            self.tools.client.post("/free", {"unload_models": True, "free_memory": True})
            job = runs.job(
                name, self.wanted.trainer, base=base, dataset=dataset, steps=steps, options=self.wanted.options
            )
            key = runs.start(job)
            self._say(f"training {name}: {steps} steps, run {key}")
        else:
            key = str(found["id"])
            self._say(f"training {name} goes on: run {key}")
            if found["state"] == "stopped":
                runs.resume(key)

        def look(status: dict[str, Any]) -> bool:
            self._progress("training", int(status["step"] or 0), steps)
            return True

        status = runs.wait(key, look)
        if status["state"] != "done":
            cause = status.get("cause") or {}
            said = cause.get("sentence") or status.get("reason") or status["state"]
            raise SDGenError(
                "training-failed", f"run {key} is {status['state']}: {said}", hint=cause.get("hint") or None
            )
        file = Path(status["output"])
        return {"run": key, "file": str(file), "content": sha256_file(file)}

    def _freeze(self, target: Value) -> str:
        """Write the benchmark of a value, that of an earlier cycle or of an earlier loop on this session, and give its hash."""
        wanted = Benchmark.freeze(self.source, target, self.wanted.images)
        wanted.save(self._benchmarks / wanted.hash)
        return wanted.hash

    def _frozen(self, hash: str) -> Benchmark:
        """The benchmark that this cycle began with, whatever has become of the session since. Raises ``benchmark-changed``."""
        found = Benchmark.read(self._benchmarks / hash / benchmark.FILE)
        if found.hash != hash:
            raise SDGenError("benchmark-changed", f"another benchmark lies where {hash} was")
        return found

    @property
    def _benchmarks(self) -> Path:
        return self.folder.parent / "benchmarks"

    def _strength(self, frozen: Benchmark, lora: Mapping[str, Any]) -> dict[str, Any]:
        strengths = sorted(set(self.wanted.strengths))
        if len(strengths) == 1:
            return {"strength": strengths[0], "worth": {}}
        self._say(f"choosing the strength among {', '.join(f'{one:g}' for one in strengths)}")
        wishes = frozen.wishes(benchmark.CHOOSING)
        arms = [Arm(), *(self._arm(lora, one) for one in strengths)]
        made = self._made(frozen, wishes, arms)
        judged = self._judged(frozen, made)
        sides = {
            arm.strength: [(judged[f"base/{wish.name}"], judged[f"{arm.name}/{wish.name}"]) for wish in wishes]
            for arm in arms[1:]
        }
        best, worth = decide.best_strength(frozen.target, sides, self.wanted.margin)
        self._say("; ".join(f"strength {one:g}: worth {100 * said:+.0f} points" for one, said in worth.items()))
        return {
            "strength": best,
            "worth": {f"{one:g}": said for one, said in worth.items()},
            "folders": sorted({str(folder_of_shot(some[0])) for some in made.values()}),
        }

    def _judge(
        self,
        cycle: Cycle,
        frozen: Benchmark,
        lora: Mapping[str, Any],
        strength: float,
        look: int,
        before: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The verdict after a look, with the sessions that it is about."""
        doubtful = [(one["placeholder"], one["key"]) for one in before.get("needs", ())]
        wishes = [Wish.from_json(one) for one in before.get("wishes", ())] + frozen.wishes(
            benchmark.JUDGING, look, doubtful
        )
        arm = self._arm(lora, strength)
        made = self._made(frozen, wishes, [Arm(), arm])
        judged = self._judged(frozen, made)
        sides = [(judged[f"base/{wish.name}"], judged[f"{arm.name}/{wish.name}"]) for wish in wishes]
        names = decide.names_of(frozen.values)
        judge, remarks = (self.tools.judge or self.tools.chooser).name, self._remarks()
        if self.wanted.people:
            sides, counted = self._by_people(cycle, frozen, sides, lora, look, frozen.target in doubtful)
            remarks = [f"{names[frozen.target]} was judged by people, in {counted:,} images; other values by {judge}"]
            judge = f"people, other values by {judge}"
        verdict = decide.decide(
            frozen.target,
            sides,
            strength,
            look=look,
            margin=self.wanted.margin,
            least_diversity=self.wanted.diversity,
            names=names,
            remarks=remarks,
        )
        risen = verdict.target
        self._say(
            f"look {look}: {names[frozen.target]} {_percent(risen.before)} -> {_percent(risen.after)}"
            f" ({100 * risen.low:+.0f} to {100 * risen.high:+.0f} points); {verdict.outcome}: {'; '.join(verdict.reasons)}"
        )
        for value, count in verdict.needs.items():
            self._say(f"about {count} more images of {names.get(value, value[0])} would tell")
        for remark in verdict.remarks:
            self._say(f"NOTE: {remark}")
        return {
            **verdict.to_dict(),
            "judge": judge,
            "chooser": self.tools.chooser.name,
            "benchmark": frozen.hash,
            "wishes": [wish.to_json() for wish in wishes],
            "sides": [
                {
                    "base": str(folder_of_shot(made[f"base/{w.name}"][0])),
                    "lora": str(folder_of_shot(made[f"{arm.name}/{w.name}"][0])),
                }
                for w in wishes
            ],
            "margin": self.wanted.margin,
        }

    def _by_people(
        self,
        cycle: Cycle,
        frozen: Benchmark,
        sides: list[tuple[Judged, Judged]],
        lora: Mapping[str, Any],
        look: int,
        more: bool,
    ) -> tuple[list[tuple[Judged, Judged]], int]:
        """The sides with people's word for the target, and of how many images that is. ``more``: the target is in doubt.

        Raises ``_Waiting`` while there are images of which nothing was said.
        """
        if look == 1 or more:
            self._step(cycle, f"sample {look}", lambda: self._sample(cycle, frozen, sides, lora, look))
        verdicts: dict[tuple[people.Place, bool], float] = {}
        for sample in cycle.samples:
            found = people.said(self.tools.library.catalog, sample["slug"], frozen.target[0])
            asked = [people.Asked.from_json(one) for one in sample["images"]]
            verdicts |= {(one.place, one.lora): found[one.file] for one in asked if one.file in found}
            if left := sum(one.file not in found for one in asked):
                raise _Waiting(
                    f"waits for verdicts: {left:,} of {len(asked):,} images of session {Path(sample['folder']).name} ({sample['slug']})."
                    f" Open it in the gallery, Review with 'Ask about every value', and say OK, Partial or KO to {frozen.target[0]} of each"
                    " image (which of them are of the LoRA is not said), then give the same command again."
                )
        return people.judged(sides, frozen.target, verdicts), len(verdicts)

    def _sample(
        self,
        cycle: Cycle,
        frozen: Benchmark,
        sides: list[tuple[Judged, Judged]],
        lora: Mapping[str, Any],
        look: int,
    ) -> dict[str, Any]:
        """A session of images for people to judge, beside the session that is improved, where the gallery looks for sessions."""
        before = [people.Asked.from_json(one).place for sample in cycle.samples for one in sample["images"]]
        count = people.PAIRS * 2 ** (look - 1) - len(set(before))
        salt = f"{frozen.hash} {lora['content']} {look}"
        places = people.drawn(sides, frozen.target, before, count, salt)
        folder = _folder_of(self.tools.library.catalog, self.session).parent
        folder /= safe_name(f"judge {self.folder.name} {cycle.number}.{look} {lora['content'][:6]}", 100)
        text = frozen.values[frozen.target[0]][frozen.target[1]]
        asked = people.write(folder, places, sides, frozen.target, text, salt)
        return {"folder": str(folder), "slug": self._imported(folder), "images": [one.to_json() for one in asked]}

    def _used(self, cycle: Cycle) -> str:
        """Which sessions a cycle has left in the gallery, in words."""
        done = cycle.done
        folders = {said["folder"] for step, said in done.items() if step.startswith(("focus ", "sample "))}
        folders |= set(done.get("strength", {}).get("folders", ()))
        folders |= {folder for side in (cycle.verdict or {}).get("sides", ()) for folder in side.values()}
        files = [file for folder in folders for file in Path(folder).glob("**/*") if file.is_file()]
        size = sum(file.stat().st_size for file in files) / 2**20
        return (
            f"its {len(folders)} sessions take {size:,.0f} MiB; they are in the gallery as improve …, benchmark … and judge …, and can be"
            " thrown away there: without its benchmark's images the next loop makes them again"
        )

    def _settle(
        self, lora: Mapping[str, Any], strength: float, verdict: Mapping[str, Any], name: str, number: int
    ) -> dict[str, Any]:
        """Put a promoted LoRA among ComfyUI's own; any other stays where it was trained."""
        if verdict["outcome"] != decide.PROMOTE:
            said = "rolled back" if verdict["outcome"] == decide.ROLL_BACK else "not promoted"
            self._say(f"{said}: {'; '.join(verdict['reasons'])}. The LoRA stays at {lora['file']}")
            return {"outcome": verdict["outcome"], "file": lora["file"]}
        target = self._loras() / PROMOTED / f"{safe_name(f'{name} {number}')}.safetensors"
        risen = verdict["target"]
        told = {
            "sdgen_improved": "=".join(str(part) for part in self.cycles[number - 1].target or ()),
            "sdgen_session": self.session,
            "sdgen_benchmark": verdict["benchmark"],
            "sdgen_strength": f"{strength:g}",
            "sdgen_change": f"{risen['before']:.3f} -> {risen['after']:.3f} ({risen['low']:+.3f} to {risen['high']:+.3f})",
            "sdgen_judge": verdict["judge"],
            "sdgen_run": lora["run"],
        }
        _promoted(Path(lora["file"]), target, told)
        self._say(f"promoted: {shown(target)}, best at strength {strength:g}")
        return {
            "outcome": decide.PROMOTE,
            "file": str(target),
            "lora": f"{PROMOTED}/{target.name}",
            "strength": strength,
        }

    # ---- what steps are made of --------------------------------------------------------------------------------------------

    def _made(self, frozen: Benchmark, wishes: Sequence[Wish], arms: Sequence[Arm]) -> dict[str, list[Shot]]:
        """Arm and wish -> images."""
        out = {}
        for wish in wishes:
            for arm in arms:
                what = f"benchmark, {wish.name.split(' ', 2)[2]}, {arm.name}"
                out[f"{arm.name}/{wish.name}"] = frozen.made(
                    self.tools.client,
                    wish,
                    arm,
                    self.wanted.batch,
                    lambda done, total: self._progress(what, done, total),  # noqa: B023
                )
            benchmark.check_model(out[f"base/{wish.name}"], out[f"{arms[-1].name}/{wish.name}"])
        return out

    def _judged(self, frozen: Benchmark, made: Mapping[str, Sequence[Shot]]) -> dict[str, Any]:
        backend = self.tools.judge or self.tools.chooser
        known = Machine(self.tools.library.catalog).calibrations(backend.identity)
        judge = Judge(
            backend,
            self.tools.embeddings,
            self.tools.match,
            self.tools.wording,
            {name: Calibration(**said) for name, said in known.items()},
        )
        return dict(
            judge(made, frozen.values, frozen.template, lambda done, total: self._progress("judging", done, total))
        )

    def _arm(self, lora: Mapping[str, Any], strength: float) -> Arm:
        return Arm(self._candidate(lora), strength, str(lora["content"]))

    def _candidate(self, lora: Mapping[str, Any]) -> str:
        """A trained LoRA among ComfyUI's under a name of its content: another one is never taken for it."""
        content = str(lora["content"])
        file = self._loras() / CANDIDATES / f"{content[:16]}.safetensors"
        if not file.is_file():
            make_folder(file.parent)
            with atomic_file(file) as target, Path(lora["file"]).open("rb") as source:
                shutil.copyfileobj(source, target)
        name = f"{CANDIDATES}{os.sep}{file.name}"
        known = self.tools.client.get("/models/loras")
        found = next((one for one in known if one.replace("\\", "/") == name.replace("\\", "/")), None)
        if found is None:
            message = f"ComfyUI does not see {shown(file)}"
            raise SDGenError("missing-file", message, hint="Run this on the machine of ComfyUI, with its folders.")
        return str(found)

    def _tidy(self) -> None:
        """Take the candidates out of ComfyUI's list; they are still where they were trained."""
        for cycle in self.cycles:
            if "train" in cycle.done:
                (self._loras() / CANDIDATES / f"{cycle.done['train']['content'][:16]}.safetensors").unlink(
                    missing_ok=True
                )

    def _folders(self, kind: str) -> list[Path]:
        for one in self.tools.client.get("/experiment/models"):
            if one["name"] == kind:
                return [Path(folder) for folder in one["folders"]]
        return []

    def _loras(self) -> Path:
        """ComfyUI's first folder of LoRAs that is on this machine. Raises ``missing-file``."""
        for folder in self._folders("loras"):
            if folder.is_dir() or folder.parent.is_dir():
                return folder
        message = f"the LoRA folders of {self.tools.client.url} are not on this machine"
        raise SDGenError("missing-file", message, hint="Run this on the machine of ComfyUI.")

    def _base(self) -> Path:
        """The checkpoint that the session was made with. Raises ``missing-file``."""
        folder = _folder_of(self.tools.library.catalog, self.session)
        name = str((load_manifest(folder).snapshot.get("runtime_info") or {}).get("sd_model_checkpoint") or "")
        for kind in ("checkpoints", "diffusion_models"):
            for root in self._folders(kind) if name else ():
                if (root / name).is_file():
                    return root / name
        raise SDGenError(
            "missing-file",
            f"the checkpoint {name!r} of {self.source.name} is not in ComfyUI's folders on this machine",
            hint="Run this on the machine of ComfyUI.",
        )

    def _imported(self, folder: Path) -> str:
        catalog = self.tools.library.catalog
        Importer(catalog.index).run([folder])
        rows = catalog.index.store.rows(
            "SELECT slug FROM session WHERE folder=? AND missing=0", (os.path.realpath(folder),)
        )
        if not rows:
            raise SDGenError("unknown-session", f"{shown(folder)} could not be imported")
        return str(rows[0][0])

    def _remarks(self) -> list[str]:
        judge = self.tools.judge
        return [SAME_JUDGE] if judge is None or judge.identity == self.tools.chooser.identity else []

    # ---- what is remembered ------------------------------------------------------------------------------------------------

    def _step(self, cycle: Cycle, name: str, work: Callable[[], _T]) -> Any:
        """What a step gave: now, or when it was done. A killed one is simply done again."""
        if name not in cycle.done:
            begun = time.monotonic()
            cycle.done[name] = work()
            cycle.seconds[name] = round(time.monotonic() - begun, 2)
            self._write()
        return cycle.done[name]

    def _read(self) -> None:
        path = self.folder / STATE
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise SDGenError("improve-bad-state", f"{shown(path)} cannot be read: {error}") from error
        try:
            if data["form"] != FORM or data["session"] != self.session:
                raise SDGenError("improve-bad-state", f"{shown(path)} is of another session or version")
            cycles = [Cycle(int(c["number"]), dict(c["done"]), dict(c["seconds"])) for c in data["cycles"]]
            asked = Wanted(**data["wanted"])
        except (KeyError, TypeError, ValueError) as error:
            raise SDGenError("improve-bad-state", f"{shown(path)} is damaged: {error}") from error
        changed = {name for name in Wanted.model_fields if getattr(asked, name) != getattr(self.wanted, name)} - _FREE
        if cycles and cycles[-1].outcome == NO_MATERIAL:
            changed -= _FOR_MATERIAL
        if cycles and changed:
            names = ", ".join(sorted(changed))
            raise SDGenError("improve-bad-state", f"{shown(self.folder)} was begun with another {names}")
        self.cycles = cycles

    def _write(self) -> None:
        data = {
            "form": FORM,
            "session": self.session,
            "name": self.source.name,
            "wanted": self.wanted.model_dump(),
            "cycles": [cycle.to_dict() for cycle in self.cycles],
        }
        make_folder(self.folder)
        write_atomic(
            self.folder / STATE, json.dumps(data, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
        )

    def _say(self, line: str) -> None:
        self._tell(line)
        make_folder(self.folder)
        with (self.folder / LOG).open("a", encoding="utf-8", errors="replace") as log:
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")


# ---- plain functions -------------------------------------------------------------------------------------------------------


def _promoted(source: Path, target: Path, more: Mapping[str, str]) -> None:
    """Put a LoRA among ComfyUI's, with ``more`` to say. Raises ``missing-file``, ``bad-training``, ``unwritable-folder``, ``disk-full``."""
    make_folder(target.parent)
    try:
        copy_with_metadata(source, target, more)
    except FileNotFoundError as error:
        raise SDGenError("missing-file", f"there is no file {shown(source)}") from error
    except (OSError, BrokenFileError) as error:
        raise SDGenError("bad-training", f"{shown(source)} cannot be promoted: {error}") from error


def _folder_of(catalog: Catalog, slug: str) -> Path:
    from ...scoring.material import session_of

    return Path(session_of(catalog, slug)[2])


def _is(rate: Mapping[str, Any], target: Value) -> bool:
    return (rate["placeholder"], rate["key"]) == target


def _same_run(run: Mapping[str, Any], dataset: Path) -> bool:
    return Path(str(run.get("dataset", ""))) == dataset.absolute()


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
