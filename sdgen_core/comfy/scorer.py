"""Scorers on the canvas: models in the care of ComfyUI's memory management, and the items of sessions that images belong to."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError
from ..scoring import models
from ..scoring.backends import sources
from ..sessions.items import parse_token
from . import host

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..scoring.backends.open_clip import OpenClipBackend, Precision

log = logging.getLogger("sdgen")

#: What is wrong with the graph; with anything else an image of a session is saved all the same, without a score.
_OF_THE_GRAPH = frozenset({"unknown-session", "unknown-item", "not-batchable"})

#: Seconds for which the list of scorers is not made again, and those that ComfyUI's event loop waits for it; the first time longer.
_LISTED, _PATIENCE, _AT_FIRST = 3.0, 0.1, 5.0
_listed: tuple[float, list[models.ScorerModel]] | None = None
_lister: threading.Thread | None = None

VALUES_HINT = "Type what the image may show into 'values', one a line, the one it should show first."
PRECISIONS = ("auto", "fp32", "fp16", "bf16")
DEVICES = ("default", "cpu")


@dataclass(frozen=True, eq=False)
class Scorer:
    """A model that scores, by its name on this machine. What holds it keeps the model alive, and nothing else does."""

    name: str
    backend: OpenClipBackend


def known() -> list[models.ScorerModel]:
    """The scorers of this machine, as they were a moment ago. A slow disk is not waited for."""
    global _lister
    if _listed is None or time.monotonic() - _listed[0] > _LISTED:
        folders = host.engine().scorer_folders()
        if _lister is None or not _lister.is_alive():
            _lister = threading.Thread(target=_list, args=(folders,), name="sdgen-scorers", daemon=True)
            _lister.start()
        _lister.join(_AT_FIRST if _listed is None else _PATIENCE)
    return [] if _listed is None else _listed[1]


def _list(folders: Sequence[Path]) -> None:
    global _listed
    _listed = time.monotonic(), models.available(folders)


def names() -> list[str]:
    """What the node offers: scorers that nothing speaks against."""
    try:
        found = [one.name for one in known() if not one.problem]
    except SDGenError:  # the engine could not start: the nodes say so when they run
        found = []
    return found or [models.DEMO]


def check(name: str) -> None:
    """Raise ``scorer-missing`` with the nearest names, and what the header of the file says against it ("scorer-wrong-kind",
    "scorer-bad-file")."""
    there = {one.name: one for one in known()}
    if name not in there:  # it has come just now, or is written in another way
        models.find(name, host.engine().scorer_folders())
    elif there[name].problem:
        sources.find(there[name].path)


def stamp(name: str) -> str:
    """Changes with the scorer's files; empty when there is none."""
    try:
        path, _ = models.find(name, host.engine().scorer_folders())
        return f"{path} {models.stamp(path)}"
    except SDGenError:
        return ""


def load(name: str, precision: Precision, device: str) -> Scorer:
    """Read a scorer's weights. Raises what ``models.find`` and ``open_clip.load_path`` raise."""
    from ..scoring.backends.open_clip import load_path

    engine = host.engine()
    path, architecture = models.find(name, engine.scorer_folders())
    cpu = device == "cpu"
    if precision == "auto":
        precision = "fp16" if host.half_precision(cpu=cpu) else "fp32"
    memory = engine.scoring_folder / "models.json"
    backend = load_path(path, device="cpu", precision=precision, memory=memory, known=architecture)
    where, backend.bring = host.in_its_memory(backend.model, cpu=cpu)
    backend.device = str(where)
    return Scorer(name, backend)


def look(scorer: Scorer, images: Sequence[Image], token: str) -> list[dict[str, Any]]:
    """Score the images of an attempt, see ``LiveScoring.look``; they are kept for the save node.

    Of a planner that is set to one item (``session/index``) nothing is kept, and nothing is said when its session is on another machine.
    Of an image of a session that cannot be scored ``{"score": None, "class": None, "values": {}, "error", "message"}`` is said: it was
    rendered, and is to be saved. Raises ``nothing-to-score`` without a token, and what ``parse_token`` and ``not-batchable`` are about.
    """
    if not token:
        raise SDGenError("nothing-to-score", "this image is of no session, and no values are typed", hint=VALUES_HINT)
    if token.count("/") == 2:
        session, indexes = parse_token(token)
        try:
            return _look(scorer, images, session, indexes, token)
        except SDGenError as error:
            if error.code in _OF_THE_GRAPH:
                raise
            log.warning("SDGen: images of session %s are saved without a score: %s [%s]", session, error, error.code)
            said: dict[str, Any] = {
                "score": None,
                "class": None,
                "values": {},
                "error": error.code,
                "message": str(error),
            }
            return [dict(said) for _ in images]
    session, _, index = token.partition("/")
    try:
        return _look(scorer, images, session, [int(index)], "") if index.isdecimal() else []
    except SDGenError as error:
        if error.code not in ("unknown-session", "unknown-item"):
            raise
        return []


def look_typed(scorer: Scorer, images: Sequence[Image], lines: Sequence[str]) -> list[dict[str, Any]]:
    """Score images outside of sessions: each line against the others, see ``live.against``. The first one is what they should show."""
    from ..scoring.classes import class_of
    from ..scoring.live import against

    settings = host.engine().scoring_settings()
    values = list(dict.fromkeys(lines))
    said = {"scorer": scorer.backend.name, "identity": scorer.backend.identity}
    out = []
    for row in against(scorer.backend, images, values, settings).tolist():
        first = None if math.isnan(row[0]) else round(row[0], 6)
        told = {
            value: {"reason": "not assessable"} if math.isnan(p) else {"probability": round(p, 6), "calibrated": False}
            for value, p in zip(values, row, strict=True)
        }
        out.append({**said, "score": first, "class": class_of(first, settings.thresholds), "values": told})
    return out


def _look(
    scorer: Scorer, images: Sequence[Image], session: str, indexes: Sequence[int], token: str
) -> list[dict[str, Any]]:
    engine = host.engine()
    loaded = engine.sessions.load(session)
    items = [engine.sessions.ledger.item(loaded.id, index) for index in indexes]
    return engine.live.look(loaded, items, images, scorer.name, scorer.backend, token)
