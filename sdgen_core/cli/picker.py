"""A list on the terminal to pick from: type to search, arrows to move, several at once if wanted.

Built on prompt_toolkit alone: the ready-made menus search ASCII only, cannot go back, and are slow from a thousand rows on.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prompt_toolkit.application import Application
from prompt_toolkit.application.current import get_app
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import FormattedTextControl, Layout, Window
from prompt_toolkit.styles import Style

_STYLE = Style.from_dict(
    {
        "question": "bold",
        "pointer": "bold ansicyan",
        "detail": "ansibrightblack",
        "bad": "ansired",
        "hint": "ansibrightblack",
    }
)
_MOST_ROWS = 20
_FRAME = 6  # lines of the terminal that are not rows


@dataclass(frozen=True)
class Row:
    """One line to pick. All three texts are searched; ``warning`` is shown in red."""

    title: str
    detail: str = ""
    warning: str = ""


def pick_one(question: str, rows: Sequence[Row], start: int = 0, above: str = "") -> int | None:
    """The place of the row picked; None when the user wants to go back. ``above`` is a line over the question. Raises
    ``KeyboardInterrupt``.
    """
    picked = _List(question, rows, None, start, above).run()
    return None if picked is None else picked[0]


def pick_many(question: str, rows: Sequence[Row], chosen: Iterable[int], above: str = "") -> list[int] | None:
    """The places of the rows chosen, rising; None when the user wants to go back. Raises ``KeyboardInterrupt``."""
    return _List(question, rows, set(chosen), 0, above).run()


def _folded(text: str) -> str:
    """Text as it is searched: without case and accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


class _List:
    def __init__(self, question: str, rows: Sequence[Row], chosen: set[int] | None, start: int, above: str) -> None:
        self._question = question
        self._above = above
        self._rows = rows
        self._chosen = chosen
        self._search = ""
        self._texts = [_folded(f"{r.title} {r.detail} {r.warning}") for r in rows]
        self._shown = list(range(len(rows)))
        self._at = start
        self._top = 0

    def run(self) -> list[int] | None:
        body = Window(FormattedTextControl(self._lines), dont_extend_height=True, always_hide_cursor=True)
        app: Application[list[int] | None] = Application(
            Layout(body), key_bindings=self._keys(), style=_STYLE, erase_when_done=True
        )
        app.ttimeoutlen = 0.1  # s until a lone Escape is one, and no beginning of an arrow key
        return app.run()

    def _lines(self) -> StyleAndTextTuples:
        height = max(3, min(_MOST_ROWS, get_app().output.get_size().rows - _FRAME))
        self._top = max(0, min(self._top, self._at, len(self._shown) - height), self._at - height + 1)
        out: StyleAndTextTuples = [("class:hint", f"{self._above}\n" if self._above else "")]
        out.append(("class:question", self._question))
        if self._chosen is not None:
            out.append(("", f"  {len(self._chosen)} of {len(self._rows)} chosen"))
        found = f"  {len(self._shown)} of {len(self._rows)}" if self._search else ""
        out += [("", "\n  search: "), ("bold", self._search), ("class:hint", f"_{found}\n")]
        end = min(self._top + height, len(self._shown))
        width = max((len(self._rows[n].title) for n in self._shown[self._top : end]), default=0)
        for place in range(self._top, end):
            out += self._line(place, min(width, 36))
        if not self._shown:
            out.append(("class:bad", "  nothing found\n"))
        part = f"   {self._top + 1}-{end} of {len(self._shown)}" if height < len(self._shown) else ""
        out.append(("class:hint", self._help() + part))
        return out

    def _line(self, place: int, width: int) -> StyleAndTextTuples:
        n = self._shown[place]
        row, here = self._rows[n], place == self._at
        box = "" if self._chosen is None else "[x] " if n in self._chosen else "[ ] "
        style = "class:pointer" if here else ""
        out: StyleAndTextTuples = [(style, f"{'>' if here else ' '} {box}{row.title:<{width}}")]
        if row.detail:
            out.append(("class:detail", f"  {row.detail}"))
        if row.warning:
            out.append(("class:bad", f"  {row.warning}"))
        return [*out, ("", "\n")]

    def _help(self) -> str:
        if self._chosen is None:
            return "  enter: take it  esc: back  ctrl-c: stop"
        every = "all found" if self._search else "all"
        return f"  space: choose  ctrl-a: {every} or none  enter: done  esc: back"

    def _find(self, text: str) -> None:
        here = self._shown[self._at] if self._shown else None
        self._search = text
        words = _folded(text).split()
        self._shown = [n for n, row in enumerate(self._texts) if all(w in row for w in words)]
        self._at = self._shown.index(here) if not text and here in self._shown else 0

    def _move(self, steps: int) -> None:
        if self._shown:
            self._at = max(0, min(len(self._shown) - 1, self._at + steps))

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        def moves(steps: int, *names: str) -> None:
            for name in names:
                keys.add(name)(lambda event: self._move(steps))

        moves(1, "down", "c-n")
        moves(-1, "up", "c-p")
        moves(10, "pagedown")
        moves(-10, "pageup")
        moves(10**9, "end")
        moves(-(10**9), "home")

        @keys.add(Keys.Any)
        def _(event: KeyPressEvent) -> None:
            if event.data.isprintable():
                self._find(self._search + event.data)

        @keys.add(Keys.BracketedPaste)
        def _(event: KeyPressEvent) -> None:
            self._find(self._search + " ".join(event.data.split()))

        @keys.add("backspace")
        def _(event: KeyPressEvent) -> None:
            self._find(self._search[:-1])

        @keys.add("c-u")
        def _(event: KeyPressEvent) -> None:
            self._find("")

        @keys.add("escape", eager=True)
        def _(event: KeyPressEvent) -> None:
            if self._search:
                self._find("")
            else:
                event.app.exit(result=None)

        @keys.add("c-c", eager=True)
        def _(event: KeyPressEvent) -> None:
            event.app.exit(exception=KeyboardInterrupt)

        @keys.add("enter")
        def _(event: KeyPressEvent) -> None:
            if self._chosen is not None:
                event.app.exit(result=sorted(self._chosen))
            elif self._shown:
                event.app.exit(result=[self._shown[self._at]])

        if self._chosen is not None:
            self._many(keys, self._chosen)
        return keys

    def _many(self, keys: KeyBindings, chosen: set[int]) -> None:
        @keys.add(" ")
        def _(event: KeyPressEvent) -> None:
            if self._shown:
                chosen.symmetric_difference_update({self._shown[self._at]})

        @keys.add("c-a")
        def _(event: KeyPressEvent) -> None:
            if chosen.issuperset(self._shown):
                chosen.difference_update(self._shown)
            else:
                chosen.update(self._shown)
