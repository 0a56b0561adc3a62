"""The tables of ``index.db``: what session folders and images say, and a mirror of what people said about them.

Everything here can be made again from the folders and ``user.db``. Counters are kept by triggers, so that lists and success rates
cost the same at 500,000 images; ``Index.recount`` makes them anew.

Times are Unix milliseconds. Seeds, which go to 2**64 - 1, and perceptual hashes are stored in SQLite's signed 64 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..sessions.ledger_schema import split_statements
from .fields import CLASSES, MARKS, VERDICTS
from .store import Steps

if TYPE_CHECKING:
    from sqlite_utils import Database

migrations = Steps("sdgen-index")

#: Mark, verdict and class as numbers; 0 is none.
MARK_NUMBER: dict[str | None, int] = {None: 0, **{mark: n for n, mark in enumerate(MARKS, 1)}}
VERDICT_NUMBER: dict[str | None, int] = {None: 0, **{verdict: n for n, verdict in enumerate(VERDICTS, 1)}}
CLASS_NUMBER: dict[str | None, int] = {None: 0, **{name: n for n, name in enumerate(CLASSES, 1)}}
TRASH = MARK_NUMBER["trash"]
OK, KO = VERDICT_NUMBER["ok"], VERDICT_NUMBER["ko"]

_TABLES = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE session(
  id INTEGER PRIMARY KEY,
  slug TEXT NOT NULL UNIQUE,         -- its name in addresses; the same after a move, a renaming and a new index
  subject INTEGER,                   -- in user.db
  folder TEXT NOT NULL UNIQUE,       -- absolute path
  root TEXT NOT NULL,                -- the folder that was looked through when it was found
  stamp TEXT NOT NULL,               -- what its files looked like when they were read
  missing INTEGER NOT NULL DEFAULT 0,
  name TEXT NOT NULL,
  started INTEGER NOT NULL,
  status TEXT NOT NULL,              -- ongoing, completed, aborted, unknown
  planned INTEGER,                   -- images asked for
  found_planned INTEGER NOT NULL DEFAULT 0,  -- how many of them are there, or were until they were thrown away
  theme TEXT, style TEXT, template TEXT, mode TEXT, seed_mode TEXT, base_seed INTEGER,
  sweep INTEGER NOT NULL DEFAULT 0,
  combinations TEXT,                 -- can exceed 64 bits
  model TEXT, sampler TEXT, scheduler TEXT, vae TEXT, cfg REAL, steps INTEGER, width INTEGER, height INTEGER,
  prompt TEXT, negative TEXT,
  placeholders TEXT NOT NULL DEFAULT '[]',   -- JSON: [{"name", "available", "used"}], counts
  seed_min INTEGER, seed_max INTEGER,
  problems TEXT NOT NULL DEFAULT '[]',       -- JSON: what could not be read, in words
  -- mirrored from user.db
  favourite INTEGER NOT NULL DEFAULT 0, rating TEXT, test INTEGER NOT NULL DEFAULT 0, complete TEXT, note TEXT, title TEXT,
  -- kept by triggers
  images INTEGER NOT NULL DEFAULT 0, gone INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
  favourites INTEGER NOT NULL DEFAULT 0, interesting INTEGER NOT NULL DEFAULT 0, trash INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0, judged INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX session_started ON session(started DESC, id DESC);
CREATE INDEX session_subject ON session(subject) WHERE subject IS NOT NULL;
CREATE TABLE session_key(key TEXT NOT NULL, session INTEGER NOT NULL, PRIMARY KEY(key, session)) WITHOUT ROWID;
CREATE INDEX session_key_session ON session_key(session);

CREATE TABLE term(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL, UNIQUE(kind, text));
CREATE TABLE prompt(id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, positive TEXT NOT NULL, negative TEXT NOT NULL);

CREATE TABLE image(
  id INTEGER PRIMARY KEY,
  session INTEGER NOT NULL,
  file TEXT NOT NULL,                -- path in the session's folder, with /
  number INTEGER NOT NULL,           -- which item of the session
  batch INTEGER NOT NULL DEFAULT 0,  -- which image of the item
  created INTEGER NOT NULL,
  seed INTEGER,
  width INTEGER, height INTEGER, bytes INTEGER NOT NULL DEFAULT 0, mtime INTEGER NOT NULL DEFAULT 0,  -- mtime in ns
  model INTEGER, sampler INTEGER, scheduler INTEGER,   -- terms
  steps INTEGER, cfg REAL,
  prompt INTEGER,
  thumb TEXT NOT NULL,               -- what its thumbnails are called: changes with the file
  phash INTEGER,
  missing INTEGER NOT NULL DEFAULT 0,
  broken INTEGER NOT NULL DEFAULT 0,
  hashed INTEGER NOT NULL DEFAULT 0, -- whether its keys have the hash of the whole file
  -- mirrored from user.db
  subject INTEGER, mark INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, rating INTEGER NOT NULL DEFAULT 0, note TEXT,
  judged INTEGER NOT NULL DEFAULT 0, -- verdicts about its values
  UNIQUE(session, file)
);
CREATE INDEX image_created ON image(created DESC, id DESC);
CREATE INDEX image_session ON image(session, number, batch, id);
CREATE INDEX image_prompt ON image(prompt);
CREATE INDEX image_seed ON image(seed);
CREATE INDEX image_model ON image(model, created DESC, id DESC);
CREATE INDEX image_mark ON image(mark, created DESC, id DESC) WHERE mark > 0;
CREATE INDEX image_subject ON image(subject) WHERE subject IS NOT NULL;
CREATE INDEX image_thumb ON image(thumb);
CREATE TABLE image_key(key TEXT NOT NULL, image INTEGER NOT NULL, PRIMARY KEY(key, image)) WITHOUT ROWID;
CREATE INDEX image_key_image ON image_key(image);

CREATE TABLE placeholder(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE value(
  id INTEGER PRIMARY KEY,
  placeholder INTEGER NOT NULL,
  key TEXT NOT NULL,                 -- what tells it from others; the hash of the text where nothing else is known
  text TEXT NOT NULL,                -- as last seen; of several parts: JSON
  images INTEGER NOT NULL DEFAULT 0, -- kept by triggers
  UNIQUE(placeholder, key)
);
CREATE INDEX value_text ON value(placeholder, text);
CREATE TABLE image_value(
  image INTEGER NOT NULL, value INTEGER NOT NULL,
  verdict INTEGER NOT NULL DEFAULT 0, -- mirrored from user.db
  score REAL,
  PRIMARY KEY(image, value)
) WITHOUT ROWID;
CREATE INDEX image_value_value ON image_value(value, image);
CREATE TABLE value_verdict(          -- kept by triggers: how often each verdict was given
  value INTEGER NOT NULL, verdict INTEGER NOT NULL, images INTEGER NOT NULL, PRIMARY KEY(value, verdict)
) WITHOUT ROWID;

CREATE TABLE tag(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE);
CREATE TABLE image_tag(tag INTEGER NOT NULL, image INTEGER NOT NULL, PRIMARY KEY(tag, image)) WITHOUT ROWID;
CREATE INDEX image_tag_image ON image_tag(image);
CREATE TABLE session_tag(tag INTEGER NOT NULL, session INTEGER NOT NULL, PRIMARY KEY(tag, session)) WITHOUT ROWID;
CREATE INDEX session_tag_session ON session_tag(session);

CREATE TABLE changed(seq INTEGER PRIMARY KEY AUTOINCREMENT, image INTEGER NOT NULL);  -- what caches have to read again

CREATE VIRTUAL TABLE prompt_text USING fts5(
  positive, negative, content='prompt', content_rowid='id', prefix='2 3 4', tokenize='unicode61 remove_diacritics 2'
);
"""

#: The counted columns of a session, as sums over its rows ``{row}`` of ``image``, ``image_said`` and ``image_machine``.
#: ``machine_points`` are millionths, whole numbers, so that adding and taking away leaves nothing.
SESSION_COUNTS = {
    "image": {
        "images": "1 - {row}.missing",
        "gone": "{row}.missing",  # those thrown away are among them
        "removed": "({row}.missing * {row}.removed)",
        "bytes": "{row}.bytes * (1 - {row}.missing)",
    },
    "image_said": {
        "favourites": "({row}.mark = 1)",
        "interesting": "({row}.mark = 2)",
        "trash": "({row}.mark = 3)",
        "failed": "{row}.failed",
        "judged": "({row}.verdicts > 0)",
    },
    "image_machine": {
        "machine_images": "1",  # also those of no class
        "machine_success": "({row}.class = 1)",
        "machine_partial": "({row}.class = 2)",
        "machine_failed": "({row}.class = 3)",
        "machine_flagged": "{row}.flagged",
        "machine_points": "CAST(round(coalesce({row}.score, 0) * 1000000) AS INTEGER)",
    },
}


def _counting(table: str, prefix: str, watched: str) -> str:
    """Triggers that add the rows of ``table`` to their session's counters when one of the columns ``watched`` changes."""

    def update(**rows: str) -> str:
        changes = ", ".join(
            f"{name} = {name} " + " ".join(f"{sign} ({term.format(row=row)})" for row, sign in rows.items())
            for name, term in SESSION_COUNTS[table].items()
        )
        return f"UPDATE session SET {changes} WHERE id = {next(iter(rows))}.session;"

    def told(row: str) -> str:
        return f"({', '.join(term.format(row=row) for term in SESSION_COUNTS[table].values())})"

    nothing = f"({', '.join('0' * len(SESSION_COUNTS[table]))})"
    return f"""
CREATE TRIGGER {prefix}_added AFTER INSERT ON {table} WHEN {told("new")} IS NOT {nothing} BEGIN {update(new="+")} END;
CREATE TRIGGER {prefix}_removed AFTER DELETE ON {table} WHEN {told("old")} IS NOT {nothing} BEGIN {update(old="-")} END;
CREATE TRIGGER {prefix}_changed AFTER UPDATE OF {watched} ON {table} WHEN {told("old")} IS NOT {told("new")}
BEGIN {update(new="+", old="-")} END;
"""


_COUNTING = _counting("image", "image", "missing, removed, bytes")
_TRIGGERS = """
CREATE TRIGGER image_value_added AFTER INSERT ON image_value BEGIN
  UPDATE value SET images = images + 1 WHERE id = new.value;
END;
CREATE TRIGGER image_value_added_judged AFTER INSERT ON image_value WHEN new.verdict > 0 BEGIN
  INSERT INTO value_verdict VALUES(new.value, new.verdict, 1) ON CONFLICT DO UPDATE SET images = images + 1;
  UPDATE image SET judged = judged + 1 WHERE id = new.image;
END;
CREATE TRIGGER image_value_removed AFTER DELETE ON image_value BEGIN
  UPDATE value SET images = images - 1 WHERE id = old.value;
END;
CREATE TRIGGER image_value_removed_judged AFTER DELETE ON image_value WHEN old.verdict > 0 BEGIN
  UPDATE value_verdict SET images = images - 1 WHERE value = old.value AND verdict = old.verdict;
  UPDATE image SET judged = judged - 1 WHERE id = old.image;
END;
CREATE TRIGGER image_value_judged AFTER UPDATE OF verdict ON image_value WHEN old.verdict <> new.verdict BEGIN
  UPDATE value_verdict SET images = images - 1 WHERE value = old.value AND verdict = old.verdict AND old.verdict > 0;
  INSERT INTO value_verdict SELECT new.value, new.verdict, 1 WHERE new.verdict > 0
    ON CONFLICT DO UPDATE SET images = images + 1;
  UPDATE image SET judged = judged + (new.verdict > 0) - (old.verdict > 0) WHERE id = new.image;
END;
CREATE TRIGGER prompt_added AFTER INSERT ON prompt BEGIN
  INSERT INTO prompt_text(rowid, positive, negative) VALUES(new.id, new.positive, new.negative);
END;
CREATE TRIGGER prompt_removed AFTER DELETE ON prompt BEGIN
  INSERT INTO prompt_text(prompt_text, rowid, positive, negative) VALUES('delete', old.id, old.positive, old.negative);
END;
"""


@migrations()
def m001_first_tables(db: Database) -> None:
    for statement in split_statements(_TABLES + _TRIGGERS):
        db.conn.execute(statement)


#: An image that was thrown away has its file missing and is ``removed``; one that is there again is ``removed`` until its session's
#: record says otherwise.
_REMOVED = """
ALTER TABLE image ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX image_thrown_away ON image(session) WHERE removed = 1;
DROP TRIGGER IF EXISTS image_added;
DROP TRIGGER IF EXISTS image_removed;
DROP TRIGGER IF EXISTS image_changed;
"""


@migrations()
def m002_images_that_were_thrown_away(db: Database) -> None:
    for statement in split_statements(_REMOVED + _COUNTING):
        db.conn.execute(statement)


@migrations()
def m002_what_is_to_be_done(db: Database) -> None:
    """Images whose pixels or whole files nobody has looked at yet: found without a look at the others."""
    db.conn.execute("CREATE INDEX image_unseen ON image(id) WHERE phash IS NULL AND missing=0 AND broken=0")
    db.conn.execute("CREATE INDEX image_unhashed ON image(id) WHERE hashed=0 AND missing=0")


_PREFIXES = """
DROP TABLE prompt_text;
CREATE VIRTUAL TABLE prompt_text USING fts5(
  positive, negative, content='prompt', content_rowid='id', prefix='1 2', tokenize='unicode61 remove_diacritics 2'
);
INSERT INTO prompt_text(prompt_text) VALUES('rebuild');
"""


@migrations()
def m003_what_is_typed_first(db: Database) -> None:
    """A first letter is what most words begin with; of three letters so few do that no index of its own is needed for them."""
    for statement in split_statements(_PREFIXES):
        db.conn.execute(statement)


#: What people said of images stands beside them: thousands that are judged in one step lie all over the wide rows of ``image``, each of
#: whose pages would be written for it; here they are a few pages.
_SAID = """
CREATE TABLE image_said(
  image INTEGER PRIMARY KEY, session INTEGER NOT NULL, subject INTEGER,
  mark INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, rating INTEGER NOT NULL DEFAULT 0, note TEXT,
  verdicts INTEGER NOT NULL DEFAULT 0  -- about its values; kept by triggers
);
INSERT INTO image_said SELECT id, session, subject, mark, failed, rating, note, judged FROM image WHERE subject IS NOT NULL OR judged > 0;
CREATE INDEX image_said_subject ON image_said(subject) WHERE subject IS NOT NULL;
CREATE INDEX image_said_mark ON image_said(mark);
DROP TRIGGER image_added;
DROP TRIGGER image_removed;
DROP TRIGGER image_changed;
DROP TRIGGER image_value_added_judged;
DROP TRIGGER image_value_removed_judged;
DROP TRIGGER image_value_judged;
DROP INDEX image_mark;
DROP INDEX image_subject;
ALTER TABLE image DROP COLUMN subject;
ALTER TABLE image DROP COLUMN mark;
ALTER TABLE image DROP COLUMN failed;
ALTER TABLE image DROP COLUMN rating;
ALTER TABLE image DROP COLUMN note;
ALTER TABLE image DROP COLUMN judged;
CREATE VIEW image_and_said AS
  SELECT image.*, subject, coalesce(mark, 0) AS mark, coalesce(failed, 0) AS failed, coalesce(rating, 0) AS rating, note,
    coalesce(verdicts, 0) AS judged
  FROM image LEFT JOIN image_said ON image_said.image = image.id;
"""
_ADD_VERDICTS = """
  INSERT INTO image_said(image, session, verdicts) SELECT id, session, {change} FROM image WHERE id = {row}.image
    ON CONFLICT DO UPDATE SET verdicts = verdicts + excluded.verdicts;"""
_COUNTING_VERDICTS = f"""
CREATE TRIGGER image_value_added_judged AFTER INSERT ON image_value WHEN new.verdict > 0 BEGIN
  INSERT INTO value_verdict VALUES(new.value, new.verdict, 1) ON CONFLICT DO UPDATE SET images = images + 1;
  {_ADD_VERDICTS.format(row="new", change="1")}
END;
CREATE TRIGGER image_value_removed_judged AFTER DELETE ON image_value WHEN old.verdict > 0 BEGIN
  UPDATE value_verdict SET images = images - 1 WHERE value = old.value AND verdict = old.verdict;
  {_ADD_VERDICTS.format(row="old", change="-1")}
END;
CREATE TRIGGER image_value_verdict_given AFTER UPDATE OF verdict ON image_value WHEN new.verdict > 0 AND old.verdict <> new.verdict BEGIN
  INSERT INTO value_verdict VALUES(new.value, new.verdict, 1) ON CONFLICT DO UPDATE SET images = images + 1;
END;
CREATE TRIGGER image_value_verdict_taken AFTER UPDATE OF verdict ON image_value WHEN old.verdict > 0 AND old.verdict <> new.verdict BEGIN
  UPDATE value_verdict SET images = images - 1 WHERE value = old.value AND verdict = old.verdict;
END;
CREATE TRIGGER image_value_judged AFTER UPDATE OF verdict ON image_value WHEN (old.verdict > 0) <> (new.verdict > 0) BEGIN
  {_ADD_VERDICTS.format(row="new", change="(new.verdict > 0) - (old.verdict > 0)")}
END;
"""


@migrations()
def m004_what_people_said_beside_the_images(db: Database) -> None:
    counting = _COUNTING + _counting("image_said", "image_said", "mark, failed, verdicts")
    for statement in split_statements(_SAID + counting + _COUNTING_VERDICTS):
        db.conn.execute(statement)


#: What a machine said of images, mirrored from ``scores.db``: beside what people said, and never mixed with it.
_MACHINE = """
CREATE TABLE image_machine(
  image INTEGER PRIMARY KEY, session INTEGER NOT NULL,
  class INTEGER NOT NULL DEFAULT 0,  -- 0: none of its values could be seen
  score REAL,                        -- mean of its values' probabilities, 0 to 1
  flagged INTEGER NOT NULL DEFAULT 0, prompt_score REAL, aesthetic REAL
);
DROP VIEW image_and_said;
CREATE VIEW image_and_said AS
  SELECT image.*, subject, coalesce(mark, 0) AS mark, coalesce(failed, 0) AS failed, coalesce(rating, 0) AS rating, note,
    coalesce(verdicts, 0) AS judged,
    coalesce(class, 0) AS class, coalesce(flagged, 0) AS flagged, image_machine.image IS NOT NULL AS scored,
    image_machine.score AS match, prompt_score AS promptscore, aesthetic
  FROM image LEFT JOIN image_said ON image_said.image = image.id LEFT JOIN image_machine ON image_machine.image = image.id;
"""


@migrations()
def m005_what_a_machine_said_beside_the_images(db: Database) -> None:
    columns = "".join(
        f"ALTER TABLE session ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0;\n"
        for name in SESSION_COUNTS["image_machine"]
    )
    counting = _counting("image_machine", "image_machine", "class, score, flagged")
    for statement in split_statements(columns + _MACHINE + counting):
        db.conn.execute(statement)
