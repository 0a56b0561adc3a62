"""Text put together from several files that still knows, for each character, which file it came from.

Templates are merged by replacing ``{prompt}`` and chunk references. The merged text is scanned as one string (a
placeholder may arise across a seam), and an error in it must name the user's file and line; so a piece table runs
beside the string.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from ..errors import Place
from .documents import Document, Node

Origin = tuple[Document, Node, int]


class Text:
    """An immutable string with origins: piece *k* starts at ``starts[k]`` and came from ``origins[k]`` (None: made by
    us).
    """

    __slots__ = ("origins", "starts", "string")

    def __init__(
        self, string: str, starts: tuple[int, ...] = (0,), origins: tuple[Origin | None, ...] = (None,)
    ) -> None:
        self.string = string
        self.starts = starts
        self.origins = origins

    @classmethod
    def of(cls, document: Document, node: Node) -> Text:
        return cls(str(node.value), (0,), ((document, node, 0),))

    def __bool__(self) -> bool:
        return bool(self.string)

    def __str__(self) -> str:
        return self.string

    def _pieces(self, start: int, end: int) -> Iterable[tuple[str, Origin | None]]:
        k = bisect_right(self.starts, start) - 1
        while start < end:
            stop = min(end, self.starts[k + 1]) if k + 1 < len(self.starts) else end
            origin = self.origins[k]
            if origin is not None:
                origin = (origin[0], origin[1], origin[2] + start - self.starts[k])
            if stop > start:
                yield self.string[start:stop], origin
            start, k = stop, k + 1

    def splice(self, edits: Iterable[tuple[int, int, Text]]) -> Text:
        """A copy with each ``[start, end)`` replaced; ``edits`` in order and without overlap."""
        parts: list[str] = []
        starts: list[int] = []
        origins: list[Origin | None] = []
        length = at = 0

        def add(pieces: Iterable[tuple[str, Origin | None]]) -> None:
            nonlocal length
            for string, origin in pieces:
                starts.append(length)
                origins.append(origin)
                parts.append(string)
                length += len(string)

        for start, end, new in edits:
            add(self._pieces(at, start))
            add(new._pieces(0, len(new.string)))
            at = end
        add(self._pieces(at, len(self.string)))
        if not parts:
            return Text("")
        return Text("".join(parts), tuple(starts), tuple(origins))

    def cut(self, start: int, end: int) -> Text:
        return self.splice([(0, start, Text("")), (end, len(self.string), Text(""))])

    def replace(self, literal: str, new: Text) -> Text:
        edits: list[tuple[int, int, Text]] = []
        at = self.string.find(literal)
        while at >= 0:
            edits.append((at, at + len(literal), new))
            at = self.string.find(literal, at + len(literal))
        return self.splice(edits) if edits else self

    def place(self, offset: int, token: str = "") -> Place | None:
        """Where the character at ``offset`` stands in a user's file; ``token`` (the text there) makes it exact."""
        k = bisect_right(self.starts, offset) - 1
        origin = self.origins[k]
        if origin is None:
            return None
        document, node, base = origin
        inside = base + offset - self.starts[k]
        seam = self.starts[k + 1] - offset if k + 1 < len(self.starts) else len(token)
        return document.place_in(node, inside, token[:seam] or str(node.value)[inside : inside + 1])
