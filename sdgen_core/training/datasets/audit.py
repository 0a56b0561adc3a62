"""A data set looked at before training: what is in it, what a trainer makes of it, and what is wrong with it.

A folder that people or other programs made will do too: one with folders like ``10_name``, or with ``images`` that has them. Every image
is decoded, for a trainer ends in the middle over one that is damaged, and does not name it. The buckets are those of kohya's sd-scripts
(``library/train_util.py``, ``BucketManager``; ``library/model_util.py``, ``make_bucket_resolutions``; version 0.10.1).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import SDGenError, shown
from ..runs.model import Problem
from .choose import counted, decoded
from .folder import CAPTION_ENDING, CONFIG, ENDINGS, IMAGES, RECORD, STEP, DataSet, bucket_bounds, repeats_of

_FEW = 10  # images from which on a LoRA learns more than the pictures themselves
_TOKENS = 75  # that SD's text encoders read at once
_NAMED = 5  # problems of one kind that are told one by one
_WORD = re.compile(r"\w+|[^\w\s]")

Size = tuple[int, int]
#: Told how many images of how many were looked at.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Folder:
    """A folder of images, each seen ``repeats`` times an epoch."""

    name: str
    images: int
    repeats: int


@dataclass(frozen=True)
class Bucket:
    """Images that are trained in one size: ``images`` of them, seen ``repeated`` times an epoch."""

    width: int
    height: int
    images: int
    repeated: int


@dataclass(frozen=True)
class Audit:
    """``images`` and ``folders`` there are, ``values``: placeholder -> text -> images (none for a folder that SDGen did not write).

    ``sizes``: of the files. ``captions``: how many are "there", "missing", "empty". ``steps`` are optimizer steps of all ``epochs``;
    ``seconds`` they take, None when nobody said how long one does.
    """

    folder: Path
    images: int
    folders: Sequence[Folder]
    values: Mapping[str, Mapping[str, int]]
    sizes: Mapping[Size, int]
    resolution: Size
    buckets: Sequence[Bucket]
    captions: Mapping[str, int]
    epochs: int
    batch: int
    steps: int
    seconds: float | None
    problems: Sequence[Problem]

    @property
    def errors(self) -> list[Problem]:
        return [one for one in self.problems if one.fatal]

    def to_json(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "folder": shown(self.folder),
            "images": self.images,
            "folders": [vars(one) for one in self.folders],
            "values": {name: dict(counts) for name, counts in self.values.items()},
            "sizes": [{"width": w, "height": h, "images": n} for (w, h), n in self.sizes.items()],
            "resolution": list(self.resolution),
            "buckets": [vars(one) for one in self.buckets],
            "captions": dict(self.captions),
            "epochs": self.epochs,
            "batch": self.batch,
            "steps": self.steps,
            "seconds": self.seconds,
            "problems": [vars(one) for one in self.problems],
        }

    def text(self) -> str:
        """For people."""
        from ...sessions.service import duration

        repeated = sum(one.images * one.repeats for one in self.folders)
        lines = [f"{counted(self.images, 'image')}, {repeated:,} an epoch"]
        lines += [f"  {one.name}: {counted(one.images, 'image')}" for one in self.folders]
        for name, counts in self.values.items():
            lines.append(f"{name}: " + ", ".join(f"{text or '(empty)'} {n:,}" for text, n in counts.items()))
        at = "×".join(map(str, self.resolution))
        lines.append(
            f"resolution {at}; " + ", ".join(f"{one.images:,} as {one.width}×{one.height}" for one in self.buckets)
        )
        said = ", ".join(f"{n:,} {what}" for what, n in self.captions.items() if n)
        lines.append(f"captions: {said or 'none'}")
        takes = "" if self.seconds is None else f", about {duration(self.seconds)}"
        lines.append(
            f"{counted(self.epochs, 'epoch')} with a batch of {self.batch}: {counted(self.steps, 'step')}{takes}"
        )
        for one in self.problems:
            where = f"{one.file}: " if one.file else ""
            lines.append(f"{'error' if one.fatal else 'warning'}: {where}{one.message}. {one.hint}".rstrip())
        return "\n".join(lines)


@dataclass(frozen=True)
class _File:
    """An image file, and how it is called below the data set's folder."""

    path: Path
    name: str
    folder: str
    repeats: int


def audit(
    folder: Path,
    *,
    epochs: int = 1,
    batch: int = 1,
    accumulation: int = 1,
    seconds_per_step: float | None = None,
    resolution: Size | None = None,
    progress: Progress = lambda done, total: None,
) -> Audit:
    """Look at the data set in ``folder``. ``accumulation``: batches a step. Raises ``not-a-dataset`` for a folder with none at all."""
    known = DataSet.read(folder) if (folder / RECORD).is_file() else None
    files = list(_files(folder))
    if not files and known is None:
        raise SDGenError("not-a-dataset", f"{shown(folder)} has no folder of images such as 10_name")
    problems: list[Problem] = []
    sizes: dict[str, Size] = {}
    captions: dict[str, str] = {}
    for n, one in enumerate(files, 1):
        if (size := _size(one, problems)) is not None:
            sizes[one.name] = size
        if (said := _caption(one, problems)) is not None:
            captions[one.name] = said
        progress(n, len(files))
    counts = Counter(sizes.values())
    wanted = resolution or (known.resolution if known else _usual(counts))
    bounds = bucket_bounds(wanted, list(counts))
    places = {size: bucket_of(size, wanted, bounds) for size in counts}
    buckets = _buckets([(places[sizes[one.name]], one.repeats) for one in files if one.name in sizes])
    steps = epochs * math.ceil(sum(math.ceil(one.repeated / batch) for one in buckets) / accumulation)
    problems += _of_sizes(sizes, places, wanted, buckets, batch)
    problems += _of_captions(files, captions, known)
    problems += _of_number(len(sizes), len(files))
    problems += _of_duplicates(known)
    problems += _changed(folder, files, known)
    folders = Counter((one.folder, one.repeats) for one in files)
    empty = sum(not said for said in captions.values())
    return Audit(
        folder=folder,
        images=len(files),
        folders=[Folder(name, n, repeats) for (name, repeats), n in sorted(folders.items())],
        values=_values(known, {one.name for one in files}),
        sizes=dict(sorted(counts.items())),
        resolution=wanted,
        buckets=buckets,
        captions={"there": len(captions) - empty, "empty": empty, "missing": len(files) - len(captions)},
        epochs=epochs,
        batch=batch,
        steps=steps,
        seconds=None if seconds_per_step is None else steps * seconds_per_step,
        problems=_shortened(sorted(problems, key=lambda one: not one.fatal)),
    )


# ---- files -----------------------------------------------------------------------------------------------------------------


def _files(folder: Path) -> Iterator[_File]:
    try:
        parent = folder / IMAGES if (folder / IMAGES).is_dir() else folder
        for below in sorted(parent.iterdir()):
            found = repeats_of(below.name) if below.is_dir() else None
            if found is None:
                continue
            for path in sorted(below.iterdir()):
                if path.suffix.lower() in ENDINGS:
                    yield _File(path, shown(path.relative_to(folder)), below.name, found[0])
    except OSError as error:
        raise SDGenError("not-a-dataset", f"{shown(folder)} cannot be read: {error.strerror or error}") from error


def _size(one: _File, problems: list[Problem]) -> Size | None:
    try:
        width, height, _ = decoded(one.path)
    except SDGenError:
        problems.append(Problem("broken-image", "it is no whole image", "Delete it with its caption.", file=one.name))
        return None
    return width, height


def _caption(one: _File, problems: list[Problem]) -> str | None:
    """The first line, which is all that kohya reads; None where there is no file."""
    path = one.path.with_suffix(CAPTION_ENDING)
    name = str(Path(one.name).with_suffix(CAPTION_ENDING))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        problems.append(Problem("bad-caption", "the caption is no UTF-8 text", "Save it as UTF-8.", file=shown(name)))
        return None
    if not text:
        hint = "Write what the image shows into it, or delete it."
        problems.append(
            Problem("empty-caption", "the caption's file is empty, which ends kohya", hint, file=shown(name))
        )
    lines = text.splitlines()
    if lines and not lines[0].strip():
        hint = "Write what it shows on the first line."
        problems.append(Problem("empty-caption", "its caption says nothing", hint, file=one.name, fatal=False))
    if len([line for line in lines if line.strip()]) > 1:
        hint = "Write it on one line."
        problems.append(
            Problem("many-lines", "only the caption's first line is read", hint, file=shown(name), fatal=False)
        )
    return lines[0].strip() if lines else ""


# ---- sizes -----------------------------------------------------------------------------------------------------------------


def bucket_sizes(resolution: Size, bounds: Size) -> list[Size]:
    """kohya's sizes of buckets: multiples of 64 between the bounds whose area is at most that of the resolution, sorted."""
    area = resolution[0] * resolution[1]
    least, longest = bounds
    side = int(math.sqrt(area) // STEP) * STEP
    out = {(side, side)}
    for width in range(least, longest + 1, STEP):
        height = min(longest, area // width // STEP * STEP)
        if height >= least:
            out |= {(width, height), (height, width)}
    return sorted(out)


def bucket_of(size: Size, resolution: Size, bounds: Size) -> Size:
    """The bucket in which kohya trains an image of this size: the nearest ratio of sides, the first of equals."""
    sizes = bucket_sizes(resolution, bounds)
    ratio = size[0] / size[1]
    return size if size in sizes else min(sizes, key=lambda one: abs(one[0] / one[1] - ratio))


def _usual(counts: Mapping[Size, int]) -> Size:
    """The size of most images, on multiples of 64."""
    if not counts:
        return STEP, STEP
    width, height = min(counts, key=lambda size: (-counts[size], size))
    return max(STEP, width // STEP * STEP), max(STEP, height // STEP * STEP)


def _buckets(images: Sequence[tuple[Size, int]]) -> list[Bucket]:
    single = Counter(size for size, _ in images)
    repeated: Counter[Size] = Counter()
    for size, repeats in images:
        repeated[size] += repeats
    return [Bucket(*size, single[size], repeated[size]) for size in sorted(single)]


def _of_sizes(
    sizes: Mapping[str, Size], places: Mapping[Size, Size], resolution: Size, buckets: Sequence[Bucket], batch: int
) -> Iterator[Problem]:
    for name, size in sizes.items():
        place = places[size]
        grown = max(place[0] / size[0], place[1] / size[1])
        if grown > 1.25:
            message = f"it is {size[0]}×{size[1]} and is enlarged to {place[0]}×{place[1]}"
            hint = "Set a lower resolution, or take it out: what is enlarged teaches blur."
            yield Problem("too-small", message, hint, file=name, fatal=False)
    if len(set(sizes.values())) > 1:
        message = f"the images have {len(set(sizes.values())):,} sizes, trained in {counted(len(buckets), 'bucket')}"
        hint = "kohya trains them one after another; other trainers may want one size."
        yield Problem("mixed-sizes", message, hint, fatal=False)
    for one in buckets:
        if one.repeated < batch:
            message = f"bucket {one.width}×{one.height} has {counted(one.repeated, 'image')} for a batch of {batch}"
            yield Problem("small-bucket", message, "Set a smaller batch, or more repeats.", option="batch", fatal=False)
    if max(resolution) % STEP or min(resolution) % STEP:
        message = f"the resolution {resolution[0]}×{resolution[1]} is not in steps of {STEP} pixels"
        yield Problem("odd-resolution", message, f"Choose multiples of {STEP}.", option="resolution", fatal=False)


# ---- what is said of them --------------------------------------------------------------------------------------------------


def _of_captions(files: Sequence[_File], captions: Mapping[str, str], known: DataSet | None) -> Iterator[Problem]:
    bad = {one.name for one in files if one.path.with_suffix(CAPTION_ENDING).is_file()} - set(captions)
    trigger = (known.recipe.get("captions") or {}).get("trigger", "") if known else ""
    for one in files:
        said = captions.get(one.name)
        if said is None:
            if one.name not in bad:
                yield Problem(
                    "no-caption", "it has no caption", "Write one beside it, as .txt.", file=one.name, fatal=False
                )
            continue
        if said and trigger and trigger.casefold() not in said.casefold():
            hint = "Write the trigger into it, or it learns nothing for it."
            yield Problem(
                "no-trigger", f"its caption does not have the trigger {trigger!r}", hint, file=one.name, fatal=False
            )
        if len(_WORD.findall(said)) > _TOKENS:
            message = f"its caption has more than {_TOKENS} tokens: what stands behind is not read"
            yield Problem("long-caption", message, "Shorten it, or drop placeholders.", file=one.name, fatal=False)
    stems = Counter((one.folder, one.path.stem.casefold()) for one in files)
    for one in files:
        if stems[one.folder, one.path.stem.casefold()] > 1:
            yield Problem(
                "same-name", "another image has its name, and so its caption", "Rename one.", file=one.name, fatal=False
            )


def _of_number(whole: int, there: int) -> Iterator[Problem]:
    if not whole:
        what = "no image can be read" if there else "there are no images"
        yield Problem("no-images", what, "Make the data set anew.")
    elif whole < _FEW:
        message = (
            f"{counted(whole, 'image')} {'is' if whole == 1 else 'are'} few: the pictures will be learned by heart"
        )
        yield Problem("few-images", message, f"Add images, to {_FEW} or more; train few steps.", fatal=False)


def _of_duplicates(known: DataSet | None) -> Iterator[Problem]:
    """Where most images went as near-duplicates: small or plain pictures are taken for each other."""
    gone = known.counts.get("duplicate", 0) if known else 0
    if known and gone >= len(known.images) + sum(known.counts.get(one, 0) for one in ("share", "balance", "limit")):
        bits = known.recipe.get("duplicates")
        message = (
            f"{counted(gone, 'good image')} more were left out as near-duplicates ({bits} of 64 bits or fewer apart)"
        )
        hint = "Look at what is in it: where that is too much, set `duplicates` lower, or to none."
        yield Problem("many-duplicates", message, hint, option="duplicates", fatal=False)


def _changed(folder: Path, files: Sequence[_File], known: DataSet | None) -> Iterator[Problem]:
    """What is not as it was written."""
    if known is None:
        return
    there, listed = {one.name for one in files}, {one.file for one in known.images}
    for name in sorted(listed - there):
        yield Problem(
            "changed", "it was there when the data set was made", "It is not trained on.", file=name, fatal=False
        )
    for name in sorted(there - listed):
        yield Problem(
            "changed", "it was not there when the data set was made", "It is trained on.", file=name, fatal=False
        )
    try:
        text = (folder / CONFIG).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        yield Problem("changed", "it cannot be read", "Runs of SDGen write their own.", file=CONFIG, fatal=False)
        return
    if shown((folder / IMAGES).absolute()) + "/" not in text.replace("\\\\", "/"):
        hint = "Runs of SDGen do not mind; for kohya's own commands make the data set anew, or correct image_dir."
        yield Problem("moved", "it names another folder: the data set was moved", hint, file=CONFIG, fatal=False)


def _values(known: DataSet | None, there: set[str]) -> dict[str, dict[str, int]]:
    out: dict[str, Counter[str]] = {}
    for one in known.images if known else ():
        for name, value in one.values.items():
            if one.file in there:
                out.setdefault(name, Counter())[value["text"]] += 1
    return {name: dict(sorted(out[name].items(), key=lambda pair: (-pair[1], pair[0]))) for name in sorted(out)}


def _shortened(problems: Sequence[Problem]) -> list[Problem]:
    """Of many problems of one kind the first ones, and how many more there are."""
    out, seen = [], Counter[tuple[str, bool]]()
    for one in problems:
        kind = (one.code, one.fatal)
        seen[kind] += 1
        if seen[kind] <= _NAMED:
            out.append(one)
    for (code, fatal), n in seen.items():
        if n > _NAMED:
            same = next(one for one in out if (one.code, one.fatal) == (code, fatal))
            message = f"the same of {counted(n - _NAMED, 'more file')}, such as: {same.message}"
            out.append(Problem(code, message, same.hint, fatal=fatal))
    return sorted(out, key=lambda one: not one.fatal)
