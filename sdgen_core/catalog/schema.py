"""The tables of ``index.db``: what session folders and images say, and a mirror of what people said about them.

Everything here can be made again from the folders and ``user.db``. Counters are kept by triggers, so that lists and success rates
cost the same at 500,000 images; ``Index.recount`` makes them anew.

Times are Unix milliseconds. Seeds, which go to 2**64 - 1, and perceptual hashes are stored in SQLite's signed 64 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..sessions.ledger_schema import split_statements
from .fields import MARKS, VERDICTS
from .store import Steps

if TYPE_CHECKING:
    from sqlite_utils import Database

migrations = Steps("sdgen-index")

#: Mark and verdict as numbers; 0 is none.
MARK_NUMBER: dict[str | None, int] = {None: 0, **{mark: n for n, mark in enumerate(MARKS, 1)}}
VERDICT_NUMBER: dict[str | None, int] = {None: 0, **{verdict: n for n, verdict in enumerate(VERDICTS, 1)}}
TRASH = MARK_NUMBER["trash"]

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

#: The counted columns of a session, as sums over its images ``{row}``.
SESSION_COUNTS = {
    "images": "1 - {row}.missing",
    "gone": "{row}.missing",  # those thrown away are among them
    "removed": "({row}.missing * {row}.removed)",
    "bytes": "{row}.bytes * (1 - {row}.missing)",
    "favourites": "({row}.mark = 1)",
    "interesting": "({row}.mark = 2)",
    "trash": "({row}.mark = 3)",
    "failed": "{row}.failed",
    "judged": "({row}.judged > 0)",
}


def _counting(**rows: str) -> str:
    """The statement that adds a row to its session's counters, takes one off, or both: ``new="+"``, ``old="-"``."""
    changes = ", ".join(
        f"{name} = {name} " + " ".join(f"{sign} ({term.format(row=row)})" for row, sign in rows.items())
        for name, term in SESSION_COUNTS.items()
    )
    return f"UPDATE session SET {changes} WHERE id = {next(iter(rows))}.session;"


_WATCHED = "missing, removed, bytes, mark, failed, judged"
_COUNTED = "({row}.missing, {row}.removed, {row}.bytes, {row}.mark, {row}.failed, {row}.judged > 0)"
_COUNTING = f"""
CREATE TRIGGER image_added AFTER INSERT ON image BEGIN {_counting(new="+")} END;
CREATE TRIGGER image_removed AFTER DELETE ON image BEGIN {_counting(old="-")} END;
CREATE TRIGGER image_changed AFTER UPDATE OF {_WATCHED} ON image
WHEN {_COUNTED.format(row="old")} IS NOT {_COUNTED.format(row="new")}
BEGIN {_counting(new="+", old="-")} END;
"""
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
