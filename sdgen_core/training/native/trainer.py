"""ComfyUI's own training node as a trainer of runs: nothing to install, any model that Load Checkpoint loads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import SDGenError, shown
from ...sessions.naming import safe_name
from ..datasets.audit import audit
from ..datasets.folder import ENDINGS
from ..runs.model import Cause, Job, Launch, Problem, Seen, State
from . import lines, options, weights
from .causes import KILLED, told
from .graph import parts
from .installation import Installation
from .pictures import pictures
from .worker import Plan

_START = Path(__file__).with_name("start.py")
_PLAN = "native.json"


class NativeTrainer:
    """See ``Trainer``. ``installation`` is the ComfyUI that trains, asked for when it is needed; ``starting`` gives it for a start, with
    its device, which may take seconds to find out.
    """

    name = "native"

    def __init__(
        self, installation: Callable[[], Installation], starting: Callable[[], Installation] | None = None
    ) -> None:
        self._installation, self._starting = installation, starting or installation

    def form(self, base: Path) -> dict[str, Any]:
        """Raises ``comfyui-not-found``, ``comfyui-too-old`` and ``bad-base-model``."""
        if problem := options.problem_of_base(base):
            raise SDGenError(problem.code, problem.message, hint=problem.hint)
        return options.form(self._installation(), base)

    def check(self, job: Job) -> list[Problem]:
        """What is wrong with options, checkpoint and data set; every image is decoded."""
        out = []
        try:
            out += options.problems_of(self._installation(), job.options)
        except SDGenError as error:
            out.append(Problem(error.code, error.message, error.hint))
        if problem := options.problem_of_base(job.base):
            out.append(problem)
        try:
            out += audit(job.dataset).problems
            pictures(job.dataset)
        except SDGenError as error:
            out.append(Problem(error.code, error.text, error.hint, file=shown(job.dataset)))
        if any(ending in str(job.folder) for ending in ENDINGS):
            said = f"ComfyUI's loader finds no captions below {shown(job.folder)}, whose name holds that of a kind of image"
            out.append(Problem("unwritable-folder", said, "Set another `training_folder`.", file=shown(job.folder)))
        if job.steps < 1:
            out.append(
                Problem("bad-training-option", f"{job.steps} steps are none", "Ask for 1 at least.", option="steps")
            )
        return out

    def launch(self, job: Job, resume: State | None) -> Launch:
        """Raises ``comfyui-not-found``, ``comfyui-too-old``, ``bad-training-option`` and ``nothing-saved``."""
        where = self._starting()
        options.needed(options.problems_of(where, job.options))
        begin = resume.step if resume else 0
        if begin >= job.steps:
            raise SDGenError(
                "nothing-saved", f"all {job.steps:,} steps are trained already: nothing is left to go on with"
            )
        all_options = options.chosen(where, job.base, job.options)
        every = int(all_options.pop(options.SAVE_EVERY.name))
        output = job.output / f"{safe_name(job.name)}.safetensors"
        plan = Plan(job, where, all_options, every, output, resume.folder if resume else None, begin)
        job.folder.mkdir(parents=True, exist_ok=True)
        file = job.folder / _PLAN
        file.write_text(json.dumps(plan.to_json(), indent=1), encoding="utf-8")
        argv = (str(where.python), str(_START), str(file))
        env = {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}
        return Launch(argv, job.folder, env, output, job.steps - begin, saves=len(parts(begin, job.steps, every)) > 1)

    def read(self, piece: str) -> Seen | None:
        return lines.seen(piece)

    def states(self, job: Job) -> list[State]:
        return weights.states(job.states)

    def cause(self, tail: str, exit_code: int | None) -> Cause | None:
        """The worker's own word, else what ComfyUI's last ones mean."""
        for piece in reversed(tail.splitlines()):
            if found := lines.failure(piece):
                return found
        return told(tail) or (KILLED if exit_code == -9 else None)
