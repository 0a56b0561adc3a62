"""The names of what images belong to: models, samplers, schedulers, sessions with their themes, tags; read again when anything changed."""

from __future__ import annotations

from .store import Store

TERMS = ("model", "sampler", "scheduler")
#: What a session is listed by.
SESSION_FIELDS = ("session", "theme", "style", "template")


class Names:
    """Number -> name, as of the last ``refresh``, which who asks for names calls before.

    ``terms`` by kind, ``sessions`` by field (of ``SESSION_FIELDS``; ``session`` is its slug), ``sessions_shown`` as people named them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._version = ""
        self.terms: dict[str, dict[int, str]] = {kind: {} for kind in TERMS}
        self.sessions: dict[str, dict[int, str | None]] = {field: {} for field in SESSION_FIELDS}
        self.sessions_shown: dict[int, str] = {}
        self.tags: dict[int, str] = {}

    def refresh(self) -> bool:
        """Read what there is, if anything was written since; whether sessions are called otherwise now."""
        version = self._store.version()
        if version == self._version:
            return False
        before = self.sessions_shown
        terms = self._store.rows("SELECT kind, id, text FROM term")
        self.terms = {kind: {number: text for of, number, text in terms if of == kind} for kind in TERMS}
        rows = self._store.rows("SELECT id, coalesce(title, name), slug, theme, style, template FROM session")
        self.sessions = {field: {row[0]: row[at] for row in rows} for at, field in enumerate(SESSION_FIELDS, 2)}
        self.sessions_shown = {row[0]: row[1] for row in rows}
        self.tags = dict(self._store.rows("SELECT id, name FROM tag"))
        self._version = version
        return before != self.sessions_shown
