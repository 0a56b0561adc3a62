"""Reading old files whatever their encoding, and writing YAML by hand so that people like to read it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import Place, SDGenError, shown
from ..documents import MAX_BYTES, Node

HEADER = "# migrated from {} by sdgen migrate"

_BOM = "\ufeff"
_SIMPLE = re.compile(r"(?:\.{0,2}/)?[\wÀ-ÿ<(](?:[\w À-ÿ.,/()<>+'*=^~;-]|:(?=[^\s]))*")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class OldText:
    """A file as text. ``encoding`` is None for plain UTF-8, else a name to tell the user; line breaks are kept."""

    text: str
    data: bytes
    encoding: str | None = None


def read_old(path: Path) -> OldText:
    """Read UTF-8, UTF-16 (with its mark) or, because the first users worked on Windows, cp1252.

    Raises ``missing-file``, ``unreadable-file`` (folder, no permission, no text) and ``too-large``.
    """
    place = Place(shown(path))
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SDGenError("too-large", f"the file has more than {MAX_BYTES // 2**20} MiB", place=place)
        if not path.is_file():
            raise SDGenError("unreadable-file", "this is not a regular file", place=place)
        data = path.read_bytes()
    except FileNotFoundError:
        raise SDGenError("missing-file", f"the file does not exist: {shown(path)}") from None
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or e
        raise SDGenError("unreadable-file", f"cannot be read: {reason}", place=place) from None
    try:
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return OldText(data.decode("utf-16"), data, "UTF-16")
        if b"\0" in data:
            raise SDGenError("unreadable-file", "this is no text file", place=place)
        text = data.decode("utf-8")
        return OldText(text.removeprefix(_BOM), data, "UTF-8 with a byte-order mark" if text[:1] == _BOM else None)
    except UnicodeDecodeError:
        try:
            return OldText(data.decode("cp1252"), data, "cp1252")
        except UnicodeDecodeError:
            raise SDGenError("unreadable-file", "neither UTF-8 nor Windows (cp1252) text", place=place) from None


def lines_of(text: str) -> list[str]:
    """The lines as an editor shows them, whatever system wrote the file."""
    return _BREAK.split(text)


def scalar(value: Any) -> str:
    """A value on one line: plain where YAML reads it as the same text, else quoted."""
    if value is None:
        return "null"
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    text = str(value)
    if _SIMPLE.fullmatch(text) and text[-1] not in " :" and Node("scalar", text, None, None, None, True).is_text:
        return text
    if not _UNPRINTABLE.search(text):
        return "'" + text.replace("'", "''") + "'"
    return _UNPRINTABLE.sub(_escape, json.dumps(text, ensure_ascii=False))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return "\\ufffd" if 0xD800 <= code < 0xE000 else f"\\u{code:04x}"


def flow(value: Any) -> str:
    """Any JSON value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_in_flow(str(k))}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(v) for v in value) + "]"
    return _in_flow(value)


def _in_flow(value: Any) -> str:
    """A scalar inside brackets, where commas part the items."""
    text = scalar(value)
    return "'" + text + "'" if isinstance(value, str) and text[0] not in "'\"" and set(text) & set(",[]{}") else text


def block(key: str, text: str, indent: str = "") -> str:
    """``key: text`` for a text whose white space is all the same: one line, or a folded block with the lines it had."""
    lines = [line for line in (" ".join(line.split()) for line in lines_of(text)) if line]
    if len(lines) < 2 or _UNPRINTABLE.search("".join(lines)):
        return f"{indent}{key}: {scalar(' '.join(lines))}\n"
    return f"{indent}{key}: >-\n" + "".join(f"{indent}  {line}\n" for line in lines)


def literal(text: str, indent: str) -> str:
    """The source of a text behind its key, line breaks and all; ``indent`` is that of the key."""
    if "\n" not in text:
        return scalar(text)
    lines = [f"{indent}  {line}" if line else "" for line in text.rstrip("\n").split("\n")]
    return ("|\n" if text.endswith("\n") else "|-\n") + "\n".join(lines)


def comment(text: str, indent: str = "") -> str:
    """Text as comment lines."""
    lines = ("?".join(_UNPRINTABLE.split(line.replace("\t", " "))) for line in lines_of(text))
    return "".join(f"{indent}# {line}".rstrip() + "\n" for line in lines)
