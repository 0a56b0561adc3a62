"""Documentation as a reader uses it: the files a page shows are written, its commands run, its output compared.

The conventions, chosen to look natural where Markdown is read:

* A ``yaml`` block whose first line is ``# NAME.yaml`` is the file NAME; so is a block after a line that ends in "`NAME`:"
  (.yaml, .json, .txt). All files of a page lie in one folder, until ``<!-- new folder -->``.
* ``# part of NAME.yaml``: the fields shown take the place of those fields in the file, or, if there is no such file yet,
  a prompt file is completed around them.
* ``(with a mistake)`` after the name: there must be one. All other files must pass ``sdgen validate`` without a remark, and
  prompts must render.
* A ``yaml`` block without a name is a text to type in a node.
* The tables ``prompt | makes``, ``selector | takes`` and ``import | makes`` are tried on the last prompt file shown: the first
  cell in place of its text, a selector's name or one of its imports. ``…`` at the end: and more.
* In ``console`` blocks ``$ sdgen ...`` is a command, and what follows is all it prints (line ends trimmed). Paths that begin
  with ``examples/`` are this repository's. Other blocks may hold commands too; those are only checked to exist.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from sdgen_core.cli import COMMANDS, build_app
from sdgen_core.errors import SDGenError
from sdgen_core.sessions.plan import Plan
from sdgen_core.templates import Options, load_template, load_text
from sdgen_core.templates.check import check_paths

from .pages import Block, Console, NewFolder, PageError, Row, consoles, events

ROOT = Path(__file__).parents[3]
#: Commands that need no ComfyUI: they are run wherever a page shows them in a console.
OFFLINE = ("expand", "validate", "list", "themes", "schema", "migrate")
_NAMED = re.compile(r"# (part of )?([\w./-]+\.ya?ml)( \(with a mistake\))?\s*$")
_LEAD = re.compile(r"`([\w./-]+\.(?:ya?ml|json|txt))`:$")
_TEMPLATES = "ComfyUI/user/sdgen/templates/"


def click_command(words: list[str]) -> tuple[Any, list[str]]:
    """The command that ``sdgen WORDS`` names, and the words behind its name. Raises ``PageError`` if there is none."""
    if not words or words[0] not in COMMANDS:
        raise PageError(f"there is no command: sdgen {' '.join(words)}")
    group: Any = typer.main.get_command(build_app(words[0]))
    command, rest = group.commands[words[0]], words[1:]
    while hasattr(command, "commands"):
        if not rest or rest[0].startswith("-") or not re.fullmatch(r"[a-z][a-z-]*", rest[0]):
            return command, rest
        if rest[0] not in command.commands:
            raise PageError(f"there is no command: sdgen {' '.join(words[: len(words) - len(rest) + 1])}")
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


def options_of(command: Any) -> set[str]:
    return {opt for param in command.params for opt in (*param.opts, *param.secondary_opts)} | {"--help"}


def check_command(text: str) -> None:
    """Whether a command line that begins with ``sdgen`` names a command and options that exist."""
    text = re.split(r"\s{2,}#|\s\|\s", text)[0]
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    words = [w for w in words[1:] if w not in ("…", "...")]
    if not words or words == ["--help"]:
        return
    command, rest = click_command(words)
    known = options_of(command)
    for word in rest:
        option = re.match(r"--?[A-Za-z][\w-]*", word)
        if option and option[0] not in known:
            raise PageError(f"`{text}`: there is no option {option[0]}")


def every_option() -> set[str]:
    """All options of all commands, for options that a text names alone."""
    found: set[str] = set()
    for name in COMMANDS:
        stack: list[Any] = [click_command([name])[0]]
        while stack:
            command = stack.pop()
            found |= options_of(command)
            stack += getattr(command, "commands", {}).values()
    return found


def run(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[str]]:
    """Run ``sdgen ...`` in ``folder`` (the repository, if it names one of its examples): exit code and printed lines."""
    words = shlex.split(command)[1:]
    monkeypatch.chdir(ROOT if "examples/" in command else folder)
    monkeypatch.setenv("COLUMNS", "160")
    result = CliRunner().invoke(build_app(words[0]), words, prog_name="sdgen")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, trimmed(result.output.splitlines())


def trimmed(lines: list[str]) -> list[str]:
    out = [line.rstrip() for line in lines]
    while out and not out[-1]:
        out.pop()
    return out


def with_fields(old: str | None, fields: str, name: str) -> str:
    """``old`` with the top-level fields of ``fields`` in place of its own, so that line numbers stay those of a file."""
    new = _sections(fields)
    if old is None:
        return _completed(new, name)
    have = _sections(old)
    have.update(new)
    return "".join(have.values())


def _sections(text: str) -> dict[str, str]:
    """Top-level field -> its lines; what stands before the first one has the name ''."""
    out: dict[str, str] = {"": ""}
    field_name = ""
    for line in text.splitlines(keepends=True):
        if m := re.match(r"([\w.]+):", line):
            field_name = m[1]
            out[field_name] = ""
        out[field_name] += line
    return out


def _completed(fields: dict[str, str], name: str) -> str:
    """A whole prompt file around some of its fields."""
    stem = name.rsplit("/", 1)[-1].split(".")[0]
    whole = {
        "type": "type: prompt\n",
        "version": "version: '2.0'\n",
        "name": f"name: {stem}\n",
        "generation": "generation: {mode: combinatorial, seed: 1, seed_mode: progressive, max_images: -1}\n",
    }
    if "prompt" not in fields:
        names = list(yaml.safe_load("".join(fields.values())).get("imports") or {})
        whole["prompt"] = "prompt: '" + ", ".join(f"{{{n}}}" for n in names) + "'\n"
    return "".join({**whole, **fields}.values())


@dataclass
class PageRun:
    """One walk through a page. ``corrections`` are (first line, end, lines) of outputs that are not what is printed."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    pending: dict[str, bool] = field(default_factory=dict)
    corrections: list[tuple[int, int, list[str]]] = field(default_factory=list)
    count: int = 0
    prompt_file: str = ""

    def walk(self, text: str) -> None:
        for event in events(text):
            try:
                self._step(event)
            except (SDGenError, AssertionError, yaml.YAMLError, ValueError) as e:
                raise PageError(f"line {event.line}: {e}") from e
        self.finish()

    def _step(self, event: Block | NewFolder | Row) -> None:
        if isinstance(event, Row):
            self._row(event)
        elif isinstance(event, NewFolder):
            self.finish()
            self.folder = self.folder.parent / f"folder{event.line}"
            self.folder.mkdir()
        elif event.language == "yaml":
            self._yaml(event)
        elif event.language == "json":
            json.loads(event.text)
            self.count += 1
            self._plain(event)
        elif event.language == "console":
            for shown in consoles(event):
                self._console(shown, event)
        else:
            self._plain(event)
            for line in event.lines:
                command = line.strip().removeprefix("$ ")
                if command.startswith("sdgen ") and event.language in ("", "sh", "bash", "text"):
                    check_command(command)

    def _plain(self, block: Block) -> None:
        if lead := _LEAD.search(block.lead):
            (self.folder / lead[1].rsplit("/", 1)[-1]).write_text(block.text, encoding="utf-8")

    def _yaml(self, block: Block) -> None:
        self.count += 1
        named = _NAMED.match(block.lines[0]) if block.lines else None
        lead = _LEAD.search(block.lead)
        if named is None and lead is None:
            self._typed(block)
            return
        name = named[2] if named else lead[1].removeprefix(_TEMPLATES) if lead else ""
        path = self.folder / name
        self._check(name)
        text = block.text
        if named and named[1]:
            old = path.read_text(encoding="utf-8") if path.is_file() else None
            text = with_fields(old, "\n".join(block.lines[1:]) + "\n", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.pending[name] = bool(named and named[3])
        if ".prompt." in name:
            self.prompt_file = name

    def _row(self, row: Row) -> None:
        self.count += 1
        data = yaml.safe_load((self.folder / self.prompt_file).read_text(encoding="utf-8"))
        if row.kind == "import":
            given = yaml.safe_load(row.written)
            data |= {"imports": given, "prompt": "".join(f"{{{name}}}" for name in given)}
        else:
            data["prompt"] = row.written
        text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
        plan = Plan.build(load_text(text, Options(strict=True), base=self.folder))
        if row.kind == "selector":
            (name,) = plan.resolved.values
            check_taken(plan.pools.get(name, []), row.makes, list(plan.resolved.values[name]))
            return
        made = [item.prompt for item in plan.items(0, 100)]
        wanted = [cell.removeprefix("`").removesuffix("`") for cell in row.makes.split(" · ")]
        if wanted[-1] == "…":
            wanted.pop()
            assert len(made) > len(wanted), f"{row.written} makes no more than {made}"
            made = made[: len(wanted)]
        assert made == wanted, f"{row.written} makes " + " · ".join(f"`{m}`" for m in made)

    def _typed(self, block: Block) -> None:
        data = yaml.safe_load(block.text)
        if not isinstance(data, dict) or "prompt" not in data:
            raise PageError("this block needs a name: begin it with '# NAME.yaml' or '# part of NAME.yaml'")
        render(load_text(block.text, Options(strict=True), base=self.folder))

    def _console(self, shown: Console, block: Block) -> None:
        if not shown.command.startswith("sdgen "):
            raise PageError(f"line {shown.line}: a console shows sdgen commands, not {shown.command!r}")
        check_command(shown.command)
        if shlex.split(shown.command)[1] not in OFFLINE:
            return
        self.count += 1
        code, printed = run(shown.command, self.folder, self.monkeypatch)
        if not trimmed(shown.output):
            if code != 0:
                raise PageError(f"line {shown.line}: {shown.command} ends with {code}: {printed}")
        elif trimmed(shown.output) != printed:
            self.corrections.append((shown.line, shown.end, [block.indent + line for line in printed]))

    def _check(self, name: str) -> None:
        """Check a file that is about to change or to go, under every theme it knows, and render it."""
        wrong = self.pending.pop(name, None)
        if wrong is None:
            return
        path = self.folder / name
        if wrong:
            if not remarks(path):
                raise PageError(f"{name} is called a mistake, but nothing is wrong with it")
            path.unlink()
            return
        for remark in remarks(path):
            raise PageError(remark)
        if ".prompt." in name:
            render(load_template(path))

    def finish(self) -> None:
        """Check what is left, mistakes first, because the other files are right without them; library files together with the
        prompts that use them.
        """
        for name in sorted(self.pending, key=lambda n: not self.pending[n]):
            if self.pending[name] or ".prompt." in name:
                self._check(name)
        self.pending.clear()
        for remark in remarks(self.folder):
            raise PageError(remark)


def remarks(path: Path) -> list[str]:
    """What ``sdgen validate -r`` says. A first example may do without ``type:``, as loading does."""
    report = check_paths([path], recursive=True, root=path if path.is_dir() else path.parent)
    return [
        f"{f.file}:{f.line}: {f.said}"
        for f in report.findings
        if f.level != "note" and f.message != "the field 'type' is missing"
    ]


def check_taken(pool: list[str], takes: str, keys: list[str]) -> None:
    """``takes`` is the keys in order, "none: ..." or "N of all" or "N of KEY, KEY"."""
    if drawn := re.fullmatch(r"(\d) of (.+)", takes):
        among = keys if drawn[2] == "all" else drawn[2].split(", ")
        assert len(pool) == int(drawn[1]) and set(pool) <= set(among), f"takes {pool}"
    else:
        assert ", ".join(pool) == ("" if takes.startswith("none: ") else takes), f"takes {pool}"


def render(resolved: Any) -> None:
    plan = Plan.build(resolved)
    if plan.count < 1:
        raise PageError("the template makes nothing")
    for item in islice(plan.items(), 200):
        if not item.prompt:
            raise PageError(f"item {item.index} has an empty prompt")
