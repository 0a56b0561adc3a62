"""``index.db``: every session and image that was found, ready to be listed, searched and counted.

It is a cache: what is in it comes from the session folders, from ``user.db`` and from ``scores.db``. A file that is damaged is put aside
and made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .mirror import Mirror
from .records import ImageRecord, SessionRecord, signed, value_key
from .salvage import salvage
from .schema import migrations
from .score_mirror import ScoreMirror
from .scores import ScoreStore
from .store import Damaged, Store, chunks, marks, put_aside
from .user import Event, UserStore

_KEEP_CHANGES = 100_000
_SCORES = 5_000  # images whose scores are mirrored in one transaction
_KEEP_VALUES = 50_000  # ids in memory: sessions share most of their values

_SESSION_COLUMNS = (
    "slug", "folder", "root", "stamp", "name", "started", "status", "planned", "theme", "style", "template", "mode", "seed_mode",
    "base_seed", "sweep", "combinations", "model", "sampler", "scheduler", "vae", "cfg", "steps", "width", "height", "prompt",
    "negative", "placeholders", "problems",
)  # fmt: skip
_IMAGE_COLUMNS = (
    "session", "file", "number", "batch", "created", "seed", "width", "height", "bytes", "mtime", "model", "sampler", "scheduler",
    "steps", "cfg", "prompt", "thumb", "phash", "missing", "removed", "broken", "hashed",
)  # fmt: skip


class Index:
    """The index in ``path``, which mirrors the judgements of ``user`` and what machines said, of ``scores``.

    ``rebuilt`` says in words why it was begun anew, if it was; ``salvaged`` is how many judgements a damaged ``user.db`` got back.

    Raises what ``store.clear_errors`` raises.
    """

    def __init__(self, path: Path, user: UserStore, scores: ScoreStore | None = None) -> None:
        self.path = path
        self.user = user
        self.scores = scores
        self.rebuilt: str | None = None
        try:
            self.store = self._open()
        except Damaged as error:
            aside = put_aside(path)
            self.rebuilt = f"{path.name} was damaged ({error}) and is made anew; the old file is kept as {aside.name}"
            self.store = self._open()
        self._mirror = Mirror(user)
        self._terms: dict[tuple[str, str], int] = {}
        self._placeholders: dict[str, int] = {}
        self._values: dict[tuple[str, str | None, str], int] = {}
        self.salvaged = 0
        self.catch_up()
        self.take_scores()

    def _open(self) -> Store:
        store = Store(self.path, migrations, durable=False)
        try:
            store.check("SELECT count(*) FROM session")
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the file."""
        self.store.close()

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        try:
            with self.store.write() as db:
                yield db
        except BaseException:
            self._terms.clear()  # what was rolled back has no ids
            self._placeholders.clear()
            self._values.clear()
            raise

    def transaction(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """Several calls as one: all of them are done, or none."""
        return self._write()

    # ---- sessions and images ---------------------------------------------------------------------------------------------

    def find_session(self, record: SessionRecord) -> int | None:
        """The id under which ``put_session`` would write ``record`` down; None when it would add it."""
        known = self._known_session(self.store.reader(), record)
        return None if known is None else known[0]

    def put_session(self, record: SessionRecord) -> int:
        """Add a session, or write down what has changed about it; gives its id.

        A folder that was moved is told by its keys, if the old folder is gone: it keeps its id and its images.
        """
        values = [
            str(value)
            if isinstance(value, Path)
            else json.dumps(value, ensure_ascii=False)
            if isinstance(value, list)
            else value
            for value in (getattr(record, name) for name in _SESSION_COLUMNS)
        ]
        values[_SESSION_COLUMNS.index("base_seed")] = None if record.base_seed is None else signed(record.base_seed)
        with self._write() as db:
            known = self._known_session(db, record)
            if known is None:
                values[0] = self._free_slug(db, record.slug)
                names = ", ".join(_SESSION_COLUMNS)
                sql = f"INSERT INTO session({names}) VALUES({marks(values)})"
                session = db.execute(sql, values).lastrowid
                assert session is not None
            else:
                session, values[0] = known
                sets = ", ".join(f"{name}=?" for name in _SESSION_COLUMNS)
                db.execute(f"UPDATE session SET {sets}, missing=0 WHERE id=?", (*values, session))
            keys = [(key, session) for key in record.keys]
            db.executemany("INSERT OR IGNORE INTO session_key(key, session) VALUES(?,?)", keys)
            if known is None and self.user.has_judgements():
                self._mirror.attach_sessions(db, {session: list(record.keys)})
        return session

    @staticmethod
    def _known_session(db: sqlite3.Connection, record: SessionRecord) -> tuple[int, str] | None:
        row: tuple[int, str] | None = db.execute(
            "SELECT id, slug FROM session WHERE folder=?", (str(record.folder),)
        ).fetchone()
        if row is not None or not record.keys:
            return row
        found = db.execute(
            "SELECT id, slug, folder FROM session WHERE id IN (SELECT session FROM session_key WHERE key=?)",
            record.keys[:1],
        ).fetchall()
        return next(((session, slug) for session, slug, folder in found if not Path(folder).is_dir()), None)

    @staticmethod
    def _free_slug(db: sqlite3.Connection, slug: str) -> str:
        """``slug``, or with a number behind it: a copied folder has the keys of the first."""
        n, tried = 1, slug
        while db.execute("SELECT 1 FROM session WHERE slug=?", (tried,)).fetchone():
            n += 1
            tried = f"{slug}-{n}"
        return tried

    def put_images(self, session: int, records: Sequence[ImageRecord]) -> list[int]:
        """Add images of a session, or write down what has changed about them; gives their ids in order."""
        if not records:
            return []
        with self._write() as db:
            known = self._known_images(db, session, [record.file for record in records])
            (top,) = db.execute("SELECT coalesce(max(id), 0) FROM image").fetchone()
            prompts = self._prompts(db, records)
            ids: list[int] = []
            fresh: list[tuple[Any, ...]] = []
            stale: list[tuple[Any, ...]] = []
            for record in records:
                row = (session, *self._image_row(db, record, prompts))
                image = known.get(record.file)
                if image is None:
                    top += 1
                    known[record.file] = image = top
                    fresh.append((image, *row))
                else:
                    stale.append((*row, image))
                ids.append(image)
            names = ", ".join(_IMAGE_COLUMNS)
            db.executemany(f"INSERT INTO image(id, {names}) VALUES({marks(('id', *_IMAGE_COLUMNS))})", fresh)
            db.executemany(f"UPDATE image SET {', '.join(f'{n}=?' for n in _IMAGE_COLUMNS)} WHERE id=?", stale)
            if stale:
                self._forget(db, [row[-1] for row in stale])
            keys = [(key, image) for image, record in zip(ids, records, strict=True) for key in record.keys]
            db.executemany("INSERT OR IGNORE INTO image_key(key, image) VALUES(?,?)", keys)
            self._put_values(db, list(zip(ids, records, strict=True)))
            self._recount_planned(db, session)
            if self.user.has_judgements():
                by_image: dict[int, list[str]] = {}
                for key, image in keys:
                    by_image.setdefault(image, []).append(key)
                self._mirror.attach_images(db, by_image)
                self._mirror.unsay(db, [row[-1] for row in stale])
            if self.scores is not None and self.scores.last():
                thumbs = {image: record.thumb for image, record in zip(ids, records, strict=True)}
                ScoreMirror(self.scores).attach(db, thumbs)
            self._log(db, ids)
        return ids

    @staticmethod
    def _known_images(db: sqlite3.Connection, session: int, files: Sequence[str]) -> dict[str, int]:
        out: dict[str, int] = {}
        for some in chunks(files):
            sql = f"SELECT file, id FROM image WHERE session=? AND file IN ({marks(some)})"
            out.update(db.execute(sql, (session, *some)).fetchall())
        return out

    @staticmethod
    def _forget(db: sqlite3.Connection, images: Sequence[int]) -> None:
        """Forget the keys of files that have changed; what an image *is* (its place in its session) stays."""
        db.executemany("DELETE FROM image_key WHERE image=? AND key NOT LIKE 'g:%'", [(image,) for image in images])

    def _image_row(self, db: sqlite3.Connection, record: ImageRecord, prompts: Mapping[bytes, int]) -> tuple[Any, ...]:
        return (
            record.file,
            record.number,
            record.batch,
            record.created,
            None if record.seed is None else signed(record.seed),
            record.width,
            record.height,
            record.bytes,
            record.mtime,
            self._term(db, "model", record.model),
            self._term(db, "sampler", record.sampler),
            self._term(db, "scheduler", record.scheduler),
            record.steps,
            record.cfg,
            prompts[_prompt_hash(record)],
            record.thumb,
            None if record.phash is None else signed(record.phash),
            record.missing,
            record.removed,
            record.broken,
            record.hashed,
        )

    @staticmethod
    def _prompts(db: sqlite3.Connection, records: Sequence[ImageRecord]) -> dict[bytes, int]:
        """Hash -> id of the prompts, which many images share."""
        texts = {_prompt_hash(record): (record.prompt, record.negative) for record in records}
        out: dict[bytes, int] = {}
        for some in chunks(texts):
            out.update(db.execute(f"SELECT hash, id FROM prompt WHERE hash IN ({marks(some)})", some).fetchall())
        (top,) = db.execute("SELECT coalesce(max(id), 0) FROM prompt").fetchone()
        fresh = [
            (top + n, hash, *text)
            for n, (hash, text) in enumerate(((h, t) for h, t in texts.items() if h not in out), 1)
        ]
        db.executemany("INSERT INTO prompt(id, hash, positive, negative) VALUES(?,?,?,?)", fresh)
        out.update((row[1], row[0]) for row in fresh)
        return out

    def _term(self, db: sqlite3.Connection, kind: str, text: str | None) -> int | None:
        if text is None:
            return None
        known = self._terms.get((kind, text))
        if known is None:
            db.execute("INSERT OR IGNORE INTO term(kind, text) VALUES(?,?)", (kind, text))
            (known,) = db.execute("SELECT id FROM term WHERE kind=? AND text=?", (kind, text)).fetchone()
            self._terms[kind, text] = known
        return known

    # ---- values ----------------------------------------------------------------------------------------------------------

    def _put_values(self, db: sqlite3.Connection, images: Sequence[tuple[int, ImageRecord]]) -> None:
        if len(self._values) > _KEEP_VALUES:
            self._values.clear()
        ids = self._values
        wanted: dict[int, set[int]] = {}
        for image, record in images:
            values = wanted[image] = set()
            for name, (key, text) in record.values.items():
                asked = (name, key, text)
                if asked not in ids:
                    ids[asked] = self._value(db, *asked)
                values.add(ids[asked])
        for some in chunks(wanted):
            sql = f"SELECT image, value FROM image_value WHERE image IN ({marks(some)})"
            have = set(db.execute(sql, some).fetchall())
            want = {(image, value) for image in some for value in wanted[image]}
            db.executemany("DELETE FROM image_value WHERE image=? AND value=?", sorted(have - want))
            db.executemany("INSERT INTO image_value(image, value) VALUES(?,?)", sorted(want - have))

    def _value(self, db: sqlite3.Connection, name: str, key: str | None, text: str) -> int:
        """The id of a value. One of which only the text is known is the one with that text, if there is one; and the other way round."""
        placeholder = self._placeholders.get(name)
        if placeholder is None:
            db.execute("INSERT OR IGNORE INTO placeholder(name) VALUES(?)", (name,))
            (placeholder,) = db.execute("SELECT id FROM placeholder WHERE name=?", (name,)).fetchone()
            self._placeholders[name] = placeholder
        bare = value_key(text)
        if key is None:
            row = db.execute(
                "SELECT id FROM value WHERE placeholder=? AND text=? ORDER BY key=? DESC, id LIMIT 1",
                (placeholder, text, bare),
            ).fetchone()
            if row:
                return int(row[0])
            key = bare
        row = db.execute("SELECT id, text FROM value WHERE placeholder=? AND key=?", (placeholder, key)).fetchone()
        if row:
            if row[1] != text:
                db.execute("UPDATE value SET text=? WHERE id=?", (text, row[0]))
                self._values.clear()  # another text of this value may be asked for again
            return int(row[0])
        older = db.execute(
            "SELECT id FROM value WHERE placeholder=? AND key=? AND text=?", (placeholder, bare, text)
        ).fetchone()
        if older and key != bare:
            db.execute("UPDATE value SET key=? WHERE id=?", (key, older[0]))
            return int(older[0])
        made = db.execute("INSERT INTO value(placeholder, key, text) VALUES(?,?,?)", (placeholder, key, text)).lastrowid
        assert made is not None
        return made

    # ---- what is found out later ----------------------------------------------------------------------------------------

    def set_pictures(self, rows: Iterable[tuple[int, int | None, int | None, int | None, bool]]) -> None:
        """Write down what decoding files told: (image, width, height, perceptual hash, whether it is broken). None leaves what is there.

        The hash may be given unsigned or as SQLite stores it.
        """
        wanted = [(w, h, None if p is None else signed(p), broken, image) for image, w, h, p, broken in rows]
        with self._write() as db:
            db.executemany(
                "UPDATE image SET width=coalesce(?, width), height=coalesce(?, height), phash=coalesce(?, phash), broken=?"
                " WHERE id=?",
                wanted,
            )
            self._log(db, [row[-1] for row in wanted])

    def add_key(self, image: int, key: str) -> None:
        """Note the key of an image's whole file (``records.file_key``), and mirror what was said about a file with that key.

        ``Catalog.add_key`` teaches it to ``user.db`` as well.
        """
        with self._write() as db:
            db.execute("UPDATE image SET hashed=1 WHERE id=?", (image,))
            db.execute("INSERT OR IGNORE INTO image_key(key, image) VALUES(?,?)", (key, image))
            keys = [known for (known,) in db.execute("SELECT key FROM image_key WHERE image=?", (image,))]
            if self._mirror.attach_images(db, {image: keys}):
                self._log(db, [image])

    # ---- files that are gone ---------------------------------------------------------------------------------------------

    def set_missing(self, images: Iterable[int], missing: bool, *, removed: bool | None = None) -> None:
        """Flag images whose file is gone, or is back. Nothing is ever forgotten because a file is not there.

        ``removed``: whether they were thrown away on purpose; None leaves what is known.
        """
        wanted = list(images)
        with self._write() as db:
            db.executemany(
                "UPDATE image SET missing=?1, removed=coalesce(?2, removed)"
                " WHERE id=?3 AND (missing, removed) IS NOT (?1, coalesce(?2, removed))",
                [(missing, removed, i) for i in wanted],
            )
            sessions: set[int] = set()
            for some in chunks(wanted):
                sessions.update(
                    row[0] for row in db.execute(f"SELECT session FROM image WHERE id IN ({marks(some)})", some)
                )
            for session in sessions:
                self._recount_planned(db, session)
            self._log(db, wanted)

    def set_session_missing(self, sessions: Iterable[int], missing: bool) -> None:
        """Flag sessions whose folder is gone, or is back."""
        with self._write() as db:
            db.executemany("UPDATE session SET missing=? WHERE id=?", [(missing, session) for session in sessions])

    @staticmethod
    def _recount_planned(db: sqlite3.Connection, session: int) -> None:
        db.execute(
            "UPDATE session SET found_planned = (SELECT count(DISTINCT number) FROM image WHERE image.session = session.id"
            " AND (image.missing = 0 OR image.removed = 1) AND number >= 0 AND number < coalesce(session.planned, 0)) WHERE id=?",
            (session,),
        )

    def note_seeds(self, session: int) -> None:
        """Write down the least and the greatest seed of a session. Seeds from 2**63 on are stored as negative numbers."""
        seeds = "SELECT seed FROM image WHERE session=?1 AND seed IS NOT NULL ORDER BY"
        with self._write() as db:
            db.execute(
                f"UPDATE session SET seed_min=({seeds} seed < 0, seed LIMIT 1),"
                f" seed_max=({seeds} seed < 0 DESC, seed DESC LIMIT 1) WHERE id=?1",
                (session,),
            )

    # ---- what people said ------------------------------------------------------------------------------------------------

    def catch_up(self) -> int:
        """Mirror what ``user.db`` has and this does not: after a crash between the two, or with another ``user.db``. Gives how many."""
        mirrored = self._meta("user")
        if mirrored != self.user.id:
            # A copy took the place of what is mirrored here, and this has heard of all that the copy knows.
            if mirrored == self.user.before and int(self._meta("event") or 0) >= self.user.last_event():
                self.salvaged = salvage(self.store, self.user)
            return self._mirror_all()
        done = 0
        while events := self.user.events_after(int(self._meta("event") or 0)):
            self.apply(events)
            done += len(events)
        return done

    def _meta(self, name: str) -> str | None:
        value: str | None = self.store.value("SELECT value FROM meta WHERE name=?", (name,))
        return value

    @staticmethod
    def _set_meta(db: sqlite3.Connection, name: str, value: object) -> None:
        db.execute("INSERT OR REPLACE INTO meta(name, value) VALUES(?,?)", (name, str(value)))

    def _mirror_all(self) -> int:
        last = self.user.last_event()
        with self._write() as db:
            done = self._mirror.all(db)
            self._set_meta(db, "user", self.user.id)
            self._set_meta(db, "event", last)
        return done

    def apply(self, events: Sequence[Event], learnt: Mapping[int, Sequence[str]] | None = None) -> list[int]:
        """Mirror events of ``user.db``, and any before them that nobody has mirrored; gives the ids of the images that changed.

        Images are looked for by what they are known as, and by the keys ``learnt`` (subject -> keys; by default all keys of all).
        """
        with self._write() as db:
            (last,) = db.execute("SELECT value FROM meta WHERE name='event'").fetchone() or (0,)
            if (
                events[0].id > int(last) + 1
            ):  # of a program that failed or was killed in between, or is just about to write them
                events, learnt = self.user.events_after(int(last), limit=events[-1].id - int(last)), None
            subjects = list(dict.fromkeys(event.subject for event in events))
            keys = self.user.keys_of(subjects) if learnt is None else learnt
            images = self._mirror.events(db, events, subjects, keys)
            self._log(db, images)
            self._set_meta(db, "event", max(int(last), events[-1].id))
        return images

    def attach(self, subjects: Sequence[int]) -> None:
        """Give what was said about ``subjects`` to all images that have one of their keys: they have new ones."""
        keys = self.user.keys_of(subjects)
        with self._write() as db:
            self._log(db, self._mirror.keys(db, keys))

    # ---- what machines said ----------------------------------------------------------------------------------------------

    def take_scores(self) -> list[int]:
        """Mirror what ``scores.db`` has and this does not; gives the ids of the images that changed."""
        if self.scores is None:
            return []
        mirror, images = ScoreMirror(self.scores), list[int]()
        ahead = int(self._meta("scored") or 0) > self.scores.last()  # an older copy took the file's place
        if ahead or self._meta("scores") != self.scores.id:
            with self._write() as db:
                images += mirror.clear(db)
                self._log(db, images)
                known = db.execute("SELECT 1 FROM image LIMIT 1").fetchone()
                self._set_meta(db, "scores", self.scores.id)
                self._set_meta(
                    db, "scored", 0 if known else self.scores.last()
                )  # images that come have theirs given then
        while int(self._meta("scored") or 0) < self.scores.last():
            with self._write() as db:
                (last,) = db.execute("SELECT value FROM meta WHERE name='scored'").fetchone()
                rows = self.scores.after(int(last), _SCORES)
                changed = mirror.rows(db, rows)
                self._log(db, changed)
                self._set_meta(db, "scored", rows[-1].id if rows else max(int(last), self.scores.last()))
            images += changed
        return images

    @staticmethod
    def _log(db: sqlite3.Connection, images: Iterable[int]) -> None:
        db.execute("INSERT INTO changed(image) SELECT value FROM json_each(?)", (json.dumps(list(images)),))
        db.execute("DELETE FROM changed WHERE seq < (SELECT max(seq) FROM changed) - ?", (_KEEP_CHANGES,))


def _prompt_hash(record: ImageRecord) -> bytes:
    text = f"{record.prompt}\0{record.negative}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()
