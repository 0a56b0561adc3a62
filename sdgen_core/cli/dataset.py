"""`sdgen dataset …`: data sets for LoRA training, made of judged and scored images."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SDGenError, shown
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
from .score import CatalogOption, JsonOption, SettingsOption, opened_library, session_slug, settings_of

if TYPE_CHECKING:
    from ..training.datasets.choose import Selection
    from ..training.datasets.folder import DataSet

app = typer.Typer(no_args_is_help=True, help="Data sets for LoRA training, made of judged and scored images.")

_MOST = 12  # rows of a table
_SESSIONS = 3  # that are named
_FEW = 10  # images below which more are wanted


@app.command()
@reporting
def make(
    sessions: Annotated[
        list[str] | None,
        typer.Argument(help="Sessions: ids or names, or session folders, which are imported.", metavar="[SESSION...]"),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the data set; else that of what it is of.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="A recipe, YAML or JSON. Options win.", metavar="FILE")
    ] = None,
    value: Annotated[
        str | None, typer.Option("--value", help="The value that is learned.", metavar="Placeholder=Key")
    ] = None,
    theme: Annotated[str | None, typer.Option("--theme", help="Only sessions made with this theme.")] = None,
    query: Annotated[
        str | None, typer.Option("--query", help="Only what this finds; see `sdgen catalog find --fields`.")
    ] = None,
    best: Annotated[float | None, typer.Option("--best", help="Share of the images that is good enough; 0.2.")] = None,
    minimum: Annotated[
        float | None, typer.Option("--minimum", help="Score from which images count that nobody judged; 0.5.")
    ] = None,
    at_least: Annotated[
        int | None, typer.Option("--at-least", help="So many, where as many are good enough, whatever the share; 10.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", help="At most so many images.")] = None,
    duplicates: Annotated[
        str | None,
        typer.Option("--duplicates", help="Bits that near-duplicates differ in, 0 to 8; none keeps all. 4."),
    ] = None,
    balance: Annotated[
        list[str] | None,
        typer.Option("--balance", help="As many of each value of this placeholder. May be repeated.", metavar="NAME"),
    ] = None,
    factor: Annotated[
        float | None, typer.Option("--factor", help="How many times as often as the rarest value; 1.5.")
    ] = None,
    even: Annotated[
        bool | None, typer.Option("--even", help="A folder for each combination of --balance; few images repeat.")
    ] = None,
    trigger: Annotated[str | None, typer.Option("--trigger", help="Word that captions begin with.")] = None,
    class_word: Annotated[str | None, typer.Option("--class-word", help="Word behind the trigger.")] = None,
    learned: Annotated[
        str | None,
        typer.Option("--learned", help="The learned value in captions: keep, replace (by the trigger), drop."),
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="Captions of the values, or of the prompt.")] = None,
    keep: Annotated[
        list[str] | None, typer.Option("--keep", help="Only this placeholder in captions. May be repeated.")
    ] = None,
    drop: Annotated[list[str] | None, typer.Option("--drop", help="Not this placeholder. May be repeated.")] = None,
    unseen: Annotated[
        str | None,
        typer.Option("--unseen", help="LoRA tags, quality words and negations in captions: drop or keep."),
    ] = None,
    repeats: Annotated[int | None, typer.Option("--repeats", help="Of each image an epoch; 1.")] = None,
    resolution: Annotated[
        str | None, typer.Option("--resolution", help="SIDE or WIDTHxHEIGHT; else the size of most images.")
    ] = None,
    apart: Annotated[
        Path | None,
        typer.Option("--held-out", help="held_out.json of another data set: the same is set aside.", metavar="FILE"),
    ] = None,
    files: Annotated[
        str | None,
        typer.Option("--files", help="auto, link or copy. A linked image is the gallery's own file: edit only copies."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to; else in the training folder, under its name.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which images, and why not the others.")] = False,
    settings: SettingsOption = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Choose the best images and write them with captions into a folder that trainers read.

    Only what people or a model found good is taken; for every other image the reason is counted. Images are hard links where these
    work. The folder holds dataset.toml for kohya, and held_out.json: seeds and prompts that no image has, for the benchmark.
    """
    from ..training.datasets.audit import audit as look
    from ..training.datasets.choose import choose
    from ..training.datasets.recipe import Recipe
    from ..training.datasets.write import check_target, check_there, folder_of, write

    given: dict[str, Any] = {
        "name": name, "value": value, "theme": theme, "query": query, "best": best, "minimum": minimum, "at_least": at_least,
        "limit": limit, "balance": balance, "factor": factor, "even": even, "repeats": repeats, "files": files,
    }  # fmt: skip
    said = {
        "trigger": trigger, "class_word": class_word, "learned": learned, "text": text, "keep": keep, "drop": drop, "unseen": unseen,
    }  # fmt: skip
    with opened_library(catalog) as library:
        if sessions:
            given["sessions"] = list(dict.fromkeys(session_slug(library, one) for one in sessions))
        more = {option: one for option, one in given.items() if one is not None}
        if captions := {option: one for option, one in said.items() if one is not None}:
            more["captions"] = captions
        if duplicates is not None:
            more["duplicates"] = None if duplicates.casefold() == "none" else _number(duplicates, "--duplicates")
        if resolution is not None:
            more["resolution"] = _sides(resolution)
        if apart is not None:
            more["apart"] = {"file": str(apart.absolute())}
        if recipe is None:
            more.setdefault("name", _name(value, theme, sessions))
            wanted = Recipe.of(more)
        else:
            wanted = Recipe.read(recipe, more)
        if not (wanted.sessions or wanted.theme or wanted.query or wanted.value):
            hint = "Name sessions, a --value, a --theme or a --query; --query 'date:7d' is what was made in a week."
            raise SDGenError("bad-recipe", "it is not said which images", hint=hint)
        target = folder or folder_of(
            settings_of(library.folder, settings).training_folder(library.folder.parent), wanted.name
        )
        if not dry_run:  # choosing decodes images, and may take minutes
            check_target(library, target)
            check_there(wanted, target)
        with _bar("looking at images", json) as tell:
            selection = choose(library, wanted, lambda looked: tell(looked, None))
        if dry_run:
            _print_selection(selection, json)
            return
        with _bar("writing", json) as tell:
            made = write(library, selection, target, tell)
    with _bar("auditing", json) as tell:
        found = look(made.folder, progress=tell)
    if json:
        print_event("done", {"folder": str(made.folder), **_said_of(selection), "audit": found.to_json()})
    else:
        _print_text(selection)
        print(visible(f"written: {shown(made.folder)}\n\n{found.text()}"))
    if found.errors:
        fail(1)


@app.command()
@reporting
def audit(
    dataset: Annotated[
        str,
        typer.Argument(help="A data set: its name, or its folder; or any folder with folders like 10_name of images."),
    ],
    epochs: Annotated[int, typer.Option("--epochs", min=1, max=100_000)] = 10,
    batch: Annotated[int, typer.Option("--batch", min=1, max=4096, help="Images a step.")] = 1,
    accumulation: Annotated[int, typer.Option("--accumulation", min=1, max=4096, help="Batches a step.")] = 1,
    resolution: Annotated[
        str | None, typer.Option("--resolution", help="SIDE or WIDTHxHEIGHT, in place of the data set's own.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds-per-step", min=0, help="To say how long the training takes.")
    ] = None,
    settings: SettingsOption = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Look at a data set before training: counts, buckets, captions, every image decoded, steps and time.

    Exit code 1 when something is wrong that would end a training.
    """
    from ..training.datasets.audit import audit as look

    size = None if resolution is None else _sides(resolution)
    wanted = (size, size) if isinstance(size, int) else None if size is None else (size[0], size[1])
    folder = _there(dataset, settings, catalog)
    with _bar("auditing", json) as tell:
        found = look(
            folder,
            epochs=epochs,
            batch=batch,
            accumulation=accumulation,
            seconds_per_step=seconds,
            resolution=wanted,
            progress=tell,
        )
    if json:
        print_event("done", found.to_json())
    else:
        print(visible(found.text()))
    if found.errors:
        fail(1)


@app.command()
@reporting
def show(
    dataset: Annotated[str, typer.Argument(help="A data set: its name in the training folder, or its folder.")],
    settings: SettingsOption = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Show what a data set was made of: recipe, images with captions, what was set aside."""
    from ..training.datasets.folder import DataSet

    found = DataSet.read(_there(dataset, settings, catalog))
    if json:
        print_json({**found.to_json(), "folder": str(found.folder), "held_out": found.held_out.to_json()})
        return
    _print_set(found)


@app.command("list")
@reporting
def list_sets(
    settings: SettingsOption = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """List the data sets of the training folder."""
    from ..training.datasets.folder import DataSet, records

    folder = _training(settings, catalog)
    found, damaged = [], []
    for path in records(folder):
        try:
            found.append(DataSet.read(path.parent))
        except SDGenError as error:
            damaged.append(error)
    if json:
        sets = [{"folder": str(one.folder), "name": one.name, "counts": dict(one.counts)} for one in found]
        print_json({"datasets": sets, "damaged": [broken.to_dict() for broken in damaged]})
        return
    if not found and not damaged:
        print(visible(f"no data sets in {shown(folder)}"))
    if found:
        print(visible(shown(found[0].folder.parent)))
        rows = [[_plain(one.folder.name), f"{len(one.images):,}", _plain(_of(one))] for one in found]
        print_table(["name", "images", "of"], rows)
    for broken in damaged:
        print_error(broken)


@app.command()
@reporting
def forget(
    dataset: Annotated[str, typer.Argument(help="A data set: its name in the training folder, or its folder.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    settings: SettingsOption = None,
    catalog: CatalogOption = None,
    json: JsonOption = False,
) -> None:
    """Delete a data set with its captions. The sessions that its images come from, runs and LoRAs stay as they are.

    One that a run learns from, or waits for, is not deleted.
    """
    from ..training.datasets.forget import foreign, forget, needing
    from ..training.runs.asked import dataset_folder
    from .train import Place

    runs_there = Place(None, settings, catalog, None, None).runs()
    folder = dataset_folder(runs_there.folder, dataset)
    runs = []
    if runs_there.there:
        runs_there.round()  # what has ended meanwhile is known as ended
        runs = runs_there.ledger.runs()
    if not yes:
        if others := foreign(folder):
            more = f" and {len(others) - _SESSIONS:,} more" if len(others) > _SESSIONS else ""
            print(visible(f"not written by SDGen: {', '.join(others[:_SESSIONS])}{more}"))
        for run in needing(folder, runs):
            print(visible(f"the run {run.name} [{run.id}] can go on only with it"))
        if not typer.confirm(f"Delete {shown(folder)} with everything in it?"):
            fail()
    forget(folder, runs)
    if json:
        print_json({"folder": str(folder)})
    else:
        print(visible(f"{folder.name} is deleted"))


# ---- words -----------------------------------------------------------------------------------------------------------------


def _name(value: str | None, theme: str | None, sessions: list[str] | None) -> str:
    """What a data set is called that nobody named."""
    from ..training.datasets.recipe import named_after

    one = sessions[0] if sessions and len(sessions) == 1 else ""
    return named_after(value or theme or Path(one).name)


def _training(settings: Path | None, catalog: Path | None) -> Path:
    """The training folder."""
    from ..catalog.scan.importer import default_catalog

    home = catalog or default_catalog()
    return settings_of(home, settings).training_folder(home.parent)


def _there(given: str, settings: Path | None, catalog: Path | None) -> Path:
    """The folder of a data set. Raises ``missing-file`` with the nearest names."""
    from ..training.runs.asked import dataset_folder

    folder = Path(given)
    return folder if folder.is_dir() else dataset_folder(_training(settings, catalog), given)


def _number(text: str, option: str) -> int:
    if not text.isdecimal():
        raise SDGenError("bad-option", f"{option} {text!r} is no number")
    return int(text)


def _sides(text: str) -> int | list[int]:
    """A side, or width and height."""
    sides = [_number(part, "--resolution") for part in text.casefold().replace("×", "x").split("x")]
    if len(sides) > 2:
        raise SDGenError("bad-option", f"--resolution {text!r} is no SIDE or WIDTHxHEIGHT")
    return sides[0] if len(sides) == 1 else sides


def _plain(text: str) -> str:
    """A text in which nothing is markup of a table."""
    return visible(text).replace("[", r"\[")


def _said_of(selection: Selection) -> dict[str, Any]:
    return {
        "images": len(selection.images),
        "considered": selection.considered,
        "left_out": selection.counts,
        "remarks": list(selection.remarks),
    }


def _print_selection(selection: Selection, json: bool) -> None:
    if json:
        images = [
            {
                "id": one.id,
                "session": one.session,
                "file": one.file,
                "caption": one.caption,
                "quality": one.quality,
                "sure": one.sure,
            }
            for one in selection.images
        ]
        print_json({**_said_of(selection), "chosen": images})
        return
    selection.needed()
    _print_text(selection)
    best = sorted(selection.images, key=lambda one: (not one.sure, -one.quality))[:_MOST]
    rows = [
        [
            _plain(one.session_name),
            _plain(one.file),
            "judged" if one.sure else f"{one.quality:.2f}",
            _plain(one.caption),
        ]
        for one in best
    ]
    print_table(["session", "file", "", "caption"], rows)
    if len(selection.images) > _MOST:
        print(f"and {len(selection.images) - _MOST:,} more")


def _print_text(selection: Selection) -> None:
    print(visible(selection.text()))
    if len(selection.images) < _FEW:
        for advice in selection.advice():
            print(f"  {advice}")


def _of(dataset: DataSet) -> str:
    """What a data set was made of, in a few words."""
    recipe = dataset.recipe
    sessions = Counter(one.session_name for one in dataset.images)
    named = [name for name, _ in sessions.most_common(_SESSIONS)]
    more = [f"{len(sessions) - len(named):,} more"] if len(sessions) > len(named) else []
    parts = [recipe.get("value"), recipe.get("theme"), recipe.get("query"), ", ".join([*named, *more])]
    return "; ".join(part for part in parts if part)


def _print_set(found: DataSet) -> None:
    from ..training.datasets.choose import REASONS

    held = found.held_out
    at = "×".join(map(str, found.resolution))
    print(visible(f"{found.name}: {counted(len(found.images), 'image')}, {at}, of {_of(found)}"))
    for reason, n in found.counts.items():
        if reason in REASONS:
            print(f"left out: {n:,} {REASONS[reason][0]}")
    apart = sum(one.apart for one in held.prompts)
    print(
        f"benchmark: {counted(len(held.seeds), 'seed')}, {len(held.apart):,} of them set aside;"
        f" {counted(len(held.prompts), 'prompt')}, {apart:,} of them set aside"
    )
    rows = [[_plain(one.file), _plain(one.original), _plain(one.caption)] for one in found.images[:_MOST]]
    print_table(["file", "made of", "caption"], rows)
    if len(found.images) > _MOST:
        print(f"and {len(found.images) - _MOST:,} more")


@contextlib.contextmanager
def _bar(what: str, json: bool) -> Iterator[Callable[[int, int | None], None]]:
    """What shows the progress: lines of JSON, or a bar on a terminal. A total of None: nobody knows it."""
    if json:
        line: Callable[[tuple[int, int | None]], None] = progress_events(
            lambda at: {"what": what, "done": at[0], "total": at[1]}
        )
        yield lambda done, total: line((done, total))
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(file=sys.stderr)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, total=total, completed=done)
