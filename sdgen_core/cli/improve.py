"""`sdgen improve`: a failing value of a session is repaired by a LoRA, measured, and promoted or rolled back."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import SDGenError, shown
from .connection import server_url
from .output import fail, print_event, progress_events, reporting, visible
from .score import CatalogOption, JsonOption, SettingsOption, opened_library, session_slug, settings_of
from .train import ComfyOption, Place, TrainerOption, TrainingOption

#: In place of a scorer's name: people judge.
HUMAN = "human"


@reporting
def improve(
    session: Annotated[str, typer.Argument(help="The session: its id, its name, or its folder.")],
    value: Annotated[
        str,
        typer.Option(
            "--value", help="The value to repair; else those that fail most, one a cycle.", metavar="Placeholder=Key"
        ),
    ] = "",
    theme: Annotated[str, typer.Option("--theme", help="Of a session with several themes, the one to work with.")] = "",
    cycles: Annotated[int, typer.Option("--cycles", min=1, max=100, help="Values, or tries with one value.")] = 1,
    scorer: Annotated[str, typer.Option("--scorer", help="The scorer that chooses the images to learn from.")] = "demo",
    judge: Annotated[
        str,
        typer.Option(
            "--judge", help="Another scorer, which judges the LoRA; human: you do. Without it the same one does."
        ),
    ] = "",
    scorers: Annotated[
        list[Path] | None, typer.Option("--scorers", help="Folder with weights for scoring. May be repeated.")
    ] = None,
    focus: Annotated[int, typer.Option("--focus", help="Images of the value to choose from.")] = 192,
    best: Annotated[float, typer.Option("--best", help="Share of them to learn from, the best by score.")] = 0.06,
    minimum: Annotated[float, typer.Option("--minimum", help="Score from which on they are good enough.")] = 0.9,
    least: Annotated[int, typer.Option("--least", help="So many good ones are needed.")] = 8,
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--also",
            help="A session whose images of the value may be learned from too, such as imported ones. May be repeated.",
            metavar="SESSION",
        ),
    ] = None,
    images: Annotated[
        int,
        typer.Option(
            "--images", help="Images of each value in the benchmark; doubtful ones get up to 4 times as many."
        ),
    ] = 72,
    strengths: Annotated[str, typer.Option("--strengths", help="Strengths of the LoRA to choose from.")] = "0.7,1",
    margin: Annotated[float, typer.Option("--margin", help="Points (of 100) by which no other value may fall.")] = 5,
    steps: Annotated[int | None, typer.Option("--steps", help="Training steps; else what suits the model.")] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of the trainer, such as rank=16. May be repeated.", metavar="NAME=VALUE"),
    ] = None,
    trainer: TrainerOption = "native",
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, max=64, help="Images that go through the sampler at once.")
    ] = None,
    name: Annotated[
        str, typer.Option("--name", help="Name of the loop; the same name goes on with the same loop.")
    ] = "",
    device: Annotated[str, typer.Option("--device", help="Of the scorers: auto, cpu, cuda, cuda:1, mps.")] = "auto",
    html: Annotated[
        Path | None, typer.Option("--html", help="Where the report goes; else into the loop's folder.", metavar="FILE")
    ] = None,
    server: Annotated[
        str | None, typer.Option("--server", help="Address of ComfyUI, else SDGEN_SERVER, else port 8188 here.")
    ] = None,
    comfyui: ComfyOption = None,
    training: TrainingOption = None,
    settings: SettingsOption = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Repair a value that fails: make images of it, train a LoRA on the good ones, and keep it if a benchmark says so.

    The benchmark is made of seeds that nobody trained with, each without and with the LoRA. A LoRA is promoted when its value surely rises,
    and surely no other value falls by more than the margin; it is put into ComfyUI's LoRA folder. Killed at any moment, the same command
    goes on where it was; so it does where it waits for your verdicts (--judge human). Exit code 1 when nothing was promoted.
    """
    from ..comfy.client import ComfyClient
    from ..scoring.models import load
    from ..scoring.service import Scoring
    from ..scoring.settings import ScoringSettings
    from ..sessions.files import write_atomic
    from ..sessions.naming import safe_name
    from ..training.improve.decide import PROMOTE
    from ..training.improve.loop import REPORT, Loop, Tools, Wanted
    from ..training.improve.report import page
    from ..training.runs.asked import options_given

    place = Place(training, settings, catalog, comfyui, server)
    with contextlib.ExitStack() as stack:
        library = stack.enter_context(opened_library(catalog))
        slug = session_slug(library, session)
        by_people = judge == HUMAN
        wanted = Wanted.of(
            value=value,
            theme=theme,
            cycles=cycles,
            focus=focus,
            best=best,
            minimum=minimum,
            least=least,
            images=images,
            strengths=_numbers(strengths),
            margin=margin / 100,
            trainer=trainer,
            steps=steps,
            options=options_given(change or []),
            batch=batch,
            also=[session_slug(library, one) for one in also or ()],
            people=by_people,
        )
        said = settings_of(library.folder, settings)
        folder = library.folder / "scoring"
        folders = [*(scorers or []), *said.folders_of_scorers()]
        chooser = load(scorer, folders, device=device, memory=folder / "models.json")
        other = load(judge, folders, device=device, memory=folder / "models.json") if judge and not by_people else None
        scoring = ScoringSettings.model_validate(said.scoring)
        runs = place.runs(starts=True)
        stack.callback(place.leave, runs)
        tools = Tools(
            ComfyClient(server_url(server)),
            library,
            Scoring(library.catalog, library.file, folder, scoring),
            chooser,
            runs,
            folder,
            other,
            scoring.thresholds.match,
            scoring.wording,
        )
        home = runs.folder / "improve" / safe_name(name or " ".join(filter(None, [slug, theme, value])))
        tell, progress = stack.enter_context(_shown(json))
        loop = Loop(home, slug, wanted, tools, tell, progress)
        report = html or home / REPORT
        try:
            done = loop.run()
        except KeyboardInterrupt:
            tell(
                "interrupted: ComfyUI still makes the images it was asked for, and a training goes on; so does the same command"
            )
            raise
        except SDGenError as error:
            if error.code != "improve-busy" and any(cycle.done for cycle in loop.cycles):
                tell("what was done is kept: the same command goes on from here")
            raise
        finally:
            said_so_far = [cycle.to_dict() for cycle in loop.cycles if cycle.done]
            if said_so_far:
                text = page(loop.source.name, said_so_far, loop.source.values(every=True))
                write_atomic(report, text.encode("utf-8", "surrogatepass"))
        if json:
            cycles_said = [cycle.to_dict() for cycle in done]
            print_event("done", {"session": slug, "report": shown(report), "cycles": cycles_said})
        else:
            print(f"report: {shown(report)}")
    if not any(cycle.outcome == PROMOTE for cycle in done):
        fail()


def _numbers(text: str) -> list[float]:
    """Raises ``bad-option``."""
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise SDGenError(
            "bad-option", f"strengths are numbers with commas between, such as 0.7,1: not {text!r}"
        ) from None


@contextlib.contextmanager
def _shown(json: bool) -> Iterator[tuple[Callable[[str], None], Callable[[str, int, int], None]]]:
    """What shows the lines of a loop, and its progress: lines of JSON, or text and a bar on a terminal."""
    if json:

        def words(now: tuple[str, int, int]) -> dict[str, Any]:
            return {"what": now[0], "done": now[1], "total": now[2]}

        event = progress_events(words)
        yield (lambda line: print_event("step", {"text": line})), (lambda what, done, total: event((what, done, total)))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, soft_wrap=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None)

        def tell(line: str) -> None:
            print(visible(line), file=sys.stderr, flush=True) if bar.disable else bar.print(escape(visible(line)))

        shown_now = ""

        def advance(what: str, done: int, total: int) -> None:
            nonlocal shown_now
            if what != shown_now:  # each step has a time of its own
                shown_now = what
                bar.reset(task, description=escape(visible(what)))
            bar.update(task, completed=done, total=total)

        yield tell, advance
