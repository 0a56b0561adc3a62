"""`sdgen classifier …`: your own classifier, trained on your verdicts, one head a placeholder."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SDGenError, nearest_names
from .output import counted, print_error, print_json, print_table, reporting, visible
from .score import CatalogOption, JsonOption, SettingsOption, opened_library, session_slug, settings_of

if TYPE_CHECKING:
    from ..catalog.library import Library
    from ..scoring.cascade.heads import HeadStore

app = typer.Typer(no_args_is_help=True, help="Your own classifier, trained in seconds on your verdicts.")

_MOST = 12  # values in a table


@app.command()
@reporting
def train(
    sessions: Annotated[
        list[str] | None,
        typer.Argument(
            help="Sessions whose verdicts it learns from: ids, names or folders. Without any: all that were judged.",
            metavar="[SESSION...]",
        ),
    ] = None,
    placeholder: Annotated[
        list[str] | None,
        typer.Option(
            "--placeholder", help="Only this one. May be repeated. Else all that were judged.", metavar="NAME"
        ),
    ] = None,
    features: Annotated[
        str, typer.Option("--features", help="What it looks at: the scorer's own embeddings (scorer), or efficientnet.")
    ] = "scorer",
    full: Annotated[
        bool, typer.Option("--full", help="The whole network learns too: with an accelerator, from 100 verdicts on.")
    ] = False,
    cpu: Annotated[bool, typer.Option("--cpu", help="With --full: do it without an accelerator, for hours.")] = False,
    epochs: Annotated[int, typer.Option("--epochs", min=1, max=1000, help="With --full: at most so many.")] = 20,
    batch: Annotated[int, typer.Option("--batch", min=1, max=1024, help="With --full: images at once.")] = 16,
    scorer: Annotated[
        str, typer.Option("--scorer", help="The scorer that it is to be better than; see `sdgen score`.")
    ] = "demo",
    scorers: Annotated[
        list[Path] | None, typer.Option("--scorers", help="Folder with weights for scoring. May be repeated.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Another setting of `scoring`, such as efficientnet=WEIGHTS. May be repeated.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    settings: SettingsOption = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Train a classifier for each placeholder that you have judged, and try it on images that it has not learnt from.

    `sdgen score` uses it from then on for the placeholders where it is better than the scorer.
    """
    from ..scoring.models import load
    from ..scoring.settings import ScoringSettings
    from ..training.classifier.train import KINDS, Training, of
    from ..training.classifier.tune import Tuning

    if features not in KINDS:
        raise SDGenError("bad-option", f"--features {features!r}", nearest=nearest_names(features, KINDS))
    tuning = Tuning(epochs=epochs, batch=batch, cpu=cpu) if full else None
    if tuning is not None:
        tuning.device()  # before anything is read
    with opened_library(catalog) as library:
        said = settings_of(library.folder, settings)
        wanted = ScoringSettings.given(said.scoring, change or [])
        slugs = list(dict.fromkeys(session_slug(library, given) for given in sessions or []))
        memory = library.folder / "scoring" / "models.json"
        backend = load(scorer, [*(scorers or []), *said.folders_of_scorers()], device=device, memory=memory)
        work = Training(library, backend, wanted, progress=lambda text: print(visible(text), file=sys.stderr))
        report = work.train(slugs, list(dict.fromkeys(placeholder or [])), features, tuning)
        if json:
            print_json(report.to_dict(library))
            return
        for head in report.heads:
            _print(of(head, library))
        for text in report.left:
            print(visible(f"not trained: {text}"))
        for text in report.remarks:
            print(visible(f"note: {text}"), file=sys.stderr)


@app.command(name="list")
@reporting
def list_heads(catalog: CatalogOption = None, json: JsonOption = False) -> None:
    """Show the classifiers that there are, how good they are, and whether they are used."""
    from ..scoring.cascade.heads import read
    from ..training.classifier.train import of

    rows, damaged = [], []
    with opened_library(catalog) as library:
        for path in _store(library).paths():
            try:
                rows.append(of(read(path), library))
            except SDGenError as error:
                damaged.append(error)
    if json:
        print_json({"classifiers": rows, "damaged": [broken.to_dict() for broken in damaged]})
        return
    if not rows and not damaged:
        print("there are none: judge images, score their session, then `sdgen classifier train`")
    table = [
        [
            each["placeholder"],
            each["scorer_name"],
            each["features"]["name"] if each["features"]["identity"] != each["scorer"] else "its own",
            f"{each['labels']:,}",
            _with_interval(each["ours"]),
            f"{each['theirs']['accuracy']:.0%}",
            ("used" if each["used"] else "not better") + _newer(each),
        ]
        for each in rows
    ]
    if table:
        headings = ["placeholder", "scorer", "features", "verdicts", "right (95 %)", "without", ""]
        print_table(headings, _escaped(table))
    for broken in damaged:
        print_error(broken)


@app.command()
@reporting
def forget(
    placeholder: Annotated[str, typer.Argument(help="The placeholder.", metavar="PLACEHOLDER")],
    catalog: CatalogOption = None,
) -> None:
    """Remove the classifier of a placeholder, for all scorers. Verdicts stay; scores change with the next `sdgen score`."""
    with opened_library(catalog) as library:
        heads = _store(library)
        folders = sorted({path.parent.name for path in heads.paths()})
        gone = [folder for folder in folders if heads.forget(folder, placeholder)]
        if not gone:
            known = _known(heads)
            raise SDGenError(
                "no-classifier",
                f"there is no classifier of a placeholder {placeholder!r}",
                nearest=nearest_names(placeholder, known),
            )
    print(f"removed: {visible(placeholder)}, for {counted(len(gone), 'scorer')}")


def _store(library: Library) -> HeadStore:
    from ..scoring.cascade.heads import HeadStore
    from ..scoring.service import HEADS

    return HeadStore(library.folder / "scoring" / HEADS)


def _known(heads: HeadStore) -> list[str]:
    from ..scoring.cascade.heads import read

    out = []
    for path in heads.paths():
        with contextlib.suppress(SDGenError):
            out.append(read(path).facts.placeholder)
    return out


def _print(each: dict[str, Any]) -> None:
    """A head that was just trained, for people."""
    took = f"{counted(each['labels'], 'verdict')}, {each['seconds']:.1f} s, on {each['features']['name']}"
    print(visible(f"{each['placeholder']}: {took}"))
    rows = [
        [name, _with_interval(said), *(f"{said[part]:.3f}" for part in ("log_loss", "brier", "error"))]
        for name, said in (("classifier", each["ours"]), ("without it", each["theirs"]))
    ]
    print_table([f"on {each['tried']:,} images not learnt from", "right (95 %)", "log loss", "Brier", "ECE"], rows)
    values = sorted(each["values"], key=lambda value: -(value["ok"] + value["partial"] + value["ko"]))
    cells = [
        [value["text"], value["ok"], value["partial"], value["ko"], *map(_share, _accuracies(value))]
        for value in values[:_MOST]
    ]
    print_table(["value", "ok", "partial", "ko", "right", "without"], _escaped(cells))
    if len(values) > _MOST:
        print(f"{len(values) - _MOST:,} more values: --json")
    print(visible("it is used" if each["used"] else f"it is not used: {each['reason']}"))
    for text in each["remarks"]:
        print(visible(f"note: {text}"))


def _with_interval(said: dict[str, Any]) -> str:
    """How often it is right, and where that lies for all images such as those."""
    low, high = said["interval"]
    return f"{said['accuracy']:.0%} ({100 * low:.0f}–{100 * high:.0f})"


def _accuracies(value: dict[str, Any]) -> tuple[float | None, float | None]:
    return value["accuracy"], value["accuracy_without"]


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _newer(each: dict[str, Any]) -> str:
    if each["more"] > 0:
        return f"; {counted(each['more'], 'newer verdict')}: train it again"
    return "; verdicts were taken back: train it again" if each["more"] < 0 else ""


def _escaped(rows: list[list[Any]]) -> list[list[str]]:
    return [[visible(str(cell)).replace("[", r"\[") for cell in row] for row in rows]
