"""SDGen Train LoRA and SDGen Await LoRA: runs of this ComfyUI, started by one node and waited for by the other."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError, nearest_names, shown
from ..training.runs.asked import dataset_folder, options_of
from ..training.runs.service import status_text
from . import host
from .settings import Settings

if TYPE_CHECKING:
    from ..training.desk import Desk
    from ..training.runs.model import Trainer
    from ..training.runs.service import Runs

#: In words for a node's choice, and what the runs call it.
SHARES = {
    "wait until nothing renders": "wait",
    "pause sessions": "pause",
    "pause sessions, then wait": "both",
    "start at once": "none",
}

#: Kinds of ComfyUI's models that LoRAs are trained for.
_BASES = ("checkpoints", "diffusion_models")

#: Runs that a prompt waits for: what waits for the prompt's end in turn would wait for ever.
_awaited: set[str] = set()


@dataclass(frozen=True)
class Watcher:
    """A run that was started, on its way to the node that waits for it."""

    run: str


def runs_of(engine: host.Engine) -> Runs:
    """The runs of a ComfyUI: it trains with its own code where no other is wanted, and shares the machine with its sessions."""
    from ..training.native.installation import Installation, device_flags
    from ..training.runs.publish import FOLDER
    from ..training.runs.service import Runs
    from ..training.runs.sharing import Host
    from ..training.runs.trainers import trainers

    sessions = engine.sessions

    def making() -> list[str]:
        if _awaited:  # nothing else can go on
            return []
        return [row.id for state in ("running", "planned") for row in sessions.ledger.sessions(state)]

    def pause(session: str, reason: str) -> None:
        sessions.pause(session, reason)

    def resume(session: str, reason: str) -> None:
        row = sessions.ledger.session(session)
        if row.state == "paused" and row.reason in (reason, ""):  # a command has no word for why it pauses one
            sessions.resume(session)

    def trainer_of(name: str) -> Trainer:
        """With the settings as they are now: who has just read that `kohya_folder` is empty fills it in and presses Run again."""
        settings = engine.settings
        with contextlib.suppress(SDGenError):  # half-written: as at ComfyUI's start
            settings = Settings.load(engine.user_dir / "settings.json")
        made = trainers(
            lambda: Installation(host.comfyui_folder(), flags=device_flags(sys.argv[1:])),
            kohya_folder=settings.kohya_folder,
            kohya_python=settings.kohya_python,
        )
        return made(name)

    def elsewhere(name: str) -> bool:
        there = host.model_path("loras", name)
        return there is not None and there.parent != engine.training_folder / FOLDER

    here = Host(lambda: host.rendering() and not _awaited, making, pause, resume, host.free_models, elsewhere)
    return Runs(engine.training_folder, trainer_of, host=here, first=True)


def desk_of(engine: host.Engine, runs: Runs) -> Desk:
    """The same for people at a page, with this ComfyUI's models."""
    from ..training.desk import Desk

    def kinds(kind: str) -> tuple[str, ...]:
        return _BASES if kind == "checkpoints" else (kind,)

    def files(kind: str) -> list[str]:
        return _files(*kinds(kind))

    def file(kind: str, name: str) -> Path | None:
        return next((path for one in kinds(kind) if (path := host.model_path(one, name))), None)

    return Desk(engine.library, runs, files=files, file=file, shares=tuple(SHARES.values()))


def bases() -> list[str]:
    """The models that a LoRA can be trained for, by name: checkpoints, and diffusion models alone, as FLUX mostly comes."""
    return _files(*_BASES)


def _files(*kinds: str) -> list[str]:
    return list(dict.fromkeys(name for kind in kinds for name in host.model_files(kind)))


def train(
    *, checkpoint: str, dataset: str, name: str, trainer: str, steps: int, share: str, options: str
) -> tuple[Watcher, str]:
    """Start a run by a node's inputs; gives what waits for it, and what there is to say.

    Raises ``missing-file``, ``bad-option``, and what ``Runs.start`` raises.
    """
    from ..training.runs.trainers import steps_for

    base = host.checkpoint_path(checkpoint)
    if base is None:
        raise SDGenError(
            "missing-file",
            f"there is no checkpoint {checkpoint!r}",
            nearest=nearest_names(checkpoint, bases()),
        )
    if share not in SHARES:  # older ComfyUIs do not check what a program sends
        raise SDGenError("bad-option", f"share {share!r} is no choice", nearest=nearest_names(share, SHARES))
    engine = host.engine()
    folder = dataset_folder(engine.training_folder, dataset)
    job = engine.training.job(
        name.strip() or folder.name,
        trainer,
        base=base,
        dataset=folder,
        steps=steps or steps_for(base),
        options=options_of(options),
    )
    run = engine.training.start(job, share=SHARES[share])
    return Watcher(run), f"{job.name} is trained by {trainer}: {job.steps:,} steps, run {run}"


def await_run(run: str, node: str) -> dict[str, Any]:
    """Wait for a run, with the node's bar; Cancel ends the waiting, the run goes on. Gives its status.

    Raises ``unknown-run``, and ``training-failed`` with the cause when there is no LoRA.
    """
    runs = host.engine().training
    if runs.status(run)["state"] == "waiting":
        host.free_models_now()  # the queue tidies up only between prompts
    bar = host.Progress(node)

    def look(status: Mapping[str, Any]) -> bool:
        host.check_cancelled()
        bar.show(status["step"] / status["steps"], status_text(status))
        return True

    _awaited.add(run)
    try:
        status = runs.wait(run, look)
    finally:
        _awaited.discard(run)
    if status["state"] == "done":
        return status
    cause = status["cause"] or {
        "sentence": f"the run was {status['state']}",
        "hint": "`sdgen train resume` goes on with it.",
    }
    raise SDGenError("training-failed", f"{status['name']}: {cause['sentence']}", hint=cause["hint"] or None)


def lora_name(output: str) -> str:
    """The name of a finished LoRA as ComfyUI's loaders list it; its path when they do not."""
    path = Path(output)
    return path.name if host.model_path("loras", path.name) == path else shown(path)
