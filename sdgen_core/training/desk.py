"""Runs, trainers and data sets of a training folder for people at a page: by names alone, and told of as they change."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import SDGenError, nearest_names
from .datasets.folder import records
from .runs.trainers import NAMES

if TYPE_CHECKING:
    from ..catalog.library import Library
    from .datasets.choose import Selection
    from .datasets.folder import DataSet
    from .runs.ledger import Run
    from .runs.service import Runs

log = logging.getLogger("sdgen")
_T = TypeVar("_T")

#: Of so many who ask it is known what they asked last.
_ASKERS = 50
#: Seconds between two looks whether a run has changed.
LOOK = 0.5

#: Where improvement loops are, see ``improve.loop``, which is too much to import for their names.
_IMPROVE, _STATE, REPORT = "improve", "state.json", "report.html"

#: Options of trainers that name a file, and the kind of ComfyUI's files that they can name here; others cannot be said over HTTP.
FILES = {
    "vae": "vae",
    "ae": "vae",
    **dict.fromkeys(("clip_l", "clip_g", "t5xxl"), "text_encoders"),
    **dict.fromkeys(("network_weights", "base_weights"), "loras"),
}

#: Kinds of models that lie in several folders; a LoRA can be trained for a diffusion model alone, too, which kohya does.
_KINDS = {"checkpoints": ("checkpoints", "diffusion_models", "unet"), "text_encoders": ("text_encoders", "clip")}
_MODELS = frozenset({".safetensors", ".sft", ".ckpt", ".pt", ".pth"})

#: An absolute path's folders, up to its last name: of this system's kind or of Windows. In quotes they may have spaces.
_ABOVE = re.compile(r"(?<![\w.:/\\-])(?:[A-Za-z]:[\\/]+|\\\\|~[\\/]+|/)(?:[^\s\\/:*?\"'<>|,;()\[\]]+[\\/]+)+")
_QUOTED = re.compile(r"(?<=['\"])(?:[A-Za-z]:[\\/]|~?[\\/])[^'\"\n]*[\\/]")


class Desk:
    """The training of ``runs`` with the trainers of these ``names``.

    ``files`` gives the names of a kind of ComfyUI's files, ``file`` one of them. ``shares``: how a run can share the machine, see
    ``runs.sharing``; ``problem``: why nothing can be trained here, in one sentence. ``follows``: the runs are looked after here, too,
    unless another program does, from the first call of :meth:`tell` on; else whoever made ``runs`` sees to that.

    From then on ``library`` tells (kind "training") ``{"id", "run"}`` of each run that has changed, whichever
    program follows it: ``run`` as ``card`` makes it, None when it is gone. An empty id stands for data sets and improvements.
    """

    def __init__(
        self,
        library: Library,
        runs: Runs,
        *,
        names: Sequence[str] = NAMES,
        files: Callable[[str], Sequence[str]] = lambda kind: (),
        file: Callable[[str, str], Path | None] = lambda kind, name: None,
        shares: Sequence[str] = ("none",),
        problem: str = "",
        follows: bool = False,
    ) -> None:
        self.library, self.runs, self.names, self.follows = library, runs, names, follows
        self.files, self.file, self.shares, self.problem = files, file, shares, problem
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._listed: dict[Path, tuple[tuple[int, int], Any]] = {}
        self._turns: dict[str, object] = {}
        self._chosen: tuple[str, Selection] | None = None

    def version(self) -> str:
        """Another text after every change of a run, of the list of data sets or of improvements."""
        folder = self.runs.folder
        marks = [_mark(folder / name) for name in ("runs.db", "runs.db-wal")]
        return f"{marks}{self._others()}"

    def run(self, key: str) -> Run:
        """The run with this id. Raises ``unknown-run``."""
        if self.runs.there and (found := self.runs.ledger.run(key)).id == key:  # not one of this name
            return found
        raise SDGenError("unknown-run", f"there is no run {key!r}", hint="It was removed from the list.")

    def checkpoint(self, name: str) -> Path:
        """The file of a model. Raises ``unknown-item``."""
        return self._named("checkpoints", name, "model")

    def _named(self, kind: str, name: str, what: str) -> Path:
        known = self.files(kind)
        path = self.file(kind, name) if name in known else None
        if path is None:
            hint = f"ComfyUI's list of {kind} shows what there is."
            raise SDGenError(
                "unknown-item", f"there is no {what} {name!r}", nearest=nearest_names(name, known), hint=hint
            )
        return path

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Options as they came: names of files become paths. Raises ``unknown-item``, and ``bad-training-option`` for a path."""
        out: dict[str, Any] = {}
        for name, value in given.items():
            if name in FILES and isinstance(value, str):
                out[name] = str(self._named(FILES[name], value, f"file for {name},"))
                continue
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, (dict, list)):
                    raise SDGenError("bad-training-option", f"option {name}: {one!r} is no value of one")
                if isinstance(one, str) and re.search(r"[\\/]|^~", one):
                    message = f"option {name}: files of this machine cannot be named here"
                    raise SDGenError("bad-training-option", message, hint="`sdgen train start` takes paths.")
            out[name] = value
        return out

    # ---- data sets ---------------------------------------------------------------------------------------------------------

    def data_set(self, name: str) -> DataSet:
        """The data set in the folder of this name. Raises ``unknown-item`` and ``not-a-dataset``."""
        from .datasets.folder import DataSet

        return DataSet.read(self._data_set_folder(name))

    def _data_set_folder(self, name: str) -> Path:
        known = {path.parent.name: path.parent for path in records(self.runs.folder)}
        if name not in known:
            near = nearest_names(name, known)
            raise SDGenError("unknown-item", f"there is no data set {name!r}", nearest=near, hint="It was removed.")
        return known[name]

    def data_sets(self, card: Callable[[Path, float], _T]) -> list[_T]:
        """What ``card`` makes of each data set's folder and when it was made (Unix time, s), the newest first. A record may name
        thousands of images: it is read again only when it has changed."""
        before, now = self._listed, {}
        for path in records(self.runs.folder):
            mark = _mark(path)
            known = before.get(path)
            now[path] = known if known and known[0] == mark else (mark, card(path.parent, mark[0] / 1e9))
        self._listed = now
        return [made for _, made in sorted(now.values(), key=lambda one: -one[0][0])]

    def chosen(self, key: str, choose: Callable[[], Selection]) -> Selection:
        """What was chosen last when that was for the same ``key``, else what ``choose`` gives: among many images that takes its time, and
        who sees what would be in a data set mostly makes it next."""
        last = self._chosen
        if last is None or last[0] != key:
            self._chosen = last = (key, choose())
        return last[1]

    def turn(self, asker: str) -> Callable[[int], None]:
        """What raises ``bad-request`` once the same ``asker`` has taken another turn: nobody waits for that answer any more."""
        mine = object()
        with self._lock:
            self._turns.pop(asker, None)
            self._turns[asker] = mine
            for old in list(self._turns)[:-_ASKERS]:
                del self._turns[old]

        def look(done: int) -> None:
            if asker and self._turns.get(asker) is not mine:
                raise SDGenError("bad-request", "something else was asked meanwhile")

        return look

    def forget_data_set(self, name: str) -> None:
        """Delete a data set with its folder; its images stay where they were taken from.

        Raises ``unknown-item``, ``bad-run-state`` while a run learns from it or is about to, and ``unwritable-folder``.
        """
        from .datasets.forget import forget

        forget(self._data_set_folder(name), self.runs.ledger.runs() if self.runs.there else ())

    def loops(self) -> list[Path]:
        """The state files of improvement loops."""
        return sorted((self.runs.folder / _IMPROVE).glob(f"*/{_STATE}"))

    # ---- what is told ------------------------------------------------------------------------------------------------------

    def tell(self, card: Callable[[Run], dict[str, Any]]) -> None:
        """Begin to tell of runs that change; a second call does nothing."""
        with self._lock:
            if self._thread is None and not self._ending.is_set():
                known = self._cards(card)
                if self.follows:
                    self.runs.follow()
                self._thread = threading.Thread(
                    target=self._watch, args=(card, known), name="sdgen-training-desk", daemon=True
                )
                self._thread.start()

    def close(self) -> None:
        """End that."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
        if self.follows:
            self.runs.close()

    def _others(self) -> list[tuple[str, tuple[int, int]]]:
        loops = self.loops()
        seen = [*records(self.runs.folder), *loops, *(path.with_name(REPORT) for path in loops)]
        return [(path.parent.name, _mark(path)) for path in seen]

    def _cards(self, card: Callable[[Run], dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {run.id: card(run) for run in self.runs.ledger.runs()} if self.runs.there else {}

    def _watch(self, card: Callable[[Run], dict[str, Any]], known: dict[str, dict[str, Any]]) -> None:
        """What other programs write is seen by the ledger's files, which costs nothing while nothing is written."""
        before, sets = "", self._others()
        while not self._ending.wait(LOOK):
            now = self.version()
            if now == before:
                continue
            try:
                cards = self._cards(card)
            except SDGenError:  # the disk is full, say: it is looked at again
                continue
            except Exception:  # who looks is told of what comes after it
                log.exception("SDGen: training runs could not be told of")
                cards = known
            before = now
            for key in [*cards, *(known.keys() - cards.keys())]:
                if cards.get(key) != known.get(key):
                    self.library.tell("training", id=key, run=cards.get(key))
            known = cards
            if (seen := self._others()) != sets:
                sets = seen
                self.library.tell("training", id="", run=None)


def model_files(models: Path, kind: str) -> list[str]:
    """The names of a kind of model files below ComfyUI's folder ``models``, as its loaders have them."""
    return sorted(
        path.relative_to(folder).as_posix()
        for folder in _folders(models, kind)
        for path in folder.rglob("*")
        if path.suffix.lower() in _MODELS and path.is_file()
    )


def model_file(models: Path, kind: str, name: str) -> Path | None:
    """The file of such a name."""
    if name not in model_files(models, kind):
        return None
    return next((path for folder in _folders(models, kind) if (path := folder / name).is_file()), None)


def _folders(models: Path, kind: str) -> list[Path]:
    return [folder for name in _KINDS.get(kind, (kind,)) if (folder := models / name).is_dir()]


def plain(text: str) -> str:
    """A text of a program without the folders that it names: where files are is nobody's business."""
    home = str(Path.home())
    for way in {home, Path(home).as_posix(), home.replace("\\", "\\\\")}:
        for sign in ("/", "\\"):
            text = text.replace(
                way + sign, "~" + sign
            )  # a user's name may have spaces, at which a path would end below
    return _ABOVE.sub("", _QUOTED.sub("", text))


def _mark(path: Path) -> tuple[int, int]:
    try:
        state = path.stat()
    except OSError:
        return 0, 0
    return state.st_mtime_ns, state.st_size
