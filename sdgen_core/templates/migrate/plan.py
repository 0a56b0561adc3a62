"""What a migration would do, and doing it without losing anything.

New files never replace what is there. A file that changes is first copied beside itself (``NAME.bak``, ``NAME.bak2``,
...), then replaced in one step. Values are written before the files that name them, so that an interrupted migration
leaves no template without its values.
"""

from __future__ import annotations

import difflib
import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import Place, SDGenError, shown

#: the order of writing: what others name comes first
KINDS = ("values", "chunk", "template", "prompt")


@dataclass
class Change:
    """A file to write. ``old`` is None for a new file; ``source`` is the old file that a new one is made from."""

    path: Path
    kind: str
    new: str
    old: str | None = None
    old_data: bytes | None = None
    source: Path | None = None
    backup: Path | None = None

    def diff(self) -> str:
        """A unified diff; a new file is all additions."""
        name = shown(self.path)
        old = [] if self.old is None else self.old.splitlines(keepends=True)
        lines = difflib.unified_diff(
            old, self.new.splitlines(keepends=True), "/dev/null" if self.old is None else name, name
        )
        return "".join(line if line.endswith("\n") else line + "\n\\ no newline at the end\n" for line in lines)


@dataclass
class Plan:
    """The changes, the remarks (carried over, with something to know) and the problems (need a hand)."""

    changes: list[Change] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    problems: list[SDGenError] = field(default_factory=list)
    looked_at: int = 0
    _said: set[str] = field(default_factory=set)

    def remark(self, message: str, place: Place | None = None) -> None:
        text = f"{place}: {message}" if place else message
        if text not in self._said:
            self._said.add(text)
            self.remarks.append(text)

    def problem(self, error: SDGenError) -> None:
        if str(error) not in self._said:
            self._said.add(str(error))
            self.problems.append(error)

    def lost(self, message: str, place: Place | None = None, hint: str | None = None) -> None:
        """Something that has no equivalent; the caller keeps the old text as a comment."""
        self.problem(SDGenError("not-carried-over", message, place=place, hint=hint))

    def tell(self, other: Plan) -> None:
        """Add the remarks and problems of another plan."""
        for remark in other.remarks:
            self.remark(remark)
        for problem in other.problems:
            self.problem(problem)

    def write(self) -> None:
        """Write all changes. Raises ``target-exists``, ``file-changed`` and ``unwritable-folder``, naming what was
        written before.
        """
        written: list[Path] = []
        for change in sorted(self.changes, key=lambda c: KINDS.index(c.kind)):
            try:
                _write_new(change) if change.old is None else _replace(change)
            except SDGenError as e:
                raise SDGenError(e.code, e.message + _so_far(written), place=e.place) from None
            except OSError as e:
                reason = e.strerror or str(e)
                message = f"{shown(change.path)} cannot be written: {reason}{_so_far(written)}"
                raise SDGenError("unwritable-folder", message) from None
            written.append(change.path)

    def to_dict(self) -> dict[str, Any]:
        return {
            "changes": [
                {
                    "file": shown(c.path),
                    "action": "new" if c.old is None else "edit",
                    "kind": c.kind,
                    "from": None if c.source is None else shown(c.source),
                    "backup": None if c.backup is None else shown(c.backup),
                    "diff": c.diff(),
                }
                for c in self.changes
            ],
            "remarks": self.remarks,
            "problems": [p.to_dict() for p in self.problems],
            "looked_at": self.looked_at,
        }


def _so_far(written: list[Path]) -> str:
    return f" (written before: {', '.join(map(shown, written))})" if written else ""


def _temporary(change: Change) -> Path:
    path = change.path.with_name(f".{change.path.name}.{secrets.token_hex(4)}.tmp")
    with path.open("xb") as file:
        file.write(change.new.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())
    return path


def _write_new(change: Change) -> None:
    temporary = _temporary(change)
    try:
        try:
            os.link(temporary, change.path)  # unlike a rename, a link never replaces a file
        except FileExistsError:
            raise _exists(change.path) from None
        except OSError:  # a file system without links
            if change.path.exists():
                raise _exists(change.path) from None
            temporary.replace(change.path)
    finally:
        temporary.unlink(missing_ok=True)


def _exists(path: Path) -> SDGenError:
    return SDGenError("target-exists", "there is a file of this name already", place=Place(shown(path)))


def _replace(change: Change) -> None:
    path = Path(os.path.realpath(change.path))
    assert change.old_data is not None
    if path.read_bytes() != change.old_data:
        raise SDGenError("file-changed", "the file has changed meanwhile", place=Place(shown(change.path)))
    change.backup = _back_up(change.path, change.old_data)
    temporary = _temporary(change)
    try:
        shutil.copymode(path, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _back_up(path: Path, data: bytes) -> Path:
    number = 1
    while True:
        backup = path.with_name(f"{path.name}.bak{number if number > 1 else ''}")
        try:
            with backup.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            number += 1
        else:
            return backup
