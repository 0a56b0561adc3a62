"""Styles that are files: ``coat.winter.yaml`` beside ``coat.yaml``."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..errors import SDGenError
from .imports import is_path
from .run import Entry, Run

#: Words that make a file another kind when they stand before its ending: ``x.chunk.yaml`` is no style of ``x.yaml``.
KIND_WORDS = frozenset({"chunk", "prompt", "template", "adetailer", "controlnet"})


def styles_beside(path: Path) -> list[str]:
    """``coat.winter.yaml`` beside ``coat.yaml``: winter."""
    try:
        names = sorted(p.name for p in path.parent.glob(f"{glob.escape(path.stem)}.*.y*ml"))
    except OSError:
        return []
    middle = [n[len(path.stem) + 1 :].rpartition(".")[0] for n in names if n.endswith((".yaml", ".yml"))]
    return [m for m in middle if m and "." not in m and m not in KIND_WORDS]


def files_of(run: Run, entry: Entry) -> Iterator[Path]:
    """The files an import names, those that are there."""
    stack = [entry.node]
    while stack:
        node = stack.pop()
        if node.kind == "map":
            stack += [value for _, _, value in reversed(node.pairs())]
        elif node.kind == "list":
            stack += reversed(node.value)
        elif is_path(str(node.value)):
            try:
                path = run.find(str(node.value), entry, missing_ok=True)
            except SDGenError:
                continue  # reading the import says so
            if path is not None:
                yield path


def styles_of(run: Run, sensitive: Iterable[str], imports: Mapping[str, Entry]) -> list[str]:
    """The styles that the files of style-sensitive imports have."""
    files = (path for name in sensitive if name in imports for path in files_of(run, imports[name]))
    return list(dict.fromkeys(style for path in files for style in styles_beside(path)))
