"""Cleaning up commas and blank lines after placeholders have been filled.

The rules (``by_rules``) look at the whole text, but each acts only inside a run of commas and white space; everything
else in a prompt is left alone. So a text is clean when each such run is, and ``normalise`` replaces every run through
a table instead of running eight regular expressions over the text per image. ``render`` uses the same fact to clean a
template once.
"""

from __future__ import annotations

import re

_COMMA_RUN = re.compile(r",(?:\s*,)+")
_LEADING = re.compile(r"^\s*,\s*")
_TRAILING = re.compile(r"\s*,\s*$")
_SPACE_BEFORE = re.compile(r"\s+,")
_TIGHT = re.compile(r",(?![\n ])")
_WIDE = re.compile(r", {2,}")
_BLANK_LINES = re.compile(r"\n{3,}")
_RUN = re.compile(r"(?!, [^\s,])(?:[\s,]{2,}|[,\n])")  # every run but ", ", which is clean already


def by_rules(text: str) -> str:
    """The rules themselves, in order, as the template language defines them; slow on long texts, used on short runs."""
    if not text.strip():
        return ""
    text = _COMMA_RUN.sub(",", text)
    text = "\n".join("" if line.strip() in ("", ",") else line for line in text.split("\n"))
    text = _LEADING.sub("", text)
    text = _TRAILING.sub("", text)
    text = _SPACE_BEFORE.sub(",", text)
    text = _TIGHT.sub(", ", text)
    text = _WIDE.sub(", ", text)
    text = "\n".join(line.strip() for line in text.split("\n"))
    text = _BLANK_LINES.sub("\n\n", text)
    return text.strip()


class _Runs(dict[str, str]):
    """Run of commas and white space between two ordinary characters -> what the rules make of it."""

    def __missing__(self, run: str) -> str:
        short = run if len(run) < 4096 else _COMMA_RUN.sub(",", run)
        clean = by_rules(f"x{short}x")[1:-1]
        if len(self) < 8192 and len(run) < 256:
            self[run] = clean
        return clean


_runs = _Runs()


def split_soft(text: str) -> tuple[str, str, str]:
    """(leading run, core, trailing run): the core begins and ends with neither comma nor white space; '' when nothing
    is left.
    """
    end = len(text)
    start = 0
    while start < end and (text[start] == "," or text[start].isspace()):
        start += 1
    while end > start and (text[end - 1] == "," or text[end - 1].isspace()):
        end -= 1
    return text[:start], text[start:end], text[end:]


def is_clean(text: str) -> bool:
    """Whether ``text`` is seen at a glance to be its own clean form: no white space but spaces, no edges, and between
    words either spaces or ", ". Some clean texts are not recognised.
    """
    return (
        text.isprintable()
        and text.count(",") == text.count(", ")
        and " ," not in text
        and ",  " not in text
        and text[:1] not in ", "
        and text[-1:] not in ", "
    )


def clean_core(core: str) -> str:
    """Normalise text that begins and ends with an ordinary character."""
    return _RUN.sub(lambda m: _runs[m[0]], core)


def normalise(text: str) -> str:
    """The clean form of a prompt; the same result as ``by_rules``. Line breaks are kept."""
    return text if is_clean(text) else clean_core(split_soft(text)[1])


def one_line(text: str) -> str:
    """The form sent to the backend: line breaks become commas, then the text is cleaned again."""
    text = text.replace("\r", "")
    # in a prompt that was cleaned, breaks stand alone, in pairs or after a comma: short work for most texts
    line = text.replace(",\n", "\n").replace("\n\n", "\n").replace("\n", ", ")
    return line if is_clean(line) else normalise(text.replace("\n", ", "))
