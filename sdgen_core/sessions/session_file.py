"""``sdgen-session.json``: what was ordered, beside the images, so that a session can go on without the ledger it began in.

Form: ``{"sdgen_session": 1, "id", "key", "name", "prefix", "created": Unix time, "parts": [{"plan", "graph", "planner",
"workflow", "defaults"}], "items": [[first index, part, first item of the part's plan, count], …]}``. The ledger stays the truth
about what is done; this file is written when the order changes, not per image.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import SDGenError, shown
from .files import write_atomic
from .ledger import Ledger, Part

SESSION_FILE = "sdgen-session.json"
FORMAT = 1


@dataclass(frozen=True)
class Ordered:
    """A session's order as read from its folder. ``items`` are (index, part, item of the part's plan)."""

    id: str
    key: str
    name: str
    prefix: str
    created: float
    parts: list[Part]
    items: list[tuple[int, int, int]]


def write_session_file(ledger: Ledger, session_id: str) -> None:
    """Write the file anew from the ledger unless it says that already. Raises ``disk-full`` or ``unwritable-folder``."""
    path = ledger.session(session_id).folder / SESSION_FILE
    data = _written(ledger, session_id)
    if _read(path) != data:
        write_atomic(path, data)


def session_file_problem(ledger: Ledger, session_id: str) -> str | None:
    """What is wrong with a session's file, for people; None when it says what the ledger says."""
    path = ledger.session(session_id).folder / SESSION_FILE
    found = _read(path)
    if found == _written(ledger, session_id):
        return None
    what = "is missing" if found is None else "does not say what was ordered"
    return f"{SESSION_FILE} {what}: a lost ledger could not be made again from this folder"


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def names_session(path: Path, session_id: str) -> bool:
    """Whether a file of this kind is that session's, by its first words: folders with thousands of them are searched."""
    try:
        with path.open("rb") as file:
            return f'"id": "{session_id}"'.encode() in file.read(100)
    except OSError:
        return False


def _written(ledger: Ledger, session_id: str) -> bytes:
    row = ledger.session(session_id)
    data = {
        "sdgen_session": FORMAT,
        "id": row.id,
        "key": row.key,
        "name": row.name,
        "prefix": row.prefix,
        "created": row.created,
        "parts": [asdict(part) for part in ledger.parts(row.id)],
        "items": list(_runs(ledger.numbers(row.id))),
    }
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _runs(items: Iterable[tuple[int, int, int]]) -> Iterator[list[int]]:
    run: list[int] | None = None
    for idx, part, n in items:
        if run and (idx, part, n) == (run[0] + run[3], run[1], run[2] + run[3]):
            run[3] += 1
            continue
        if run:
            yield run
        run = [idx, part, n, 1]
    if run:
        yield run


def read_session_file(folder: Path) -> Ordered:
    """Raises ``no-manifest`` when the folder has no such file or a damaged one."""
    path = folder / SESSION_FILE
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SDGenError(
            "no-manifest",
            f"{shown(folder)} has no {SESSION_FILE}: it cannot be taken up again",
            hint="Only sessions made by this version or a later one can; the images of others are found by the catalog.",
        ) from None
    except (OSError, ValueError) as error:
        raise SDGenError("no-manifest", f"{shown(path)} cannot be read: {error}") from None
    try:
        if data["sdgen_session"] != FORMAT:
            raise SDGenError("no-manifest", f"{shown(path)} was written by a newer SDGen")
        return Ordered(
            id=str(data["id"]),
            key=str(data["key"]),
            name=str(data["name"]),
            prefix=str(data["prefix"]),
            created=float(data["created"]),
            parts=[Part(**part) for part in data["parts"]],
            items=[(idx + i, part, n + i) for idx, part, n, count in data["items"] for i in range(count)],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SDGenError("no-manifest", f"{shown(path)} is damaged: {type(error).__name__} {error}") from None
