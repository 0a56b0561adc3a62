"""`sdgen train …`: training runs, with or without a ComfyUI that runs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SDGenError, shown
from .output import fail, print_error, print_event, print_json, print_table, progress_events, reporting, visible
from .score import CatalogOption, JsonOption, SettingsOption, settings_of

if TYPE_CHECKING:
    from ..training.runs.service import Runs

app = typer.Typer(no_args_is_help=True, help="Train LoRAs: start, look, stop, go on.")

TrainingOption = Annotated[
    Path | None,
    typer.Option("--training", help="Folder of data sets and runs, else the setting training_folder.", metavar="DIR"),
]
ComfyOption = Annotated[
    Path | None,
    typer.Option(
        "--comfyui", help="Folder of the ComfyUI that trains, else SDGEN_COMFYUI; it need not run.", metavar="DIR"
    ),
]
ServerOption = Annotated[
    str | None,
    typer.Option("--server", help="Address of a running ComfyUI, for --share; else SDGEN_SERVER or port 8188."),
]
RunArgument = Annotated[str, typer.Argument(help="Id or name of a run.", metavar="RUN")]
RunsArgument = Annotated[
    str | None, typer.Argument(help="Id or name of a run; the newest when left out.", metavar="[RUN]")
]
TrainerOption = Annotated[
    str, typer.Option("--trainer", help="native: ComfyUI's own training. kohya: sd-scripts, setting kohya_folder.")
]
ShareOption = Annotated[
    str,
    typer.Option(
        "--share",
        help="With ComfyUI: none, wait (until nothing renders), pause (its sessions), both.",
    ),
]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="Show the progress until it has ended; Ctrl-C leaves it alone.")
]

#: Seconds that a follower tries while another one still holds the runs; and that a stop may take.
_OTHERS, _PATIENCE = 3.0, 30.0
#: Programs that a command starts one after the other when each ends without having started its run.
_TRIES = 3
#: Bytes of their log after which it begins anew; seconds between two lines where no bar can be drawn.
_LONG, _EVERY = 1 << 20, 30.0
_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDE = 48


@app.command()
@reporting
def start(
    checkpoint: Annotated[Path, typer.Argument(help="The checkpoint that the LoRA is for.", metavar="CHECKPOINT")],
    dataset: Annotated[str, typer.Argument(help="A data set: its folder, or its name in the training folder.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the LoRA's file; else that of the data set.")
    ] = None,
    trainer: TrainerOption = "native",
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=1, help="Steps of the optimizer; else what suits the size of the model."),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of the trainer, such as rank=16. May be repeated.", metavar="NAME=VALUE"),
    ] = None,
    share: ShareOption = "wait",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is wrong.")] = False,
    wait: WaitOption = False,
    server: ServerOption = None,
    comfyui: ComfyOption = None,
    training: TrainingOption = None,
    settings: SettingsOption = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Train a LoRA, in a process of its own that outlives this command.

    Everything that would make it fail is told before it starts. With --wait, exit code 1 when no good LoRA came out.
    """
    from ..training.runs.asked import dataset_folder, options_given
    from ..training.runs.service import as_error, refuse
    from ..training.runs.trainers import steps_for

    place = Place(training, settings, catalog, comfyui, server)
    runs = place.runs()
    folder = dataset_folder(runs.folder, dataset)
    if not checkpoint.is_file():
        raise SDGenError(
            "missing-file", f"there is no checkpoint {shown(checkpoint)}", hint="Give the path of its file."
        )
    job = runs.job(
        name or folder.name,
        trainer,
        base=checkpoint,
        dataset=folder,
        steps=steps or steps_for(checkpoint),
        options=options_given(change or []),
    )
    problems = runs.check(job)
    refuse(problems)
    for problem in problems:
        print(visible(f"warning: {as_error(problem)}"), file=sys.stderr)
    if dry_run:
        if json:
            print_json({"job": job.to_json(), "problems": [as_error(one).to_dict() for one in problems]})
        else:
            print(f"nothing is in its way: {job.steps:,} steps")
        return
    _watch(place, runs, runs.start(job, share=share, checked=True), wait, json)


@app.command()
@reporting
def resume(
    run: RunArgument,
    share: Annotated[str | None, typer.Option("--share", help="Another way to share the machine than before.")] = None,
    wait: WaitOption = False,
    server: ServerOption = None,
    comfyui: ComfyOption = None,
    training: TrainingOption = None,
    settings: SettingsOption = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Go on with a run that was stopped or failed, from its last saved state: exactly the steps that are left are trained."""
    place = Place(training, settings, catalog, comfyui, server)
    runs = place.runs()
    _watch(place, runs, runs.resume(run, share=share).id, wait, json)


@app.command()
@reporting
def stop(
    run: RunArgument,
    save: Annotated[bool, typer.Option("--save", help="At its next saved state, so that nothing is lost.")] = False,
    server: ServerOption = None,
    comfyui: ComfyOption = None,
    training: TrainingOption = None,
    settings: SettingsOption = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """End a run before its end, with all its processes."""
    from ..training.runs.model import ENDED
    from ..training.runs.supervisor import follower

    place = Place(training, settings, catalog, comfyui, server)
    runs = place.runs()
    found = runs.stop(run, save=save)
    if save:
        if found.state not in ENDED:
            place.follow()
        _print(runs.status(found.id), json)
        return
    deadline = time.monotonic() + _PATIENCE
    status = runs.wait(found.id, lambda _: time.monotonic() < deadline)
    if status["state"] not in ENDED:
        who = follower(runs.folder)
        busy = f": process {who.pid}, which looks after it, does not do it" if who else ""
        raise SDGenError(
            "bad-run-state",
            f"{found.name} has not ended within {_PATIENCE:.0f} s{busy}",
            hint="End that program, then stop the run again." if who else None,
        )
    _print(status, json)


@app.command()
@reporting
def status(
    run: RunsArgument = None,
    comfyui: ComfyOption = None,
    training: TrainingOption = None,
    settings: SettingsOption = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """How far a run is, why it failed, what it has saved, and its curve of losses."""
    runs = Place(training, settings, catalog, comfyui, None).runs()
    runs.round()
    named = run or _newest(runs)
    found, curves = runs.status(named), runs.curves(named)
    if json:
        print_json({**found, "curves": curves})
        return
    _print(found, False)
    for tag, points in curves.items():
        if tag.startswith("loss") and len(points) > 1:
            print(f"{tag:<12}  {sparkline([value for _, value in points])}  {points[0][1]:.4g} to {points[-1][1]:.4g}")


@app.command("list")
@reporting
def list_runs(
    comfyui: ComfyOption = None,
    training: TrainingOption = None,
    settings: SettingsOption = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """All runs, newest first."""
    runs = Place(training, settings, catalog, comfyui, None).runs()
    runs.round()
    found = runs.list()
    if json:
        print_json({"runs": found})
    elif not found:
        print(visible(f"no runs in {shown(runs.folder)}"))
    else:
        rows = [
            [
                one["id"],
                visible(one["name"]).replace("[", r"\["),
                one["trainer"],
                one["state"],
                one["step"],
                one["steps"],
                _when(one),
            ]
            for one in found
        ]
        print_table(["id", "name", "trainer", "state", "step", "of", "created"], rows)


@app.command()
@reporting
def logs(
    run: RunsArgument = None,
    tail: Annotated[int, typer.Option("--tail", min=0, help="So many lines of its end; 0: all.")] = 40,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until the run has ended.")] = False,
    training: TrainingOption = None,
    settings: SettingsOption = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """What the trainer has printed."""
    runs = Place(training, settings, catalog, None, None).runs()
    named = run or _newest(runs)
    lines = runs.logs(named, tail=tail)
    if json and not follow:
        print_json({"run": named, "lines": lines})
        return
    for line in lines:
        print_event("line", {"text": line}) if json else print(visible(line))
    if follow:
        for line in runs.follow_log(named):
            print_event("line", {"text": line}) if json else print(visible(line), flush=True)


@app.command()
@reporting
def forget(
    run: RunArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    training: TrainingOption = None,
    settings: SettingsOption = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Delete a run that has ended, with its log, its saved states and what it wrote on the way. A finished LoRA stays in `loras`."""
    runs = Place(training, settings, catalog, None, None).runs()
    found = runs.find(run)
    if not yes and not typer.confirm(f"Delete {shown(runs.folder / 'runs' / found.id)} with everything in it?"):
        fail()
    gone = runs.forget(found.id)
    if json:
        print_json({"id": gone.id, "name": gone.name})
    else:
        print(visible(f"{gone.name} [{gone.id}] is deleted"))


@app.command()
@reporting
def options(
    checkpoint: Annotated[Path, typer.Argument(help="The checkpoint that is trained on.", metavar="CHECKPOINT")],
    trainer: TrainerOption = "native",
    search: Annotated[str, typer.Option("--search", help="Only those with this word.", metavar="WORD")] = "",
    comfyui: ComfyOption = None,
    settings: SettingsOption = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """The options that a run on a checkpoint may have, as the trainer that is installed here knows them, and presets."""
    form = Place(None, settings, catalog, comfyui, None).trainer(trainer).form(checkpoint)
    if json:
        print_json(form)
        return
    word = search.casefold()
    for group in form["groups"]:
        rows = [
            [one["name"], one["kind"], _value(one["default"]), ", ".join(map(str, one["choices"] or [])) or one["help"]]
            for one in group["options"]
            if word in f"{one['name']} {one['help']}".casefold()
        ]
        if rows:
            print_table(
                [group["name"] or "option", "", "default", ""], [[_plain(cell) for cell in row] for row in rows]
            )
    if form["presets"] and not word:
        print_table(["--set preset=", ""], [[_plain(one["name"]), _plain(one["title"])] for one in form["presets"]])


@app.command()
@reporting
def follow(
    server: ServerOption = None,
    comfyui: ComfyOption = None,
    training: TrainingOption = None,
    settings: SettingsOption = None,
    catalog: CatalogOption = None,
) -> None:
    """Start what waits and look after it until none is left, or ComfyUI or another command does. `start` and `resume` see to that."""
    from ..training.runs.supervisor import BUSY

    runs = Place(training, settings, catalog, comfyui, server).runs(starts=True)
    since = time.monotonic()
    while (busy := runs.round()) is not False:
        if busy:
            since = time.monotonic()
        elif time.monotonic() - since > _OTHERS:
            break
        time.sleep(BUSY)
    runs.close()


class Place:
    """Where runs are kept, and with what they are trained, by a command's options."""

    def __init__(
        self,
        training: Path | None,
        settings: Path | None,
        catalog: Path | None,
        comfyui: Path | None,
        server: str | None,
    ) -> None:
        from ..catalog.scan.importer import default_catalog

        home = catalog or default_catalog()
        self._settings = settings_of(home, settings)
        self._folder = (training or self._settings.training_folder(home.parent)).expanduser().absolute()
        self._comfyui, self._server = comfyui, server
        self._given = {"--training": self._folder, "--settings": settings, "--catalog": catalog, "--comfyui": comfyui}

    def trainer(self, name: str) -> Any:
        """A trainer by its name. Raises ``unknown-trainer``."""
        from ..training.lora.child import find_comfyui
        from ..training.native.installation import Installation
        from ..training.runs.trainers import installation_at, trainers

        return trainers(
            lambda: Installation(find_comfyui(self._comfyui)),
            lambda: installation_at(find_comfyui(self._comfyui)),
            kohya_folder=self._settings.kohya_folder,
            kohya_python=self._settings.kohya_python,
        )(name)

    def runs(self, *, starts: bool = False) -> Runs:
        """The runs there; ``starts``: this program starts those that wait."""
        from ..comfy.client import ComfyClient
        from ..training.runs.service import Runs
        from ..training.runs.sharing import remote
        from .connection import server_url

        here = remote(ComfyClient(server_url(self._server)))
        return Runs(self._folder, self.trainer, host=here, starts=starts)

    @property
    def log(self) -> Path:
        """What those say that follow the runs."""
        return self._folder / "follow.log"

    def follow(self) -> subprocess.Popen[bytes]:
        """Have the runs started and looked after by a process that ends with them, unless ComfyUI does it."""
        from ..comfy.processes import process_options
        from ..sessions.files import make_folder

        words = [part for name, value in self._given.items() if value for part in (name, str(Path(value).absolute()))]
        words += ["--server", self._server] if self._server else []
        options = process_options()
        if sys.platform == "win32":  # a console of its own that nobody sees: closing ours would end it
            options["creationflags"] |= subprocess.CREATE_NO_WINDOW
        make_folder(self._folder)
        with self.log.open("ab") as log:
            if log.tell() > _LONG:
                log.truncate(0)
            return subprocess.Popen(
                [sys.executable, "-m", "sdgen_core", "train", "follow", *words],
                cwd=Path(__file__).resolve().parents[2],  # its place, not PYTHONPATH, which every trainer would inherit
                env={**os.environ, "PYTHONUTF8": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **options,
            )

    def leave(self, runs: Runs) -> None:
        """Look after the runs no more; what trains or waits is left to another process."""
        from ..training.runs.model import ACTIVE

        runs.close()
        if runs.there and runs.ledger.runs("waiting", *ACTIVE):
            self.follow()


class Starter:
    """The program that starts a run which a command has put in line, and what the command says meanwhile."""

    def __init__(self, place: Place, runs: Runs) -> None:
        self._place, self._runs, self._tries = place, runs, 1
        self._process = place.follow()

    def told(self, status: dict[str, Any]) -> dict[str, Any]:
        """A status that knows of this program, which needs some seconds until others do."""
        from ..training.runs.service import NOBODY

        if status["reason"] == NOBODY and self._process.poll() is None:
            return {**status, "reason": f"waits for process {self._process.pid}, which starts it"}
        return status

    def look(self, status: dict[str, Any]) -> None:
        """Another one takes its place when it has ended and nobody would start the run. Raises ``training-failed`` when that is in vain."""
        from ..training.runs.service import NOBODY

        if status["reason"] != NOBODY:
            self._tries = 0
            return
        if self._process.poll() is None:
            return
        if self._tries == _TRIES:
            said = self._place.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            message = (
                f"{status['name']} waits, but what should start it ends at once{': ' if said else ''}{''.join(said)}"
            )
            raise SDGenError(
                "training-failed", message, hint=f"See {shown(self._place.log)}; `sdgen train follow` tries again."
            )
        self._tries += 1
        self._process = self._place.follow()


# ---- words -----------------------------------------------------------------------------------------------------------------


def _watch(place: Place, runs: Runs, run: str, wait: bool, json: bool) -> None:
    """After a start: leave it, or show it to its end."""
    starter = Starter(place, runs)
    if not wait:
        _print(starter.told(runs.status(run)), json)
        return
    with _shown(json) as tell:

        def look(status: dict[str, Any]) -> bool:
            tell(starter.told(status))
            starter.look(status)
            return True

        ended = runs.wait(run, look)
    if json:
        print_event("done" if ended["state"] == "done" else "failed", ended)
    else:
        _print(ended, False)
    if ended["state"] != "done":
        fail()


@contextlib.contextmanager
def _shown(json: bool) -> Iterator[Callable[[dict[str, Any]], None]]:
    """What shows the progress: lines of JSON, or a bar on a terminal."""
    if json:
        names = ("id", "state", "reason", "phase", "step", "steps", "loss", "eta")
        yield progress_events(lambda status: {name: status[name] for name in names})
        return
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn

    from ..training.runs.service import status_text

    console = Console(stderr=True)
    with Progress(BarColumn(), TextColumn("{task.description}"), console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda status: bar.update(
            task, total=status["steps"], completed=status["step"], description=escape(visible(status_text(status)))
        )


def _lines() -> Callable[[dict[str, Any]], None]:
    """Lines for a log, where no bar can be drawn: one for each state and what is waited for, and how far it is from time to time."""
    from ..training.runs.service import status_text

    said: tuple[Any, ...] = ()
    at = 0.0

    def tell(status: dict[str, Any]) -> None:
        nonlocal said, at
        now, here = time.monotonic(), (status["state"] if status["state"] != "saving" else "running", status["reason"])
        if here != said or now - at > _EVERY:
            said, at = here, now
            print(visible(status_text(status)), file=sys.stderr, flush=True)

    return tell


def _newest(runs: Runs) -> str:
    found = runs.list()
    if not found:
        raise SDGenError(
            "unknown-run", f"there are no runs in {shown(runs.folder)}", hint="`sdgen train start` starts one."
        )
    return str(found[0]["id"])


def _print(status: dict[str, Any], json: bool) -> None:
    """A run as a table of two columns; why it failed goes to standard error."""
    if json:
        print_json(status)
        return
    from ..sessions.service import duration

    state = status["state"] + (f" ({status['reason']})" if status["reason"] else "")
    saved = [one["step"] for one in status["saved"]]
    rows = [
        ("run", f"{status['name']}  [{status['id']}]"),
        ("state", state),
        ("step", f"{status['step']:,} of {status['steps']:,}"),
        ("loss", None if status["loss"] is None else f"{status['loss']:.4g}"),
        ("left", None if status["eta"] is None else f"about {duration(status['eta'])}"),
        ("states", "none before its end: stopped, it is lost" if _lost(status) else None),
        ("saved at", f"step {', '.join(f'{step:,}' for step in saved)}" if saved else None),
        ("trainer", status["trainer"]),
        ("lora", status["output"] and shown(status["output"])),
        ("folder", shown(status["folder"])),
    ]
    for name, value in rows:
        if value is not None:
            print(visible(f"{name:<12}  {value}"))
    if cause := status["cause"]:
        print_error(SDGenError("training-failed", cause["sentence"], hint=cause["hint"] or None))


def _lost(status: dict[str, Any]) -> bool:
    """Whether a stop would lose what it has trained."""
    return status["state"] in ("starting", "running", "saving") and not status["saves"] and not status["saved"]


def _when(status: dict[str, Any]) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(status["created"]))


def _value(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _plain(text: Any) -> str:
    return visible(str(text)).replace("[", r"\[")


def sparkline(values: list[float], wide: int = _WIDE) -> str:
    """A curve in one line of text, at most ``wide`` characters: means, from the lowest to the highest."""
    from ..training.runs.events import downsampled

    means = [value for _, value in downsampled(list(enumerate(values)), wide)]
    low, high = min(means), max(means)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[round((value - low) * scale)] for value in means)
