"""What the fuzzer feeds to the template language, and what has to hold for every input whatever it says.

An input is a folder of files with options of the command line, in one file::

    {"theme": "dark", "style": "night"}
    === main.prompt.yaml
    prompt: ...
    === coats.yaml
    Red: red coat
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from sdgen_core.errors import CODES, SDGenError
from sdgen_core.sessions.plan import Plan
from sdgen_core.templates import (
    Options,
    ResolvedTemplate,
    load_template,
    load_text,
    one_line,
    parse_choice_spec,
    parse_fixed_spec,
    parse_seed_spec,
)
from sdgen_core.templates.check import check_paths
from sdgen_core.templates.library import TemplateLibrary, TemplateQuery
from sdgen_core.templates.migrate import migrate
from sdgen_core.templates.syntax import references, tokens
from sdgen_core.templates.theme_fit import fits, needs_of
from sdgen_core.templates.theme_folders import walk
from sdgen_core.templates.theme_report import report

MAX_BYTES = 48 * 1024
MAX_FILES = 40
SECONDS = 6.0  # of CPU time for everything that is done with one input; the usual input takes 30 ms
MAIN = "main.prompt.yaml"
_HEAD = re.compile(rb"^=== (.*)$", re.MULTILINE)
_ODD = re.compile(r"[^\w. -]")
T = TypeVar("T")


class Slow(AssertionError):
    """An input that takes out of all proportion long."""


@dataclass
class Case:
    """The files of a folder by their paths, and options: theme, style, mode, strict, schema, main, and the specs fixed,
    choices and seeds as the command line has them.
    """

    options: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def encode(self) -> bytes:
        head = json.dumps(self.options, ensure_ascii=True, sort_keys=True).encode()
        return b"\n".join([head, *(b"=== " + name.encode() + b"\n" + data for name, data in self.files.items())])

    @property
    def main(self) -> str:
        prompts = [n for n in self.files if n.endswith((".prompt.yaml", ".template.yaml"))]
        return next((n for n in (self.word("main"), MAIN, *prompts, *self.files) if n in self.files), MAIN)

    def word(self, name: str) -> str:
        value = self.options.get(name)
        return value if isinstance(value, str) else ""


def decode(data: bytes) -> Case:
    """Any bytes as a case; what makes no sense is left out."""
    pieces = _HEAD.split(data[:MAX_BYTES])
    try:
        options = json.loads(pieces[0])
    except (ValueError, RecursionError):
        options = {}
    case = Case(options if isinstance(options, dict) else {})
    for name, text in list(zip(pieces[1::2], pieces[2::2], strict=True))[:MAX_FILES]:
        parts = [_ODD.sub("_", p)[:60].strip(". ") for p in name.decode("utf-8", "replace").split("/")[:5]]
        case.files["/".join(p or "_" for p in parts)] = text.removeprefix(b"\n").removesuffix(b"\n")
    return case


def write(case: Case, folder: Path) -> None:
    """The case's files into an emptied ``folder``; a file that stands where a folder is needed is left out."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for name, data in case.files.items():
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        except OSError:
            continue


WORKS = ("load", "strict", "text", "confined", "bare", "validate", "migrate", "themes", "library", "grammar")


def examine(case: Case, folder: Path, works: Collection[str] = WORKS) -> set[str]:
    """Do with a case what users can do with their files; gives the codes of the errors they would see.

    Whatever is raised besides ``SDGenError`` is a crash. Raises ``Slow``.
    """
    codes: set[str] = set()
    began = time.process_time()

    def attempt(work: Callable[[], T]) -> T | None:
        try:
            return work()
        except SDGenError as error:
            codes.add(error.code)
            _check_error(error)
            return None
        finally:
            if time.process_time() - began > SECONDS:
                raise Slow(f"{time.process_time() - began:.1f} s of CPU time")

    write(case, folder)
    main = folder / case.main
    seeds = attempt(lambda: parse_seed_spec(case.word("seeds"))) if case.word("seeds") else None
    options = Options(
        theme=case.word("theme") or None,
        style=case.word("style") or None,
        fixed=attempt(lambda: parse_fixed_spec(case.word("fixed"))) or {},
        choices=attempt(lambda: parse_choice_spec(case.word("choices"))) or {},
        mode=case.word("mode") or None,
    )
    strict = Options(theme=options.theme, style=options.style, strict=True, schema=True)

    def use(load: Callable[[], ResolvedTemplate]) -> Callable[[], None]:
        return lambda: _use(load(), seeds)

    todo: dict[str, Callable[[], None]] = {
        "load": use(lambda: load_template(main, options)),
        "strict": use(lambda: load_template(main, strict)),
        "text": use(lambda: load_text(_text(main), options, base=folder)),
        "confined": use(lambda: load_text(_text(main), Options(within=(folder,)), base=folder / "nowhere")),
        "bare": use(lambda: load_text(_text(main))),
        "validate": lambda: _validate(folder),
        "migrate": lambda: _migrate(folder),
        "themes": lambda: _themes(folder, main),
        "library": lambda: _library(folder, case),
        "grammar": lambda: _parse(_text(main)),
    }
    for work in works:
        attempt(todo[work])
    return codes


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _check_error(error: SDGenError) -> None:
    assert error.code in CODES
    assert str(error).strip()
    json.dumps(error.to_dict(), allow_nan=False).encode()
    assert error.place is None or (error.place.line >= 0 and error.place.column >= 0)


def _use(resolved: ResolvedTemplate, seeds: Any) -> None:
    plan = Plan.build(resolved, seeds=seeds, variation_seed=5)
    text = json.dumps(plan.to_json(), sort_keys=True, allow_nan=False)
    text.encode("utf-8", "surrogatepass")
    again = Plan.from_json(json.loads(text))
    assert again.fingerprint() == plan.fingerprint()
    json.dumps(plan.summary(), allow_nan=False)
    items = list(plan.items(0, 70))
    assert items[:8] == [again.item(n) for n in range(min(8, plan.count))]
    for item in items:
        for prompt in (item.prompt, item.negative):
            assert "\n" not in one_line(prompt)
    if plan.count:
        plan.item(plan.count - 1)
    list(islice(plan.used(min(plan.count, 500)).items(), 5))


def _validate(folder: Path) -> None:
    found = check_paths([folder], recursive=True, root=folder)
    json.dumps(found.to_json(), allow_nan=False)


def _migrate(folder: Path) -> None:
    json.dumps(migrate(folder).to_dict(), allow_nan=False)


def _library(folder: Path, case: Case) -> None:
    library = TemplateLibrary({"own": folder})
    names = library.names()
    main = f"own/{case.main}"
    for name in [main] if main in names else names[:1]:
        query = TemplateQuery(name, theme=case.word("theme"), style=case.word("style"), choices=case.word("choices"))
        json.dumps([offer.to_json() for offer in library.themes(query)], allow_nan=False)
        library.choose(query)


def _themes(folder: Path, main: Path) -> None:
    found = walk([folder])
    reports = [report(theme) for theme in found.themes[:6]]
    for each in reports:
        json.dumps(each.to_json(), allow_nan=False)
    needs = needs_of(main)
    for each in reports:
        for fit in fits(each, needs, ["default", *each.styles][:4]).values():
            json.dumps(fit.to_json())


def _parse(text: str) -> None:
    found = tokens(text)
    assert "".join(t if isinstance(t, str) else t.raw for t in found) == text
    for reference in references(text):
        assert 0 <= reference.start < reference.end <= len(text)
