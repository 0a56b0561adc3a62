"""The files that belong together: finding what a file names, and migrating what it needs on the way."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from ...errors import Place, SDGenError, shown
from ..documents import Document, Parsed, fold
from ..imports import variation_values
from ..run import Run
from .lists import ValueList, read_list
from .plan import Change, Plan
from .texts import HEADER, OldText, lines_of, read_old

YAML = (".yaml", ".yml")
MAX_FOLDERS = 20_000
#: a file's own folder and those above it that are looked through for what it names by old paths
ABOVE = 5
_ABSOLUTE = re.compile(r"[/~]|[A-Za-z]:/")
_SKIPPED = ("node_modules", "__pycache__", "site-packages")
#: files that only a folder of made images has
_SESSION = ("manifest.json", "metadata.json", "session_config.txt")


def full(path: Path) -> Path:
    """The absolute path, links kept as they are."""
    return Path(os.path.normpath(path.absolute()))


def key_of(path: Path) -> str:
    """One name for a file, however it was reached."""
    return os.path.normcase(full(path))


def walk(root: Path, plan: Plan) -> list[Path]:
    """The files a project may consist of. Hidden folders, packages and folders of made images are left out."""
    found: list[Path] = []
    for number, (folder, folders, files) in enumerate(os.walk(root)):
        if number == MAX_FOLDERS:
            plan.remark(f"{shown(root)} has more than {MAX_FOLDERS:,} folders; the rest is not looked at")
            break
        if Path(folder) != root and any(name in files for name in _SESSION):
            folders.clear()
            continue
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _SKIPPED)
        found += [
            Path(folder) / f for f in sorted(files) if f.lower().endswith((".json", ".txt", *YAML)) and f[0] != "."
        ]
    return found


class Project:
    """The folder at work. ``convert_yaml`` migrates a YAML file on demand (given by the caller, who knows the kinds)."""

    def __init__(self, root: Path, plan: Plan) -> None:
        self.root = root
        self.plan = plan
        self.files = walk(root, plan)
        self.convert_yaml: Callable[[Path], None] = lambda path: None
        self.lists: dict[str, ValueList | None] = {}
        self.chunks: dict[str, Path] = {}
        self.seen: set[str] = set()
        self._texts: dict[str, OldText] = {}
        self._documents: dict[str, Document] = {}

    # ---- reading -------------------------------------------------------------------------------------------------

    def text(self, path: Path) -> OldText:
        key = key_of(path)
        if key not in self._texts:
            self._texts[key] = read_old(path)
        return self._texts[key]

    def document(self, path: Path) -> Document:
        """A YAML file as it lies on disk, whatever its encoding. Raises what reading and parsing raise."""
        key, name = key_of(path), shown(path)
        if key not in self._documents:
            document = self._documents[key] = Document(Parsed(self.text(path).text, ""), path, name)
            document.parsed.root = fold(document.parsed.text, name)
        return self._documents[key]

    # ---- finding -------------------------------------------------------------------------------------------------

    def find(
        self, text: str, folder: Path, base: str | None = None, *, above: bool = False, base_first: bool = True
    ) -> Path | None:
        """The file that an old path means: below ``folder``/``base`` and ``folder``, with ``above`` below the folders
        over it (old files were relative to the project), and absolute paths by what of them is found here.
        """
        clean = text.strip().replace("\\", "/")
        if not clean:
            return None
        if _ABSOLUTE.match(clean):
            return self._absolute(clean, folder)
        folders = [folder / base.replace("\\", "/"), folder] if base else [folder]
        if not base_first:
            folders.reverse()
        if above:
            folders += [Path(os.path.normpath(folder.joinpath(*[".."] * up))) for up in range(1, ABOVE)]
        names = [clean, re.sub(r"\.txt$", ".yaml", clean)]
        for name in dict.fromkeys(names):
            for candidate in (Path(os.path.normpath(f / name)) for f in folders):
                if _is_file(candidate):
                    return candidate
        return None

    def _absolute(self, clean: str, folder: Path) -> Path | None:
        """An absolute path as it is, as Windows and WSL name each other's drives, or by its end: below the folders over
        ``folder``, else the one file of the project that shares the longest end.
        """
        drive = re.fullmatch(r"([A-Za-z]):/(.*)", clean)
        mounted = re.fullmatch(r"/mnt/([A-Za-z])/(.*)", clean)
        for name in (
            clean,
            f"/mnt/{drive[1].lower()}/{drive[2]}" if drive else "",
            f"{mounted[1]}:/{mounted[2]}" if mounted else "",
        ):
            if name and _is_file(Path(name)):
                return Path(name)
        pieces = [p for p in clean.split("/") if p]
        for tail in range(len(pieces), 1, -1):
            for up in range(ABOVE):
                candidate = Path(os.path.normpath(folder.joinpath(*[".."] * up, *pieces[-tail:])))
                if _is_file(candidate):
                    return candidate
        parts = [p.casefold() for p in pieces]
        best: list[Path] = []
        length = 0
        for path in self.files:
            own = [p.casefold() for p in full(path).parts]
            same = 0
            while same < min(len(own), len(parts)) and own[-1 - same] == parts[-1 - same]:
                same += 1
            if same and same >= length:
                best = [*best, path] if same == length else [path]
                length = same
        return best[0] if len(best) == 1 else None

    def written(self, target: Path, folder: Path, place: Place | None = None) -> str:
        """How a file in ``folder`` names ``target``."""
        try:
            return shown(os.path.relpath(target, folder))
        except ValueError:
            raise SDGenError(
                "absolute-path", f"{shown(target)} lies on another drive; copy it into the project", place=place
            ) from None

    # ---- new files -----------------------------------------------------------------------------------------------

    def add_new(self, target: Path, kind: str, text: str, source: Path, told: Plan) -> None:
        """Plan a new file, with what is to be ``told`` about it. One that came from the same source before, or says the
        same values, is left alone and nothing is told; any other that is there is a problem.
        """
        planned = next((c for c in self.plan.changes if key_of(c.path) == key_of(target)), None)
        if planned is None and target.exists() and self._same(target, kind, text, source):
            return
        if planned is not None:
            message = f"{shown(source)} and {shown(planned.source or planned.path)} would both become this file"
            told.problem(SDGenError("target-exists", message, place=Place(shown(target))))
        elif target.exists():
            message = f"{shown(source)} would become this file, but there is one already; it stays as it is"
            told.problem(SDGenError("target-exists", message, place=Place(shown(target))))
        else:
            self.plan.changes.append(Change(target, kind, text, source=source))
        self.plan.tell(told)

    def _same(self, target: Path, kind: str, text: str, source: Path) -> bool:
        try:
            there = self.text(target).text
            if lines_of(there)[0].strip() == HEADER.format(source.name) or lines_of(there) == lines_of(text):
                return True
            return kind == "values" and _values(there) == _values(text)
        except SDGenError:
            return False

    def list_for(self, path: Path) -> tuple[Path, ValueList | None]:
        """The new file of a ``.txt`` list, and its values (None: it has none)."""
        key, target = key_of(path), path.with_suffix(".yaml")
        if key not in self.lists:
            old, told = self.text(path), Plan()
            tell_encoding(path, old, told)
            found = self.lists[key] = read_list(old.text, path, told)
            if found is None:
                self.plan.tell(told)
            else:
                if _values(found.text) != list(found.values.items()):
                    raise SDGenError("unsafe-edit", "the list cannot be written as YAML", place=Place(shown(path)))
                self.add_new(target, "values", found.text, path, told)
        return target, self.lists[key]

    def edited(self, path: Path, kind: str, new: str) -> None:
        """Plan the change of a file in place; nothing when it says the same already."""
        old = self.text(path)
        if new != old.text or old.encoding in ("cp1252", "UTF-16"):
            tell_encoding(path, old, self.plan)
            self.plan.changes.append(Change(path, kind, new, old.text, old.data))


def tell_encoding(path: Path, old: OldText, told: Plan) -> None:
    if old.encoding:
        told.remark(f"is {old.encoding}; what is written is UTF-8", Place(shown(path)))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _values(text: str) -> list[tuple[str, object]]:
    return list(variation_values(Run(None), Document(Parsed(text, ""), None, "values")).items())
