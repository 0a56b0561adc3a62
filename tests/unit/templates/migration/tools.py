"""Old projects to migrate, and what the migrated templates make."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from sdgen_core.sessions.plan import Plan as SessionPlan
from sdgen_core.templates import load_template, one_line
from sdgen_core.templates.migrate import Plan, migrate

LEGACY = Path(__file__).parents[3] / "data" / "legacy"


def legacy(name: str, root: Path) -> Path:
    """A copy of a sample project."""
    return Path(shutil.copytree(LEGACY / name, root / name))


def migrated(path: Path) -> Plan:
    """Migrate and write; a second run must find nothing to do."""
    plan = migrate(path)
    plan.write()
    again = migrate(path)
    assert (again.changes, again.problems) == ([], [])
    assert not [r for r in again.remarks if "may be lists" not in r]
    return plan


def rows(path: Path) -> list[tuple[str, str, int]]:
    """(prompt, negative prompt, seed) of every image, as they are sent."""
    items = SessionPlan.build(load_template(path)).items()
    return [(one_line(i.prompt), one_line(i.negative), i.requested_seed) for i in items]


def prompts(path: Path) -> list[str]:
    return [prompt for prompt, _, _ in rows(path)]


def put(root: Path, files: dict[str, str | bytes | dict[str, Any]]) -> Path:
    """Write files: texts as UTF-8, maps as JSON."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, dict):
            content = json.dumps(content, ensure_ascii=False, indent=2)
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return root


def tree(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}
