"""What a page of the documentation holds to be tried: its blocks, the tables that say what is made, its prose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^( *)(`{3,})\s*(\w*)\s*$")
_TABLE = re.compile(r"\| (prompt|selector|import) \| (?:makes|takes) \|$")


class PageError(AssertionError):
    """A page says something that is not so; the message names page and line."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its lines without fence and indent, the line number of its first line (from 1)."""

    language: str
    lines: tuple[str, ...]
    line: int
    indent: str
    lead: str = ""

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


@dataclass(frozen=True)
class NewFolder:
    line: int


@dataclass(frozen=True)
class Row:
    """A row of a table whose first column is tried: ``kind`` is that column's heading."""

    kind: str
    written: str
    makes: str
    line: int


def events(text: str) -> Iterator[Block | NewFolder | Row]:
    """The blocks of a page, its ``<!-- new folder -->`` marks and the rows of its tables to try, in order."""
    lines = text.splitlines()
    lead = ""
    at = 0
    table = ""
    while at < len(lines):
        if heading := _TABLE.match(lines[at]):
            table, at = heading[1], at + 2
        row = re.fullmatch(r"\| `(.+?)` \| (.+) \|", lines[at]) if table else None
        if row:
            yield Row(table, row[1].replace("\\|", "|"), row[2].replace("\\|", "|"), at + 1)
            at += 1
            continue
        table = ""
        fence = _FENCE.match(lines[at])
        if fence is None:
            if lines[at].strip() == "<!-- new folder -->":
                yield NewFolder(at + 1)
            lead = lines[at].strip() or lead
            at += 1
            continue
        indent, ticks, language = fence.groups()
        end = next(
            (k for k in range(at + 1, len(lines)) if lines[k].strip() == ticks and lines[k].startswith(indent)), None
        )
        if end is None:
            raise PageError(f"line {at + 1}: the block is not closed")
        inner = tuple(line.removeprefix(indent) for line in lines[at + 1 : end])
        yield Block(language, inner, at + 2, indent, lead)
        lead, at = "", end + 1


def prose(text: str) -> str:
    """A page without its blocks."""
    return re.sub(r"^( *)(`{3,}).*?^\1\2\s*$", "", text, flags=re.M | re.S)


@dataclass
class Console:
    """One command of a console block with what the page says it prints; ``end`` is the line after that."""

    command: str
    output: list[str]
    line: int
    end: int


def consoles(block: Block) -> Iterator[Console]:
    current: Console | None = None
    for number, line in enumerate(block.lines, block.line):
        if line.startswith("$ "):
            if current is not None:
                yield current
            current = Console(line[2:].strip(), [], number, number + 1)
        elif current is not None:
            current.output.append(line.rstrip())
            current.end = number + 1
        elif line.strip():
            raise PageError(f"line {number}: a console block begins with '$ '")
    if current is not None:
        yield current
