"""Changes to inputs: to the bytes of their files, to the words of the language in them, and to what refers to what."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from .inputs import MAX_FILES, Case

#: pieces of the language and of YAML, and characters that are hard to handle
WORDS: list[str] = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))
_TOKEN = re.compile(rb"[\w.-]+|[^\w\s]|\s+")
_NUMBERS = [
    b"0",
    b"-1",
    b"1",
    b"2",
    b"63",
    b"255",
    b"2147483648",
    b"18446744073709551616",
    b"9" * 30,
    b"1.5",
    b"x",
    b"0x" + b"f" * 5000,
]
SPECS = {
    "fixed": ["A:k", "Coat:Red|Light:Dawn", "A=k,B=j", "A:", ":", "A:k|A:j", "Nobody:x"],
    "choices": ["Coat[Red,Blue]", "A[2]; B[#0-1]", "A[]", "A[$0]", "Coat[0]", "x", "A[limit:1]"],
    "seeds": ["1", "1,2,3", "5#1", "1-4", "-1", "#", "99999999999#1", "4-1", "-5--1"],
    "theme": ["dark", "forest", "th", "nope", "../x", ""],
    "style": ["default", "night", "winter", "nope", ""],
    "mode": ["random", "combinatorial", "ask", ""],
}


def mutate(case: Case, others: Sequence[Case], rng: random.Random) -> Case:
    """One to some changes; parts of ``others`` may come in."""
    out = Case(dict(case.options), dict(case.files))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        rng.choice(_CHANGES)(out, others, rng)
    return out


def _pick(case: Case, rng: random.Random) -> str:
    # the file everything starts from is worth more looks than the others
    return case.main if case.main in case.files and rng.random() < 0.4 else rng.choice(list(case.files) or [""])


def _edit(case: Case, rng: random.Random, change: Callable[[bytes], bytes]) -> None:
    name = _pick(case, rng)
    if name in case.files:
        case.files[name] = change(case.files[name])


def _at(data: bytes, rng: random.Random) -> int:
    """A place in ``data``: any, or where a word begins."""
    if rng.random() < 0.3:
        return rng.randint(0, len(data))
    return rng.choice([m.start() for m in _TOKEN.finditer(data)] or [0])


def insert_word(case: Case, others: Sequence[Case], rng: random.Random) -> None:
    def change(data: bytes) -> bytes:
        at = _at(data, rng)
        word = rng.choice(WORDS).encode("utf-8", "surrogatepass")
        return data[:at] + rng.choice((b"", b" ", b"\n", b"\n  ")) + word + rng.choice((b"", b" ", b"\n")) + data[at:]

    _edit(case, rng, change)


def replace_token(case: Case, others: Sequence[Case], rng: random.Random) -> None:
    """A word becomes another word of the same folder (a name, a key, a path), of the language, or of another input."""

    def change(data: bytes) -> bytes:
        found = list(_TOKEN.finditer(data))
        if not found:
            return data
        m = rng.choice(found)
        source = rng.choice(
            list(case.files.values()) if rng.random() < 0.7 else list(rng.choice(others).files.values()) or [b""]
        )
        words = _TOKEN.findall(source) or [b""]
        word = rng.choice(words) if rng.random() < 0.7 else rng.choice(WORDS).encode("utf-8", "surrogatepass")
        return data[: m.start()] + word + data[m.end() :]

    _edit(case, rng, change)


def remove_some(case: Case, others: Sequence[Case], rng: random.Random) -> None:
    def change(data: bytes) -> bytes:
        a, b = sorted((_at(data, rng), _at(data, rng)))
        return data[:a] + data[min(b, a + rng.choice((1, 4, 40, 4000))) :]

    _edit(case, rng, change)


def copy_some(case: Case, others: Sequence[Case], rng: random.Random) -> None:
    def change(data: bytes) -> bytes:
        source = data if rng.random() < 0.5 else rng.choice(list(rng.choice(others).files.values()) or [b""])
        a, b = sorted((_at(source, rng), _at(source, rng)))
        piece = source[a : min(b, a + 300)] * rng.choice((1, 1, 1, 2, 9, 60))
        at = _at(data, rng)
        return data[:at] + piece + data[at:]

    _edit(case, rng, change)


def change_bytes(case: Case, others: Sequence[Case], rng: random.Random) -> None:
    def change(data: bytes) -> bytes:
        out = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            if out:
                out[rng.randrange(len(out))] = rng.choice((rng.randrange(256), rng.randrange(32, 127)))
        return bytes(out)

    _edit(case, rng, change)


def change_lines(case: Case, others: Sequence[Case], rng: random.Random) -> None:
    """Lines are doubled, dropped, moved and indented: what goes wrong when people edit YAML."""

    def change(data: bytes) -> bytes:
        lines = data.split(b"\n")
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        what = rng.randrange(6)
        if what == 0:
            lines.insert(j, lines[i])
        elif what == 1:
            del lines[i]
        elif what == 2:
            lines[i], lines[j] = lines[j], lines[i]
        elif what == 3:
            lines[i] = rng.choice((b"  ", b" ", b"\t", b"    ")) + lines[i]
        elif what == 4:
            lines[i] = lines[i].lstrip()
        else:
            lines[min(i, j) : max(i, j) + 1] = [b"  " + line for line in lines[min(i, j) : max(i, j) + 1]]
        return b"\n".join(lines)

    _edit(case, rng, change)


def change_number(case: Case, others: Sequence[Case], rng: random.Random) -> None:
    def change(data: bytes) -> bytes:
        found = list(re.finditer(rb"-?\d+", data))
        if not found:
            return data
        m = rng.choice(found)
        return data[: m.start()] + rng.choice(_NUMBERS) + data[m.end() :]

    _edit(case, rng, change)


def change_tree(case: Case, others: Sequence[Case], rng: random.Random) -> None:
    """A value of the file becomes another value, of a wrong type or of another file; keys go, come and get other names:
    files that are still YAML.
    """

    def change(data: bytes) -> bytes:
        tree = _tree(data)
        places = list(_places(tree))
        if not places:
            return data
        holder, key = rng.choice(places)
        value = holder[key]
        what = rng.randrange(8)
        if what == 0:
            del holder[key]
        elif what == 1 and isinstance(holder, dict):
            holder[rng.choice(_keys(tree) or [key])] = value
        elif what == 2 and isinstance(holder, dict):
            holder[rng.choice(WORDS).strip(":")] = holder.pop(key)
        elif what == 3:
            other = rng.choice(places)
            holder[key] = other[0].get(other[1]) if isinstance(other[0], dict) else value
        elif what == 4:
            holder[key] = rng.choice(([value], {"a": value}, {"type": value}, [value, value], str(value), tree))
        elif what == 5:
            holder[key] = rng.choice((None, True, 0, -1, 2.5, "", "[Remove]", [], {}, "x", rng.choice(WORDS)))
        else:
            source = list(_places(_tree(rng.choice(list(rng.choice(others).files.values()) or [b""]))))
            if source:
                from_holder, from_key = rng.choice(source)
                holder[key] = from_holder[from_key]
        try:
            return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).encode("utf-8", "surrogatepass")
        except (
            yaml.YAMLError,
            RecursionError,
            ValueError,
        ):  # ValueError: numbers of thousands of digits cannot be written
            return data

    _edit(case, rng, change)


def _tree(data: bytes) -> Any:
    try:
        return yaml.load(data.decode("utf-8", "replace"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError, ValueError, TypeError):
        return None


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """(map or list, key or index) of everything in a tree, once."""
    stack, seen = [tree], set()
    while stack:
        node = stack.pop()
        if isinstance(node, (dict, list)) and id(node) not in seen:
            seen.add(id(node))
            for key in list(node) if isinstance(node, dict) else range(len(node)):
                yield node, key
                stack.append(node[key])


def _keys(tree: Any) -> list[Any]:
    return [key for holder, key in _places(tree) if isinstance(holder, dict)]


def redirect(case: Case, others: Sequence[Case], rng: random.Random) -> None:
    """A path to a file of the folder becomes the path to another one, or a circle."""

    def change(data: bytes) -> bytes:
        found = list(re.finditer(rb"[\w./*-]+\.ya?ml", data))
        target = rng.choice(list(case.files)).encode()
        if not found:
            return data + b"\nimplements: " + target + b"\n"
        m = rng.choice(found)
        return data[: m.start()] + rng.choice((target, b"../" + target, b"./" + target)) + data[m.end() :]

    _edit(case, rng, change)


def move_file(case: Case, others: Sequence[Case], rng: random.Random) -> None:
    if not case.files:
        return
    name = rng.choice(list(case.files))
    what = rng.randrange(4)
    if what == 0:
        case.files.pop(name)
    elif what == 1:
        other = rng.choice(list(case.files))
        case.files[name], case.files[other] = case.files[other], case.files[name]
    elif what == 2:
        new = rng.choice(("sub/", "dark/", "themes/dark/", "", "a.", "dark_")) + name.rpartition("/")[2]
        case.files[new] = case.files.pop(name)
    else:
        case.files[rng.choice(list(case.files)) + rng.choice((".yaml", ".json", ".txt", "/x.yaml"))] = case.files[name]


def take_file(case: Case, others: Sequence[Case], rng: random.Random) -> None:
    """A file of another input comes in, or takes the place of one of the same name."""
    files = rng.choice(others).files
    if files and len(case.files) < MAX_FILES:
        name = rng.choice(list(files))
        case.files[name] = files[name]


def change_options(case: Case, others: Sequence[Case], rng: random.Random) -> None:
    name = rng.choice(list(SPECS))
    spec = rng.choice(SPECS[name])
    if rng.random() < 0.4:
        at = rng.randint(0, len(spec))
        spec = spec[:at] + rng.choice((*WORDS, "", "0", "#", "-", "]")) + spec[at + rng.randint(0, 2) :]
    case.options[name] = spec
    if case.files and rng.random() < 0.2:
        case.options["main"] = rng.choice(list(case.files))


_CHANGES = [
    *[change_tree] * 6,
    insert_word,
    insert_word,
    replace_token,
    replace_token,
    replace_token,
    remove_some,
    copy_some,
    change_bytes,
    change_lines,
    change_number,
    redirect,
    move_file,
    take_file,
    change_options,
]
