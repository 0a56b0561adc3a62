"""Template folders: which templates a user can choose, by names that are safe to show and to send.

A template's name is ``<root>/<path below it>`` with forward slashes. Only names ever come from a client; a name that would lead
out of its root is unknown.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import SDGenError, nearest_names
from .resolved import ResolvedTemplate

#: The choice in place of a file's name that means the text typed in the node.
TEXT_BELOW = "(the text below)"

#: What the node's mode may be; the first leaves it to the template.
MODES = ("as written", "combinatorial", "random")

_ENDINGS = (".prompt.yaml", ".prompt.yml")


@dataclass(frozen=True)
class TemplateQuery:
    """A template as the node's widgets say it; ``limit`` 0 means as written, ``mode`` "as written" likewise,
    ``choices`` as in ``parse_choice_spec``.
    """

    file: str = TEXT_BELOW
    text: str = ""
    theme: str = ""
    style: str = ""
    mode: str = MODES[0]
    limit: int = 0
    choices: str = ""


@dataclass(frozen=True)
class ChosenTemplate:
    """A resolved template and the limit of images that replaces its ``max_images`` (None: as written, -1: all)."""

    resolved: ResolvedTemplate
    limit: int | None


class TemplateLibrary:
    """The template roots of a user: name → folder. Folders that are missing are simply empty."""

    def __init__(self, roots: Mapping[str, Path]) -> None:
        self.roots = dict(roots)

    def names(self) -> list[str]:
        """Every runnable template (``*.prompt.yaml``), sorted within its root. Hidden folders are left out."""
        found: list[str] = []
        for root_name, root in self.roots.items():
            names: list[str] = []
            for folder, folders, files in os.walk(root):
                folders[:] = sorted(f for f in folders if not f.startswith("."))
                for file in files:
                    if file.lower().endswith(_ENDINGS):
                        below = (Path(folder) / file).relative_to(root)
                        names.append(f"{root_name}/{below.as_posix()}")
            found += sorted(names)
        return found

    def path(self, name: str) -> Path:
        """The file of a template's name. Raises ``unknown-template`` with the nearest names."""
        root_name, _, below = name.partition("/")
        root = self.roots.get(root_name)
        if root is not None and below:
            # Judged by its parts, so that a link the user made inside a template folder works, and a drive or a way up does not.
            parts = below.split("/")
            plain = all(part not in ("", ".", "..") and not set(part) & set("\\:\0") for part in parts)
            path = root.joinpath(*parts) if plain else root
            if plain and below.lower().endswith(_ENDINGS) and path.is_file():
                return path
        raise SDGenError(
            "unknown-template", f"there is no template {name!r}", nearest=nearest_names(name, self.names())
        )

    def choose(self, query: TemplateQuery) -> ChosenTemplate:
        """Load what ``query`` names. Raises the errors of the template's files, each with its place."""
        from . import (
            Options,
            load_template,
            load_text,
            parse_choice_spec,
        )  # the loader is heavy, and ComfyUI's start need not wait for it

        if query.mode not in MODES:
            raise SDGenError("bad-option", f"mode must be one of {', '.join(MODES)}, not {query.mode!r}")
        options = Options(
            theme=query.theme.strip() or None,
            style=query.style.strip() or None,
            choices=parse_choice_spec(query.choices),
            mode=None if query.mode == MODES[0] else query.mode,
        )
        if query.file and query.file != TEXT_BELOW:
            resolved = load_template(self.path(query.file), options)
        elif query.text.strip():
            base = next(iter(self.roots.values()), None)
            confined = replace(options, within=tuple(root.absolute() for root in self.roots.values()))
            resolved = load_text(query.text, confined, base=base)
        else:
            raise SDGenError("no-template", "no template is chosen: the file is empty and so is the text")
        return ChosenTemplate(resolved, query.limit or None)
