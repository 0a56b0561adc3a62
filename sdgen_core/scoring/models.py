"""Which scorers there are on this machine, and the one that is kept warm.

A scorer has a name, never a path: its place in one of the folders given (a setting of the caller's), or "demo".
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import SDGenError, nearest_names, shown
from .backends import architectures, sources, weights
from .backends.interface import Backend
from .backends.open_clip import Precision, load_path

DEMO = "demo"
DEMO_WEIGHTS = Path(__file__).resolve().parents[2] / "examples" / "demo" / "sdgen-demo-scorer.safetensors"
"""A tiny model for the demo's pictures, part of SDGen's repository."""


@dataclass(frozen=True)
class ScorerModel:
    """A scorer that is there. ``path`` is its weights file, or its folder when that has ``open_clip_config.json``.

    ``problem`` says why it will not do, as far as that can be seen without reading the weights; empty when nothing speaks against it.
    """

    name: str
    path: Path
    problem: str = ""


def available(folders: Sequence[Path]) -> list[ScorerModel]:
    """The demo's scorer, and all files and folders of weights below ``folders``, by name; of equal names the first folder's.

    A folder that is not there is no error. Quick: no weights are read, and torch is not imported.
    """
    found: dict[str, ScorerModel] = {}
    if DEMO_WEIGHTS.is_file():
        found[DEMO] = ScorerModel(DEMO, DEMO_WEIGHTS)
    for folder in folders:
        for path in sorted(_candidates(folder)):
            name = shown(path.relative_to(folder))
            if name not in found:
                found[name] = ScorerModel(name, path, _problem(path))
    return list(found.values())


def _candidates(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Weights files below a folder, and folders that are one model; those are not looked into, and a link to a folder ``above`` neither."""
    here = os.path.realpath(folder)
    if here in above:
        return
    above |= {here}
    try:
        entries = list(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.is_dir():
            if (entry / sources.FOLDER_CONFIG).is_file():
                yield entry
            else:
                yield from _candidates(entry, above)
        elif entry.suffix in weights.SUFFIXES:
            yield entry


def _problem(path: Path) -> str:
    """What the header of a safetensors file tells; other files would have to be opened by torch."""
    if path.is_dir() or path.suffix != ".safetensors":
        return ""
    try:
        kind = weights.foreign_kind(weights.read_table(path).shapes)
    except SDGenError as error:
        return error.message
    return f"this is {kind}" if kind and not path.with_suffix(".json").is_file() else ""


# ---- the one that is kept -----------------------------------------------------------------------------------------------------

_lock = threading.Lock()
_kept: tuple[object, Backend] | None = None


def load(
    name: str,
    folders: Sequence[Path],
    *,
    device: str = "auto",
    precision: Precision = "auto",
    download: bool = False,
    memory: Path | None = None,
) -> Backend:
    """The scorer of that name; the same object as before while its file and the options stay, and the only one that is kept.

    ``name``: one of ``available``, without its ending if that is clear, or a model and tag as open_clip lists them, such as
    "ViT-B-32 laion2b_s34b_b79k", for a file or folder of that name, or, with ``download``, from open_clip's hub. Raises ``SDGenError``
    "scorer-missing" with the nearest names, and what ``load_path`` raises; there are the options too.
    """
    global _kept
    with _lock:
        path, known = find(name, folders, download=download)
        key = (path, known, stamp(path), device, precision)
        if _kept is None or _kept[0] != key:
            if _kept is not None:
                # the old one goes first: both may not fit
                _kept[1].release()
                _kept = None
            made = load_path(path, device=device, precision=precision, download=download, memory=memory, known=known)
            _kept = key, made
        return _kept[1]


def stamp(path: Path) -> tuple[tuple[int, int], ...]:
    """Times of change in nanoseconds and sizes of a scorer's files; noughts for one that is not there. Other files, other numbers."""
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path, path.with_suffix(".json")]
    except OSError:
        files = []
    return tuple(_stamp(file) for file in files)


def _stamp(file: Path) -> tuple[int, int]:
    try:
        stat = file.stat()
    except OSError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_size


def find(
    name: str, folders: Sequence[Path], *, download: bool = False
) -> tuple[Path, architectures.Architecture | None]:
    """Where a scorer is, and its architecture if that is told by more than the file. Names and errors as of ``load``."""
    there = {model.name: model for model in available(folders)}
    if name in there:
        return there[name].path, None
    bare = [model for model in there.values() if model.name.rsplit(".", 1)[0] == name]
    wanted = architectures.words_of(name)
    alike = bare or [model for model in there.values() if wanted in architectures.words_of(model.name)]
    if len(alike) == 1:
        return alike[0].path, None
    if download and (listed := architectures.listed(name)):
        return _fetched(listed), listed
    where = ", ".join(shown(folder) for folder in folders) or "a folder of scorers"
    what = f"there are several scorers {name!r}" if alike else f"there is no scorer {name!r} on this machine"
    near = [model.name for model in alike] or nearest_names(name, there)
    hint = f"Put its weights into {where}, or a folder there with {sources.FOLDER_CONFIG}; or allow downloads."
    raise SDGenError("scorer-missing", what, nearest=near[:3], hint=hint)


def _fetched(listed: architectures.Architecture) -> Path:
    """The weights of a tag, from open_clip's hub or what is kept of it on this machine."""
    import open_clip

    try:
        return Path(open_clip.download_pretrained(open_clip.get_pretrained_cfg(listed.name, listed.tag)))
    except Exception as error:  # the hub's library and the network raise many types
        message = f"the weights of {listed.name} {listed.tag} could not be fetched: {str(error).strip()[:200]}"
        raise SDGenError("scorer-missing", message) from error
