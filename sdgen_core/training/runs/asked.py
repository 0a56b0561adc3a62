"""What people say of a run in words: a data set by its name, options as text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from ...errors import Place, SDGenError, nearest_names


def dataset_folder(training: Path, given: str) -> Path:
    """The folder of a data set: a path, or a name in the training folder. Raises ``missing-file`` with the nearest names."""
    from ..datasets.write import folder_of

    text = given.strip()
    if not text:
        raise SDGenError("missing-file", "no data set is named", hint="Link the folder of an SDGen Export Dataset.")
    for folder in (Path(text).expanduser(), folder_of(training, text)):
        if folder.is_dir():
            return folder.absolute()
    above = folder_of(training, "x").parent
    known = [one.name for one in above.iterdir() if one.is_dir()] if above.is_dir() else []
    hint = "`sdgen dataset list` shows those that there are; the folder of an SDGen Export Dataset will do too."
    raise SDGenError("missing-file", f"there is no data set {text!r}", nearest=nearest_names(text, known), hint=hint)


def options_of(text: str) -> dict[str, Any]:
    """Options as YAML, one ``name: value`` a line. Raises ``bad-option`` with the place."""
    try:
        found = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = Place("options", mark.line + 1, mark.column + 1) if mark else Place("options")
        raise SDGenError(
            "bad-option", f"the options are no YAML: {getattr(error, 'problem', '')}", place=place
        ) from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise SDGenError("bad-option", "options are lines such as `rank: 16`", hint="One name: value a line.")
    return {name: _number(value) for name, value in found.items()}


def _number(value: Any) -> Any:
    """A number as people write it: 1e-4 is one, though a text for YAML 1.1, which wants 1.0e-4."""
    return float(value) if isinstance(value, str) and _POWER.fullmatch(value) else value


_POWER = re.compile(r"[-+]?\d+(?:\.\d*)?[eE][-+]?\d{1,3}", re.ASCII)


def options_given(pairs: Iterable[str]) -> dict[str, Any]:
    """Options as ``name=value``; values as in YAML. Raises ``bad-option``."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise SDGenError("bad-option", f"{pair!r} is no NAME=VALUE")
        try:
            found[name.strip()] = _number(yaml.safe_load(value))
        except yaml.YAMLError as error:
            raise SDGenError("bad-option", f"{pair!r}: the value cannot be read") from error
    return found
