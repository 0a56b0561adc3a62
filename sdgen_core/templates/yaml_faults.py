"""What is wrong with a text that is no YAML, in words that lead to the repair, and how much of it can still be read.

The parser says what it was looking for; people want to know what to change. And one bad line should not hide the other
mistakes of a file: with the faulty block put aside, the rest is read and checked as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from ..errors import Place, SDGenError

_TOP_LEVEL = re.compile(r"[^\s#\-\]})]")  # what a line of a top-level name begins with
_QUOTED = "Put the whole text in quotes, or write it as a block: | after the name, and the text indented below."
_OPENERS = {"'": "quote", '"': "quote", "[": "bracket", "{": "brace"}
_CLOSERS = {"'": "a closing quote", '"': "a closing quote", "]": "a closing ]", "}": "a closing }"}


@dataclass(frozen=True)
class Fault:
    """A fault of a text whose file's name is not known here; ``line`` and ``column`` count from 1, 0 is the whole file."""

    code: str
    message: str
    line: int = 0
    column: int = 0
    text: str = ""
    hint: str | None = None

    def error(self, name: str) -> SDGenError:
        place = Place(name, self.line, self.column, self.text)
        return SDGenError(self.code, self.message, place=place, hint=self.hint)


class YamlFault(Exception):
    """Raised while a text is read; never leaves the reader."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(fault.message)


def at(code: str, message: str, mark: Any = None, hint: str | None = None) -> YamlFault:
    """A fault at the parser's mark."""
    if mark is None:
        return YamlFault(Fault(code, message, hint=hint))
    return YamlFault(Fault(code, message, mark.line + 1, mark.column + 1, hint=hint))


def explained(text: str, error: yaml.YAMLError) -> YamlFault:
    """The parser's complaint as a fault a person can act on."""
    if isinstance(error, yaml.reader.ReaderError):
        return _unreadable(text, error)
    if not isinstance(error, yaml.MarkedYAMLError):
        return at("yaml-syntax", (str(error).splitlines() or ["not valid YAML"])[0])
    problem = error.problem or ""
    mark, start = error.problem_mark, error.context_mark
    if mark is None:
        return at("yaml-syntax", problem or "not valid YAML", start)
    line = _line(text, mark.line)
    char = line[mark.column : mark.column + 1]
    before = line[: mark.column].strip()

    def fault(message: str, hint: str | None = None, where: Any = mark, token: str = char) -> YamlFault:
        return YamlFault(Fault("yaml-syntax", message, where.line + 1, where.column + 1, token.strip(), hint))

    if char == "\t" or "tab character" in problem:
        return fault(
            "a tab stands here, and YAML wants spaces",
            "Replace tabs by spaces; most editors can do it for the whole file.",
        )
    if "cannot start any token" in problem:
        return fault(f"a text cannot begin with {char} unless it is in quotes", _QUOTED)
    if "alphabetic or numeric" in problem and start is not None:
        sign = _line(text, start.line)[start.column : start.column + 1]
        return fault(f"a text cannot begin with {sign} unless it is in quotes", _QUOTED, start, sign)
    if problem.startswith("mapping values"):
        if re.search(r":\s", line[: mark.column]):
            return fault("a second ': ' in one line", _QUOTED)
        return fault(
            "this line is indented below a line that already has a value",
            "Line it up with the names of the same level, or empty the line above after its colon.",
        )
    if "expected ':'" in problem and start is not None:
        word = _line(text, start.line).strip()
        return fault(
            f"{word[:60]!r} is no 'name: value'",
            "Write name: value, with a space after the colon; indent it if it belongs to the text above.",
            start,
            word[:60],
        )
    if "end of stream" in problem and start is not None:
        return fault(
            "the quote that opens here is never closed",
            "Close it; a ' inside '...' is written twice.",
            start,
            _line(text, start.line)[start.column : start.column + 1],
        )
    if "unknown escape" in problem:
        return fault(
            "inside double quotes a \\ begins an escape, and there is none of this name",
            "Write \\\\ for a backslash, or use single quotes.",
            token=line[mark.column - 1 : mark.column + 1],
        )
    if "',' or" in problem and start is not None:
        opener = _line(text, start.line)[start.column : start.column + 1]
        message = f"the {_OPENERS.get(opener, 'bracket')} {opener} that opens here is not closed, or a comma is missing"
        return fault(message, None, start, opener)
    if "comment or line break" in problem:
        return fault("a text after | or > begins on the next line", "Move it to the next line and indent it.")
    if problem.startswith("did not find expected") and ("key" in problem or "'-'" in problem):
        if before:
            end = before[-1]
            return fault(f"more text after {_CLOSERS.get(end, repr(end))}", _QUOTED, token=line[mark.column :].rstrip())
        return fault(
            "the indentation of this line fits none of the lines above",
            "Line it up with the names of the same level; a text after | is indented further than its name.",
            token=line.strip(),
        )
    if problem.startswith("found duplicate") or not error.context:
        return fault(problem or "not valid YAML")
    return fault(f"{error.context}, {problem}")


def _unreadable(text: str, error: yaml.reader.ReaderError) -> YamlFault:
    number = error.character if isinstance(error.character, int) else ord(error.character[:1] or "\0")
    offset = error.position
    line = text.count("\n", 0, offset)
    hint = "Remove the character; a text editor that shows invisible characters helps."
    if number == 0:
        hint = "The file is not plain text, or it is UTF-16: save it as UTF-8."
    message = f"the invisible character U+{number:04X} cannot stand in a YAML file"
    return YamlFault(Fault("yaml-syntax", message, line + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1, "", hint))


def _line(text: str, number: int) -> str:
    """Line ``number`` (from 0) without its end; nothing else of a large text is copied."""
    begin = 0
    for _ in range(number):
        found = text.find("\n", begin)
        if found < 0:
            return ""
        begin = found + 1
    end = text.find("\n", begin)
    return text[begin : end if end >= 0 else len(text)]


def is_tab(text: str, fault: Fault) -> bool:
    """Whether a tab stands where the fault is."""
    return fault.line > 0 and _line(text, fault.line - 1)[fault.column - 1 : fault.column] == "\t"


def without_tabs(text: str) -> str:
    """The same text with each tab of an indentation as one space, so that places stay the same."""
    return re.sub(r"^[ \t]*\t[ \t]*", lambda m: " " * len(m[0]), text, flags=re.MULTILINE)


def without_block(text: str, line: int) -> tuple[str, str] | None:
    """The text with the top-level block around ``line`` (from 1) turned into comments of the same length, and what was
    put aside; None when nothing is left to put aside.
    """
    lines = text.split("\n")
    at_line = min(max(line, 1), len(lines)) - 1
    begin = at_line
    while begin > 0 and not _TOP_LEVEL.match(lines[begin]):
        begin -= 1
    end = at_line + 1
    while end < len(lines) and not _TOP_LEVEL.match(lines[end]):
        end += 1
    aside = lines[begin:end]
    if not any(part.strip() and not part.startswith("#") for part in aside):
        return None
    lines[begin:end] = ["#" + " " * (len(part) - 1) if part else "" for part in aside]
    return "\n".join(lines), "\n".join(aside)
