"""Counting which files are opened."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest

_watching: list[tuple[Path, list[str]]] = []
_hooked = False


def _hook(event: str, args: tuple[object, ...]) -> None:
    if event == "open" and _watching and isinstance(args[0], (str, bytes, Path)):
        path = Path(args[0].decode() if isinstance(args[0], bytes) else args[0])
        for root, names in _watching:
            if path.is_relative_to(root):
                names.append(path.name)


@pytest.fixture
def opened():
    """``with opened(folder) as names``: the names of files below the folder that were opened meanwhile, once for each time."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True

    @contextlib.contextmanager
    def watch(root):
        names: list[str] = []
        _watching.append((Path(root), names))
        try:
            yield names
        finally:
            _watching.pop()

    return watch
