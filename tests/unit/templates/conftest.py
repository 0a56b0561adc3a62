"""A folder of template files from a dictionary, and what they make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.plan import Plan
from sdgen_core.templates import Options, load_template

HEAD = "version: '2.0'\nname: Case\n"
GENERATION = "generation: {mode: combinatorial, seed: 100, seed_mode: progressive, max_images: 500}\n"
COATS = "type: variations\nname: Coats\nvariations:\n" + "".join(
    f"  {c}: {c.lower()} coat\n" for c in ("Red", "Blue", "Green", "Black", "White")
)
LIGHT = "Dawn: dawn light\nNoon: noon light\n"


def prompt_file(text: str, **blocks: str) -> str:
    """A prompt file: ``text`` as a block, other blocks as YAML source."""
    generation = blocks.pop("generation", None)
    body = "".join(f"{k}: {v}\n" for k, v in blocks.items())
    indented = "\n".join("  " + line for line in text.split("\n"))
    return f"{HEAD}{body}prompt: |\n{indented}\n" + (f"generation: {generation}\n" if generation else GENERATION)


class Project:
    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, **files: str) -> Project:
        return self.put({name.replace("__", "/") + ".yaml": text for name, text in files.items()})

    def put(self, files: dict[str, str]) -> Project:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return self

    def load(self, name: str = "main.prompt.yaml", **options: Any) -> Any:
        return load_template(self.root / name, Options(**options))

    def plan(self, name: str = "main.prompt.yaml", *, build: dict[str, Any] | None = None, **options: Any) -> Plan:
        return Plan.build(self.load(name, **options), **(build or {}))

    def prompts(self, name: str = "main.prompt.yaml", **options: Any) -> list[str]:
        return [i.prompt for i in self.plan(name, **options).items()]

    def error(self, name: str = "main.prompt.yaml", **options: Any) -> SDGenError:
        with pytest.raises(SDGenError) as caught:
            self.plan(name, **options)
        return caught.value


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def case(project: Project) -> Callable[..., Project]:
    """A project with coats, light and a prompt of the given text and blocks."""

    def make(text: str, files: dict[str, str] | None = None, **blocks: str) -> Project:
        blocks.setdefault("imports", "{Coat: coats.yaml, Light: light.yaml}")
        project.put({"coats.yaml": COATS, "light.yaml": LIGHT, "main.prompt.yaml": prompt_file(text, **blocks)})
        return project.put(files or {})

    return make
