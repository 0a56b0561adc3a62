"""Whether the files to come load: they are put together in a temporary folder, with what they name, and loaded."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ...errors import Place, SDGenError, shown
from ..documents import Node, fold, relative
from ..load import load_template
from ..run import TemplateErrors
from .plan import Change
from .project import YAML, Project, full


def check(project: Project) -> list[SDGenError]:
    """The problems of the prompts that change or are new, as if everything was written."""
    plan = project.plan
    prompts = [c for c in plan.changes if c.kind == "prompt"]
    if not prompts:
        return []
    missing = {p.place.file for p in plan.problems if p.code == "missing-file" and p.place}
    texts = _texts(project, prompts)
    try:
        top = Path(os.path.commonpath([p.parent for p in texts]))
    except ValueError:
        plan.remark("the files lie on several drives; whether the new ones load is not checked")
        return []
    out: list[SDGenError] = []
    with tempfile.TemporaryDirectory(prefix="sdgen-migrate-") as name:
        temporary = Path(os.path.realpath(name))

        for path, text in texts.items():
            copy = temporary / path.relative_to(top)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(text.encode("utf-8"))
        here = top if project.root.is_absolute() else Path(relative(top, Path.cwd()))
        for change in prompts:
            try:
                load_template(temporary / full(change.path).relative_to(top))
            except SDGenError as e:
                for error in e.errors if isinstance(e, TemplateErrors) else [e]:
                    named = _named(error, change, temporary, here)
                    if named.code != "missing-file" or named.place is None or named.place.file not in missing:
                        out.append(named)  # what is missing was told when the file was read
    return out


def _texts(project: Project, prompts: list[Change]) -> dict[Path, str]:
    """The prompts and all files they lead to, as they will be."""
    planned = {full(c.path): c.new for c in project.plan.changes}
    out: dict[Path, str] = {}
    for prompt in prompts:
        leaf = full(prompt.path).parent
        todo = [full(prompt.path)]
        seen: set[Path] = set()
        while todo:
            path = todo.pop()
            if path in seen or not (path in planned or path.is_file()):
                continue
            seen.add(path)
            try:
                out[path] = planned[path] if path in planned else project.text(path).text
                named = _paths(fold(out[path], path.name))
            except SDGenError:
                continue  # the loader will say what is wrong with it
            todo += [full(folder / name) for name in named for folder in (path.parent, leaf)]
    return out


def _paths(root: Node) -> list[str]:
    """Everything in a file that may be the path of another."""
    found: list[str] = []
    nodes = [root]
    while nodes:
        node = nodes.pop()
        if node.kind == "map":
            nodes += [value for _, _, value in node.pairs()]
        elif node.kind == "list":
            nodes += node.value
        elif str(node.value).strip().endswith(YAML) and len(node.value) < 1000:
            found.append(str(node.value).strip().replace("\\", "/"))
    return found


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
