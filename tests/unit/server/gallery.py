"""A library with real images behind the catalog's routes, and a way to call their handlers as the server does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sdgen_core.catalog.library import Library
from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.server.app import Alone
from sdgen_core.server.gallery import ROUTES
from sdgen_core.server.route import Call, File, Route

from ..catalog.folders import own_session
from ..catalog.library import image, session

HAIR = ("Red", "Blue", "Green")


class Gallery:
    """A library, what it told, and its routes."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "sessions"
        self.root.mkdir()
        self.library = Library(folder / "catalog", [self.root])
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.library.heard.append(lambda kind, data: self.told.append((kind, data)))
        self.engine = Alone(self.library, None)

    def close(self) -> None:
        if self.library:
            self.library.stop()

    @property
    def catalog(self) -> Any:
        return self.library.catalog

    def imported(self, images: int = 3) -> list[int]:
        """A session of real files, read by the importer; gives its images."""
        own_session(self.root / "mine", images)
        Importer(self.catalog.index).run([self.root])
        return [row[0] for row in self.catalog.index.store.rows("SELECT id FROM image ORDER BY number")]

    def put(self, count: int, name: str = "one", **more: Any) -> list[int]:
        """A session without files, of images of which each third has another value of Hair."""
        number = self.catalog.index.put_session(session(self.root, name, planned=count))
        records = [
            image(
                name, n, {"Hair": HAIR[n % 3], "Coat": f"Coat{n % 7}"}, model=f"model{n % 2}", sampler="euler", **more
            )
            for n in range(count)
        ]
        return list(self.catalog.index.put_images(number, records))

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The answer of the route with this path, as JSON that its model holds true; a file as it is."""
        route, parts = self.route(method, path)
        call = Call(parts, _read(route.query, query), _read(route.body, {} if body is None else body))
        answer = route.handler(self.engine, call)
        if isinstance(answer, File):
            if answer.type != "application/json" or not isinstance(answer.content, bytes):
                return answer
            said = answer.content.decode()
        else:
            assert isinstance(answer, BaseModel)
            said = answer.model_dump_json()
        assert route.answer is not None
        return route.answer.model_validate_json(said).model_dump(mode="json")

    def version(self, path: str) -> str:
        """The version that the ETag of a route is made of."""
        route, parts = self.route("GET", path)
        assert route.version
        return route.version(self.engine, Call(parts))

    @staticmethod
    def route(method: str, path: str) -> tuple[Route, dict[str, str]]:
        for route in ROUTES:
            if route.method == method and (found := _pattern(route.path).fullmatch(path)):
                return route, found.groupdict()
        raise LookupError(f"{method} {path}")


def _pattern(path: str) -> Any:
    import re

    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/{}]+)", re.escape(path)))


def _read(model: type[BaseModel] | None, values: Any) -> Any:
    import json

    return None if model is None else model.model_validate_json(json.dumps(values))
