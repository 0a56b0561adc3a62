"""`sdgen lora`: look into LoRA files, merge them into a checkpoint, stack and resize them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SDGenError, shown
from .output import counted, fail, print_json, reporting, visible

if TYPE_CHECKING:
    from ..training.lora.info import LoraInfo

app = typer.Typer(no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="The file to write.", metavar="FILE")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace the output when it is there.")]
DtypeOption = Annotated[
    str | None, typer.Option("--dtype", help="F32, F16 or BF16; else the widest of the sources'.", metavar="KIND")
]
LorasArgument = Annotated[
    list[str],
    typer.Argument(
        help="LoRA files, each with its strength as FILE=0.8, or FILE=0.8,0.5 with one for text encoders; 1 unless it is said.",
        metavar="LORA...",
    ),
]
_WORST = 5


@app.command()
@reporting
def info(
    files: Annotated[list[Path], typer.Argument(help="LoRA files.", metavar="FILE...")],
    check: Annotated[bool, typer.Option("--check", help="Look at every number: finite, not zero.")] = False,
    modules: Annotated[bool, typer.Option("--modules", help="List every module.")] = False,
    json: JsonOption = False,
) -> None:
    """Kind, ranks, family of models, trigger words and training of LoRA files, from their headers."""
    from ..training.lora.info import lora_info

    found = [lora_info(file, check=check) for file in files]
    if json:
        print_json([one.to_json() for one in found])
    else:
        for number, one in enumerate(found):
            if number:
                print()
            _show(one, modules)
    if any(one.checked for one in found):
        fail()


def _show(one: LoraInfo, modules: bool) -> None:
    meta = one.header.metadata
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in one.kinds.items())
    encoders = sum(module.text_encoder for module in one.modules.values())
    trained = {
        "name": meta.get("ss_output_name"),
        "base": meta.get("ss_sd_model_name"),
        "steps": meta.get("ss_steps"),
        "images": meta.get("ss_num_train_images"),
        "learning rate": meta.get("ss_learning_rate"),
        "made of": meta.get("sdgen.stacked") or meta.get("sdgen.resized"),
    }
    rows: list[tuple[str, Any]] = [
        ("file", shown(one.header.path)),
        ("size", f"{one.header.size / 1e6:,.1f} MB"),
        ("for", one.family),
        ("modules", f"{len(one.modules):,} ({kinds}), {encoders:,} of text encoders; names as {one.form}"),
        ("rank", _spread(one.ranks.values())),
        ("alpha", _spread(one.alphas.values())),
        ("numbers", ", ".join(f"{count:,} {dtype}" for dtype, count in one.dtypes.items())),
        *((label, value) for label, value in trained.items() if value),
    ]
    if one.triggers:
        rows.append(("words", ", ".join(f"{word} ({count:,})" if count else word for word, count in one.triggers)))
    if one.unknown:
        rows.append(("unknown", f"{counted(len(one.unknown), 'tensor')}, first {one.unknown[0]}"))
    if one.checked is not None:
        rows.append(
            (
                "checked",
                f"{len(one.checked)} wrong: {one.checked[0]}" if one.checked else "all finite, none without effect",
            )
        )
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        print(visible(f"{label:<{width}}  {value}"))
    if modules:
        _columns(
            ("kind", "rank", "alpha", "module"),
            [(m.kind, one.ranks.get(n, ""), one.alphas.get(n, ""), n) for n, m in one.modules.items()],
        )


def _columns(headings: Iterable[object], rows: Iterable[Iterable[object]]) -> None:
    """A table whose last column may be long: names of modules are never cut."""
    texts = [[str(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        print(visible("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()))


def _spread(values: Iterable[float]) -> str:
    """``16``, or ``4 to 32``."""
    found = sorted(set(values))
    if not found:
        return "none"
    return f"{found[0]:g}" if len(found) == 1 else f"{found[0]:g} to {found[-1]:g}"


@app.command()
@reporting
def merge(
    checkpoint: Annotated[
        Path, typer.Argument(help="The checkpoint, or a diffusion model alone.", metavar="CHECKPOINT")
    ],
    loras: LorasArgument,
    output: OutputOption,
    partly: Annotated[
        bool, typer.Option("--partly", help="Leave out modules that find no place in the model.")
    ] = False,
    comfyui: Annotated[
        Path | None,
        typer.Option(
            "--comfyui", help="Folder of the ComfyUI whose code applies the LoRAs; it need not run.", metavar="DIR"
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Write a checkpoint that makes the images that the LoRAs would make at run time."""
    from ..training.lora.arithmetic import Applied
    from ..training.lora.child import find_comfyui, merge_beside

    wanted = [Applied.read(text) for text in loras]
    folder = find_comfyui(comfyui)
    with _bar("merging", json) as progress:
        made = merge_beside(folder, checkpoint, wanted, output, replace=overwrite, partly=partly, progress=progress)
    if json:
        print_json(made.to_json())
        return
    left = f"; {counted(made.left_out, 'module')} left out" if made.left_out else ""
    print(
        f"wrote {shown(made.path)} ({made.size / 1e9:.2f} GB, {made.family}): {counted(made.modules, 'module')} "
        f"in {made.changed:,} of {made.tensors:,} tensors{left}"
    )


@app.command()
@reporting
def stack(
    loras: LorasArgument,
    output: OutputOption,
    dtype: DtypeOption = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Make one LoRA that does what several do together, exactly: its rank is the sum of theirs."""
    from ..training.lora.arithmetic import Applied
    from ..training.lora.arithmetic import stack as stacked

    ranks = stacked([Applied.read(text) for text in loras], output, dtype=_dtype(dtype), replace=overwrite)
    if json:
        print_json({"path": shown(output), "ranks": ranks})
        return
    print(f"wrote {shown(output)}: {counted(len(ranks), 'module')}, rank {_spread(r for r in ranks.values() if r)}")


@app.command()
@reporting
def resize(
    file: Annotated[Path, typer.Argument(help="The LoRA.", metavar="FILE")],
    output: OutputOption,
    rank: Annotated[int | None, typer.Option("--rank", help="At most this rank.", metavar="N")] = None,
    keep: Annotated[
        float | None,
        typer.Option(
            "--keep", help="The smallest rank that holds this share of a module's squared norm.", metavar="SHARE"
        ),
    ] = None,
    dtype: DtypeOption = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Make a LoRA of lower rank that is as near as can be, and say how near."""
    from ..training.lora.arithmetic import resize as resized

    report = resized(file, output, rank=rank, keep=keep, dtype=_dtype(dtype), replace=overwrite)
    if json:
        print_json({"path": shown(output), "modules": [vars(one) for one in report]})
        return
    before, after = (_spread(getattr(one, side) for one in report) for side in ("before", "after"))
    print(f"wrote {shown(output)}: {counted(len(report), 'module')}, rank {before} → {after}")
    worst = sorted(report, key=lambda one: -one.error)[:_WORST]
    if worst and worst[0].error > 1e-6:  # else what is lost is the numbers' own precision
        _columns(("error", "rank", "most is lost of"), [(f"{o.error:.2%}", o.after, o.module) for o in worst])


def _dtype(word: str | None) -> str | None:
    if word is not None and word.upper() not in ("F32", "F16", "BF16"):
        raise SDGenError("bad-option", f"the kind of numbers {word!r} is none of F32, F16, BF16")
    return None if word is None else word.upper()


@contextlib.contextmanager
def _bar(what: str, silent: bool) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal; gives what moves it."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=silent) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
