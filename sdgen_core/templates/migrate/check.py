"""Whether the files to come load: they are put together in a temporary folder, with what they name, and loaded."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from ...errors import Place, SDGenError, shown
from ..documents import relative
from ..load import load_template
from ..run import TemplateErrors
from .plan import Change
from .project import YAML, Project, full


def check(project: Project) -> list[SDGenError]:
    """The problems of the prompts that change or are new, as if everything was written."""
    plan = project.plan
    prompts = [c for c in plan.changes if c.kind == "prompt"]
    missing = {p.place.file for p in plan.problems if p.code == "missing-file" and p.place}
    if not prompts:
        return []
    there = [p for p in (*project.files, *project.used.values()) if p.suffix.lower() in YAML and p.is_file()]
    everything = [full(p) for p in (*there, *(c.path for c in plan.changes))]
    try:
        top = Path(os.path.commonpath([p.parent for p in everything]))
    except ValueError:
        plan.remark("the files lie on several drives; whether the new ones load is not checked")
        return []
    out: list[SDGenError] = []
    with tempfile.TemporaryDirectory(prefix="sdgen-migrate-") as name:
        temporary = Path(os.path.realpath(name))

        def copy_of(path: Path) -> Path:
            target = temporary / full(path).relative_to(top)
            target.parent.mkdir(parents=True, exist_ok=True)
            return target

        for path in there:
            try:
                shutil.copyfile(path, copy_of(path))
            except OSError:
                continue  # what needs it will say so
        for change in plan.changes:
            copy_of(change.path).write_bytes(change.new.encode("utf-8"))
        here = top if project.root.is_absolute() else Path(relative(top, Path.cwd()))
        for change in prompts:
            try:
                load_template(copy_of(change.path))
            except SDGenError as e:
                for error in e.errors if isinstance(e, TemplateErrors) else [e]:
                    named = _named(error, change, temporary, here)
                    if named.code != "missing-file" or named.place is None or named.place.file not in missing:
                        out.append(named)  # what is missing was told when the file was read
    return out


def _named(error: SDGenError, change: Change, temporary: Path, here: Path) -> SDGenError:
    """The error with the user's names in place of those in the temporary folder."""

    def mine(text: str) -> str:
        for name in (relative(temporary, Path.cwd()), shown(temporary)):
            text = text.replace(f"{name}/", "" if here == Path() else f"{shown(here)}/")
        return text

    place = error.place and Place(mine(error.place.file), error.place.line, error.place.column)
    message = f"the migrated file does not load: {mine(error.message)}"
    return SDGenError(
        error.code, message, place=place or Place(shown(change.path)), nearest=error.nearest, hint=error.hint
    )
