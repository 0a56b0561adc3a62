"""A new theme as files that work at once and explain themselves: what `sdgen themes create` writes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ..errors import SDGenError, shown
from . import documents
from .load import absolute
from .resolved import Value
from .run import Run
from .styles import KIND_WORDS
from .theme_fit import Needs
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
    imports: dict[str, Any] = {}
    for placeholder, texts in values.items():
        stem = _stem(name, placeholder, files)
        imports[placeholder] = f"{stem}.yaml"
        files[f"{stem}.yaml"] = _variations(name, placeholder, "", texts)
        for style in styles if placeholder in styled else ():
            imports[f"{placeholder}.{style}"] = f"{stem}.{style}.yaml"
            files[f"{stem}.{style}.yaml"] = _variations(name, placeholder, style, _in_style(texts, style))
    if needs is not None:
        imports |= _chunk_paths(needs, folder / name)
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
    present = needs.plain.usable
    return {name: present.get(name) or _sample(name) for name in needs.to_bring()}


def _chunk_paths(needs: Needs, folder: Path) -> dict[str, Any]:
    """The chunk files that the template's imports name, as seen from the theme's ``folder``: a theme replaces these imports too."""
    run = Run(needs.path.parent)
    out: dict[str, Any] = {}
    for name in needs.chunk_imports:
        pool = needs.plain.pools[name]
        members = pool.chunks or ({} if pool.chunk is None else {"": pool.chunk})
        found = {member: run.find(str(entry.node.value), entry) for member, entry in members.items()}
        paths = {m: documents.relative(path, absolute(folder)) for m, path in found.items() if path is not None}
        if name not in needs.own:
            out[name] = paths.get("", paths)
    return out


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


def _comment(*paragraphs: str, indent: str = "") -> str:
    """Paragraphs as comment lines; one that begins with a blank stays as it is."""
    lines: list[str] = []
    for text in paragraphs:
        lines += [text] if text.startswith(" ") else textwrap.wrap(text, 98, break_on_hyphens=False) or [""]
    return "".join(f"{indent}# {line}".rstrip() + "\n" for line in lines)


def _theme(name: str, imports: Mapping[str, Any], styles: Sequence[str]) -> str:
    title = name.replace("_", " ").replace("-", " ").strip().capitalize() or name
    plain = {k: v for k, v in imports.items() if "." not in k}
    styled = {k: v for k, v in imports.items() if "." in k}
    first = next(iter(plain))
    style = styles[0] if styles else "winter"
    about = _comment(
        f"The theme {name}. A theme takes the place of everything that templates import, so it has to name every placeholder they use. "
        "What a prompt file itself imports stays as it is.",
        "",
        f"  sdgen expand YOUR.prompt.yaml --theme {name}{f' --style {style}' if styled else ''}",
        "  sdgen themes validate THIS_FOLDER --template YOUR.prompt.yaml",
        "",
        "A prompt (or a template it implements) finds the theme by its block themes:, for example:",
        "",
        "  themes:",
        "    explicit:",
        f"      {name}: PATH/TO/{name}/theme.yaml",
    )
    if styled:
        style_part = _comment(
            f"PLACEHOLDER.STYLE is what takes its place in a style (--style {style}). Placeholders without such a line are the "
            "same in every style; give any of them a file for a style in the same way.",
            indent="  ",
        ) + _indented(styled)
    else:
        style_part = _comment(
            f"A style is a variant of the theme. With --style {style} this file would take the place of {first}'s:",
            f"{first}.{style}: {str(plain[first]).removesuffix('.yaml')}.{style}.yaml",
            indent="  ",
        )
    return f"""\
{about}type: theme_config
version: '1.0'

# What lists show; `sdgen themes list --tag new` finds themes by their tags.
{_yaml({"name": title})}description: Say in a sentence what pictures this theme makes.
tags: [new]
period: any time
setting: any place
mood: any mood

# true keeps what templates import for the names that are missing below.
merge: false

imports:
{_comment("PLACEHOLDER: FILE. A path is looked for in the prompt's folder first and then beside this file.", indent="  ")}\
{_indented(plain)}
{style_part}
{_comment("A placeholder that makes no sense in this theme becomes empty text:", "Hat: [Remove]", indent="  ")}
# The names above, for people; `sdgen themes validate` compares the two.
variations: {_yaml(list(plain), flow=True)}"""


def _variations(theme: str, placeholder: str, style: str, texts: Mapping[str, Value]) -> str:
    key = next(iter(texts))
    where = f"theme {theme}, style {style}" if style else f"theme {theme}"
    about = _comment(
        f"The values of {{{placeholder}}} in the {where}: one a line, KEY: TEXT. The text goes into the prompt. The key is the "
        f'value\'s name: it chooses ({{{placeholder}[{key}]}} in a prompt, --use-fixed "{placeholder}:{key}"), and it is what '
        "manifests and statistics count by."
    )
    title = f"{placeholder} ({theme}{' ' + style if style else ''})"
    return f"""\
{about}type: variations
version: '1.0'
{_yaml({"name": title})}variations:
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
