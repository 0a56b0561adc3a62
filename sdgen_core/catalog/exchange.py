"""Judgements as a file of JSON lines: to keep, to carry to another machine, to merge.

The first line says what the file is; every other one is what was said last about one field of one image, session or saved query:

    {"sdgen_judgements": 1, "exported": "2026-11-23T04:00:00+00:00"}
    {"kind": "image", "keys": ["g:abc/7/0", "f:…"], "field": "value/Hair", "value": "ko", "at": 1795400000.5}

``value`` is null where it was cleared, ``at`` is Unix time. Of two files that say different things about one field the newer counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..errors import SDGenError, shown
from ..sessions.files import write_atomic
from .fields import check
from .records import surest
from .user import Change, Step, UserStore

FORMAT = 1
_LONGEST = 1 << 20


@dataclass
class Import:
    """What an import did: how many lines there were, how many said something newer, the step, and what could not be used."""

    lines: int = 0
    newer: int = 0
    step: Step | None = None
    problems: list[str] = field(default_factory=list)


def export_judgements(user: UserStore, path: Path) -> int:
    """Write everything that was said into ``path``, as a whole or not at all; gives the number of lines.

    Raises ``disk-full`` and ``unwritable-folder``.
    """
    said = list(user.last_said())
    keys = user.keys_of({subject for subject, *_ in said})
    lines = [json.dumps({"sdgen_judgements": FORMAT, "exported": datetime.now(timezone.utc).isoformat()})]
    for subject, kind, name, value, at in said:
        row = {"kind": kind, "keys": sorted(keys[subject]), "field": name, "value": value, "at": at}
        lines.append(json.dumps(row, ensure_ascii=False))
    write_atomic(path, ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass"))
    return len(said)


def import_judgements(user: UserStore, path: Path) -> Import:
    """Take over what ``path`` says that is newer than what is known, as one step that can be undone.

    Raises ``bad-judgement`` for a file that is no export, ``missing-file`` and ``unreadable-file``; single lines that cannot be used
    are told in ``problems``.
    """
    done = Import()
    changes = list(newer(user, _changes(path, done)))
    done.newer = len(changes)
    done.step = user.change(changes, f"import of {path.name}") if changes else None
    return done


def newer(user: UserStore, changes: Iterable[Change]) -> Iterator[Change]:
    """Those of ``changes`` that were said later than what is known; of several about one field the latest."""
    known = {(subject, name): at for subject, _, name, _, at in user.last_said()}
    latest: dict[tuple[object, str], Change] = {}
    wanted = list(changes)
    subjects = user.subjects({key for change in wanted for key in change.keys})
    for change in wanted:
        subject = next((subjects[key] for key in change.keys if key in subjects), None)
        assert change.at is not None
        if subject is not None and known.get((subject, change.field), float("-inf")) >= change.at:
            continue
        what = (subject if subject is not None else change.keys[0], change.field)
        before = latest.get(what)
        if before is None or before.at is None or before.at < change.at:
            latest[what] = change
    yield from latest.values()


def _changes(path: Path, done: Import) -> Iterator[Change]:
    try:
        with path.open(encoding="utf-8", errors="surrogatepass") as file:
            first = _parsed(file.readline(_LONGEST))
            if not isinstance(first, dict) or first.get("sdgen_judgements") != FORMAT:
                raise SDGenError("bad-judgement", f"{shown(path)} is no export of judgements")
            for number, line in enumerate(file, 2):
                if line.strip():
                    done.lines += 1
                    try:
                        yield _change(_parsed(line))
                    except (ValueError, SDGenError) as error:
                        done.problems.append(f"line {number}: {error}")
    except FileNotFoundError:
        raise SDGenError("missing-file", f"There is no file {shown(path)}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SDGenError("unreadable-file", f"Cannot read {shown(path)}: {error}.") from error


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _change(row: Any) -> Change:
    """Raises ``ValueError`` and ``bad-judgement``."""
    if not isinstance(row, dict):
        raise ValueError("this is no JSON")
    kind, keys, name, value, at = (row.get(part) for part in ("kind", "keys", "field", "value", "at"))
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) and key for key in keys):
        raise ValueError("keys is no list of texts")
    if not isinstance(kind, str) or not isinstance(name, str) or not (value is None or isinstance(value, str)):
        raise ValueError("kind, field or value is no text")
    if not isinstance(at, (int, float)) or isinstance(at, bool) or not 0 <= at < 1e11:
        raise ValueError("at is no Unix time")
    check(kind, name, value)
    return Change(kind, tuple(sorted(keys, key=surest)), name, value, float(at))
