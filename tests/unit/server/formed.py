"""The trainer that is a real process and trains nothing, with a form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..training.runs.fakes import FakeTrainer


class Formed(FakeTrainer):
    """``FakeTrainer`` with a form and a preset."""

    def form(self, base: Path) -> dict[str, Any]:
        def field(name: str, kind: str = "int", **more: Any) -> dict[str, Any]:
            return {"name": name, "label": name, "help": "", "kind": kind, "default": None, "choices": None, **more}

        options = [
            field("every", label="Save every so many steps"),
            field("pace", "float", default=0.02),
            field("mode", "text"),
            field("vae", "text"),
            field("output_dir", "text"),
            field("program", "text", default=str(base.parent / "python")),
        ]
        preset = {"name": "small", "title": "Small", "note": "for few", "options": {"every": 2}, "memory_gb": 8}
        return {"groups": [{"name": "All", "options": options}], "presets": [preset]}
