"""Which images of the catalog make a data set: the best by what people and machines said, and for every other one the reason against it.

What a person said goes before any machine's score: an image that somebody said *ok* to is better than all that only a machine likes, and
one that somebody said no to (ko, no effect, unintended), or threw away, is never in. Where nobody said anything the machine's score
counts, from ``Recipe.minimum`` on. The same catalog and recipe give the same images in the same order on every machine.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...catalog.details import details
from ...catalog.query import MOST_CLAUSES, Clause, Query, parse
from ...catalog.records import unsigned
from ...errors import SDGenError, nearest_names, shown
from ...scoring.material import slug_of
from ...sessions.reading import IMAGE_ENDINGS
from .captions import caption
from .held_out import HeldOut, Prompt, set_aside
from .recipe import Recipe

if TYPE_CHECKING:
    from ...catalog.catalog import Catalog
    from ...catalog.library import Library

_TOGETHER = 5_000
_NEAR, _NAMED = 3, 12  # names that may be meant, and that are listed, when one is not there
#: What a verdict counts, where a machine's score would be 0 to 1; the others say that the value is not shown.
_WORTH = {"ok": 1.0, "partial": 0.5}
_LIKED, _DISLIKED = 4, 2  # ratings
#: Why an image is not in, in the order in which it is asked, in words and with what helps.
REASONS = {
    "other-value": ("without the value", "Add sessions that were made with it."),
    "trash": ("in the trash", ""),
    "missing": ("whose file is gone", "Import the folder again when its files are there."),
    "broken": ("damaged, or no image", "Make them again."),
    "rejected": ("that people said no to", "Take a verdict, mark or rating back if it was wrong."),
    "unknown": ("neither scored nor judged", "Score the session (`sdgen score SESSION`), or judge its images in the panel."),
    "low": ("with a score below the minimum", "Set a lower `minimum`, make more seeds, rephrase the value, or take images from elsewhere."),
    "apart": ("set aside for the benchmark", "Set a smaller share in `apart`."),
    "no-caption": ("about which the caption would say nothing", "Give a trigger, or keep more placeholders."),
    "duplicate": ("nearly the same as a better one", "Set `duplicates` lower, or to none."),
    "share": ("beyond the best share", "Set a larger `best` or `at_least`."),
    "balance": ("of values that others would drown in", "Set a larger `factor`."),
    "limit": ("beyond the limit", "Set a larger `limit`."),
}  # fmt: skip


@dataclass(frozen=True)
class Learned:
    """The value that is learned: ``keys`` are all that it is known by, mostly one."""

    placeholder: str
    keys: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Image:
    """An image of the data set. ``key``: what the catalog tells its content by; ``folder``: the name of its session's, the same in every
    catalog; ``values``: placeholder -> ``{"key", "text"}``.

    ``sure``: a person said that it is good; ``quality``: 0 to 1, of verdicts and scores. ``group``: its values of ``Recipe.balance``.
    """

    id: int
    key: str
    session: str
    session_name: str
    folder: str
    file: str
    number: int
    batch: int
    seed: int | None
    values: Mapping[str, Mapping[str, str]]
    prompt: str
    caption: str
    sure: bool
    quality: float
    group: tuple[str, ...]
    width: int = 0
    height: int = 0

    @property
    def place(self) -> tuple[Any, ...]:
        """Where it stands in the data set."""
        return (self.folder, self.number, self.batch, self.key)


@dataclass(frozen=True)
class Selection:
    """``images`` in their order, and ``left_out``: id -> a name of ``REASONS``; together all that were looked at."""

    recipe: Recipe
    learned: Learned | None
    images: Sequence[Image]
    left_out: Mapping[int, str]
    held_out: HeldOut
    remarks: Sequence[str] = ()

    @property
    def considered(self) -> int:
        return len(self.images) + len(self.left_out)

    @property
    def counts(self) -> dict[str, int]:
        """Reason -> how many images, in the order in which it is asked."""
        found = Counter(self.left_out.values())
        return {reason: found[reason] for reason in REASONS if found[reason]}

    def text(self) -> str:
        """What became of all images, a line for each reason."""
        lines = [f"{len(self.images):,} of {counted(self.considered, 'image')} chosen"]
        lines += [f"left out: {n:,} {REASONS[reason][0]}" for reason, n in self.counts.items()]
        return "\n".join([*lines, *self.remarks])

    def needed(self) -> None:
        """Raises ``no-images`` when none is left, with how many failed at each step and what helps."""
        if self.images:
            return
        if not self.considered:
            said = "".join(f"; {remark}" for remark in self.remarks)
            raise SDGenError("no-images", f"no image is found{said}")
        why = ", ".join(f"{n:,} {REASONS[reason][0]}" for reason, n in self.counts.items())
        message = f"none of {counted(self.considered, 'image')} is good enough for a data set: {why}"
        raise SDGenError("no-images", message, hint=" ".join(self.advice()) or None)

    def advice(self) -> list[str]:
        """What would bring in more images: about the two reasons that keep most of them out that have the value."""
        stopped = {reason: n for reason, n in self.counts.items() if reason != "other-value"} or self.counts
        most = sorted(stopped, key=lambda reason: -stopped[reason])
        return [REASONS[reason][1] for reason in most if REASONS[reason][1]][:2]


def counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


@dataclass
class _Looks:
    """What the pixels say, each image looked at once: its size and hash, or None for a file that is no whole image."""

    file: Callable[[int], Path]
    told: Callable[[int], None]
    known: dict[int, tuple[int, int, int] | None] = field(default_factory=dict)

    def __call__(self, image: int) -> tuple[int, int, int] | None:
        if image not in self.known:
            self.known[image] = self._look(image)
            self.told(len(self.known))
        return self.known[image]

    def _look(self, image: int) -> tuple[int, int, int] | None:
        try:
            return decoded(self.file(image))
        except SDGenError:
            return None


def decoded(path: Path) -> tuple[int, int, int]:
    """Width, height and perceptual hash of an image, all of which was decoded. Raises ``broken-image``, ``missing-file``,
    ``unreadable-file``."""
    from PIL import ImageFile

    from ...catalog.pictures.phash import phash
    from ...catalog.pictures.reading import opened

    with opened(path) as picture:
        picture.load()
        found = (*picture.size, phash(picture))
    if ImageFile.LOAD_TRUNCATED_IMAGES:  # another node has set it: then half a file is an image, but not for kohya
        with opened(path) as picture:
            picture.verify()
    return found


def choose(library: Library, recipe: Recipe, looks: Callable[[int], None] = lambda looked: None) -> Selection:
    """The images of a library that a recipe asks for; none is no error (see ``Selection.needed``). ``looks`` is told how many were decoded
    so far, for that takes most of the time; what it raises ends the choice.

    Raises ``unknown-session``, ``unknown-placeholder``, ``unknown-value``, ``unknown-theme``, ``bad-query``, and what reading
    ``Apart.file`` raises.
    """
    catalog = library.catalog
    learned = learned_value(catalog, recipe)
    check_placeholders(catalog, recipe)
    ids, remarks = _found(catalog, recipe)
    ids, others = _beside(catalog, ids, learned)
    rows = list(_rows(catalog, ids))
    held_out = _held_out(recipe, rows, learned)
    left_out = dict.fromkeys(others, "other-value")
    candidates: list[Image] = []
    bases: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        reason, image = _first_look(row, recipe, learned, held_out)
        if reason not in ("other-value", "trash", "missing", "broken"):
            bases[_group(row, recipe)] += 1
        if image is None:
            left_out[row["id"]] = reason
        else:
            candidates.append(image)
    pixels = _Looks(library.file, looks)
    hashes = _hashes(catalog, candidates)
    while True:  # until what is chosen is whole: a damaged file gives its place to the next best
        chosen, more = _best(candidates, recipe, bases, hashes, pixels, left_out)
        damaged = {image.id for image in chosen if pixels(image.id) is None}
        if not damaged:
            break
        left_out |= dict.fromkeys(damaged, "broken")
        candidates = [image for image in candidates if image.id not in damaged]
    left_out |= more
    images = [replace(one, width=size[0], height=size[1]) for one in chosen if (size := pixels(one.id))]
    return Selection(recipe, learned, sorted(images, key=lambda one: one.place), left_out, held_out, remarks)


# ---- names -----------------------------------------------------------------------------------------------------------------


def learned_value(catalog: Catalog, recipe: Recipe) -> Learned | None:
    """The value that is learned, by key or text, whatever its case. Raises ``unknown-placeholder``, ``unknown-value``."""
    if recipe.asked is None:
        return None
    name, wanted = recipe.asked
    placeholder = _placeholder(catalog, name)
    rows = catalog.index.store.rows(
        "SELECT key, text FROM value JOIN placeholder ON placeholder.id = placeholder WHERE name=? ORDER BY key",
        (placeholder,),
    )
    found = [row for row in rows if row[0] == wanted]
    found = found or [row for row in rows if wanted.casefold() in (row[0].casefold(), row[1].casefold())]
    if not found:
        texts = [text for _, text in rows]
        near = [text for text in texts if wanted.casefold() in text.casefold()][:_NEAR]
        near = near or nearest_names(wanted, [*texts, *(key for key, _ in rows)])
        raise SDGenError(
            "unknown-value", f"{placeholder} has no value {wanted!r}", nearest=near, hint=_there_are(texts)
        )
    return Learned(placeholder, tuple(key for key, _ in found), str(found[0][1]))


def check_placeholders(catalog: Catalog, recipe: Recipe) -> None:
    """Raises ``unknown-placeholder`` for one that the recipe names and no image has."""
    for name in (*recipe.balance, *recipe.captions.keep, *recipe.captions.drop):
        if _placeholder(catalog, name) != name:
            raise _no_placeholder(catalog, name)


def _placeholder(catalog: Catalog, given: str) -> str:
    names = _placeholders(catalog)
    found = [name for name in names if name == given] or [name for name in names if name.casefold() == given.casefold()]
    if not found:
        raise _no_placeholder(catalog, given)
    return found[0]


def _no_placeholder(catalog: Catalog, given: str) -> SDGenError:
    names = _placeholders(catalog)
    near = nearest_names(given, names)
    return SDGenError(
        "unknown-placeholder", f"no image has a placeholder {given!r}", nearest=near, hint=_there_are(names)
    )


def _there_are(names: Sequence[str]) -> str | None:
    """The first of the names that there are."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"There are {', '.join(names[:_NAMED])}{more}." if names else None


def _placeholders(catalog: Catalog) -> list[str]:
    return [str(name) for (name,) in catalog.index.store.rows("SELECT name FROM placeholder ORDER BY name")]


# ---- what there is ---------------------------------------------------------------------------------------------------------


def _found(catalog: Catalog, recipe: Recipe) -> tuple[list[int], tuple[str, ...]]:
    """The ids of all images in question, thrown away ones too, for they are to be counted."""
    query = parse(recipe.query)
    clauses = list(query.clauses)
    if recipe.sessions:
        hint = "`sdgen catalog sessions` shows ids and names."
        slugs = tuple(dict.fromkeys(slug_of(catalog, given.strip(), hint) for given in recipe.sessions))
        clauses.append(Clause(field="session", any=slugs))
    if recipe.theme:
        themes = [theme for (theme,) in catalog.index.store.rows("SELECT DISTINCT theme FROM session") if theme]
        if recipe.theme.casefold() not in (theme.casefold() for theme in themes):
            near = nearest_names(recipe.theme, themes)
            hint = "A recipe's theme is that of sessions in the catalog."
            raise SDGenError(
                "unknown-theme", f"no session was made with the theme {recipe.theme!r}", nearest=near, hint=hint
            )
        clauses.append(Clause(field="theme", any=(recipe.theme,)))
    if len(clauses) > MOST_CLAUSES:
        raise SDGenError("bad-query", f"more than {MOST_CLAUSES} clauses with those of sessions and theme")
    ids, resolved = catalog.snapshot.find(Query(clauses=tuple(clauses)))
    return ids.tolist(), resolved.remarks


def _beside(catalog: Catalog, ids: list[int], learned: Learned | None) -> tuple[list[int], list[int]]:
    """The ids of sessions that have the learned value, and the others: those have no part in the data or in the benchmark, and a library
    has many."""
    import numpy as np

    if learned is None:
        return ids, []
    having = catalog.index.store.rows(
        "SELECT DISTINCT image.session FROM value JOIN placeholder ON placeholder.id = placeholder JOIN image_value ON value = value.id"
        " JOIN image ON image.id = image WHERE placeholder.name=? AND key IN (SELECT value FROM json_each(?))",
        (learned.placeholder, json.dumps(learned.keys)),
    )
    every = np.array(ids, np.int64)
    near = np.isin(catalog.snapshot.columns["session"][every], [session for (session,) in having])
    return every[near].tolist(), every[~near].tolist()


def _rows(catalog: Catalog, ids: Sequence[int]) -> Iterator[dict[str, Any]]:
    for at in range(0, len(ids), _TOGETHER):
        yield from details(catalog.index.store, ids[at : at + _TOGETHER])


def _held_out(recipe: Recipe, rows: Sequence[Mapping[str, Any]], learned: Learned | None) -> HeldOut:
    if recipe.apart.file:
        return HeldOut.read(Path(recipe.apart.file))
    of: dict[str, Mapping[str, Any]] = {}
    for row in rows:  # of the images of a prompt one stands for all: the same everywhere
        known = of.get(row["prompt"] or "")
        if row["prompt"] and not row["missing"] and (known is None or row["thumb"] < known["thumb"]):
            of[row["prompt"]] = row
    prompts = [
        Prompt(
            prompt=text,
            negative=row["negative"] or "",
            values=_values(row),
            learned=_has(row, learned),
            apart=False,
            session=_folder(row),
            **{name: row[name] for name in ("width", "height", "steps", "cfg", "sampler", "scheduler", "model")},
        )
        for text, row in of.items()
    ]
    found = set_aside(prompts, (row["seed"] for row in rows), recipe.apart)
    if learned is None:
        return found
    said = {"placeholder": learned.placeholder, "keys": list(learned.keys), "text": learned.text}
    return replace(found, learned=said)


def _folder(row: Mapping[str, Any]) -> str:
    """The name of an image's session folder."""
    return shown(row["path"]).removesuffix(f"/{row['file']}").rpartition("/")[2]


def _values(row: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {
        name: {"key": row["values"][name]["key"], "text": row["values"][name]["text"]} for name in sorted(row["values"])
    }


def _has(row: Mapping[str, Any], learned: Learned | None) -> bool:
    return learned is not None and row["values"].get(learned.placeholder, {}).get("key") in learned.keys


def _group(row: Mapping[str, Any], recipe: Recipe) -> tuple[str, ...]:
    return tuple(row["values"].get(name, {}).get("key", "") for name in recipe.balance)


# ---- each image by itself --------------------------------------------------------------------------------------------------


def _first_look(
    row: Mapping[str, Any], recipe: Recipe, learned: Learned | None, held_out: HeldOut
) -> tuple[str, Image | None]:
    """The reason against an image that nothing else is needed for, or the image."""
    if learned is not None and not _has(row, learned):
        return "other-value", None
    for reason, holds in (
        ("trash", row["mark"] == "trash"),
        ("missing", row["missing"]),
        ("broken", row["broken"] or f".{row['file'].rpartition('.')[2]}".lower() not in IMAGE_ENDINGS),
        ("rejected", _rejected(row)),
    ):
        if holds:
            return reason, None
    sure, quality, decisive = quality_of(row, learned)
    if decisive is None:
        return "unknown", None
    if decisive < recipe.minimum and not sure:
        return "low", None
    if held_out.has(row["seed"], row["prompt"] or ""):
        return "apart", None
    texts = {name: value["text"] for name, value in row["values"].items()}
    said = caption(texts, row["prompt"] or "", recipe.captions, learned.placeholder if learned else None)
    if not said:
        return "no-caption", None
    names = ("id", "session", "session_name", "file", "number", "batch", "seed")
    return "", Image(
        **{name: row[name] for name in names},
        key=row["thumb"],
        folder=_folder(row),
        values=_values(row),
        prompt=row["prompt"] or "",
        caption=said,
        sure=sure,
        quality=quality,
        group=_group(row, recipe),
    )


def _rejected(row: Mapping[str, Any]) -> bool:
    said = {value["verdict"] for value in row["values"].values()} - {None}
    return bool(row["failed"] or said - set(_WORTH) or 0 < (row["rating"] or 0) <= _DISLIKED)


def quality_of(row: Mapping[str, Any], learned: Learned | None) -> tuple[bool, float, float | None]:
    """Whether a person said that an image (a map of ``catalog.details``) is good; what it is worth, 0 to 1; and what it is judged by.

    The last is what is known of the value that is learned, or the mean of all values where none is; None when nothing is known. A
    verdict stands in place of the machine's score of the same value. Values other than the learned one tell between images.
    """
    known = {name: worth for name, value in row["values"].items() if (worth := _worth(value)) is not None}
    mean = math.fsum(known.values()) / len(known) if known else None
    if learned is None:
        verdicts = {value["verdict"] for value in row["values"].values()} - {None}
        liked = row["mark"] == "favourite" or (row["rating"] or 0) >= _LIKED
        sure = verdicts == {"ok"} or (liked and not verdicts)
        decisive = 1.0 if sure and mean is None else mean
        return sure, decisive or 0.0, decisive
    decisive = known.get(learned.placeholder)
    if decisive is None or mean is None:
        return False, 0.0, None
    sure = row["values"][learned.placeholder]["verdict"] == "ok"
    return sure, (decisive + mean) / 2, decisive


def _worth(value: Mapping[str, Any]) -> float | None:
    verdict = value["verdict"]
    score: float | None = value["score"]
    return score if verdict is None else _WORTH.get(verdict, 0.0)


# ---- images among others ---------------------------------------------------------------------------------------------------


def _best(
    candidates: Sequence[Image],
    recipe: Recipe,
    bases: Mapping[tuple[str, ...], int],
    hashes: Mapping[int, int],
    looks: _Looks,
    left_out: dict[int, str],
) -> tuple[list[Image], dict[int, str]]:
    """The chosen ones, and the reasons against the others of the candidates. Damaged ones that are met go into ``left_out``."""
    reasons: dict[int, str] = {}
    ranked = sorted(candidates, key=_rank)
    if recipe.duplicates is not None:
        ranked = _different(ranked, recipe.duplicates, hashes, looks, reasons, left_out)
    taken: Counter[tuple[str, ...]] = Counter()
    best: list[Image] = []
    for image in ranked:
        room = max(math.ceil(recipe.best * bases[image.group] - 1e-9), recipe.at_least)
        if taken[image.group] < room:
            taken[image.group] += 1
            best.append(image)
        else:
            reasons[image.id] = "share"
    kept = balanced(best, [one.group for one in best], recipe.factor)
    reasons |= dict.fromkeys({one.id for one in best} - {one.id for one in kept}, "balance")
    if recipe.limit is not None:
        kept = _in_turn(kept)
        reasons |= {one.id: "limit" for one in kept[recipe.limit :]}
        kept = kept[: recipe.limit]
    return kept, reasons


def _in_turn(ranked: Iterable[Image]) -> list[Image]:
    """The best of each group, then the second ones: cut off anywhere, no group has more than one image more than another that has more."""
    seen: Counter[tuple[str, ...]] = Counter()
    turns = []
    for image in ranked:
        turns.append((seen[image.group], image))
        seen[image.group] += 1
    return [image for _, image in sorted(turns, key=lambda one: one[0])]


def _rank(image: Image) -> tuple[Any, ...]:
    """The best first. Of those that are equally good the order is the same everywhere and favours no session."""
    mixed = hashlib.blake2b(image.key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (not image.sure, -round(image.quality, 6), mixed, image.place)


def balanced(ranked: Sequence[Image], groups: Sequence[Sequence[str]], factor: float) -> list[Image]:
    """Of ``ranked``, the best first, so many that no value of a column of ``groups`` is there more than ``factor`` times as often as the
    rarest value of this column was before."""
    caps = []
    for column in zip(*groups, strict=True):
        smallest = min(Counter(column).values())
        caps.append(math.floor(factor * smallest + 1e-9))
    used: Counter[tuple[int, str]] = Counter()
    kept = []
    for image, values in zip(ranked, groups, strict=True):
        if all(used[at] < cap for at, cap in zip(enumerate(values), caps, strict=True)):
            used.update(enumerate(values))
            kept.append(image)
    return kept


def _hashes(catalog: Catalog, candidates: Iterable[Image]) -> dict[int, int]:
    """The perceptual hashes that the catalog knows."""
    columns = catalog.snapshot.columns
    ids = [one.id for one in candidates if one.id < catalog.snapshot.size and columns["looked_at"][one.id]]
    return {image: unsigned(int(columns["phash"][image])) for image in ids}


def _different(
    ranked: Sequence[Image],
    distance: int,
    hashes: Mapping[int, int],
    looks: _Looks,
    reasons: dict[int, str],
    left_out: dict[int, str],
) -> list[Image]:
    """Those that are no near-duplicate of a better one with the same caption: with another one it is another example."""
    import numpy as np

    from ...catalog.pictures.duplicates import near_pairs

    whole, numbers = [], []
    for image in ranked:
        hash = hashes.get(image.id)
        if hash is None:
            look = looks(image.id)
            if look is None:
                left_out[image.id] = "broken"
                continue
            hash = look[2]
        whole.append(image)
        numbers.append(hash)
    unique = np.unique(np.array(numbers, "u8"))
    place = np.searchsorted(unique, np.array(numbers, "u8")).tolist()
    near: dict[int, list[int]] = {n: [n] for n in range(len(unique))}
    for a, b in near_pairs(unique, distance).tolist():
        near[a].append(b)
        near[b].append(a)
    covered: set[tuple[int, str]] = set()
    kept = []
    for image, at in zip(whole, place, strict=True):
        if (at, image.caption) in covered:
            reasons[image.id] = "duplicate"
            continue
        kept.append(image)
        covered.update((other, image.caption) for other in near[at])
    return kept
