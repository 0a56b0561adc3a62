"""Textual inversion names in a prompt: A1111's users write a file's bare name, ComfyUI wants ``embedding:file``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import SDGenError
from .prompt_text import place_of

#: Stands for a space in a file's name: ComfyUI's tokenizers end a name at the first space.
SPACE = "\u2423"

_WORD = re.compile(r"\w+")
_WRITTEN = re.compile(r"(?<!\w)embedding:(?=[^\s,])", re.IGNORECASE)
#: ComfyUI's own order where files differ in nothing else.
_ENDINGS = (".safetensors", ".pt", ".bin")


@dataclass(frozen=True)
class MarkedText:
    """A text with ``embedding:`` before its names, the files it names, and written names that no file has."""

    text: str
    files: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class EmbeddingNames:
    """Finds the names of embedding files in prompts. ``files`` are relative to ComfyUI's embeddings folders."""

    def __init__(self, files: Iterable[str]) -> None:
        bare: dict[str, list[str]] = {}
        full: dict[str, list[str]] = {}
        for file in sorted(files, key=_preference):
            path = file.replace("\\", "/")
            stem = path.rpartition(".")[0] or path
            base = stem.rpartition("/")[2]
            _add(bare, base, file)
            for name in dict.fromkeys((path, stem, path.rpartition("/")[2], base)):
                _add(full, name, file)
        self._bare, self._full = _by_first_word(bare), _by_first_word(full)
        #: The names, without folder and ending.
        self.known = list(bare)

    def mark(self, text: str, prompt: str = "") -> MarkedText:
        """Put ``embedding:`` before every name, whole words only, upper case or lower, the longest name first.

        A name that is already written so may also have its folder or its ending. Raises ``ambiguous-file`` for one that
        several folders have, with its place in ``prompt``.
        """
        out: list[str] = []
        used: list[str] = []
        missing: list[str] = []
        position = 0
        while position < len(text):
            written = _WRITTEN.match(text, position)
            start = written.end() if written else position
            name, files = self._at(text, start, self._full if written else self._bare)
            if len(files) > 1:
                words = f"the embedding {name!r} may be any of {', '.join(files)}"
                hint = "Write embedding: and the file with its folder."
                raise SDGenError("ambiguous-file", words, place=place_of(prompt, name), hint=hint)
            if files:
                # ComfyUI sees a name at the beginning, after a space and after a line break, and ends it at a space.
                end = start + len(name)
                before = "" if not position or text[position - 1] in " \n" else " "
                after = "" if end == len(text) or text[end].isspace() else " "
                out.append(f"{before}embedding:{files[0].replace(' ', SPACE)}{after}")
                used.append(files[0])
            elif written:
                end = start + len(text[start:].replace(",", " ").split()[0])
                out.append(text[position:end])
                missing.append(text[start:end])
            else:
                word = _WORD.match(text, start)
                end = word.end() if word else start + 1
                out.append(text[position:end])
            position = end
        return MarkedText("".join(out), tuple(used), tuple(missing))

    def _at(self, text: str, start: int, names: _Index) -> tuple[str, list[str]]:
        """The longest name that stands at ``start`` as written there, and its files; none when there is no name."""
        word = _WORD.match(text, start)
        if word and start and _WORD.match(text, start - 1):
            return "", []
        for name, files in names.get(word[0].lower() if word else "", ()):
            end = start + len(name)
            inside = _WORD.match(name[-1]) and _WORD.match(text, end)
            if not inside and text[start:end].lower() == name:
                return text[start:end], files
        return "", []


_Index = dict[str, list[tuple[str, list[str]]]]


def _preference(file: str) -> tuple[bool, str, int]:
    """Files of the embeddings folder itself before those of its folders, then ComfyUI's order of endings."""
    stem, dot, ending = file.replace("\\", "/").rpartition(".")
    return "/" in stem, stem, _ENDINGS.index(dot + ending) if dot + ending in _ENDINGS else len(_ENDINGS)


def _folder(file: str) -> str:
    return file.replace("\\", "/").rpartition("/")[0]


def _add(names: dict[str, list[str]], name: str, file: str) -> None:
    """One more file for a name, unless a better one has it: in the embeddings folder itself, or beside it with another ending."""
    files = names.setdefault(name.lower(), [])
    if not any(_folder(other) in ("", _folder(file)) for other in files):
        files.append(file)


def _by_first_word(names: dict[str, list[str]]) -> _Index:
    """Names by the word they begin with, the longest first; under "" those that begin with something else."""
    index: _Index = {}
    for name, files in sorted(names.items(), key=lambda entry: -len(entry[0])):
        if any(c.isalnum() for c in name):
            word = _WORD.match(name)
            index.setdefault(word[0] if word else "", []).append((name, files))
    return index
