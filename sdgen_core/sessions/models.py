"""Model hashes: computed once a file, beside the work, remembered by path, size and time.

A 7 GB checkpoint takes seconds to minutes to hash, so it starts when a session is planned and the first save waits for it.
"""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

from .files import short_model_hash, write_atomic

log = logging.getLogger("sdgen")


class ModelHashes:
    """A1111's short model hashes (first 10 hex digits of SHA-256), kept in the JSON file ``store``."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: dict[str, str] | None = None
        self._jobs: dict[str, threading.Thread] = {}
        self._by_name: dict[str, str] = {}

    def start(self, name: str, path: Path) -> None:
        """Begin hashing ``path`` for the model called ``name``, unless it is known or under way."""
        try:
            stat = path.stat()
        except OSError:
            return
        key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
        with self._lock:
            if self._known is None:
                self._known = self._read()
            if key in self._known:
                self._by_name[name] = self._known[key]
            elif name not in self._jobs:
                job = threading.Thread(target=self._hash, args=(name, path, key), name="sdgen-model-hash", daemon=True)
                self._jobs[name] = job
                job.start()

    def wait(self, name: str, timeout: float) -> str | None:
        """The hash of ``name``; None when it was never started, failed, or takes longer than ``timeout`` seconds."""
        job = self._jobs.get(name)
        if job is not None:
            job.join(timeout)
        return self._by_name.get(name)

    def _hash(self, name: str, path: Path, key: str) -> None:
        try:
            value = short_model_hash(path)
        except OSError as error:
            log.warning("SDGen: %s cannot be hashed: %s", path, error)
            return
        with self._lock:
            self._by_name[name] = value
            self._jobs.pop(name, None)
            known = self._known if self._known is not None else {}
            known[key] = value
            try:
                write_atomic(self._store, json.dumps(known, indent=1).encode("utf-8"))
            except Exception as error:  # a lost cache entry costs one more hashing, never the session
                log.warning("SDGen: %s cannot be written: %s", self._store, error)

    def _read(self) -> dict[str, str]:
        try:
            known = json.loads(self._store.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(k): str(v) for k, v in known.items()} if isinstance(known, dict) else {}
