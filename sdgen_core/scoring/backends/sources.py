"""From what a scorer of open_clip's is made: weights, architecture, configuration of its own, tokenizer. See ``open_clip``."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import Place, SDGenError, shown
from . import architectures, weights
from .architectures import Config

log = logging.getLogger("sdgen")

FOLDER_CONFIG = "open_clip_config.json"
_USUAL_WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "model.safetensors",
    "pytorch_model.bin",
)
"""Names of the weights in a published folder, the better first."""


@dataclass(frozen=True)
class Source:
    """Where a model is made from. ``config`` is None for a configuration of open_clip's own, else it is the user's."""

    weights: Path
    architecture: architectures.Architecture
    config: Config | None = None
    folder: Path | None = None
    archive: bool = False


def find(path: Path, known: architectures.Architecture | None = None) -> Source:
    """What a weights file, or a folder with ``open_clip_config.json``, is; ``known`` when its architecture need not be found out.

    Raises ``SDGenError`` as ``load_path`` says.
    """
    if path.is_dir():
        config_file = path / FOLDER_CONFIG
        file = weights.read_table(weights_in(path))
        whole = read_config(config_file)
        config, preparation = whole.get("model_cfg", whole), whole.get("preprocess_cfg", {})
        return _own(file, config_file, config, preparation, path)
    file = weights.read_table(path)
    kind = weights.foreign_kind(file.shapes)
    if kind is not None:
        raise SDGenError("scorer-wrong-kind", f"this is {kind}", place=Place(shown(path)))
    if known is not None:
        return Source(path, known, archive=file.archive)
    beside = path.with_suffix(".json")
    if beside.is_file():
        config = read_config(beside)
        return _own(file, beside, config, config.get("preprocess_cfg", {}), None)
    found = architectures.find(file)
    for remark in found.remarks:
        log.warning("%s: %s", path.name, remark)
    return Source(path, found, archive=file.archive)


def _own(
    file: weights.WeightsFile, config_file: Path, config: Config, preparation: Mapping[str, Any], folder: Path | None
) -> Source:
    """A model with a configuration of its own: is it complete, and are the weights of that form?"""
    kind = weights.foreign_kind(file.shapes)
    if kind is not None and "hf_model_name" not in config.get("text_cfg", {}):
        raise SDGenError("scorer-wrong-kind", f"this is {kind}", place=Place(shown(file.path)))
    config = {key: value for key, value in config.items() if key != "preprocess_cfg"}
    try:
        difference = architectures.difference(file, config)
    except (TypeError, ValueError, KeyError, AttributeError, AssertionError, RuntimeError) as error:
        raise SDGenError(
            "scorer-bad-config", f"open_clip cannot build this model: {error}", place=Place(shown(config_file))
        ) from error
    if difference:
        message = f"its weights are not of the architecture that {config_file.name} describes: {difference}"
        raise SDGenError("scorer-unknown-architecture", message, place=Place(shown(file.path)))
    wanted = {key: preparation[key] for key in architectures.PREPARATION if preparation.get(key) is not None}
    return Source(file.path, architectures.Architecture("", preparation=wanted), config, folder)


def read_config(path: Path) -> Config:
    """A configuration of open_clip: bare, or under "model_cfg" as in folders. Raises ``SDGenError`` "scorer-bad-config"."""
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise SDGenError("scorer-missing", f"the folder has no {FOLDER_CONFIG}", place=Place(shown(path))) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SDGenError("scorer-bad-config", f"it cannot be read: {error}", place=Place(shown(path))) from error
    except json.JSONDecodeError as error:
        place = Place(shown(path), error.lineno, error.colno)
        raise SDGenError("scorer-bad-config", f"no JSON: {error.msg}", place=place) from error
    inner = config.get("model_cfg", config) if isinstance(config, dict) else None
    needed = ("embed_dim", "vision_cfg", "text_cfg")
    missing = [key for key in needed if not isinstance(inner, dict) or key not in inner]
    if missing:
        raise SDGenError("scorer-bad-config", f"it does not say {', '.join(missing)}", place=Place(shown(path)))
    whole: Config = config
    return whole


def weights_in(folder: Path) -> Path:
    """The file of weights in a folder with ``open_clip_config.json``: of several, the one with the usual name."""
    files = sorted(path for path in folder.iterdir() if path.suffix in weights.SUFFIXES and path.is_file())
    for name in _USUAL_WEIGHTS:
        if folder / name in files:
            return folder / name
    if len(files) != 1:
        found = ", ".join(path.name for path in files[:5]) or "none"
        message = f"the folder needs one file of weights, such as {_USUAL_WEIGHTS[0]}; it has {found}"
        raise SDGenError("scorer-missing", message, place=Place(shown(folder)))
    return files[0]


def registered_name(source: Source) -> str:
    """The name under which open_clip knows the configuration; one of the user's own is made known to it first.

    Under a name of its content: a user's "ViT-B-32.json" must not change what "ViT-B-32" means for everybody in this process.
    """
    if source.config is None:
        return source.architecture.name
    import open_clip

    text = json.dumps(source.config, sort_keys=True)
    name = f"{architectures.OWN}{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    if name not in open_clip.list_models():
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{name}.json"
            file.write_text(text, encoding="utf-8")
            open_clip.add_model_config(file)
    return name


def tokenizer(source: Source, name: str, config: Config, download: bool) -> Callable[[list[str]], Any]:
    """What turns texts into numbers. open_clip brings its own for most models; others need files from a hub.

    Raises ``SDGenError`` "scorer-no-tokenizer" when those are neither on this machine nor allowed to be fetched.
    """
    import open_clip

    text = config["text_cfg"]
    wanted = text.get("hf_tokenizer_name") or text.get("hf_model_name")
    if not wanted:
        found: Callable[[list[str]], Any] = open_clip.get_tokenizer(name)
        return found
    from_folder = source.folder is not None and any(source.folder.glob("tokenizer*"))
    origin = f"local-dir:{source.folder}" if from_folder else name
    try:
        # the options go to the transformers library, which looks nowhere else then
        found = open_clip.get_tokenizer(origin, **({} if download else {"local_files_only": True}))
    except Exception as error:  # that library raises its own and others' types
        message = f"this model needs the tokenizer {wanted!r}, which is not on this machine"
        raise SDGenError("scorer-no-tokenizer", message, place=Place(shown(source.weights))) from error
    return found
