"""The ledger's tables, and how a ledger of an older schema becomes one of this.

``PRAGMA user_version`` holds the schema's number. A ledger is brought up to date when it is opened, in one transaction: two
processes that open it at the same time do it once.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator

from ..errors import SDGenError

SCHEMA_VERSION = 2

_SESSION_TABLE = """
CREATE TABLE session(
  id TEXT PRIMARY KEY,
  key TEXT NOT NULL,            -- what was asked for: same key, same work
  name TEXT NOT NULL,
  prefix TEXT NOT NULL,         -- what its files begin with: the name it was made with, also after a renaming
  folder TEXT NOT NULL,
  state TEXT NOT NULL CHECK(state IN ('planned','running','paused','completed','failed','stopped')),
  reason TEXT NOT NULL DEFAULT '',   -- why it is paused or failed, for people
  created REAL NOT NULL,
  updated REAL NOT NULL,
  order_no INTEGER NOT NULL,    -- sessions run in this order
  planner TEXT NOT NULL,        -- node id of the planner that shows the progress
  client TEXT,                  -- the browser tab that asked
  total INTEGER NOT NULL DEFAULT 0,
  queued INTEGER NOT NULL DEFAULT 0,
  done INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0,
  seconds REAL NOT NULL DEFAULT 0     -- sum of the times from save to save
);
CREATE INDEX session_key ON session(key, order_no);
CREATE INDEX session_state ON session(state, order_no);
"""

_PARTS_AND_ITEMS = """
CREATE TABLE part(                -- one at first, one more for each extension
  session TEXT NOT NULL REFERENCES session(id) ON DELETE CASCADE,
  no INTEGER NOT NULL,
  plan TEXT NOT NULL,
  graph TEXT NOT NULL,          -- the user's API prompt, planner included
  planner TEXT NOT NULL,        -- node id of the planner in it
  workflow TEXT,                -- the canvas form, when a canvas queued it
  defaults TEXT NOT NULL,       -- parameters of the planner's widgets
  PRIMARY KEY(session, no)
);
CREATE TABLE item(
  session TEXT NOT NULL REFERENCES session(id) ON DELETE CASCADE,
  idx INTEGER NOT NULL,         -- number of the image in its session
  part INTEGER NOT NULL,        -- which part of the session ...
  n INTEGER NOT NULL,           -- ... and which item of that part's plan
  state TEXT NOT NULL DEFAULT 'todo' CHECK(state IN ('todo','queued','done','failed','skipped')),
  prompt_id TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  file TEXT,
  sha256 TEXT,
  error TEXT,
  started REAL,
  finished REAL,
  PRIMARY KEY(session, idx)
) WITHOUT ROWID;
CREATE INDEX item_state ON item(session, state, idx);
"""

_TRIGGERS = """
CREATE TRIGGER item_state_changed AFTER UPDATE OF state ON item WHEN old.state <> new.state BEGIN
  UPDATE session SET
    queued = queued + (new.state='queued') - (old.state='queued'),
    done = done + (new.state='done') - (old.state='done'),
    failed = failed + (new.state='failed') - (old.state='failed'),
    skipped = skipped + (new.state='skipped') - (old.state='skipped')
  WHERE id = new.session;
END;
CREATE TRIGGER item_removed AFTER DELETE ON item BEGIN
  UPDATE session SET
    total = total - 1,
    queued = queued - (old.state='queued'),
    done = done - (old.state='done'),
    failed = failed - (old.state='failed'),
    skipped = skipped - (old.state='skipped')
  WHERE id = old.session;
END;
"""

#: Schema 1 had no ``planned`` state and no prefix; SQLite changes a CHECK only by making the table anew.
_FROM_1 = f"""
DROP TRIGGER item_state_changed;
ALTER TABLE session RENAME TO session_1;
DROP INDEX session_key;
DROP INDEX session_state;
{_SESSION_TABLE}
INSERT INTO session
  SELECT id, key, name, name, folder, state, reason, created, updated, order_no, planner, client,
         total, queued, done, failed, skipped, seconds FROM session_1;
DROP TABLE session_1;
{_TRIGGERS}
"""


def prepare(db: sqlite3.Connection, name: str) -> None:
    """Set up a connection that was just opened (in autocommit mode), and bring its tables up to this schema. ``name`` is the ledger's
    in messages. Raises ``ledger-unusable`` when a newer SDGen wrote it, and ``sqlite3.Error``.
    """
    write_ahead(db)
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA foreign_keys=ON")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise SDGenError(
            "ledger-unusable",
            f"the ledger {name} was written by a newer SDGen (schema {version}, this one knows {SCHEMA_VERSION})",
        )
    if version == SCHEMA_VERSION:
        return
    # Neither may a dropped table take its children along, nor a renaming follow into their references.
    db.execute("PRAGMA foreign_keys=OFF")
    db.execute("PRAGMA legacy_alter_table=ON")
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have made the schema while this one waited for the write lock.
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version < SCHEMA_VERSION:
            script = _FROM_1 if version == 1 else _SESSION_TABLE + _PARTS_AND_ITEMS + _TRIGGERS
            for statement in split_statements(script):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite has rolled back by itself after some errors
            db.execute("ROLLBACK")
        raise
    db.execute("PRAGMA legacy_alter_table=OFF")
    db.execute("PRAGMA foreign_keys=ON")


def write_ahead(db: sqlite3.Connection) -> None:
    """Switch to WAL. SQLite does not wait here for another process that does the same at this moment."""
    deadline = time.monotonic() + 30
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def split_statements(script: str) -> Iterator[str]:
    """Statements of an SQL script, triggers whole. ``executescript`` would commit the open transaction."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
