"""What commands print, and how they end: 0 done, 1 failed items or an error, 2 usage, 130 interrupted."""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from ..errors import SDGenError

if TYPE_CHECKING:
    from rich.text import Text

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


_EVENTS_EVERY = 0.5  # s between two lines of progress
#: States in which a session makes images, or will by itself.
ACTIVE = ("planned", "running")


def print_json(value: Any) -> None:
    """One JSON document on standard output, UTF-8 whatever the terminal thinks."""
    sys.stdout.buffer.write((json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8"))
    sys.stdout.flush()


def print_event(event: str, values: dict[str, Any]) -> None:
    """One line of JSON on standard output: what has happened, for programs that follow."""
    text = json.dumps({"event": event, **values}, ensure_ascii=False, allow_nan=False)
    sys.stdout.buffer.write((text + "\n").encode("utf-8"))
    sys.stdout.flush()


def progress_events(told: Callable[[T], dict[str, Any]]) -> Callable[[T], None]:
    """What prints progress as events ``progress``, at most two a second; ``told`` gives their content."""
    last = 0.0

    def line(progress: T) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVENTS_EVERY:
            last = time.monotonic()
            print_event("progress", told(progress))

    return line


def print_table(headings: list[str], rows: Iterable[Iterable[Any]]) -> None:
    """A table as wide as it needs to be."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*headings, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(soft_wrap=True).print(table)


def session_row(status: dict[str, Any]) -> list[Any]:
    """A session as a row of `sdgen sessions list`."""
    names = ("id", "name", "state", "done", "failed", "planned", "seconds_per_image", "created")
    return [status[name] for name in names]


def session_table(status: dict[str, Any]) -> None:
    """A session as a table of two columns."""
    state = status["state"] + (f" ({status['reason']})" if status.get("reason") else "")
    rows = [
        ("session", f"{status['name']}  [{status['id']}]"),
        ("state", state),
        ("planned", status["planned"]),
        ("done", status["done"]),
        ("failed", status["failed"]),
        ("seconds an image", status["seconds_per_image"]),
        ("folder", status["folder"]),
        ("manifest", status["manifest"]),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        if value is not None:
            print(f"{name:<{width}}  {value}")


def working(what: str) -> AbstractContextManager[Any]:
    """A sign of life on a terminal while something takes its time."""
    from rich.console import Console

    return Console(stderr=True).status(what)


def track(things: Sequence[T], what: str) -> Iterator[T]:
    """The things one by one, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import track as bar

    console = Console(stderr=True)
    if not console.is_terminal:
        return iter(things)
    return iter(bar(things, what, console=console, transient=True))


def fail(code: int = 1) -> NoReturn:
    """End the command with an exit code."""
    import typer

    raise typer.Exit(code)


#: Control characters of users' texts would move the cursor or change colours.
_VISIBLE = {c: f"\\x{c:02x}" for c in (*range(32), *range(127, 160)) if c not in (9, 10)}


def visible(text: str) -> str:
    """``text`` without characters that a terminal obeys."""
    return text.translate(_VISIBLE)


def styled(*parts: str | tuple[str, str] | Text) -> Text:
    """Users' texts for a rich console, each plain or with a style: nothing in them is markup or moves the cursor."""
    from rich.text import Text

    out = Text()
    for part in parts:
        if isinstance(part, Text):
            out.append_text(part)
        elif isinstance(part, str):
            out.append(visible(part))
        else:
            out.append(visible(part[0]), part[1])
    return out


def counted(n: int, word: str) -> str:
    """ "1 image", "2,000 images"."""
    return f"{n:,} {word}" + ("" if n == 1 else "s")


def print_error(error: SDGenError) -> None:
    """A user's error on standard error, place first; of several each on a line of its own with its own hint. Then its
    remarks.
    """
    errors: list[SDGenError] = getattr(error, "errors", [error])
    for level, found in (("error", errors), ("warning", error.remarks)):
        for one in found:
            where = f"{one.place}: " if one.place else ""
            print(visible(f"{where}{level}[{one.code}]: {one.text}\n  {one.hint}"), file=sys.stderr)
    if more := getattr(error, "more", 0):
        print(f"... and {more:,} more errors", file=sys.stderr)


def reporting(command: F) -> F:
    """Print a user's error (as JSON when the command was asked for JSON) and exit with 1; Ctrl-C exits with 130."""

    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> Any:
        try:
            return command(*args, **options)
        except SDGenError as error:
            if options.get("json"):
                print_json(error.to_dict())
            else:
                print_error(error)
            fail(1)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            fail(130)

    return run  # type: ignore[return-value]
