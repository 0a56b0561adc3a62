"""``manifest.json`` version 2: the record of a session that users' other tools read.

Its layout is given (two-space indent, key order, non-ASCII text kept); what this project adds stands in namespaced
``sdgen`` maps and in the top-level lists ``failed`` and ``removed`` (the entries of images that were thrown away), which readers
of the older form pass over. The file is a snapshot
of the journal (:mod:`.journal`), replaced as a whole from time to time; :mod:`.reading` reads it back.
"""

from __future__ import annotations

import contextlib
import logging
import platform
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from json.encoder import encode_basestring
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .. import __version__
from ..errors import SDGenError, shown
from .edits import mark, remember
from .files import atomic_file
from .journal import JOURNAL_NAME, Journal, JournalIndex, check_status, folder_lock
from .metadata import strict_value
from .reading import MANIFEST_NAME, ManifestData, load_manifest
from .recovery import Report, rebuild, take_in_edits, verify

if TYPE_CHECKING:
    from .plan import Plan

__all__ = [
    "JOURNAL_NAME",
    "MANIFEST_NAME",
    "Journal",
    "JournalIndex",
    "ManifestData",
    "ManifestWriter",
    "Report",
    "build_snapshot",
    "image_entry",
    "load_manifest",
    "rebuild",
    "verify",
    "write_manifest",
]

SDGEN_BLOCK_VERSION = 1
# The share of the wall time that snapshots take (a growing one may cost more than the last, so a little under the 1 %
# that a session may lose), and the least time between two of them in seconds.
SNAPSHOT_SHARE = 0.008
SNAPSHOT_GAP = 2.0

_log = logging.getLogger("sdgen")


# --- what goes in --------------------------------------------------------------------------------


def build_snapshot(
    plan: Plan,
    *,
    started: datetime,
    checkpoint: str | None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The ``snapshot`` of a session's manifest: the template and the settings it was planned from.

    Settings are recorded as the user wrote them: ``base_seed`` stays -1 when a seed was to be picked, and the one
    that was picked stands in ``sdgen.base_seed``.

    ``started`` is recorded as local time without a zone, ``checkpoint`` as ComfyUI names it. The last key, ``sdgen``,
    has what the format lacks: template path, hash and files, the keys behind the values, the seed and version of the
    draw, program versions, and ``extra``, whose keys win.
    """
    resolved = plan.resolved
    if started.tzinfo is not None:
        started = started.astimezone().replace(tzinfo=None)
    generation: dict[str, Any] = {
        "mode": resolved.generation.mode,
        "seed_mode": resolved.generation.seed_mode,
        "base_seed": resolved.generation.seed,
        "num_images": plan.count,
        "total_combinations": plan.total_combinations,
    }
    if plan.seeds is not None:
        generation["seed_list"] = list(plan.seeds)
    used = plan.used()
    variations: dict[str, Any] = {}
    keys: dict[str, Any] = {}
    for name in plan.names:
        pool = resolved.values[name]
        variations[name] = {
            "available": list(pool.values()),
            "used": [pool[key] for key in used[name]],
            "count": len(pool),
        }
        keys[name] = {"available_keys": list(pool), "used_keys": used[name]}
    own: dict[str, Any] = {
        "version": SDGEN_BLOCK_VERSION,
        "template": {
            "name": resolved.name,
            "path": shown(resolved.source),
            "hash": resolved.source_hash,
            "files": {shown(path): digest for path, digest in resolved.files},
        },
        "keys": keys,
        "variation_seed": plan.variation_seed,
        "base_seed": plan.base_seed,
        "algorithm": plan.algorithm,
        "versions": {"sdgen": __version__, "python": platform.python_version()},
    }
    own.update(extra or {})
    snapshot: dict[str, Any] = strict_value(
        {
            "version": "2.0",
            "timestamp": started.isoformat(timespec="microseconds"),
            "runtime_info": {"sd_model_checkpoint": checkpoint or "unknown"},
            "resolved_template": {"prompt": resolved.prompt, "negative": resolved.negative},
            "generation_params": generation,
            "api_params": resolved.parameters,
            "variations": variations,
            "fixed_placeholders": resolved.fixed,
            "theme_name": resolved.theme,
            "style": resolved.style or "default",
            "sdgen": own,
        }
    )
    return snapshot


def image_entry(
    *,
    filename: str,
    seed: int,
    prompt: str,
    negative: str,
    values: Mapping[str, Any],
    index: int,
    keys: Mapping[str, str],
    sha256: str | None = None,
    seconds: float | None = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One element of ``images``. ``seed`` is the one the image was made with, ``prompt`` and ``negative`` keep their
    line breaks, ``values`` and ``keys`` are placeholder → value and placeholder → key, ``seconds`` the time it took.
    """
    own: dict[str, Any] = {"index": index, "keys": dict(keys)}
    if sha256 is not None:
        own["sha256"] = sha256
    if seconds is not None:
        own["seconds"] = seconds
    for key, value in (extra or {}).items():
        own.setdefault(key, value)
    entry: dict[str, Any] = strict_value(
        {
            "filename": filename,
            "seed": seed,
            "prompt": prompt,
            "negative_prompt": negative,
            "applied_variations": values,
            "sdgen": own,
        }
    )
    return entry


# --- writing -------------------------------------------------------------------------------------


def indented(value: Any, pad: str = "") -> str:
    """``value`` (JSON's own types) as ``json.dumps(value, indent=2, ensure_ascii=False)`` writes it, ``pad`` deeper.

    Python's encoder falls back to pure Python with an indent; this is several times as fast, and a manifest has tens of
    thousands of entries.
    """
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    inner = pad + "  "
    if isinstance(value, dict):
        if not value:
            return "{}"
        items = [f"{encode_basestring(key)}: {indented(item, inner)}" for key, item in value.items()]
        return "{\n" + inner + (",\n" + inner).join(items) + "\n" + pad + "}"
    if isinstance(value, list):
        if not value:
            return "[]"
        return "[\n" + inner + (",\n" + inner).join([indented(item, inner) for item in value]) + "\n" + pad + "]"
    return repr(value)


def write_manifest(folder: Path, *, status: str | None = None, index: JournalIndex | None = None) -> Path:
    """Write ``manifest.json`` from the journal, in one piece or not at all, and return its path.

    What somebody wrote into the old one by hand is taken over (see ``take_in_edits``). Entries are streamed in index order: memory
    holds one tuple per image. ``status`` is written to the journal first when it is new. ``index`` is one kept from an earlier
    call. A folder with an older session and no journal gets one. Raises ``disk-full``, ``unwritable-folder``, ``no-manifest``
    when there is nothing to write from.
    """
    path = folder / MANIFEST_NAME
    with folder_lock(folder):
        if not (folder / JOURNAL_NAME).exists():
            rebuild(folder)
            if status is None:
                return path
        index = index or JournalIndex(folder)
        before = mark(path)
        take_in_edits(folder)
        index.update()
        if status is not None:
            check_status(status)
            if status != index.status:
                Journal(folder).status(status)
                index.update()
        while not _replaced(path, index, before):
            before = mark(path)
            take_in_edits(folder)
            index.update()
    return path


def _replaced(path: Path, index: JournalIndex, before: tuple[int, ...] | None) -> bool:
    """Write ``manifest.json`` from the index. False when somebody else wrote it since it was as ``before``: his file is still there.

    Writing to the disk takes its time, and what is written by hand meanwhile must not be lost nor be taken for ours: looked at and
    remembered is what is there in the moment in which the new file takes the old one's place.
    """

    def ready(made: Path) -> None:
        if mark(path) != before:
            raise _Changed
        remember(path, made)

    try:
        with atomic_file(path, ready=ready) as out:
            _write(out, index)
    except _Changed:
        return False
    return True


class _Changed(Exception):
    """The file that is to be replaced is no longer the one that was looked at."""


def _write(out: IO[bytes], index: JournalIndex) -> None:
    out.write(b'{\n  "snapshot": ' + indented(index.snapshot or {}, "  ").encode("utf-8") + b',\n  "images": ')
    _write_list(out, index.entries())
    rest: dict[str, Any] = {"status": index.status or "ongoing"}
    if index.failures:
        rest["failed"] = index.failed
    rest.update((key, value) for key, value in index.top.items() if key not in ("snapshot", "images", "removed", *rest))
    for key, value in rest.items():
        out.write(f",\n  {encode_basestring(key)}: {indented(value, '  ')}".encode())
    if index.removed:
        out.write(b',\n  "removed": ')
        _write_list(out, index.removed_entries())
    out.write(b"\n}")


def _write_list(out: IO[bytes], entries: Iterator[Mapping[str, Any]]) -> None:
    first = True
    for entry in entries:
        out.write((b"[\n    " if first else b",\n    ") + indented(entry, "    ").encode("utf-8"))
        first = False
    out.write(b"[]" if first else b"\n  ]")


class ManifestWriter:
    """Keeps a running session's journal and manifest; safe for many threads.

    Every call appends to the journal at once. ``manifest.json`` follows at the start, at every change of status, at
    ``write`` and ``close``, and in between as often as its cost stays under 1 % of the wall time, at least 2 s apart.
    A snapshot in between that fails is tried again later: the journal has everything.
    """

    def __init__(self, folder: Path, *, fsync: bool = False) -> None:
        self.folder = folder
        self._journal = Journal(folder, fsync=fsync)
        self._index = JournalIndex(folder)
        self._lock = threading.RLock()
        self._pending = False
        self._due = time.monotonic() + SNAPSHOT_GAP

    def start(self, snapshot: Mapping[str, Any]) -> None:
        """The session begins: journal and manifest with no images, status ``ongoing``."""
        with self._lock:
            self._journal.start(snapshot)
            self._snapshot()

    def extended(self, snapshot: Mapping[str, Any]) -> None:
        """The session goes on with a bigger plan; its status is ``ongoing`` again."""
        with self._lock:
            self._journal.extended(snapshot)
            self._snapshot()

    def image(self, entry: Mapping[str, Any]) -> None:
        """An image is on the disk."""
        with self._lock:
            self._journal.image(entry)
            self._pending = True
            self._snapshot_if_due()

    def failed(self, index: int, error_code: str, message: str, attempt: int = 1) -> None:
        """An attempt at item ``index`` failed."""
        with self._lock:
            self._journal.failed(index, error_code, message, attempt)
            self._pending = True
            self._snapshot_if_due()

    def status(self, word: str) -> None:
        """The session is now ``ongoing``, ``completed`` or ``aborted``."""
        with self._lock:
            self._journal.status(word)
            self._snapshot()

    def write(self) -> Path:
        """Bring ``manifest.json`` up to date now."""
        with self._lock:
            return self._snapshot()

    def close(self) -> None:
        """Bring ``manifest.json`` up to date when lines were added since; the writer may be used again."""
        with self._lock:
            if self._pending:
                self._snapshot()

    def __enter__(self) -> ManifestWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _snapshot(self) -> Path:
        begun = time.monotonic()
        try:
            path = write_manifest(self.folder, index=self._index)
            self._pending = False
            return path
        finally:
            now = time.monotonic()
            self._due = now + max(SNAPSHOT_GAP, (now - begun) * (1 / SNAPSHOT_SHARE - 1))

    def _snapshot_if_due(self) -> None:
        if time.monotonic() < self._due:
            return
        try:
            self._snapshot()
        except SDGenError as error:
            _log.warning("SDGen: %s The journal beside it is complete; it is tried again later.", error)


@contextlib.contextmanager
def manifest_may_wait(folder: Path) -> Iterator[None]:
    """A manifest that cannot be written now (disk full, folder gone) is rebuilt later; the ledger's word must not wait for it."""
    try:
        yield
    except (SDGenError, OSError) as error:
        _log.warning("SDGen: the manifest in %s is behind: %s", folder, error)
