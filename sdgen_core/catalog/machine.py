"""What machines think of the images: written, read, held against what people say, and followed where people want it.

It is never mixed with judgements of people: it has a file (``scores.db``), columns (``image_machine``, ``image_value.score``) and fields
of queries (``class``, ``match``, ``score``, ``is:flagged``, …) of its own. Only ``stage`` says something about images in a person's
name, when a person asks for it: it is one step that can be undone, and its log has that the machine said so.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError, nearest_names
from .agreement import Agreement, agreement
from .fields import CLASSES, NO_CLASS
from .query import Clause, Query, parse
from .resolve import resolve
from .score_columns import ImageScores, Scorer
from .score_mirror import ScoreMirror
from .sql import as_list

if TYPE_CHECKING:
    from .catalog import Catalog, Done

#: Who said so, in the log of ``user.db``.
WHO = "machine"
_THESE = "IN (SELECT value FROM json_each(?))"
#: What may be staged: what a machine says, and how the step is called.
STAGED = {
    "failed": (Clause(field="class", any=("failed",)), "of class failed"),
    "partial": (Clause(field="class", any=("failed", "partial")), "of class failed or partial"),
    "flagged": (Clause(field="is", any=("flagged",)), "flagged"),
}
#: Images about which people said that they are worth something stay, whatever a machine says.
_SPARED = (
    Clause(field="is", any=("marked",), negate=True),
    Clause(field="rating", any=("0",)),
    Clause(field="verdict", any=("ok",), negate=True),
)
_THERE = Clause(field="is", any=("trash", "missing"), negate=True)
_CLASSES = (NO_CLASS, *CLASSES)


@dataclass(frozen=True)
class SessionClasses:
    """What machines say of a session: of ``scored`` images so many in each class (``none``: nothing of them could be seen), ``flagged``
    ones, and the ``mean`` of the scores, 0 to 1; None when there is none. Images that were thrown away count: they were seen."""

    scored: int
    success: int
    partial: int
    failed: int
    none: int
    flagged: int
    mean: float | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class StagedValue:
    """How many of the images that would be staged have a value."""

    placeholder: str
    key: str
    text: str
    images: int


@dataclass(frozen=True)
class Staging:
    """What ``stage`` would put into the trash. ``ids`` in the query's order; ``bytes`` of their files; ``values`` most images first;
    ``spared`` are images of that kind that stay, for people marked or rated them, or said ok to a value."""

    ids: list[int]
    bytes: int
    spared: int
    values: list[StagedValue]
    remarks: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Machine:
    """The machines' side of a catalog. Safe for many threads."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._scores = catalog.scores
        self._store = catalog.index.store

    # ---- writing and reading ---------------------------------------------------------------------------------------------

    def write(self, session: str, scorer: Scorer, said: ImageScores) -> list[int]:
        """Write down what ``scorer`` says of images of a session, in place of what was said before; gives their ids in the index.

        One transaction: a batch is there or not. What is said of content that the session has no more is left out: the file was
        changed meanwhile. Raises ``unknown-session``, and ``ValueError`` for columns that do not fit (see ``ScoreStore.put``).
        """
        asked = (self._session(session), json.dumps(list(said.keys)))
        # by the index of keys: a batch is a few of a session's thousands
        there = {
            key for (key,) in self._store.rows(f"SELECT thumb FROM image WHERE +session=? AND thumb {_THESE}", asked)
        }
        self._scores.put(scorer, said, among=there)
        return self._catalog.index.take_scores()

    def scored(self, session: str) -> dict[str, str]:
        """Content key -> identity of the scorer, of the session's images that something was said about. Raises ``unknown-session``."""
        keys = [
            key for (key,) in self._store.rows("SELECT thumb FROM image WHERE session=?", (self._session(session),))
        ]
        scorers = self._scores.scorers()
        rows = self._scores.rows(dict.fromkeys(keys))
        known = {key: row.scorer for key, some in rows.items() for row in some}  # the newest comes last
        return {key: scorers[scorer].identity for key, scorer in known.items() if scorer is not None}

    def clear(self, session: str) -> list[int]:
        """Forget what was said of a session's images; gives the ids of those that changed. Raises ``unknown-session``."""
        self._scores.forget(self.scored(session))
        return self._catalog.index.take_scores()

    def classes(self, session: str) -> SessionClasses:
        """What machines say of a session, from its counters. Raises ``unknown-session``."""
        [row] = self._store.rows(
            "SELECT machine_images, machine_success, machine_partial, machine_failed, machine_flagged, machine_points"
            " FROM session WHERE id=?",
            (self._session(session),),
        )
        scored, success, partial, failed, flagged, points = row
        known = success + partial + failed
        mean = points / 1e6 / known if known else None
        return SessionClasses(scored, success, partial, failed, scored - known, flagged, mean)

    def details(self, images: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Image -> what was said of it: ``{"scorer", "identity", "at" (Unix ms), "class", "score", "flagged", "prompt_score",
        "aesthetic", "values": {placeholder: {"probability", "calibrated", "method"}}, "staged" (whether it is marked for the machine)}``.

        Only values that the image still has, and that something was said about.
        """
        asked = (as_list(images),)
        keys = dict(self._store.rows(f"SELECT id, thumb FROM image WHERE id {_THESE}", asked))
        rows = ScoreMirror(self._scores).chosen(self._store.reader(), keys, self._scores.rows(set(keys.values())))
        scorers = self._scores.scorers()
        subjects = dict(
            self._store.rows(f"SELECT image, subject FROM image_said WHERE mark > 0 AND image {_THESE}", asked)
        )
        staged = self._catalog.user.who_said([s for s in subjects.values() if s is not None], "mark")
        values: dict[int, dict[str, Any]] = {row.id: {} for row in rows.values()}
        for row_id, name, _, probability, calibrated, method in self._scores.values(values):
            values[row_id][name] = {"probability": probability, "calibrated": calibrated, "method": method}
        out = {}
        for image in keys:
            if (row := rows.get(image)) is not None and row.scorer is not None:
                out[image] = {
                    "scorer": scorers[row.scorer].name,
                    "identity": scorers[row.scorer].identity,
                    "at": row.at,
                    "class": _CLASSES[row.class_],
                    "score": row.score,
                    "flagged": bool(row.flagged),
                    "prompt_score": row.prompt_score,
                    "aesthetic": row.aesthetic,
                    "values": values[row.id],
                    "staged": staged.get(subjects.get(image, -1)) == WHO,
                }
        return out

    def _session(self, slug: str) -> int:
        found = self._store.value("SELECT id FROM session WHERE slug=?", (slug,))
        if found is None:
            near = nearest_names(slug, [name for (name,) in self._store.rows("SELECT slug FROM session")])
            raise SDGenError("unknown-session", f"there is no session {slug!r}", nearest=near)
        return int(found)

    # ---- calibrations ----------------------------------------------------------------------------------------------------

    def calibrations(self, identity: str) -> dict[str, dict[str, Any]]:
        """Placeholder -> its calibration for the scorer with this identity."""
        return self._scores.calibrations(identity)

    def save_calibration(self, scorer: Scorer, placeholder: str, said: Mapping[str, Any] | None) -> None:
        """Keep a placeholder's calibration, anything that JSON can hold; None forgets it."""
        self._scores.save_calibration(scorer, placeholder, said)

    # ---- people and machines ---------------------------------------------------------------------------------------------

    def agreement(self, query: str | Query = "", match: float = 0.5) -> list[Agreement]:
        """How often people and machines say the same about values, in the images that a query finds: trash too, for it was judged.

        A machine sees a value from the probability ``match`` on. The first is about all placeholders together. Raises ``bad-query``.
        """
        return agreement(self._catalog.snapshot, _asked(query), match)

    # ---- what failed, into the trash -------------------------------------------------------------------------------------

    def preview(self, query: str | Query = "", which: str = "failed", spare: bool = True) -> Staging:
        """What ``stage`` would do. ``which``: a name of ``STAGED``; without ``spare`` also what people said something for is staged.

        Raises ``bad-query``.
        """
        import numpy as np

        asked = _asked(query)
        failed = asked.model_copy(update={"clauses": (*asked.clauses, STAGED[which][0], _THERE)})
        wanted = failed.model_copy(update={"clauses": (*failed.clauses, *(_SPARED if spare else ()))})
        snapshot = self._catalog.snapshot
        with snapshot.still():
            ids, resolved = snapshot.find(wanted)
            spared = int(np.count_nonzero(snapshot.mask(resolve(self._store, failed).conditions))) - len(ids)
            size = int(snapshot.columns["bytes"][ids].sum())
            mask = np.zeros(snapshot.size, bool)
            mask[ids] = True
            tables = [(one.known, one.table(mask, np.sort(ids)).sum(axis=1)) for one in snapshot.entries.values()]
        counts = {
            value: n for known, table in tables for value, n in zip(known.tolist(), table.tolist(), strict=True) if n
        }
        return Staging(ids.tolist(), size, spared, self._values(counts), resolved.remarks)

    def _values(self, counts: Mapping[int, int]) -> list[StagedValue]:
        rows = self._store.rows(
            "SELECT value.id, name, key, text FROM value JOIN placeholder ON placeholder.id = placeholder"
            f" WHERE value.id {_THESE} ORDER BY placeholder.id, value.id",
            (as_list(counts),),
        )
        found = [StagedValue(name, key, text, counts[value]) for value, name, key, text in rows]
        return sorted(found, key=lambda one: -one.images)

    def stage(
        self, query: str | Query = "", only: Collection[int] | None = None, which: str = "failed", spare: bool = True
    ) -> Done:
        """Mark as trash what ``preview`` finds, as one step that can be undone. ``only``: at most these, as somebody has seen them.

        Nothing is deleted before the trash is emptied. Raises ``bad-query``.
        """
        found: Iterable[int] = self.preview(query, which, spare).ids
        wanted = None if only is None else set(only)
        images = [image for image in found if wanted is None or image in wanted]
        label = f"machine: mark: trash, {len(images)} image{'s' * (len(images) != 1)} {STAGED[which][1]}"
        return self._catalog.judge(images, "mark", "trash", label, who=WHO)


def _asked(query: str | Query) -> Query:
    return parse(query) if isinstance(query, str) else query
