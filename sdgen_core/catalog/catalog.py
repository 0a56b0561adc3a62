"""The catalog as its users see it: nodes, routes and commands speak to this, not to its files."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SDGenError, nearest_names
from . import sql
from .exchange import Import, export_judgements, import_judgements
from .index import Index
from .query import DUPLICATE, Query, parse, write
from .records import NO_IMAGE, surest
from .resolve import resolve
from .scores import ScoreStore
from .snapshot import Snapshot
from .user import Change, Step, UserStore

if TYPE_CHECKING:
    from .machine import Machine

_QUERY_KEY = "q:"


@dataclass(frozen=True)
class Done:
    """What a step was called, and the ids of the images that are different now."""

    label: str
    images: list[int]


@dataclass(frozen=True)
class Page:
    """A page of what a query finds. ``total``: how many there are in all; None where that was not counted."""

    ids: list[int]
    total: int | None
    remarks: tuple[str, ...]


class Catalog:
    """The catalog in a folder, which is made if there is none. ``remarks`` says in words what was repaired at opening.

    Raises what ``store.clear_errors`` raises, and ``catalog-damaged``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = UserStore(folder / "user.db")
        try:
            self.scores = ScoreStore(folder / "scores.db")
        except BaseException:
            self.user.close()
            raise
        try:
            self.index = Index(folder / "index.db", self.user, self.scores)
        except BaseException:
            self.scores.close()
            self.user.close()
            raise
        self.snapshot = Snapshot(self.index.store)
        salvaged = f"{self.index.salvaged:,} judgements that the copy did not have were taken from index.db"
        said = (self.user.restored, salvaged if self.index.salvaged else None, self.scores.lost, self.index.rebuilt)
        self.remarks = [text for text in said if text]

    def close(self) -> None:
        """Close all files."""
        self.index.close()
        self.scores.close()
        self.user.close()

    # ---- finding ---------------------------------------------------------------------------------------------------------

    def find(self, query: str | Query) -> tuple[list[int], tuple[str, ...]]:
        """The ids of what a query finds, in its order, and remarks about names that are not there. Raises ``bad-query``."""
        asked = parse(query) if isinstance(query, str) else query
        found, resolved = self.snapshot.find(asked.with_defaults())
        return found.tolist(), resolved.remarks

    def page(self, query: str | Query, after: int | None = None, limit: int = 200) -> Page:
        """Up to ``limit`` of the images that a query finds, behind the image ``after`` (which need not be found itself), in its order.

        The newest first are told by an index of the database as long as the columns are not in memory. Raises ``bad-query``.
        """
        asked = (parse(query) if isinstance(query, str) else query).with_defaults()
        if not self.snapshot.loaded:
            resolved = resolve(self.index.store, asked)
            if sql.by_index(resolved):
                return Page(sql.page(self.index.store, resolved, limit, after), None, resolved.remarks)
        ids, total, resolved = self.snapshot.page(asked, limit, after)
        return Page(ids, total, resolved.remarks)

    def duplicates(self, query: str | Query = "", distance: int = DUPLICATE) -> list[list[int]]:
        """Groups of images that look alike among what a query finds: near-duplicates hang together through others.

        ``distance``: bits of the perceptual hash that two may differ in, 0 to 8. Each group and the list of them in the order of ids.
        Raises ``bad-query``, and ``ValueError`` for another distance.
        """
        asked = (parse(query) if isinstance(query, str) else query).with_defaults()
        return self.snapshot.groups(asked, distance)

    def similar(self, image: int, limit: int = 20) -> list[tuple[int, int]]:
        """The images that look most like one, with their distances of 0 to 64, the nearest first; neither trash nor what is gone.

        Empty when nobody has looked at the image yet. Raises ``unknown-item``.
        """
        if not self.index.store.value("SELECT 1 FROM image WHERE id=?", (image,)):
            raise SDGenError("unknown-item", f"there is no image {image}", hint=NO_IMAGE)
        return self.snapshot.similar(image, limit)

    @property
    def machine(self) -> Machine:
        """What machines said of the images, and what can be done with it."""
        from .machine import Machine  # it knows the catalog

        return Machine(self)

    # ---- judging ---------------------------------------------------------------------------------------------------------

    def judge(
        self, images: Collection[int], field: str, value: str | None, label: str = "", *, who: str | None = None
    ) -> Done:
        """Say ``value`` of ``field`` (see ``fields``; None clears it) about images, as one step. ``who`` says so, if it is no person.

        Raises ``bad-judgement``, and ``unknown-item`` for an id that there is not; then nothing is changed.
        """
        keys = self._keys("image", images)
        changes = [Change("image", keys[image], field, value) for image in dict.fromkeys(images)]
        return self.change(changes, label or _label(field, value, len(changes), "image"), who=who)

    def judge_sessions(self, slugs: Collection[str], field: str, value: str | None, label: str = "") -> Done:
        """The same about sessions. Raises ``bad-judgement`` and ``unknown-session``."""
        ids = {slug: self.index.store.value("SELECT id FROM session WHERE slug=?", (slug,)) for slug in slugs}
        unknown = next((slug for slug, session in ids.items() if session is None), None)
        if unknown is not None:
            known = [row[0] for row in self.index.store.rows("SELECT slug FROM session")]
            raise SDGenError(
                "unknown-session", f"there is no session {unknown!r}", nearest=nearest_names(unknown, known)
            )
        keys = self._keys("session", ids.values())
        changes = [Change("session", keys[session], field, value) for session in ids.values()]
        return self.change(changes, label or _label(field, value, len(changes), "session"))

    def change(self, changes: Sequence[Change], label: str, *, who: str | None = None) -> Done:
        """Several changes as one step. Raises ``bad-judgement``; then nothing is changed."""
        return self._mirror(self.user.change(changes, label, who=who), label)

    def _mirror(self, step: Step | None, label: str = "") -> Done:
        if step is None or not step.events:
            return Done(label if step is None else step.label, [])
        return Done(step.label, self.index.apply(step.events, step.learnt))

    def undo(self) -> Done | None:
        """Take the last step back; None when there is none."""
        step = self.user.undo()
        return None if step is None else self._mirror(step)

    def redo(self) -> Done | None:
        """Do it again; None when there is nothing to do again."""
        step = self.user.redo()
        return None if step is None else self._mirror(step)

    def learn(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Note that what has the first key of a pair has the second one too."""
        subjects = self.user.learn(pairs)
        self.index.attach(subjects)

    def add_key(self, image: int, key: str) -> None:
        """Note the key of an image's whole file, here and in ``user.db`` if something was said about the image.

        Raises ``unknown-item``.
        """
        [known] = self._keys("image", [image]).values()
        said = self.user.subjects(known)
        self.index.add_key(image, key)
        if first := next((other for other in known if other in said), None):
            self.learn([(first, key)])

    def _keys(self, table: str, rows: Iterable[int]) -> dict[int, tuple[str, ...]]:
        wanted = list(dict.fromkeys(rows))
        found: dict[int, list[str]] = {}
        asked = f"SELECT {table}, key FROM {table}_key WHERE {table} IN (SELECT value FROM json_each(?))"
        for row, key in self.index.store.rows(asked, (json.dumps(wanted),)):
            found.setdefault(row, []).append(key)
        unknown = next((row for row in wanted if row not in found), None)
        if unknown is not None:
            raise SDGenError("unknown-item", f"there is no {table} {unknown}", hint=NO_IMAGE)
        return {row: tuple(sorted(keys, key=surest)) for row, keys in found.items()}

    # ---- saved queries ---------------------------------------------------------------------------------------------------

    def queries(self) -> dict[str, str]:
        """Name -> text of the saved queries, by name."""
        return dict(sorted(self.user.named(_QUERY_KEY, "query")))

    def save_query(self, name: str, text: str | None) -> Done:
        """Keep a query under a name; None forgets it. Raises ``bad-query``."""
        if not name.strip() or len(name) > 200:
            raise SDGenError("bad-query", "a saved query needs a name of up to 200 characters")
        kept = None if text is None else write(parse(text)) or "sort:-created"
        return self.change([Change("query", (_QUERY_KEY + name.strip(),), "query", kept)], f"query {name.strip()}")

    # ---- files of judgements ---------------------------------------------------------------------------------------------

    def export_judgements(self, path: Path) -> int:
        """See ``exchange.export_judgements``."""
        return export_judgements(self.user, path)

    def import_judgements(self, path: Path) -> Import:
        """See ``exchange.import_judgements``."""
        done = import_judgements(self.user, path)
        self._mirror(done.step)
        return done


def _label(field: str, value: str | None, count: int, what: str) -> str:
    kind, slash, name = field.partition("/")
    said = f"{kind} {name}" if slash else field
    return f"{said}: {value or 'cleared'}, {count} {what}{'s' * (count != 1)}"
