"""Words of sessions, for a search as one types it: accents and case do not count, every word may be a beginning."""

from __future__ import annotations

import re
import threading
import unicodedata
import weakref
from collections.abc import Sequence
from typing import Any

from .store import Store

#: Columns whose words count, besides the tags.
WORDS = ("name", "title", "note", "template", "theme")
_BETWEEN = re.compile(r"[\W_]+")


def words_of(text: str) -> list[str]:
    """The words of a text, as they are compared."""
    if not text.isascii():
        parts = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in parts if not unicodedata.combining(letter))
    return [word for word in _BETWEEN.split(text.casefold()) if word]


class Words:
    """The words of all sessions of a store, kept as long as nothing is written; only texts that changed are looked at again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: weakref.WeakKeyDictionary[Store, tuple[str, dict[int, tuple[Any, str]]]] = (
            weakref.WeakKeyDictionary()
        )

    def find(self, store: Store, wanted: Sequence[str]) -> list[int]:
        """The sessions in which each of the words ``wanted`` begins a word."""
        parts = [f" {word}" for word in wanted]
        return [session for session, (_, text) in self._texts(store).items() if all(part in text for part in parts)]

    def _texts(self, store: Store) -> dict[int, tuple[Any, str]]:
        with self._lock:
            version = store.version()
            before, texts = self._known.get(store, ("", {}))
            if before == version:
                return texts
            tags: dict[int, list[str]] = {}
            for session, name in store.rows(
                "SELECT session, name FROM session_tag JOIN tag ON tag.id = session_tag.tag"
            ):
                tags.setdefault(session, []).append(name)
            fresh = {}
            for session, *row in store.rows(f"SELECT id, {', '.join(WORDS)} FROM session"):
                said = (*row, *sorted(tags.get(session, ())))
                known = texts.get(session)
                same = known is not None and known[0] == said
                fresh[session] = known if known and same else (said, _joined(said))
            self._known[store] = (version, fresh)
            return fresh


def _joined(said: Sequence[str | None]) -> str:
    return "".join(f" {word}" for text in said if text for word in words_of(text))
