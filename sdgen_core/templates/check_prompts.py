"""Checking prompts: each with all it reaches, under every theme it knows, in every style."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..errors import Place, SDGenError, nearest_names
from .findings import Collector, Finding
from .imports import Memo
from .load import Frame, Options, dress, generation_of, read_frame
from .model import PromptFile
from .names import Dressed, Unresolved, check_selectors, used_values
from .run import Run, few, is_file, is_folder
from .styles import styles_of
from .themes import THEME_FILE, Theme, implicit_theme, known_themes, theme_from


def look(run: Run, dressed: Dressed) -> None:
    """Whether names have values and selectors find some."""
    values = used_values(run, dressed)
    check_selectors(run, dressed, values, {}, {})


@dataclass
class _Lack:
    """What a theme does not bring: to which prompts, in which styles (all: empty). ``files`` are those that may have been
    meant, where the theme names one that is not there.
    """

    theme: Theme
    level: str
    placeholder: str
    styles: tuple[str, ...]
    files: list[str]
    prompts: list[str] = field(default_factory=list)

    def error(self, names: list[str]) -> SDGenError:
        where = f" in the style{'s' if len(self.styles) > 1 else ''} {few(self.styles)}" if self.styles else ""
        user = f"{self.prompts[0]} uses" if len(self.prompts) == 1 else f"{len(self.prompts)} prompts use"
        theme = self.theme
        entry = theme.imports.get(self.placeholder)
        if entry is not None:
            message = f"the theme {theme.name!r} has no values for {self.placeholder}{where}, which {user}: its file is missing"
            return SDGenError("missing-file", message, place=entry.place, nearest=self.files)
        return SDGenError(
            "unresolved-placeholder",
            f"the theme {theme.name!r} has no import {few(names)}{where}, which {user}",
            place=theme.place or Place(theme.shown),
            nearest=[near for n in names[:3] for near in nearest_names(n, theme.imports, 1)],
            hint=f"Add {names[0]} to the theme's imports, or write merge: true to keep what the template imports.",
        )


class PromptCheck:
    """Checks prompts one after the other; ``finish`` after the last one. ``theme``: of the themes only this one."""

    def __init__(self, collector: Collector, theme: str | None) -> None:
        self._all = collector
        self._only = theme
        self._memo: Memo = {}
        self._themes: dict[tuple[Path | None, Path, str, str], tuple[Theme | None, Run]] = {}
        self._known: dict[str, None] = {}
        self._lacks: dict[tuple[str, str, str, tuple[str, ...]], _Lack] = {}

    def check(self, path: Path) -> None:
        run = self._all.run(path.parent)
        name = self._all.name(path)
        self._all.readers.setdefault(path, {})[name] = None
        unresolved: list[Unresolved] = []
        frame: Frame | None = None
        plain: Dressed | None = None
        with run.collecting():
            frame = read_frame(run, run.salvage(path), PromptFile, Options())
            plain = dress(run, frame, memo=self._memo)
            look(run, plain)
            generation_of(run, frame.layers[-1], Options())
            unresolved = _without_unresolved(run)
        self._all.take(run, name)
        if frame is not None and plain is not None:
            self._styles(run, frame, plain, name)
            self._under_themes(run, frame, plain, name, unresolved)

    def finish(self) -> None:
        """Report what themes lack. Raises ``unknown-theme`` when a single theme was asked for and no prompt knows it."""
        if self._only is not None and self._only not in self._known:
            raise SDGenError(
                "unknown-theme",
                f"no prompt that was checked knows a theme {self._only!r} (known: {few(sorted(self._known)) or 'none'})",
                nearest=nearest_names(self._only, self._known),
            )
        together: dict[tuple[object, ...], list[_Lack]] = {}
        for lack in self._lacks.values():
            named = lack.placeholder if lack.placeholder in lack.theme.imports else None
            key = (lack.theme.shown, lack.theme.name, lack.styles, named, tuple(lack.prompts))
            together.setdefault(key, []).append(lack)
        for first, *others in together.values():
            error = first.error([first.placeholder, *(lack.placeholder for lack in others)])
            finding = Finding.of(first.level, error, first.theme.shown)
            finding.reached_by = list(first.prompts)
            self._all.keep(finding)

    # ---- styles and themes
    # ---------------------------------------------------------------------------------------------------

    def _styles(self, run: Run, frame: Frame, plain: Dressed, name: str) -> None:
        """Files of styles that lie beside the plain ones."""
        for style in styles_of(run, frame.merged.sensitive, frame.merged.imports):
            part = self._look(run, frame, None, style, plain)
            _without_unresolved(part)
            self._all.take(part, name, f"style {style}")

    def _look(self, run: Run, frame: Frame, theme: Theme | None, style: str, plain: Dressed) -> Run:
        part = run.aside()
        look(part, dress(part, frame, theme, style, memo=self._memo, before=plain))
        self._all.report.combinations += 1
        return part

    def _under_themes(self, run: Run, frame: Frame, plain: Dressed, name: str, unresolved: list[Unresolved]) -> None:
        block = frame.merged.themes
        themes = {} if block is None or run.partial else known_themes(run, block)
        self._known.update(dict.fromkeys(themes))
        lacks: list[_Lack] = []
        read: dict[str, set[str]] = {}  # theme -> names it lacks in some style
        for theme_name, path in themes.items():
            if self._only not in (None, theme_name):
                continue
            first, _ = self._theme(run, path, theme_name, "default")
            styles = () if first is None else (*first.styles, *styles_of(run, frame.merged.sensitive, first.imports))
            # a theme that is only found may be meant for other prompts
            meant = block is not None and (theme_name in block.explicit or self._only is not None)
            level = "error" if meant or self._all.strict else "warning"
            missing: dict[str, list[str]] = {}
            files: dict[str, list[str]] = {}
            every = dict.fromkeys(("default", *styles))
            for style in every:
                theme, reading = self._theme(run, path, theme_name, style)
                self._all.take(reading, name)
                if theme is None:
                    break
                part = self._look(run, frame, theme, style, plain)
                for error in _without_unresolved(part):
                    missing.setdefault(error.name, []).append(style)
                    files[error.name] = error.nearest
                under = f"theme {theme_name}" + ("" if style == "default" else f", style {style}")
                self._all.take(part, name, under, level)
            else:
                read[theme_name] = set(missing)
                assert theme is not None
                for placeholder, where in missing.items():
                    styled = () if len(where) == len(every) else tuple(where)
                    lacks.append(_Lack(theme, level, placeholder, styled, files[placeholder]))
        for error in unresolved:
            bring = [t for t, missing_names in read.items() if error.name not in missing_names]
            if bring:
                verb = f"theme {bring[0]} brings" if len(bring) == 1 else f"themes {few(bring, 6)} bring"
                error.message += f"; only the {verb} it"
            self._all.add([error], name, level="note" if bring else "error")
        nowhere = {e.name for e in unresolved if all(e.name in names for names in read.values())}
        for lack in lacks:
            if lack.placeholder not in nowhere:
                key = (lack.theme.shown, lack.theme.name, lack.placeholder, lack.styles)
                self._lacks.setdefault(key, lack).prompts.append(name)

    def _theme(self, run: Run, path: Path, name: str, style: str) -> tuple[Theme | None, Run]:
        """A theme in one style, and the run that read it; read once for all prompts of a folder."""
        key = (run.base, path, name, style)
        if key not in self._themes:
            part = run.aside()
            theme: Theme | None = None
            with part.collecting():
                implicit = is_folder(path) and not is_file(path / THEME_FILE)
                theme = implicit_theme(part, path, name, style) if implicit else theme_from(part, path, name, style)
            self._themes[key] = theme, part
        return self._themes[key]


def _without_unresolved(run: Run) -> list[Unresolved]:
    """Take the unresolved placeholders out of a run's problems."""
    out = [p for p in run.problems if isinstance(p, Unresolved)]
    run.problems = [p for p in run.problems if not isinstance(p, Unresolved)]
    return out
