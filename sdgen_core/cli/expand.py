"""``sdgen expand``: what a template would make, without a ComfyUI."""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import SDGenError, shown
from .choosing import chosen
from .output import counted, print_error

PREVIEW = 10


def expand(
    file: Annotated[
        Path | None, typer.Argument(help="A prompt file (X.prompt.yaml); on a terminal it can be chosen from a list.")
    ] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object per image.")] = False,
    count: Annotated[int | None, typer.Option("--count", "-n", min=0, help="Cut the list after N images.")] = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", help="Seed list: 1,5,9 or 100-120 or 20#1000 (20 from 1000).")
    ] = None,
    use_fixed: Annotated[str | None, typer.Option("--use-fixed", help='Fixed choices: "Name:key|Other:key".')] = None,
    choose: Annotated[
        str, typer.Option("--choose", help='Values to take, in place of the selectors: "Name[Key,Key]; Other[#0-2]".')
    ] = "",
    theme: Annotated[str | None, typer.Option("--theme", "-t", help="Theme name.")] = None,
    theme_file: Annotated[Path | None, typer.Option("--theme-file", help="Theme file.")] = None,
    style: Annotated[str | None, typer.Option("--style", "-s", help="Style name.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", help="Instead of the file's max_images (-1: no limit).")
    ] = None,
    mode: Annotated[str | None, typer.Option("--mode", help="combinatorial or random, instead of the file's.")] = None,
    variation_seed: Annotated[int | None, typer.Option("--variation-seed", help="Seed of the random choices.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Check the file against the strict rules first.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Remarks are errors.")] = False,
    api: Annotated[bool, typer.Option("--api", help="Add the one-line forms that the backend gets.")] = False,
    parameters: Annotated[bool, typer.Option("--parameters", help="Add the parameters.")] = False,
    info: Annotated[bool, typer.Option("--info", help="Begin with the merged template and its values.")] = False,
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Choose theme, style and values from lists.")
    ] = False,
) -> None:
    """Show the prompts of a template: counts and the first ones, or all as JSON lines."""
    if mode not in (None, "combinatorial", "random"):
        raise typer.BadParameter("--mode is combinatorial or random")
    try:
        from ..sessions.plan import Plan
        from ..sessions.samplers import strange_names
        from ..templates import (
            Options,
            ResolvedTemplate,
            load_template,
            parse_choice_spec,
            parse_fixed_spec,
            parse_seed_spec,
        )

        options = Options(
            theme=theme,
            theme_file=theme_file,
            style=style,
            fixed=parse_fixed_spec(use_fixed) if use_fixed else {},
            choices=parse_choice_spec(choose),
            mode=mode,
            strict=strict,
            schema=schema,
        )
        seed_list = parse_seed_spec(seeds) if seeds is not None else None

        def planned(resolved: ResolvedTemplate) -> Plan:
            return Plan.build(resolved, seeds=seed_list, count=count, limit=limit, variation_seed=variation_seed)

        file, options = chosen(file, options, interactive, planned)
        plan = planned(load_template(file, options))
        plan.warnings += strange_names(plan.resolved.parameters)
        if jsonl:
            _print_lines(plan, api, parameters, info)
        else:
            _print_preview(plan, shown(file), count)
    except SDGenError as e:
        if jsonl:
            print(
                json.dumps(
                    {
                        "error": e.code,
                        "message": str(e),
                        **{k: v for k, v in e.to_dict().items() if k not in ("error", "message")},
                        **({"warnings": [str(r) for r in e.remarks]} if e.remarks else {}),
                    },
                    ensure_ascii=False,
                )
            )
        else:
            print_error(e)
        raise typer.Exit(1) from None


def _print_lines(plan: Any, api: bool, parameters: bool, info: bool) -> None:
    from ..templates import one_line

    write = sys.stdout.write
    if info:
        write(json.dumps({"info": _info(plan)}, ensure_ascii=False) + "\n")
    else:
        for warning in plan.warnings:
            print(f"warning: {warning}", file=sys.stderr)
    for item in plan.items():
        row: dict[str, Any] = {
            "index": item.index,
            "prompt": item.prompt,
            "negative": item.negative,
            "seed": item.requested_seed,
            "variations": item.values,
        }
        if api:
            row["api_prompt"] = one_line(item.prompt)
            row["api_negative"] = one_line(item.negative)
        if parameters:
            row["parameters"] = item.parameters
        write(json.dumps(row, ensure_ascii=False) + "\n")


def _info(plan: Any) -> dict[str, Any]:
    resolved = plan.resolved
    return {
        "template": resolved.prompt,
        "negative": resolved.negative,
        "imports": {n: dict(p) for n, p in resolved.values.items()},
        "removed": list(resolved.removed),
        "parameters": dict(resolved.parameters),
        "files": [f for f, _ in resolved.files],
        "variation_seed": plan.variation_seed,
        **plan.summary(),
    }


def _print_preview(plan: Any, name: str, count: int | None) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    summary = plan.summary()
    console.print(f"[bold]{summary['name']}[/]  {name}", soft_wrap=True)
    if summary["placeholders"]:
        table = Table("placeholder", "values", "selected", "weight", box=None, pad_edge=False)
        for row in summary["placeholders"]:
            table.add_row(row["name"], str(row["available"]), str(row["selected"]), str(row["weight"]))
        console.print(table)
    seeds = f" x {counted(summary['seeds'], 'seed')}" if summary["seeds"] is not None else ""
    combinations, images = counted(summary["combinations"], "combination"), counted(summary["images"], "image")
    console.print(f"{summary['mode']}: {combinations}{seeds} -> [bold]{images}[/]")
    for warning in summary["warnings"]:
        console.print(f"[yellow]warning:[/] {_plain(warning)}", soft_wrap=True)
    shown_items = PREVIEW if count is None else count
    for item in islice(plan.items(), shown_items):
        seed = "random" if item.requested_seed == -1 else str(item.requested_seed)
        keys = ", ".join(f"{n}={_shown_key(k, item.values[n])}" for n, k in item.keys.items())
        console.print(
            f"[bold]{item.index:>4}[/] [dim]seed {seed}  {_plain(keys)}[/]\n     {_below(item.prompt)}", soft_wrap=True
        )
        if item.negative:
            console.print(f"     [dim]negative: {_below(item.negative)}[/]", soft_wrap=True)
    if plan.count > shown_items:
        console.print(f"... and {plan.count - shown_items:,} more (--jsonl prints all)")


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _below(text: str) -> str:
    """A text whose later lines stand below its first one."""
    return _plain(text.strip("\n").replace("\n", "\n     "))


def _shown_key(key: str, value: object) -> str:
    """A key as people know it: a value written in the template itself has no name of its own, only a hash."""
    if not isinstance(value, str) or len(key) != 8 or set(key) - set("0123456789abcdef"):
        return key
    return value if len(value) <= 30 else value[:29] + "…"
