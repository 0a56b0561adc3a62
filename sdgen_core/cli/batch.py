"""`sdgen batch`: many sessions in one order, one after the other, with one overview.

Lines (``-`` reads them from standard input), as the predecessor's scripts took them; ``#`` begins a comment, empty fields are
defaults::

    portraits.prompt.yaml:gala:dark:20        template : theme : style : count
    portraits.prompt.yaml:gala:2,pirates:1    template : themes with shares

or a YAML file, whose names are those of ``sdgen generate``'s options::

    defaults: {count: 20, workflow: flux.json}
    runs:
      - {template: portraits.prompt.yaml, theme: gala, style: dark}
      - {template: owls.prompt.yaml, seeds: 20#1000, count: null}
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..comfy.client import ComfyClient
from ..comfy.press import Order, place
from ..errors import Place, SDGenError, nearest_names, shown
from ..sessions.mix import Mix
from ..sessions.ordering import ON_EXISTING
from ..sessions.service import duration
from ..templates import (
    Options,
    parse_choice_spec,
    parse_fixed_spec,
)
from ..templates.documents import parse_bytes
from ..templates.library import DISTRIBUTIONS
from .connection import Remote, server_url
from .images import with_images
from .order import chosen_template, graph_for, load_workflow, plan_order
from .output import fail, print_json, print_table, reporting
from .progress import follow

_LINE = re.compile(r"(?P<template>.+?\.ya?ml)\s*(?::(?P<rest>.*))?")


@dataclass(frozen=True)
class Run:
    """One line of an order. ``themes`` as in ``parse_theme_spec``."""

    template: str
    themes: str = ""
    style: str | None = None
    count: int | None = None
    limit: int | None = None
    seeds: str | None = None
    choose: str = ""
    use_fixed: str = ""
    distribution: str = DISTRIBUTIONS[0]
    variation_seed: int | None = None
    session_name: str = ""
    workflow: str | None = None
    checkpoint: str | None = None
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Planned:
    """A run whose template, a file of ``folder``, is loaded and counted."""

    run: Run
    folder: Path
    order: Order
    plan: Mix

    @property
    def label(self) -> str:
        parts = [Path(self.run.template).name, self.run.themes, self.run.style or ""]
        return " ".join(part for part in parts if part)


def read_lines(text: str, name: str) -> list[Run]:
    """The predecessor's lines. Raises ``bad-batch`` with the line."""
    runs = []
    for number, line in enumerate(text.splitlines(), 1):
        clean = line.split("#", 1)[0].strip() if not re.search(r"\d#\d", line) else line.strip()
        if clean and not clean.startswith("#"):
            runs.append(read_line(clean, Place(name, number)))
    return runs


def read_line(line: str, place: Place | None = None) -> Run:
    """``template:theme:style:count``; shares of themes and a drive's colon are told apart by what stands around them."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise SDGenError("bad-batch", f"{line!r} names no .yaml file", place=place)
    rest = (found["rest"] or "").strip()
    # themes with shares hold colons themselves: gala:2,pirates:1 — recognised by the comma
    head, comma, _ = rest.rpartition(",")
    if comma:
        share = re.match(r"\s*[^:]*(?::\s*\d+)?", rest[len(head) + 1 :])
        assert share is not None
        themes, rest = rest[: len(head) + 1 + share.end()], rest[len(head) + 1 + share.end() :].removeprefix(":")
        parts = [themes, *rest.split(":")] if rest else [themes]
    else:
        parts = rest.split(":") if rest else []
    if len(parts) > 3:
        raise SDGenError("bad-batch", f"{line!r} has more than template:theme:style:count", place=place)
    theme, style, count = (p.strip() for p in [*parts, "", "", ""][:3])
    if count and (not count.isdecimal() or int(count) < 1):
        raise SDGenError("bad-batch", f"{count!r} is no number of images", place=place)
    return Run(found["template"].strip(), theme, style or None, int(count) if count else None, place=place)


def read_yaml(data: bytes, name: str) -> list[Run]:
    """A YAML order. Raises ``bad-batch`` and what reading YAML raises."""
    from ..templates.documents import Document

    document = Document(parse_bytes(data, name), None, name)
    root = document.root
    block = root.get("runs") if root.kind == "map" else root
    if block is None or block.kind != "list" or not block.value:
        raise SDGenError("bad-batch", "there are no runs: write runs: and a list below it", place=document.place())
    first = root.get("defaults")
    defaults = _values(document, first) if first is not None else {}
    runs = []
    for node in block.value:
        if node.kind == "scalar":
            runs.append(
                replace(
                    _run(defaults | {"template": ""}, None), **_given(read_line(str(node.value), document.place(node)))
                )
            )
            continue
        runs.append(_run({**defaults, **_values(document, node)}, document.place(node)))
    return runs


def _given(run: Run) -> dict[str, Any]:
    """What a line says, without its silences."""
    return {
        f.name: v for f in fields(Run) if (v := getattr(run, f.name)) != f.default or f.name in ("template", "place")
    }


def _values(document: Any, node: Any) -> dict[str, Any]:
    if node.kind != "map":
        raise SDGenError("bad-batch", "a run is a map of options, or a line", place=document.place(node))
    known = {f.name for f in fields(Run)} - {"place"} | {"theme"}
    out: dict[str, Any] = {}
    for key, key_node, value in node.pairs():
        name = key.replace("-", "_")
        if name not in known:
            near = nearest_names(name, known)
            raise SDGenError(
                "bad-batch", f"{key!r} is no option of a run", place=document.place(key_node), nearest=near
            )
        out["themes" if name == "theme" else name] = value.python()
    return out


_WHOLE = ("count", "limit", "variation_seed")


def _run(values: Mapping[str, Any], place: Place | None) -> Run:
    clean: dict[str, Any] = {}
    for name, value in values.items():
        if name in _WHOLE and value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise SDGenError("bad-batch", f"{name} is no whole number: {value!r}", place=place)
        if value is None:
            continue
        clean[name] = value if name in _WHOLE else str(value)
    if "template" not in clean:
        raise SDGenError("bad-batch", "a run needs template:", place=place)
    return Run(**clean, place=place)


def plan_run(run: Run, folder: Path) -> Planned:
    """Load and count a run; its template lies in ``folder`` or is found from the current one. Raises the template's errors."""
    near = folder / run.template
    file = near if near.is_file() else Path(run.template)
    options = Options(
        style=run.style,
        choices=parse_choice_spec(run.choose),
        fixed=parse_fixed_spec(run.use_fixed) if run.use_fixed else {},
    )
    chosen = chosen_template(
        file,
        options,
        themes=run.themes,
        distribution=run.distribution,
        limit=run.limit or None,
        variation_seed=run.variation_seed,
    )
    plan = plan_order(chosen, run.seeds, run.count)
    return Planned(
        run, file.parent, Order(chosen, run.session_name, "resume", run.count, run.seeds, run.checkpoint), plan
    )


@reporting
def batch(
    orders: Annotated[
        list[str] | None, typer.Argument(help="A file of lines or YAML, - for standard input, or lines themselves.")
    ] = None,
    template: Annotated[
        str, typer.Option("--template", "-t", help="The template of orders written as theme:style:count.")
    ] = "",
    workflow: Annotated[Path | None, typer.Option("--workflow", help="Workflow of runs that name none.")] = None,
    checkpoint: Annotated[str | None, typer.Option("--checkpoint", help="Checkpoint of runs that name none.")] = None,
    server: Annotated[
        str | None, typer.Option("--server", help="Address of ComfyUI, else SDGEN_SERVER, else port 8188 here.")
    ] = None,
    on_existing: Annotated[
        str, typer.Option("--on-existing", help=f"When the same order exists: {', '.join(ON_EXISTING)}.")
    ] = "resume",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the overview only.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Order everything and do not wait.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON at the end.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print a JSON line at every change of a session.")] = False,
) -> None:
    """Queue many sessions, one after the other: templates × themes × counts."""
    runs, folder = _read(orders or [], template)
    if not runs:
        raise SDGenError("bad-batch", "there is nothing to make")
    planned: list[Planned] = []
    wrong: list[SDGenError] = []
    for run in runs:
        try:
            planned.append(plan_run(run, folder))
        except SDGenError as error:
            wrong.append(error if error.place or run.place is None else _at(error, run.place))
    if wrong:
        from ..templates.run import TemplateErrors

        raise wrong[0] if len(wrong) == 1 else TemplateErrors(wrong)
    if not (json or jsonl):
        print_table(
            ["run", "template", "themes", "style", "images"],
            [[n, p.run.template, p.run.themes, p.run.style, f"{p.plan.count:,}"] for n, p in enumerate(planned, 1)],
        )
        print(f"{len(planned)} runs, {sum(p.plan.count for p in planned):,} images")
    if dry_run:
        if json:
            print_json({"runs": [{"template": p.run.template, **p.plan.summary()} for p in planned]})
        return
    client = ComfyClient(server_url(server))
    graphs: dict[Path, Any] = {}
    reports = []
    for plan in planned:
        order = replace(plan.order, checkpoint=plan.order.checkpoint or checkpoint, on_existing=on_existing)
        order = replace(order, chosen=with_images(order.chosen, plan.folder, client))
        path = folder / plan.run.workflow if plan.run.workflow else workflow
        if path is None:
            graph, choice = graph_for(order.chosen, client)
            remarks = list(choice.warnings)
        else:
            if path not in graphs:
                graphs[path] = load_workflow(path, client)
            graph, remarks = graphs[path], []
        report = place(client, graph, order)
        for warning in [*remarks, *report["warnings"]]:
            print(f"warning: {plan.label}: {warning}", file=sys.stderr)
        reports.append(report)
    known = [float(r["seconds"]) for r in reports if r.get("seconds")]
    if len(known) == len(reports) and not (json or jsonl):
        print(f"about {duration(sum(known))} by earlier sessions")
    sessions = Remote(client)
    if detach:
        results = reports
    else:
        try:
            results = follow(sessions, reports, quiet=json, lines=jsonl)
        except KeyboardInterrupt:
            # The line goes on without us: what was ordered was meant. Stopping it is one command more.
            print(
                "the sessions go on; `sdgen sessions watch` shows them, `sdgen sessions pause ID` stops one",
                file=sys.stderr,
            )
            fail(130)
    if json:
        print_json({"runs": [{"template": p.run.template, **r} for p, r in zip(planned, results, strict=True)]})
    elif not jsonl:
        rows = [
            [n, p.label, r["id"], r["state"], f"{r['done']:,}/{r['planned']:,}", r["failed"] or "", r["folder"]]
            for n, (p, r) in enumerate(zip(planned, results, strict=True), 1)
        ]
        print_table(["run", "what", "session", "state", "done", "failed", "folder"], rows)
    if not detach and any(r["state"] != "completed" for r in results):
        fail()


def _read(orders: Sequence[str], template: str) -> tuple[list[Run], Path]:
    """The runs, and the folder their paths are relative to."""
    if template:
        return [read_line(f"{template}:{order}") for order in orders] or [Run(template)], Path()
    if orders == ["-"]:
        return read_lines(sys.stdin.read(), "standard input"), Path()
    if len(orders) == 1 and ":" not in Path(orders[0]).name and not orders[0].endswith((".prompt.yaml", ".prompt.yml")):
        path = Path(orders[0])
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise SDGenError("missing-file", f"there is no file {shown(path)}") from None
        except OSError as error:
            raise SDGenError("unreadable-file", f"{shown(path)} cannot be read: {error}") from None
        if path.suffix.lower() in (".yaml", ".yml"):
            return read_yaml(data, shown(path)), path.parent
        return read_lines(parse_bytes(data, shown(path)).text, shown(path)), path.parent
    return [read_line(order) for order in orders], Path()


def _at(error: SDGenError, place: Place) -> SDGenError:
    return SDGenError(error.code, error.message, place=place, nearest=error.nearest, hint=error.hint)
