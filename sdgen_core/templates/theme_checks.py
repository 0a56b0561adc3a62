"""Checking a theme before it is used: by itself, and against a template."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import Place, SDGenError, nearest_names
from .imports import clash_prefix, variation_values
from .load import Options, load_template
from .run import Run, flat
from .theme_fit import Fit, Needs, fits
from .theme_report import ThemeReport

_NAME = re.compile(r"\w+")


@dataclass
class Verdict:
    """What is wrong with a theme (``errors``) and what looks like a slip (``warnings``, ready to show). ``fits`` is style -> fit when
    it was judged against a template.
    """

    report: ThemeReport
    errors: list[SDGenError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    fits: dict[str, Fit] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        out = {
            "name": self.report.theme.name,
            "path": self.report.theme.shown,
            "ok": not self.errors,
            "errors": [e.to_dict() for e in self.errors],
            "warnings": self.warnings,
        }
        return {**out, "fits": {s: f.to_json() for s, f in self.fits.items()}} if self.fits else out


def check_theme(report: ThemeReport, needs: Needs | None = None) -> Verdict:
    """Judge a theme: files, imports, styles, keys; with ``needs`` also whether the template gets all it asks for."""
    verdict = Verdict(report, list(report.errors), list(report.warnings))
    for error in _bad_names(report):
        verdict.errors.append(error)
    if not verdict.errors and not report.entries and not report.merge:
        message = "the theme has no imports, so no placeholder of a template would have values"
        verdict.errors.append(SDGenError("schema", message, place=_place(report)))
    if needs is None:  # a template tells for certain
        verdict.warnings += _only_styled(report)
    verdict.warnings += [*_slips(report), *_shared_keys(report)]
    if needs is not None:
        _judge(verdict, needs)
    return verdict


def _place(report: ThemeReport, key: str | None = None) -> Place:
    if report.document is None:
        return Place(report.theme.shown)
    return report.document.place(report.document.root.at(("imports", key)) if key else None)


def _key(name: str, style: str) -> str:
    return f"{name}.{style}" if style else name


def _bad_names(report: ThemeReport) -> Iterator[SDGenError]:
    for entry in report.entries:
        key = _key(entry.name, entry.style)
        if not _NAME.fullmatch(entry.name):
            message = f"{entry.name!r} in imports.{key} can be no placeholder: names are letters, digits and _"
            yield SDGenError("schema", message, place=_place(report, key))
        if "." in entry.style:
            message = f"imports.{key}: one dot at most, as in {entry.name}.{entry.style.partition('.')[0]}"
            yield SDGenError("schema", message, place=_place(report, key))


def _only_styled(report: ThemeReport) -> Iterator[str]:
    """Names with values in a style only, which is right for those that the prompt or a chunk brings."""
    plain = {e.name for e in report.entries if not e.style}
    for entry in report.entries:
        if entry.style and entry.name not in plain and not entry.removed and not report.merge:
            yield (
                f"{_place(report, _key(entry.name, entry.style))}: {entry.name} is there only in the style {entry.style}; "
                f"without it a template lacks {entry.name}, unless its prompt or a chunk brings it"
            )


def _slips(report: ThemeReport) -> Iterator[str]:
    folded: dict[str, str] = {}
    for name in dict.fromkeys(e.name for e in report.entries):
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            yield f"{_place(report, name)}: {other} and {name} differ only in case and are two placeholders"
    if report.theme.implicit:
        files: dict[tuple[str, str], str] = {}
        for entry in report.entries:
            first = files.setdefault((entry.name, entry.style), entry.written)
            if first != entry.written:
                yield f"{report.theme.shown}: {first} and {entry.written} both mean {_key(entry.name, entry.style)}"
    if report.listed is not None:
        listed = set(report.listed)
        names = set(report.names) | {e.name for e in report.entries if e.removed}
        for name in report.listed:
            if name not in names:
                near = nearest_names(name, names)
                tail = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
                yield f"{report.theme.shown}: variations lists {name}, which imports does not have{tail}"
        missing = [n for n in report.names if n not in listed]
        if missing:
            yield f"{report.theme.shown}: variations does not list {', '.join(missing)}"


def _shared_keys(report: ThemeReport) -> Iterator[str]:
    """Keys that several files of one import have: the later ones get another name."""
    run = Run(report.base)
    for entry in report.entries:
        if len(entry.files) < 2 or entry.chunks or entry.problem is not None:
            continue
        owner: dict[str, str] = {}
        for path in entry.files:
            for key in variation_values(run, run.open(path)):
                first = owner.setdefault(key, path.name)
                if first != path.name:
                    new = f"{clash_prefix(path.name)}__{key}"
                    yield (
                        f"{_place(report, _key(entry.name, entry.style))}: the key {key} is in {first} and in {path.name}; "
                        f"the later one becomes a key like {new}"
                    )
                    break


def _judge(verdict: Verdict, needs: Needs) -> None:
    report = verdict.report
    verdict.fits = fits(report, needs, report.styles)
    lacks: dict[tuple[str, ...], list[str]] = {}
    for style, fit in verdict.fits.items():
        if fit.misses:
            lacks.setdefault(fit.misses, []).append(style)
    for names, styles in lacks.items():
        where = "" if len(styles) == len(verdict.fits) else f" in the style {' and '.join(styles)}"
        verdict.errors.append(
            SDGenError(
                "unresolved-placeholder",
                f"the theme lacks {', '.join(names)}{where}, which the template {needs.name!r} uses",
                place=_place(report),
                nearest=[n for name in names for n in nearest_names(name, report.names, 1)],
                hint=f"Add {names[0]} to the theme's imports, or write merge: true to keep what the template imports.",
            )
        )
    for entry in report.entries:
        if entry.by_file and entry.name not in needs.sensitive:
            files = ", ".join(p.name for p in entry.files)
            verdict.warnings.append(
                f"{report.theme.shown}: {files} has no effect: {entry.name} is not among the template's style_sensitive_placeholders"
            )
    if not verdict.errors:
        _load(verdict, needs)


def _load(verdict: Verdict, needs: Needs) -> None:
    """Load the template with the theme in every style: what only the whole shows, such as a selector that finds none of the
    theme's keys.
    """
    theme = verdict.report.theme
    name = next((t.name for t in needs.themes if t.path == theme.path), None)
    if name is None:
        verdict.warnings.append(
            f"{theme.shown}: the template's themes: block does not lead to this theme; add it there"
            + ("" if theme.implicit else ", or use --theme-file")
        )
        if theme.implicit:
            return
    try:
        known = set(load_template(needs.source).warnings)
    except SDGenError:
        known = set()  # a template may need a theme to be whole
    for style in verdict.fits:
        try:
            options = Options(theme=name, style=style) if name else Options(theme_file=theme.path, style=style)
            remarks = load_template(needs.source, options).warnings
        except SDGenError as error:
            said = {str(e) for e in verdict.errors}
            verdict.errors += [e for e in flat(error) if str(e) not in said]
        else:
            verdict.warnings += [w for w in remarks if w not in known and w not in verdict.warnings]
