"""`sdgen score`, `sdgen report`: what images show of their values, and what was said of a session."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SDGenError, shown
from ..sessions.files import write_atomic
from .output import (
    counted,
    fail,
    print_error,
    print_event,
    print_json,
    print_table,
    progress_events,
    reporting,
    visible,
)

if TYPE_CHECKING:
    from ..catalog.library import Library
    from ..comfy.settings import Settings
    from ..scoring.embedding.pipeline import Progress
    from ..scoring.service import Scoring
    from ..scoring.settings import ScoringSettings

CatalogOption = Annotated[
    Path | None, typer.Option("--catalog", help="Folder of the catalog's databases; see `sdgen catalog status`.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SettingsOption = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        help="SDGen's settings, as in ComfyUI: `scoring` and `scorer_folders` are used. Else settings.json beside the catalog's folder.",
        metavar="FILE",
    ),
]
#: What is wrong with a session, so that others may be scored all the same; anything else is wrong with all.
_OF_A_SESSION = frozenset({"nothing-to-score", "missing-file", "broken-image", "unreadable-file", "unknown-session"})
_WORST = 10
_PICTURES = 8  # of each value that fails


@reporting
def score(
    sessions: Annotated[
        list[str],
        typer.Argument(
            help="Sessions: ids or names as `sdgen catalog sessions` shows them, or session folders, which are imported.",
            metavar="SESSION...",
        ),
    ],
    scorer: Annotated[
        str,
        typer.Option("--scorer", help="The model: demo, a file in a folder of scorers, or open_clip's name and tag."),
    ] = "demo",
    scorers: Annotated[
        list[Path] | None, typer.Option("--scorers", help="Folder with weights for scoring. May be repeated.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    download: Annotated[
        bool, typer.Option("--download", help="The weights may be fetched from open_clip's hub.")
    ] = False,
    batch: Annotated[int, typer.Option("--batch", min=1, max=4096, help="Images that the model sees at once.")] = 32,
    prompt_scores: Annotated[
        str | None,
        typer.Option(
            "--prompt-scores",
            help="Hold images against whole prompts: on, off, or auto (the default), when that takes a minute at most.",
            metavar="MODE",
        ),
    ] = None,
    aesthetic: Annotated[
        Path | None,
        typer.Option("--aesthetic", help="An aesthetic head (.pth, .safetensors): a score of its own.", metavar="FILE"),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Another setting of `scoring`: thresholds.success=0.9, cascade.vlm.url=http://127.0.0.1:11434/v1, "
            "'wording.Mood=not assessable'. May be repeated.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    settings: SettingsOption = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Score sessions: how sure is it that each image shows the values it was made with?

    Images that were seen before are not read again. Exit code 1 when images could not be read or a session could not be scored, the
    others are scored all the same; Ctrl+C loses a batch at most.
    """
    from ..scoring.models import load
    from ..scoring.service import Scoring
    from ..scoring.settings import ScoringSettings

    failures = 0
    with opened_library(catalog) as library:
        said = settings_of(library.folder, settings)
        more = [f"prompt_scores={prompt_scores}"] if prompt_scores is not None else []
        more += [f"aesthetic_head={aesthetic}"] if aesthetic is not None else []
        wanted = ScoringSettings.given(said.scoring, [*more, *(change or [])])
        slugs = list(dict.fromkeys(session_slug(library, given) for given in sessions))
        folder = library.folder / "scoring"
        folders = [*(scorers or []), *said.folders_of_scorers()]
        backend = load(scorer, folders, device=device, download=download, memory=folder / "models.json")
        scoring = Scoring(library.catalog, library.file, folder, wanted)
        for slug in slugs:
            try:
                with _shown(json) as tell:
                    report = scoring.score(slug, backend, batch=batch, progress=tell)
            except SDGenError as error:
                if len(slugs) == 1 or error.code not in _OF_A_SESSION:
                    raise
                failures += 1
                if json:
                    print_event("failed", {"session": slug, **error.to_dict()})
                else:
                    print_error(SDGenError(error.code, f"{slug}: {error}", hint=error.hint))
                continue
            failures += len(report["failures"])
            if json:
                print_event("done", report)
            else:
                _print(report)
    if failures:
        fail(1)


@reporting
def report(
    session: Annotated[str, typer.Argument(help="The session: its id, its name, or its folder.")],
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            help="Hold another session against it, pair by pair: images of the same seed and values.",
            metavar="SESSION",
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with figures and images to this file.", metavar="FILE")
    ] = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """What was last said of a session by `sdgen score`: classes, success of each value, values that fail, agreement with people."""
    from ..scoring.page import against_page
    from ..scoring.service import Scoring

    with opened_library(catalog) as library:
        slug = session_slug(library, session)
        scoring = Scoring(library.catalog, library.file, library.folder / "scoring")
        if against is not None:
            found = scoring.against(session_slug(library, against), slug)
        else:
            found = scoring.report(slug)
        if html:
            made = _page(library, scoring, found) if against is None else against_page(found)
            write_atomic(html, made.encode("utf-8"))
            print(f"written: {shown(html)}", file=sys.stderr)
    if json:
        print_json(found)
    elif against is None:
        _print(found)
    else:
        _print_against(found)


def _page(library: Library, scoring: Scoring, found: dict[str, Any]) -> str:
    from ..scoring.page import Picture, page

    def pictures(placeholder: str, key: str) -> list[Picture]:
        out = []
        for thumb, file, score in scoring.weakest(found, placeholder, key, _PICTURES):
            made = library.thumbnail(thumb, 256)
            out.append(Picture(made if isinstance(made, bytes) else made.read_bytes(), file, score))
        return out

    return page(found, pictures)


def settings_of(catalog: Path, given: Path | None) -> Settings:
    """SDGen's settings for a catalog: in ComfyUI's user folder they lie beside it. Raises ``missing-file`` and ``bad-settings``."""
    from ..comfy.settings import Settings
    from ..scoring.settings import ScoringSettings

    if given is not None and not given.is_file():
        raise SDGenError("missing-file", f"there is no file {shown(given)}", hint="Name SDGen's settings.json.")
    found = Settings.load(given or catalog.parent / "settings.json")
    ScoringSettings.read(found.scoring, shown(given or catalog.parent / "settings.json"))
    return found


def scoring_of(catalog: Path, given: Path | None) -> ScoringSettings:
    """What they say of scoring. Raises the same."""
    from ..scoring.settings import ScoringSettings

    return ScoringSettings.model_validate(settings_of(catalog, given).scoring)


@contextlib.contextmanager
def opened_library(folder: Path | None) -> Iterator[Library]:
    from ..catalog.library import Library
    from ..catalog.scan.importer import default_catalog

    library = Library(folder or default_catalog(), [])
    try:
        for said in library.catalog.remarks:
            print(f"warning: {said}", file=sys.stderr)
        yield library
    finally:
        library.stop()


def session_slug(library: Library, given: str) -> str:
    """The session that is meant. A folder is looked through first. Raises ``unknown-session``."""
    from ..catalog.scan.importer import Importer
    from ..scoring.material import slug_of

    folder = Path(given).resolve()
    if folder.is_dir():
        Importer(library.catalog.index).run([folder])
        rows = library.catalog.index.store.rows("SELECT slug FROM session WHERE folder=? AND missing=0", (str(folder),))
        if rows:
            return str(rows[0][0])
    hint = "`sdgen catalog sessions` shows ids and names; a session's folder will do too."
    return slug_of(library.catalog, given, hint)


@contextlib.contextmanager
def _shown(json: bool) -> Iterator[Callable[[Progress], None]]:
    """What shows the progress: lines of JSON, or a bar on a terminal."""
    if json:
        yield progress_events(vars)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("images"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Bar(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("images", total=None, speed="")

        def show(progress: Progress) -> None:
            bar.update(task, total=progress.total, completed=progress.done, speed=f"{progress.per_second:.0f} a second")

        yield show


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def _print(found: dict[str, Any]) -> None:
    """A report for people."""
    from ..scoring.cascade.own import in_words

    for failure in found["failures"]:
        named = failure["file"] in failure["message"]
        text = failure["message"] if named else f"{failure['file']}: {failure['message']}"
        print_error(SDGenError(failure["error"], text, hint=failure["hint"]))
    seen = f"{counted(found['images'], 'image')}, {found['embedded']:,} new, by {found['scorer']} in {found['seconds']:.1f} s"
    print(visible(f"{found['name']} ({found['session']}): {seen}"))
    if "classes" not in found:
        print("cancelled: what the model saw is kept")
        return
    if found["missing"]:
        print(f"not among them: {counted(found['missing'], 'image')} without a file any more")
    if not found["placeholders"]:
        print("its images have no placeholders' values: there is nothing to judge but their prompts")
    classes = ", ".join(f"{n:,} {name}" for name, n in found["classes"].items() if n)
    done = "complete" if found["complete"] else "not complete"
    print(f"{classes}; {found['flagged']:,} flagged; mean {_percent(found['mean'])}, {done}")
    print(_prompts(found))
    if (pleasing := found["aesthetic"]) is not None:
        numbers = f"{pleasing['mean']:.2f} ({pleasing['lowest']:.2f} to {pleasing['highest']:.2f})"
        print(visible(f"aesthetic score: mean {numbers}, by {pleasing['head']}"))
    rows = []
    for each in found["placeholders"]:
        basis = (
            f"{counted(each['labels'], 'verdict')}, ECE {each['error']:.3f}" if each["calibrated"] else "uncalibrated"
        )
        if each["contrast"] == "neutral":
            basis += ", one value only"
        rows.append([each["placeholder"], _why(each["reason"]) or basis, _percent(each["separation"]), _alike(each)])
    if rows:
        print_table(["placeholder", "basis", "told apart", "not told apart"], _escaped(rows))
    for tier in found["cascade"]:
        _print_tier(tier)
    for own in found.get("classifier", ()):  # reports of earlier versions have none
        print(visible(f"{own['placeholder']}: {in_words(own)}"))
    worst = [
        [rate["placeholder"], rate["text"], f"{rate['matching']:,} of {rate['images']:,}", _interval(rate)]
        for rate in found["failing"][:_WORST]
    ]
    if worst:
        print_table(["weakest values", "", "shown in", "95 % interval"], _escaped(worst))


def _prompts(found: dict[str, Any]) -> str:
    """What is said of whole prompts; what was not read is no score of nought."""
    said, mean = found["prompts"], found["prompt_score"]
    if not said["distinct"]:
        return "prompt score: the images have no prompts"
    from ..sessions.service import duration

    text = "prompt score: not computed" if mean is None else f"prompt score (CLIPScore, no per cent): mean {mean:.3f}"
    left = said["distinct"] - said["read"]
    if not left:
        return text
    takes = "" if said["seconds"] is None else f" and would take about {duration(said['seconds'])}"
    return f"{text}; {counted(left, 'prompt')} of {said['distinct']:,} not read{takes}: --prompt-scores on"


def _print_tier(tier: dict[str, Any]) -> None:
    """What became of a further tier of the cascade."""
    said = f"{tier['name']}: {counted(tier['asked'], 'value')} looked at again, {tier['answered']:,} answered"
    if tier["kept"]:
        said += f" ({tier['kept']:,} known from before)"
    if tier["left_out"]:
        said += f"; {tier['left_out']:,} left out beyond the limit of images"
    if tier["not_reached"]:
        said += f"; {tier['not_reached']:,} not reached"
    print(visible(said))
    for failure in tier["failures"]:
        print(visible(f"  {failure['count']:,} × {failure['error']}, such as: {failure['message']}"))
    for remark in tier["remarks"]:
        print(visible(f"  {remark}"))
    if (error := tier["gave_up"]) is not None:
        print_error(SDGenError(error["error"], f"{tier['name']}: {error['message']}", hint=error["hint"]))


def _print_against(found: dict[str, Any]) -> None:
    """Two sessions, for people."""
    from ..scoring.page import compared

    first, second, overall = found["first"], found["second"], found["overall"]
    paired = ", ".join(["seed", *found["paired_by"]])
    print(visible(f"{second['name']} against {first['name']}: {counted(overall['pairs'], 'pair')} by {paired}"))
    for remark in found["remarks"]:
        print(visible(f"note: {remark}"))
    rows = [_pairs_row("images", "", overall, overall["p"])]
    rows += [_pairs_row(row["placeholder"], compared(row), row, row["p_adjusted"]) for row in found["values"][:_WORST]]
    names = [visible(one["name"])[:24].replace("[", r"\[") for one in (first, second)]
    print_table(["", "", "pairs", *names, "difference", "p", ""], _escaped(rows))
    left = len(found["values"]) - _WORST
    if left > 0:
        print(f"{left:,} more values: --json or --html")
    if overall["needs"]:
        print(f"undecided: about {counted(overall['needs'], 'more pair')} would tell")


def _pairs_row(what: str, value: str, row: dict[str, Any], p: float) -> list[Any]:
    from ..scoring.page import points

    change = "-"
    if row["difference"] is not None:
        change = f"{points(row['difference'])} ({points(row['low'])} to {points(row['high'])})"
    rates = (_percent(row["first_rate"]), _percent(row["second_rate"]))
    return [what, value, f"{row['pairs']:,}", *rates, change, f"{p:.2g}", row["change"] or ""]


def _interval(rate: dict[str, Any]) -> str:
    return f"{_percent(rate['low'])} to {_percent(rate['high'])}"


#: Why nothing is said of a placeholder, in words; others are the reason's own name.
_WHY = {
    "unseen": "no value stands out in these images",
    "alike": "its values are not told apart",
    "setting": "not assessable by `wording`",
}


def _why(reason: str | None) -> str | None:
    return _WHY.get(reason, f"not assessable: {reason}") if reason else None


def _alike(each: dict[str, Any]) -> str:
    return "; ".join(" = ".join(group["texts"]) for group in each["alike"])


def _escaped(rows: list[list[Any]]) -> list[list[str]]:
    return [[visible(str(cell)).replace("[", r"\[") for cell in row] for row in rows]
