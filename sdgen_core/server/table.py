"""The table of all routes, the OpenAPI document that is made from it, and which of them an address means.

Imported when somebody first asks: its models take longer to make than ComfyUI's start should wait for.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from ..errors import SDGenError
from . import gallery, preview, sessions
from .events import STREAM
from .openapi import LOGIN, PART, document
from .route import Call, Engine, File, Route


def _document(engine: Engine, call: Call) -> File:
    return File(document_bytes(), "application/json")


TABLE: tuple[Route, ...] = (
    *sessions.ROUTES,
    *preview.ROUTES,
    *gallery.ROUTES,
    Route(
        "GET",
        "/sdgen/openapi.json",
        _document,
        "This document",
        types=("application/json",),
        version=lambda engine, call: "1",  # the ETag names the process already
    ),
)


def whole_document() -> dict[str, Any]:
    """The OpenAPI document of everything that a server may answer."""
    return document(TABLE, more={**LOGIN, **STREAM})


@functools.cache
def document_bytes() -> bytes:
    """The same as JSON, made once."""
    return json.dumps(whole_document(), ensure_ascii=False).encode("utf-8")


class Finder:
    """Finds the route that an address means; one without parts in it before those that have some."""

    def __init__(self, table: Iterable[Route] = TABLE) -> None:
        self._plain: dict[str, dict[str, Route]] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], dict[str, Route]]] = {}
        for route in table:
            if "{" not in route.path:
                self._plain.setdefault(route.path, {})[route.method] = route
            else:
                if route.path not in self._patterns:
                    self._patterns[route.path] = re.compile(_pattern(route.path)), {}
                self._patterns[route.path][1][route.method] = route

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """The route of a percent-encoded path, and the named parts of it. Raises ``unknown-route``, and ``wrong-method`` for a path
        that other methods have."""
        allowed: set[str] = set()
        for found, parts in self._all(path):
            if method in found:
                return found[method], parts
            allowed.update(found)
        shown = unquote(path)[:200]
        if allowed:
            raise SDGenError("wrong-method", f"{shown} has no {method}", nearest=sorted(allowed))
        raise SDGenError("unknown-route", f"{method} {shown} is no route")

    def _all(self, path: str) -> Iterable[tuple[dict[str, Route], dict[str, str]]]:
        if path in self._plain:
            yield self._plain[path], {}
        for pattern, routes in self._patterns.values():
            if match := pattern.fullmatch(path):
                yield routes, {name: unquote(part) for name, part in match.groupdict().items()}


def _pattern(path: str) -> str:
    """A regular expression of a route's path; a part has no slash in it unless its own expression allows it."""
    out, end = "", 0
    for part in PART.finditer(path):
        out += re.escape(path[end : part.start()]) + f"(?P<{part[1]}>{part[2] or '[^/]+'})"
        end = part.end()
    return out + re.escape(path[end:])
