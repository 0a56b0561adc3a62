"""Files for the system's trash: what belongs to an image, and throwing one file away."""

from __future__ import annotations

import sys
from pathlib import Path

from ..errors import SDGenError, shown
from ..sessions.annotate import copy_name
from ..sessions.journal import JOURNAL_NAME
from ..sessions.reading import IMAGE_ENDINGS, MANIFEST_NAME
from ..sessions.session_file import SESSION_FILE
from .scan.folder import TEXT_CONFIGS, V0_METADATA, V1_ENDING

#: Endings of files that belong to the image with the same name: metadata, captions, what was sent to the program that made it.
SIDECARS = (".xmp", ".txt", ".json")
_RECORDS = frozenset({JOURNAL_NAME, MANIFEST_NAME, SESSION_FILE, V0_METADATA, *TEXT_CONFIGS})
_FIXED = 3  # DRIVE_FIXED of GetDriveTypeW


def companions(path: Path) -> list[Path]:
    """The files that go with an image: its annotated copy, ``NAME.png.xmp``, and ``NAME.xmp``, ``.txt``, ``.json`` unless they belong to
    another image of that name too. A session's own records never do."""
    names = [copy_name(path), path.with_name(path.name + ".xmp")]
    if not any(path.with_suffix(ending).exists() for ending in IMAGE_ENDINGS if ending != path.suffix.lower()):
        names += [path.with_suffix(ending) for ending in SIDECARS]
    return [p for p in names if p.is_file() and p.name not in _RECORDS and not p.name.endswith(V1_ENDING)]


def throw_away(path: Path, *, permanently: bool) -> None:
    """Move a file into the system's trash, or delete it. One that is gone already is no error.

    Raises ``not-removed``; the file is there then.
    """
    try:
        if permanently:
            path.unlink()
        else:
            _to_trash(path)
    except SDGenError:
        raise
    except Exception as error:  # the systems' trashes fail in ways of their own (COM, Cocoa, GIO)
        if path.is_symlink() or path.exists():
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise SDGenError("not-removed", f"{shown(path)} cannot be removed: {reason}.") from error


def _to_trash(path: Path) -> None:
    if sys.platform == "win32" and not _has_recycle_bin(path):
        # Windows would delete it at once, and say nothing.
        raise SDGenError("not-removed", f"{shown(path)} cannot be removed: its drive has no recycle bin.")
    from send2trash import send2trash

    send2trash(str(path))


def _has_recycle_bin(path: Path) -> bool:
    """Whether a file is on a fixed drive of this Windows: network and removable ones have no recycle bin."""
    import ctypes

    drive = path.absolute().anchor
    windll = getattr(ctypes, "windll")  # noqa: B009 - it is on Windows only
    return not drive.startswith("\\\\") and windll.kernel32.GetDriveTypeW(drive) == _FIXED
