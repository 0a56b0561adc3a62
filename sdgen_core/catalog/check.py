"""Holding the index against itself: counters, the search table, the files as SQLite sees them."""

from __future__ import annotations

import sqlite3
from typing import Any

from .counters import recount
from .index import Index


def status(index: Index) -> dict[str, Any]:
    """What is in the catalog, in numbers."""
    row = index.store.rows(
        "SELECT count(*), coalesce(sum(missing), 0), coalesce(sum(images), 0), coalesce(sum(gone - removed), 0),"
        " coalesce(sum(removed), 0), coalesce(sum(bytes), 0),"
        " coalesce(sum(favourites), 0), coalesce(sum(interesting), 0), coalesce(sum(trash), 0), coalesce(sum(judged), 0),"
        " coalesce(sum(problems <> '[]'), 0), coalesce(sum(stamp = ''), 0) FROM session"
    )[0]
    names = (
        "sessions", "missing_sessions", "images", "missing_images", "removed_images", "bytes", "favourites", "interesting", "trash",
        "judged", "sessions_with_problems", "unfinished_sessions",
    )  # fmt: skip
    found = dict(zip(names, row, strict=True))
    found["values"] = index.store.value("SELECT count(*) FROM value")
    found["roots"] = [root for (root,) in index.store.rows("SELECT DISTINCT root FROM session ORDER BY root")]
    return {"catalog": str(index.path.parent), **found}


def verify(index: Index, *, repair: bool) -> list[str]:
    """What is wrong with the index, in words; ``repair`` mends it. The judgements are not in question here."""
    found = [f"index.db: {text}" for (text,) in index.store.rows("PRAGMA quick_check(20)") if text != "ok"]
    found += recount(index, repair=repair)
    search = _search_problems(index)
    if search and repair:
        with index.store.write() as db:
            db.execute("INSERT INTO prompt_text(prompt_text) VALUES('rebuild')")
    return found + search


def _search_problems(index: Index) -> list[str]:
    """Every prompt is in the search table, with the words that it has now."""
    prompts = index.store.value("SELECT count(*) FROM prompt")
    listed = index.store.value("SELECT count(*) FROM prompt_text_docsize")
    if prompts != listed:
        return [f"the search table has {listed} prompts of {prompts}"]
    with index.store.write() as db:
        try:
            db.execute("INSERT INTO prompt_text(prompt_text, rank) VALUES('integrity-check', 1)")
        except sqlite3.DatabaseError as error:
            return [f"the search table does not say what the prompts say: {error}"]
    return []
