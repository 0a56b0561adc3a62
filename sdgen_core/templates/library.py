"""Template folders: which templates a user can choose, by names that are safe to show and to send.

A template's name is ``<root>/<path below it>`` with forward slashes. Only names ever come from a client; a name that would lead
out of its root is unknown.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError, nearest_names, shown
from .resolved import ResolvedTemplate, whole

if TYPE_CHECKING:
    from .offers import ThemeOffer

#: The choice in place of a file's name that means the text typed in the node.
TEXT_BELOW = "(the text below)"

#: What the node's mode may be; the first leaves it to the template.
MODES = ("as written", "combinatorial", "random")

#: How several themes share the images of a session: numbers by shares, the same number for all, or drawn by shares.
DISTRIBUTIONS = ("weighted", "balanced", "random")

MIX_MARKER = "sdgen_mix"

_ENDINGS = (".prompt.yaml", ".prompt.yml")
_YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class TemplateQuery:
    """A template as the node's widgets say it; ``limit`` 0 means as written, ``mode`` "as written" likewise,
    ``choices`` as in ``parse_choice_spec``, ``theme`` as in ``parse_theme_spec``: several themes share the images by
    ``distribution``.
    """

    file: str = TEXT_BELOW
    text: str = ""
    theme: str = ""
    style: str = ""
    mode: str = MODES[0]
    limit: int = 0
    choices: str = ""
    distribution: str = DISTRIBUTIONS[0]


@dataclass(frozen=True)
class ChosenTemplate:
    """A resolved template, once for each theme that shares the session, and the limit of images that replaces its
    ``max_images`` (None: as written, -1: all).
    """

    templates: tuple[ResolvedTemplate, ...]
    limit: int | None = None
    shares: tuple[int, ...] = (1,)
    distribution: str = DISTRIBUTIONS[0]

    @property
    def resolved(self) -> ResolvedTemplate:
        return self.templates[0]

    def to_json(self) -> dict[str, Any]:
        """What the text of a Template node may hold in place of a template."""
        if len(self.templates) == 1:
            return self.resolved.to_json()
        templates = [t.to_json() for t in self.templates]
        return {MIX_MARKER: 1, "templates": templates, "shares": list(self.shares), "distribution": self.distribution}


@dataclass(frozen=True)
class Listing:
    """What the template folders hold: every runnable template (``*.prompt.yaml``), sorted within its root, and a
    fingerprint that changes with any YAML file in them.
    """

    names: tuple[str, ...]
    version: str


class TemplateLibrary:
    """The template roots of a user: name → folder. Folders that are missing are simply empty."""

    def __init__(self, roots: Mapping[str, Path]) -> None:
        self.roots = dict(roots)

    def listing(self) -> Listing:
        """Walk the folders; nothing is opened. Hidden folders are left out."""
        names: list[str] = []
        digest = hashlib.blake2b(digest_size=12)
        for root_name, root in self.roots.items():
            files = sorted(_yaml_files(root))
            names += [f"{root_name}/{name}" for name, _, _ in files if name.lower().endswith(_ENDINGS)]
            digest.update(repr((root_name, files)).encode("utf-8", "surrogatepass"))
        return Listing(tuple(names), digest.hexdigest())

    def names(self) -> list[str]:
        """The names of all runnable templates."""
        return list(self.listing().names)

    def path(self, name: str, known: Callable[[], Sequence[str]] | None = None) -> Path:
        """The file of a template's name. Raises ``unknown-template`` with the nearest names (of ``known``, for those who may
        not wait for a walk of the folders).
        """
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
            "unknown-template", f"there is no template {name!r}", nearest=nearest_names(name, (known or self.names)())
        )

    def named(self, text: str) -> str:
        """A message with the templates' names in place of their paths, as the node's list shows them."""
        for name, root in self.roots.items():
            for path in {shown(root), str(root)}:
                text = text.replace(f"{path}/", f"{name}/").replace(f"{path}\\", f"{name}/")
        return text

    def choose(self, query: TemplateQuery) -> ChosenTemplate:
        """Load what ``query`` names. Raises the errors of the template's files, each with its place."""
        from . import (
            Options,
            load_template,
            load_text,
            parse_choice_spec,
            parse_theme_spec,
        )  # the loader is heavy, and ComfyUI's start need not wait for it

        if query.mode not in MODES:
            raise SDGenError("bad-option", f"mode must be one of {', '.join(MODES)}, not {query.mode!r}")
        if query.distribution not in DISTRIBUTIONS:
            raise SDGenError("bad-option", f"a distribution is {', '.join(DISTRIBUTIONS)}, not {query.distribution!r}")
        themes = parse_theme_spec(query.theme)
        common = Options(
            choices=parse_choice_spec(query.choices),
            mode=None if query.mode == MODES[0] else query.mode,
        )
        every = [
            replace(common, theme=t.theme or None, style=t.style or query.style.strip() or None) for t in themes
        ] or [replace(common, style=query.style.strip() or None)]
        shares = tuple(t.share for t in themes) or (1,)
        distribution = query.distribution
        if query.file and query.file != TEXT_BELOW:
            path = self.path(query.file)
            templates = [load_template(path, options) for options in every]
        elif MIX_MARKER in query.text and query.text.lstrip().startswith("{"):
            templates, shares, distribution = _read_mix(query.text)
        elif query.text.strip():
            base = next(iter(self.roots.values()), None)
            within = tuple(root.absolute() for root in self.roots.values())
            templates = [load_text(query.text, replace(options, within=within), base=base) for options in every]
        else:
            raise SDGenError("no-template", "no template is chosen: the file is empty and so is the text")
        return ChosenTemplate(tuple(templates), query.limit or None, shares, distribution)

    def themes(self, query: TemplateQuery) -> list[ThemeOffer]:
        """The themes that the query's file or text can be given, no theme first. Raises the errors of the template's own files."""
        from .offers import ThemeOffer, offers, offers_for_text

        if query.file and query.file != TEXT_BELOW:
            return offers(self.path(query.file))
        roots = [root.absolute() for root in self.roots.values()]
        return offers_for_text(query.text, roots[0], roots) if roots and query.text.strip() else [ThemeOffer("")]


def _read_mix(text: str) -> tuple[list[ResolvedTemplate], tuple[int, ...], str]:
    """What ``ChosenTemplate.to_json`` gave for several themes. Raises ``bad-plan``."""
    try:
        data = json.loads(text)
        shares = tuple(whole(s) for s in data["shares"])
        return [ResolvedTemplate.from_json(t) for t in data["templates"]], shares, str(data["distribution"])
    except (KeyError, TypeError, ValueError, RecursionError) as e:
        raise SDGenError("bad-plan", f"this is no order of several themes: {type(e).__name__} {e}") from None


class Listings:
    """A library's listing for those who ask often (every open page) or may not wait (ComfyUI's event loop).

    All askers together spend a fifth of the time on walking the folders at most, however large these are.
    """

    def __init__(self, library: TemplateLibrary) -> None:
        self.library = library
        self._lock = threading.Lock()
        self._last: Listing | None = None
        self._due = 0.0
        self._walker: threading.Thread | None = None

    def current(self) -> Listing:
        """The folders as they are; as they were a moment ago when that was asked just now."""
        with self._lock:
            begun = time.monotonic()
            if self._last is None or begun >= self._due:
                self._last = self.library.listing()
                ended = time.monotonic()
                self._due = ended + 4 * (ended - begun)
            return self._last

    def soon(self, patience_s: float = 0.1) -> Listing:
        """``current`` when that takes no longer than ``patience_s``, else the listing before; the walk goes on for the
        next one who asks. The first one waits longer.
        """
        if self._last is not None and time.monotonic() < self._due:
            return self._last
        if self._walker is None or not self._walker.is_alive():
            self._walker = threading.Thread(target=self.current, name="sdgen-templates", daemon=True)
            self._walker.start()
        self._walker.join(5.0 if self._last is None else patience_s)
        return self._last or Listing((), "")


def _yaml_files(root: Path) -> Iterator[tuple[str, int, int]]:
    """Path below ``root``, time of change in ns and size of every YAML file."""
    folders = [(str(root), "")]
    while folders:
        folder, below = folders.pop()
        try:
            with os.scandir(folder) as scan:
                entries = list(scan)
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    if not entry.name.startswith("."):
                        folders.append((entry.path, f"{below}{entry.name}/"))
                elif entry.name.lower().endswith(_YAML):
                    info = entry.stat()
                    yield below + entry.name, info.st_mtime_ns, info.st_size
            except OSError:
                continue  # a link to nothing, or just removed
