"""The trainer that runs ``fake_trainer.py``, and a program that follows its runs: ``python fakes.py FOLDER``."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from sdgen_core.training.runs.model import Cause, Job, Launch, Problem, Seen, State
from sdgen_core.training.runs.service import Runs

SCRIPT = Path(__file__).with_name("fake_trainer.py")
_BAR = re.compile(r"steps:\s*\d+%\|[^|]*\| (\d+)/(\d+) \[[^\]]*?(?:avr_loss=(\S+))?\]")


class FakeTrainer:
    name = "fake"

    def form(self, base: Path) -> dict[str, Any]:
        return {"groups": [{"name": "", "options": [{"name": name} for name in KNOWN]}], "presets": []}

    def check(self, job: Job) -> list[Problem]:
        return [Problem("bad-training", "no such thing", option=name) for name in job.options if name not in KNOWN]

    def launch(self, job: Job, resume: State | None) -> Launch:
        start = resume.step if resume else 0
        output = job.output / f"{job.name}.safetensors"
        words = [f"--{name}={value}" for name, value in job.options.items()]
        more = [f"--start={start}", f"--trained={job.folder / 'trained.txt'}", f"--events={job.events}"]
        program = str(job.options.get("program", sys.executable))
        argv = (
            program,
            str(SCRIPT),
            f"--output={output}",
            f"--states={job.states}",
            f"--steps={job.steps - start}",
            *more,
        )
        saves = bool(job.options.get("every"))
        given = [word for word in words if not word.startswith("--program")]
        return Launch((*argv, *given), job.folder, {}, output, job.steps - start, saves, job.events)

    def read(self, piece: str) -> Seen | None:
        if match := _BAR.search(piece):
            return Seen(int(match[1]), int(match[2]), float(match[3]) if match[3] else None, "training")
        if match := re.match(r"saving state at step (\d+)", piece):
            return Seen(step=int(match[1]), phase="saving", state=Path("state"))
        return Seen(phase="loading") if piece.startswith("accelerator device") else None

    def states(self, job: Job) -> list[State]:
        found = [path.parent for path in job.states.glob("*/state.json")]
        return [State(one, json.loads((one / "state.json").read_text())["step"]) for one in sorted(found)]

    def cause(self, tail: str, exit_code: int | None) -> Cause | None:
        return Cause("no-images", "no images were found") if "No data found" in tail else None


KNOWN = ("every", "pace", "mode", "program")


def trainer_of(name: str) -> FakeTrainer:
    assert name == "fake"
    return FakeTrainer()


if __name__ == "__main__":
    runs = Runs(Path(sys.argv[1]), trainer_of)
    runs.follow()
    print("follows", flush=True)
    sys.stdin.read()
    runs.close()
