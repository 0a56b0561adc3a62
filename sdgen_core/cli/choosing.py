"""Choosing a template, a theme, a style and values on the terminal, for `sdgen expand` and `sdgen generate`.

What was chosen is shown as the command that does the same, so that people learn it and can put it into a script.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..errors import SDGenError, shown
from .output import counted, print_error, working

if TYPE_CHECKING:
    from ..sessions.plan import Plan
    from ..templates import Options, ResolvedTemplate, Value
    from ..templates.offers import ThemeOffer
    from .picker import Row

#: Options of a command that the choice replaces, with a value each.
_REPLACED = ("--theme", "-t", "--style", "-s", "--choose")

NONE = "(none)"


@dataclass
class Choice:
    """What the user wants so far. ``choices`` is as in ``parse_choice_spec``."""

    file: Path | None
    theme: str | None
    style: str | None
    choices: dict[str, str] = field(default_factory=dict)


def on_terminal() -> bool:
    """Whether somebody sits there who can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def chosen(
    file: Path | None, options: Options, interactive: bool, plan: Callable[[ResolvedTemplate], Plan]
) -> tuple[Path, Options]:
    """The file and options to go on with: as given, or completed by asking when ``file`` is missing or ``interactive``.

    ``plan`` makes the plan whose images are counted. Raises a usage error when there is nobody to ask, ``KeyboardInterrupt`` when
    the user gives up.
    """
    if file is not None and not interactive:
        return file, options
    if not on_terminal():
        if file is None:
            message = "it is missing; name a prompt file (X.prompt.yaml), or use a terminal to choose one"
            raise typer.BadParameter(message, param_hint="FILE")
        raise typer.BadParameter("it needs a terminal", param_hint="--interactive")
    asker = _Asker(Choice(file, options.theme, options.style, dict(options.choices)), options, plan)
    choice = asker.run()
    assert choice.file is not None
    return choice.file, asker.options()


class _Asker:
    """The steps, one after another; Escape goes to the one before."""

    def __init__(self, choice: Choice, options: Options, plan: Callable[[ResolvedTemplate], Plan]) -> None:
        self.choice = choice
        self._given = options
        self._plan = plan
        self._offers: list[ThemeOffer] | None = None
        self._named = choice.file is not None

    def options(self) -> Options:
        """The options given, with what was chosen."""
        return replace(self._given, theme=self.choice.theme, style=self.choice.style, choices=self.choice.choices)

    def run(self) -> Choice:
        steps = (self._file, self._theme, self._style, self._values)
        asked: list[int] = []
        at = 0
        while at < len(steps):
            try:
                answer = steps[at]()
            except SDGenError as error:  # a broken template, a theme that lacks something: choose another
                if not asked:
                    raise
                print_error(error)
                print(file=sys.stderr)
                answer = False
            if answer is False:
                if not asked:
                    raise KeyboardInterrupt
                at = asked.pop()
            else:
                asked += [at] if answer else []
                at += 1
        return self.choice

    def _so_far(self) -> str:
        """The choice in a line, above the next question."""
        parts = (self.choice.file and shown(self.choice.file), self.choice.theme, self.choice.style)
        return "  >  ".join(part for part in parts if part)

    # Each step gives True when it was answered, False to go back, None when there was nothing to ask.

    def _file(self) -> bool | None:
        from ..templates.theme_folders import shown_path, walk
        from .picker import Row, pick_one

        if self._named:
            return None
        with working("looking for templates"):
            names = [shown_path(f) for f in walk([Path()]).prompts]
        if not names:
            hint = "Go to a folder with templates, or name a prompt file; `sdgen list FOLDER` shows what a folder has."
            raise SDGenError("no-template", "there is no *.prompt.yaml in this folder or below it", hint=hint)
        start = names.index(shown(self.choice.file)) if self.choice.file else 0
        picked = pick_one("Which template?", [Row(name) for name in names], start)
        if picked is None:
            return False
        if self.choice.file != Path(names[picked]):
            self.choice = Choice(Path(names[picked]), self._given.theme, self._given.style, dict(self._given.choices))
            self._offers = None
        return True

    def _theme(self) -> bool | None:
        from .picker import Row, pick_one

        offers = self._offered()
        if self._given.theme or self._given.theme_file or len(offers) < 2:
            return None
        with working("reading themes"):
            lacks = self._lacks()
        rows = [Row(NONE)]
        for offer in offers[1:]:
            warning = "broken" if offer.problem else lacks.get(offer.name, "")
            rows.append(Row(offer.name, "  ".join(f"#{t}" for t in offer.tags), warning))
        names = [None, *(offer.name for offer in offers[1:])]
        start = names.index(self.choice.theme) if self.choice.theme in names else 0
        picked = pick_one("Which theme?", rows, start, self._so_far())
        if picked is None:
            return False
        if names[picked] != self.choice.theme:
            self.choice.theme, self.choice.style = names[picked], self._given.style
            self.choice.choices = dict(self._given.choices)
        return True

    def _offered(self) -> list[ThemeOffer]:
        """No theme, and the template's themes, with their styles."""
        from ..templates.offers import offers

        assert self.choice.file is not None
        if self._offers is None:
            self._offers = offers(self.choice.file)
        return self._offers

    def _lacks(self) -> dict[str, str]:
        """Theme -> what the template would miss with it."""
        from ..templates.theme_fit import fit, needs_of
        from ..templates.theme_report import report

        assert self.choice.file is not None
        needs = needs_of(self.choice.file)
        out: dict[str, str] = {}
        for theme in needs.themes:
            fits = fit(report(theme), "default", needs)
            if not fits.complete:
                out[theme.name] = f"misses {', '.join((*fits.misses, *fits.broken))}"
        return out

    def _style(self) -> bool | None:
        from ..templates.theme_folders import theme_at
        from ..templates.theme_report import report
        from .picker import Row, pick_one

        styles: Sequence[str] = next((o.styles for o in self._offered() if o.name == (self.choice.theme or "")), ())
        if self._given.theme_file and (theme := theme_at(self._given.theme_file)):
            styles = report(theme).styles
        if self._given.style or not styles:
            return None
        names = [None, *styles]
        start = names.index(self.choice.style) if self.choice.style in names else 0
        picked = pick_one("Which style?", [Row("default"), *(Row(s) for s in styles)], start, self._so_far())
        if picked is None:
            return False
        if names[picked] != self.choice.style:
            self.choice.style, self.choice.choices = names[picked], dict(self._given.choices)
        return True

    def _values(self) -> bool | None:
        from ..templates import load_template
        from .picker import Row, pick_one

        assert self.choice.file is not None
        resolved = load_template(self.choice.file, self.options())
        names = [name for name, pool in resolved.values.items() if len(pool) > 1]
        while True:
            resolved = replace(resolved, choices=self.choice.choices)
            plan = self._plan(resolved)
            images = counted(plan.count, "image")
            rows = [Row(f"go on with {images}"), *(self._row(resolved, name) for name in names)]
            picked = pick_one("Choose values, or go on?", rows, above=self._so_far()) if names else 0
            if picked is None:
                return False
            if not picked:
                self._tell(resolved.name, images)
                return True
            self._choose(resolved, names[picked - 1])

    def _row(self, resolved: ResolvedTemplate, name: str) -> Row:
        from .picker import Row

        pool = resolved.values[name]
        picked, draw = taken(resolved, name)
        count = f"{len(picked):,} of {len(pool):,}" if picked else "left out"
        drawn = f", {draw:,} drawn" if draw is not None and draw < len(picked) else ""
        keys = ", ".join(label(key, pool[key]) for key in picked[:4]) + (", …" if len(picked) > 4 else "")
        changed = " (chosen)" if name in self.choice.choices else ""
        return Row(f"{name}  {count}{drawn}{changed}", keys)

    def _choose(self, resolved: ResolvedTemplate, name: str) -> None:
        from ..templates.seeds import choice_spec, parse_choice_spec
        from .picker import Row, pick_many

        pool = resolved.values[name]
        keys = list(pool)
        before, draw = taken(resolved, name)
        rows = [
            Row(label(key, value), "" if label(key, value) == one_line(value) else one_line(value))
            for key, value in pool.items()
        ]
        picked = pick_many(f"Which values of {name}?", rows, (keys.index(key) for key in before), self._so_far())
        if picked is None or {keys[n] for n in picked} == set(before):
            return
        own, own_draw = taken(replace(resolved, choices={}), name)
        wanted = [keys[n] for n in picked]
        if set(wanted) == set(own) and draw == own_draw:
            self.choice.choices.pop(name, None)
        else:
            spec = choice_spec(resolved.values, {name: wanted}, {name: draw if wanted else None})
            self.choice.choices |= parse_choice_spec(spec)

    def _tell(self, name: str, images: str) -> None:
        import shlex
        import subprocess

        words = command_words(sys.argv[1:], None if self._named else self.choice.file, self.choice)
        line = subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
        print(f"\n{name}: {images}. The same without questions:\n  {line}\n", flush=True)


def command_words(argv: Sequence[str], file: Path | None, choice: Choice) -> list[str]:
    """The command that does what was chosen: ``argv`` with the file behind its command's name, and the choice at its end."""
    words: list[str] = []
    rest = iter(argv)
    for word in rest:
        if word in _REPLACED:
            next(rest, None)
        elif word not in ("-i", "--interactive") and not word.startswith(tuple(f"{o}=" for o in _REPLACED)):
            words.append(word)
    if file is not None:
        words.insert(1, shown(file))
    for option, text in (("--theme", choice.theme), ("--style", choice.style)):
        words += [option, text] if text else []
    if choice.choices:
        words += ["--choose", "; ".join(f"{name}[{selector}]" for name, selector in choice.choices.items())]
    return ["sdgen", *words]


def label(key: str, value: Value) -> str:
    """A value's name: its key, or its text where the key is only a hash of it."""
    from ..templates.seeds import is_hash

    return one_line(value) if is_hash(key) and isinstance(value, str) else " ".join(key.split())


def one_line(value: Value) -> str:
    """A value's text on one line; of several parts the main one."""
    if isinstance(value, dict):
        value = value.get("main") or value.get(min(value, default=""), "")
    return " ".join(value.split())


def taken(resolved: ResolvedTemplate, name: str) -> tuple[list[str], int | None]:
    """The keys of a placeholder that its selector takes, and how many of them it draws at random (None: all)."""
    from ..templates.space import selectors
    from ..templates.syntax import Selector, choose, parse_selector

    pool = resolved.values[name]
    selector = parse_selector(selectors(resolved).get(name, ""))
    if selector.leaves_out:
        return [], None
    texts = {v: k for k, v in reversed(list(pool.items())) if isinstance(v, str)}
    named = Selector(selector.indexes, selector.span, selector.keys)
    keys = list(dict.fromkeys(choose(named, tuple(pool), texts).pool))
    limit = selector.limit if named == Selector() else None
    return keys, selector.draw if selector.draw is not None else limit
