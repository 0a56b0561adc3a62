"""A new theme as files that work at once and explain themselves: what `sdgen themes create` writes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ..errors import SDGenError, shown
from .load import load_template
from .resolved import Value
from .theme_fit import Needs
from .theme_report import KIND_WORDS
from .themes import THEME_FILE

#: Placeholders of a theme for no template in particular.
SAMPLE_PLACEHOLDERS = ("Outfit", "Place", "Light")

_THEME_NAME = re.compile(r"\w[\w-]*")
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)


def create_theme(
    name: str, folder: Path, *, placeholders: Sequence[str] = (), styles: Sequence[str] = (), needs: Needs | None = None
) -> list[Path]:
    """Write the theme into ``folder/name`` and give its files, theme.yaml first.

    It gets an import for every placeholder: those named, those of the template (with its present values), or samples. Raises
    ``theme-exists``, ``bad-option`` for names that cannot be, ``unwritable-folder``.
    """
    _check_names(name, placeholders, styles)
    values = {p: _sample(p) for p in placeholders}
    if needs is not None:
        values = {**_values_of(needs), **{p: v for p, v in values.items() if p not in needs.names}}
    values = values or {p: _sample(p) for p in SAMPLE_PLACEHOLDERS}
    styled = [p for p in values if needs is not None and p in needs.sensitive] or list(values)[:1]

    files: dict[str, str] = {}
    imports: dict[str, str] = {}
    for placeholder, texts in values.items():
        stem = _stem(name, placeholder, files)
        imports[placeholder] = f"{stem}.yaml"
        files[f"{stem}.yaml"] = _variations(name, placeholder, "", texts)
        for style in styles if placeholder in styled else ():
            imports[f"{placeholder}.{style}"] = f"{stem}.{style}.yaml"
            files[f"{stem}.{style}.yaml"] = _variations(name, placeholder, style, _in_style(texts, style))
    return _write(folder / name, {THEME_FILE: _theme(name, imports, styles), **files})


def _check_names(name: str, placeholders: Sequence[str], styles: Sequence[str]) -> None:
    if not _THEME_NAME.fullmatch(name) or _WINDOWS_DEVICES.fullmatch(name):
        message = f"{name!r} cannot be a theme's name, which is also a folder's: use letters, digits, - and _"
        raise SDGenError("bad-option", message)
    for placeholder in placeholders:
        if not re.fullmatch(r"\w+", placeholder):
            raise SDGenError("bad-option", f"{placeholder!r} cannot be a placeholder: use letters, digits and _")
    for style in styles:
        if not _THEME_NAME.fullmatch(style) or style.lower() in KIND_WORDS or style == "default":
            raise SDGenError("bad-option", f"{style!r} cannot be a style: use another word of letters, digits, - and _")


def _values_of(needs: Needs) -> dict[str, dict[str, Value]]:
    """The names a theme has to bring, with the values they have without one; samples where there are none."""
    try:
        present = load_template(needs.path).values
    except SDGenError:  # a template may be whole only with a theme
        present = {}
    brought = needs.own | (needs.uses.brought - needs.inherited)
    return {n: dict(present.get(n) or _sample(n)) for n in needs.names if n not in brought}


def _words(placeholder: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", placeholder).lower()


def _stem(theme: str, placeholder: str, taken: Mapping[str, str]) -> str:
    """``pirates_hair_color``: such a name means one file only wherever the prompt lies, for a path is looked for in the prompt's
    folder first.
    """
    stem = f"{theme}_{_words(placeholder)}"
    number = 2
    while f"{stem}.yaml" in taken:
        stem, number = f"{theme}_{_words(placeholder)}_{number}", number + 1
    return stem


def _sample(placeholder: str) -> dict[str, Value]:
    thing = _words(placeholder).replace("_", " ").strip() or "thing"
    return {word.capitalize(): f"{word} {thing}" for word in ("first", "second", "third")}


def _in_style(texts: Mapping[str, Value], style: str) -> dict[str, Value]:
    out: dict[str, Value] = {}
    for key, value in texts.items():
        if isinstance(value, str):
            out[key] = f"{value}, {style}"
        else:
            main = "main" if "main" in value else min(value, default="main")
            out[key] = {**value, main: f"{value.get(main, '')}, {style}"}
    return out


def _yaml(value: Any, *, flow: bool = False) -> str:
    return str(yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=10**6, default_flow_style=flow))


def _indented(value: Mapping[str, Any]) -> str:
    return "".join(f"  {line}\n" for line in _yaml(dict(value)).splitlines())


def _theme(name: str, imports: Mapping[str, str], styles: Sequence[str]) -> str:
    title = name.replace("_", " ").replace("-", " ").strip().capitalize() or name
    plain = {k: v for k, v in imports.items() if "." not in k}
    styled = {k: v for k, v in imports.items() if "." in k}
    first = next(iter(plain))
    style = styles[0] if styles else "winter"
    if styled:
        style_part = f"""\
  # NAME.STYLE is what NAME is in a style (--style {style}). Names without such a line are the same in every style; give any of
  # them a file of its own in the same way.
{_indented(styled)}"""
    else:
        style_part = f"""\
  # A style is a variant of the theme: with --style {style} this file would take the place of {first}'s.
  # {first}.{style}: {plain[first].removesuffix(".yaml")}.{style}.yaml
"""
    return f"""\
# The theme {name}.
#
#   sdgen expand YOUR.prompt.yaml --theme {name}{f" --style {style}" if styled else ""}
#   sdgen themes validate THIS_FOLDER --template YOUR.prompt.yaml
#
# A theme takes the place of everything that templates import, so it has to name every placeholder they use. What the prompt file
# itself imports stays as it is.
type: theme_config
version: '1.0'

# What lists show. `sdgen themes list --tag new` finds themes by their tags.
{_yaml({"name": title})}description: Say in a sentence what pictures this theme makes.
tags: [new]
period: any time
setting: any place
mood: any mood

# true keeps what templates import for the names that are missing below.
merge: false

imports:
  # PLACEHOLDER: FILE. A path is looked for in the prompt's folder first and then beside this file.
{_indented(plain)}
{style_part}
  # A placeholder that makes no sense in this theme becomes empty text:
  # Hat: [Remove]

# The names above, for people; `sdgen themes validate` compares the two.
variations: {_yaml(list(plain), flow=True)}"""


def _variations(theme: str, placeholder: str, style: str, texts: Mapping[str, Value]) -> str:
    key = next(iter(texts))
    where = f"theme {theme}, style {style}" if style else f"theme {theme}"
    return f"""\
# The values of {{{placeholder}}} in the {where}: one a line, KEY: TEXT. The text goes into the prompt; the key is the value's name:
# it chooses ({{{placeholder}[{key}]}} in a prompt, --use-fixed "{placeholder}:{key}"), and it is what manifests and statistics count by.
type: variations
version: '1.0'
{_yaml({"name": f"{placeholder} ({theme}{' ' + style if style else ''})"})}variations:
{_indented(texts)}"""


def _write(folder: Path, files: Mapping[str, str]) -> list[Path]:
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SDGenError("theme-exists", f"{shown(folder)} is there already")
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with (folder / name).open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
    except OSError as error:
        raise SDGenError("unwritable-folder", f"{shown(folder)} cannot be written: {error.strerror or error}") from None
    return [folder / name for name in files]
