"""Old files into current ones: configs and value lists of the first version, and YAML drafts.

``migrate`` only plans; ``Plan.write`` does it. What cannot be carried over stays as a comment in the new file and is a
problem of the plan. Running it again on what was migrated changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ...errors import Place, SDGenError, nearest_names, shown
from .check import check
from .config import ConfigMigration, is_config, parse_json
from .drafts import Drafts
from .lists import ARROW
from .plan import Change, Plan
from .project import YAML, Project, key_of, tell_encoding

__all__ = ["Change", "Plan", "migrate"]

#: larger text files are looked at only when a config names them
_SNIFFED = 1024 * 1024
_NOT_LISTS = re.compile(
    r"(requirements|constraints|license|licence|readme|changelog|session_config).*\.txt", re.IGNORECASE
)


def migrate(path: Path) -> Plan:
    """Plan the migration of a file (with what it needs) or a folder.

    Raises ``missing-file``, and ``not-migratable`` for a file of a kind that it does not read; everything else is among
    the problems of the plan.
    """
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = nearest_names(path.name, siblings)
        raise SDGenError("missing-file", f"there is no file or folder {shown(path)}", nearest=near)
    plan = Plan()
    single = not path.is_dir()
    project = Project(path.parent if single else path, plan)
    drafts = Drafts(project)
    files = [path] if single else project.files
    plan.looked_at = len(files)
    for file in files:
        if file.suffix.lower() in YAML:
            drafts.convert(file)
    for file in files:
        if file.suffix.lower() == ".json":
            _guarded(plan, lambda f: _config(f, project, single), file)
    lists = [f for f in files if f.suffix.lower() == ".txt"]
    if single and lists:
        _guarded(plan, project.list_for, path)
    elif single and path.suffix.lower() not in (*YAML, ".json"):
        raise SDGenError("not-migratable", f"{shown(path)} is neither .json nor .txt nor .yaml")
    elif lists:
        _loose_lists(lists, project)
    for problem in check(project):
        plan.problem(problem)
    return plan


def _guarded(plan: Plan, work: Callable[[Path], object], path: Path) -> None:
    try:
        work(path)
    except SDGenError as e:
        plan.problem(e)


def _config(path: Path, project: Project, single: bool) -> None:
    """A config; other JSON files of a folder are none of our business."""
    told = Plan()
    try:
        old = project.text(path)
        tell_encoding(path, old, told)
        data = parse_json(old.text, path, told)
    except SDGenError as e:
        if single or (e.code == "bad-json" and '"prompt' in project.text(path).text):
            raise
        return
    if is_config(data):
        ConfigMigration(data, old.text, path, project, told).run()
    elif single:
        keys = ", ".join(map(str, data)) if isinstance(data, dict) else type(data).__name__
        message = f"this is no config: it needs a prompt and variations or generation (found: {keys:.200})"
        raise SDGenError("not-migratable", message, place=Place(shown(path)))


def _loose_lists(lists: list[Path], project: Project) -> None:
    """Lists that no config names: those with arrows or alternatives, and their neighbours."""
    texts: dict[Path, str] = {}
    for path in lists:
        try:
            if path.stat().st_size <= _SNIFFED and not _NOT_LISTS.fullmatch(path.name):
                texts[path] = project.text(path).text
        except (OSError, SDGenError):
            continue  # a .txt file can be anything
    sure = {p for p, text in texts.items() if ARROW in text or "{|" in text or key_of(p) in project.lists}
    folders = {p.parent for p in (*sure, *(p for p in lists if key_of(p) in project.lists))}
    left: list[Path] = []
    for path in texts:
        if path in sure or path.parent in folders:
            _guarded(project.plan, project.list_for, path)
        else:
            left.append(path)
    if left:
        some = ", ".join(shown(p) for p in left[:5]) + (", ..." if len(left) > 5 else "")
        project.plan.remark(
            f"{len(left)} text files may be lists, but no config names them; name one to migrate it: {some}"
        )
