"""From a file (or a text typed in a node) to a ``ResolvedTemplate``: the whole pipeline, in the order users' files
rely on.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import Place, SDGenError, nearest_names, shown
from . import documents
from .chunks import ChunkBook
from .documents import Document
from .imports import ImportReader, Pool
from .inherit import Layer, Merged, chain, kind_of, merge
from .model import GenerationBlock, PromptFile, TemplateFile
from .parameters import loose_names, parameter_names
from .presets import expand_presets
from .resolved import MARKER, Generation, OutputSettings, ResolvedTemplate, Value
from .run import Entry, Run
from .space import selected
from .syntax import Placeholder, Selector, deciding, parse_selector, placeholders
from .text import Text
from .themes import Theme, load_theme, theme_from
from .validate import strict_problems

DIRECT = Generation(mode="combinatorial", seed=42, seed_mode="progressive", max_images=10)


@dataclass(frozen=True)
class Options:
    """What the user chooses beside the file: theme or theme file, style, fixed keys, selectors that count in place of the
    template's (``choices``), another mode.

    ``strict`` turns remarks into errors; ``schema`` checks the leaf against the strict rules of its kind; ``within``
    confines the files of a text to these folders.
    """

    theme: str | None = None
    theme_file: Path | None = None
    style: str | None = None
    fixed: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    mode: str | None = None
    strict: bool = False
    schema: bool = False
    within: tuple[Path, ...] = ()


def load_template(source: Path, options: Options | None = None) -> ResolvedTemplate:
    """Load a prompt file (or a template whose imports give ``prompt``). Raises ``SDGenError`` for every mistake of
    the user.
    """
    options = options or Options()
    source = Path(source)
    try:
        path = Path(os.path.normpath(source.absolute()))
    except (OSError, ValueError):
        raise SDGenError("missing-file", f"the file does not exist: {shown(source)}") from None
    run = Run(path.parent, shown(source.parent) if source.parent != Path() else "", options.strict)
    leaf = run.open(path)
    return _resolve(run, leaf, kind_of(leaf, path.name), options, shown(source), path)


def load_text(
    text: str, options: Options | None = None, *, base: Path | None = None, name: str = "text"
) -> ResolvedTemplate:
    """Load YAML typed in a node; ``base`` is the folder its paths are relative to (None: paths are refused).

    Also reads the JSON of ``ResolvedTemplate.to_json``; then only ``options.fixed``, ``choices`` and ``mode`` still act.
    """
    options = options or Options()
    if text.lstrip().startswith("{") and f'"{MARKER}"' in text:
        return _from_json(text, options)
    if len(text) > documents.MAX_BYTES:
        raise SDGenError("too-large", "the text is too long")
    data = text.encode("utf-8", "surrogatepass")
    parsed = documents.Parsed(text.replace("\r\n", "\n"), hashlib.sha256(data).hexdigest())
    folder = None if base is None else Path(os.path.normpath(base.absolute()))
    leaf = Document(parsed, None if folder is None else folder / f"{name}.prompt.yaml", name)
    run = Run(folder, shown(base) if base is not None else "", options.strict, within=options.within)
    root = leaf.root
    if root.kind != "map":
        raise SDGenError(
            "bad-structure", "the text is no template: write prompt: and generation: at least", place=leaf.place()
        )
    for key, mark in parsed.warned:
        run.warn(f"the key {key!r} is written twice; the last one counts", Place(name, mark.line + 1, mark.column + 1))
    kind = TemplateFile if root.get("template") is not None and root.get("prompt") is None else PromptFile
    _complete(root, name)
    return _resolve(run, leaf, kind, options, name, None)


def _complete(root: documents.Node, name: str) -> None:
    """A text in a node needs neither name nor generation."""
    if root.get("name") is None:
        root.value.append(
            (
                documents.Node("scalar", "name", root.start, root.start),
                documents.Node("scalar", name, root.start, root.start),
            )
        )
    if root.get("generation") is None and root.get("prompt") is not None:
        root.value.append(
            (
                documents.Node("scalar", "generation", root.start, root.start),
                documents.Node("map", [], root.start, root.start),
            )
        )


def _from_json(text: str, options: Options) -> ResolvedTemplate:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise SDGenError("bad-plan", "this JSON is damaged") from None
    resolved = ResolvedTemplate.from_json(data)
    values = {n: dict(p) for n, p in resolved.values.items()}
    fixed = apply_fixed(values, options.fixed)
    generation = resolved.generation if options.mode is None else replace(resolved.generation, mode=options.mode)
    run = Run(None)
    choices = {**resolved.choices, **_choices(run, values, options.choices)}
    run.check()
    return replace(
        resolved,
        values=values,
        fixed={**resolved.fixed, **fixed},
        choices=choices,
        generation=generation,
        warnings=(*resolved.warnings, *run.warnings),
    )


def _resolve(run: Run, leaf: Document, kind: Any, options: Options, source: str, path: Path | None) -> ResolvedTemplate:
    if options.theme and options.theme_file:
        raise SDGenError("bad-option", "a theme and a theme file exclude each other")
    if options.schema:
        for problem in strict_problems(leaf, kind):
            run.problem(problem)
        run.check()
    layers = chain(run, leaf, kind)
    merged = merge(run, layers)
    model = layers[-1].model
    style = options.style or "default"
    theme = _theme(run, merged, options, model.name, style)
    imports, removed = _with_theme(merged, theme)

    reader = ImportReader(run, style, frozenset(merged.sensitive))
    pools: dict[str, Pool] = {}
    for name, entry in imports.items():
        _read(run, reader, pools, name, entry)
    removed += [n for n, p in pools.items() if p.removed and n not in removed]
    run.check()

    book = ChunkBook(
        run,
        {**{n: p.chunk for n, p in pools.items() if p.chunk}, **merged.chunks},
        {n: p.chunks for n, p in pools.items() if p.chunks},
    )
    book.load_all()
    run.check()
    merged.text = book.expand(merged.text)
    if merged.negative is not None:
        merged.negative = book.expand(merged.negative, lenient=True)
    run.check()
    for chunk in list(book.used.values()):
        for name, entry in chunk.imports.items():
            if (name not in pools or pools[name].missing) and name not in removed:
                _read(run, reader, pools, name, entry)
    for chunk in book.used.values():
        for name, entry in chunk.defaults.items():
            if (name not in pools or pools[name].missing) and name not in removed:
                _read(run, reader, pools, name, entry)
    run.check()

    parameters = expand_presets(run, merged.parameters)
    prompt = merged.text
    negative = merged.negative or Text("")
    values = _check_names(run, prompt, negative, parameters, pools, removed, theme, book)
    fixed = apply_fixed(values, options.fixed)
    choices = _choices(run, values, options.choices)
    _check_selectors(run, prompt, negative, values, fixed, choices)
    run.check()

    generation = _generation(run, layers[-1], options)
    files = (
        sorted(run.files.values()) if path is not None else [(source, leaf.parsed.sha256), *sorted(run.files.values())]
    )
    digest = hashlib.sha256()
    for _, sha in sorted(files):
        digest.update(sha.encode())
    output = _output(model)
    return ResolvedTemplate(
        name=model.name,
        session_name=session_name(output.session_name, model.name, path.name if path else source),
        source=source,
        source_hash=digest.hexdigest(),
        files=tuple(files),
        prompt=prompt.string,
        negative=negative.string,
        values=values,
        generation=generation,
        removed=tuple(removed),
        weights={n: p.weight for n, p in pools.items() if p.weight is not None and n in values},
        parameters=parameters,
        theme=options.theme,
        style=style,
        fixed=fixed,
        choices=choices,
        output=output,
        warnings=tuple(run.warnings),
    )


def _read(run: Run, reader: ImportReader, pools: dict[str, Pool], name: str, entry: Entry) -> None:
    try:
        pools[name] = reader.read(name, entry)
    except SDGenError as e:
        run.problem(e)


def _theme(run: Run, merged: Merged, options: Options, prompt_name: str, style: str) -> Theme | None:
    if options.theme_file is not None:
        file = Path(os.path.normpath(options.theme_file.absolute()))
        return theme_from(run, file, file.stem, style)
    if options.theme is not None:
        theme = load_theme(run, merged.themes, prompt_name, options.theme, style)
        theme.merge = theme.merge or (merged.themes is not None and merged.themes.merge)
        return theme
    return None


def _with_theme(merged: Merged, theme: Theme | None) -> tuple[dict[str, Entry], list[str]]:
    """The imports in force and the names a theme removed (less those the leaf gives back)."""
    if theme is None:
        return merged.imports, []
    base = merged.imports if theme.merge else {}
    # a template run directly is frame and leaf in one: its imports are what a theme replaces, save its {prompt}
    own = (
        merged.own_imports
        if merged.kind == "prompt"
        else {k: v for k, v in merged.own_imports.items() if k == "prompt"}
    )
    imports = {k: v for k, v in {**base, **theme.imports}.items() if k not in theme.removed}
    imports.update(own)
    return imports, [n for n in theme.removed if n not in imports]


def _check_names(
    run: Run,
    prompt: Text,
    negative: Text,
    parameters: Mapping[str, Any],
    pools: dict[str, Pool],
    removed: list[str],
    theme: Theme | None,
    book: ChunkBook,
) -> dict[str, dict[str, Value]]:
    """The values of all names in use, in order of appearance. Unknown names in the prompt are errors, elsewhere
    remarks.
    """
    usable = {n: p.values for n, p in pools.items() if p.values}
    values: dict[str, dict[str, Value]] = {}
    for text, required in ((prompt, True), (negative, False)):
        for p in placeholders(text.string):
            if p.selector is not None and p.part is not None:
                message = f"{p.raw} has both a selector and a part"
                run.problem(SDGenError("selector-with-part", message, place=text.place(p.start, p.raw)))
            if p.name in usable:
                values.setdefault(p.name, usable[p.name])
            elif p.name in removed:
                continue
            elif required:
                run.problem(_unresolved(p, text, pools, usable, theme, book))
            elif p.name != "negprompt":
                run.warn(
                    f"{p.raw} in the negative prompt has no import and stays as text",
                    text.place(p.start, p.raw),
                    "unresolved-placeholder",
                )
    for name in (*parameter_names(parameters), *loose_names(parameters)):
        if name in usable:
            values.setdefault(name, usable[name])
        elif name not in removed and name not in values:
            run.warn(f"{{{name}}} in the parameters has no import and stays as text", code="unresolved-placeholder")
    return values


def _unresolved(
    p: Placeholder, text: Text, pools: dict[str, Pool], usable: Mapping[str, Any], theme: Theme | None, book: ChunkBook
) -> SDGenError:
    message = f"the placeholder {p.raw} has no import"
    hint = None
    if p.name in pools and pools[p.name].missing:
        message += f": {pools[p.name].missing}"
    if p.name == "prompt":
        message += (
            " ({prompt} is filled by a prompt file that implements this template; a template is not run by itself)"
        )
    elif book.has(p.name):
        message += f"; {p.name} is a chunk, written @{p.name}"
    if theme is not None:
        message += f". The theme {theme.name!r} ({theme.shown}) replaces the template's imports and does not name it"
        hint = f"Add {p.name} to the theme's imports, or write merge: true in the theme."
    listed = ", ".join(usable) or "none"
    return SDGenError(
        "unresolved-placeholder",
        f"{message} (imports: {listed})",
        place=text.place(p.start, p.raw),
        nearest=nearest_names(p.name, usable),
        hint=hint,
    )


def _check_selectors(
    run: Run,
    prompt: Text,
    negative: Text,
    values: Mapping[str, Mapping[str, Value]],
    fixed: Mapping[str, str],
    choices: Mapping[str, str],
) -> None:
    occurrences = [(p, prompt) for p in placeholders(prompt.string)] + [
        (p, negative) for p in placeholders(negative.string)
    ]
    last = deciding([p for p, _ in occurrences])
    for p, text in occurrences:
        if p.selector is None or p.name not in values:
            continue
        place = text.place(p.start, p.raw)
        selector = parse_selector(p.selector)
        for message in selector.errors:
            run.problem(SDGenError("bad-selector", f"{p.raw}: {message}", place=place))
        for message in selector.remarks:
            run.warn(f"{p.raw}: {message}", place, "bad-selector")
        decides = last[p.name]
        if decides.selector != p.selector:
            run.warn(
                f"{p.raw} and {decides.raw} disagree; the last one counts for every {{{p.name}}}", place, "bad-selector"
            )
        if selector.errors or p is not decides or p.name in choices:
            continue
        _check_choice(run, p.raw, selector, p.name, values[p.name], p.name in fixed, place)


def _check_choice(
    run: Run,
    raw: str,
    selector: Selector,
    name: str,
    pool: Mapping[str, Value],
    fixed: bool,
    place: Place | None = None,
) -> None:
    """A selector that names what is not there: a remark, and an error when nothing is left."""
    keys = tuple(pool)
    chosen = selected(name, selector, keys, pool, 0, fixed)
    unknown = [] if fixed else list(chosen.unknown)
    near = [n for u in unknown for n in nearest_names(u, keys, 1)]
    if not chosen.pool and not selector.leaves_out:
        listed = ", ".join(keys[:30]) + (", ..." if len(keys) > 30 else "")
        message = f"{raw} selects none of the {len(keys)} values (keys: {listed})"
        run.problem(SDGenError("empty-choice", message, place=place, nearest=near))
    elif unknown:
        tail = "; did you mean " + " or ".join(map(repr, near)) + "?" if near else ""
        run.warn(f"{raw}: not there: {', '.join(unknown)}{tail}", place, "bad-selector")


def _choices(run: Run, values: Mapping[str, Mapping[str, Value]], wanted: Mapping[str, str]) -> dict[str, str]:
    """The choices that act. One for a name that the template does not use is a remark: the template may have changed."""
    out: dict[str, str] = {}
    for name, text in wanted.items():
        raw = f"{name}[{text}]"
        if name not in values:
            near = nearest_names(name, values)
            tail = "; did you mean " + " or ".join(map(repr, near)) + "?" if near else ""
            run.warn(f"the choice {raw} has no effect: the template does not use {name}{tail}", code="bad-selector")
            continue
        selector = parse_selector(text)
        for message in selector.errors:
            run.problem(SDGenError("bad-selector", f"{raw}: {message}"))
        if not selector.errors:
            _check_choice(run, raw, selector, name, values[name], False)
            out[name] = text
    return out


def apply_fixed(values: dict[str, dict[str, Value]], fixed: Mapping[str, str]) -> dict[str, str]:
    """Reduce the pools of fixed names to one key, in place; gives name -> key. The key counts first, then an equal
    text, then an index.

    Names without values are ignored. Raises ``unknown-fixed-key``.
    """
    out: dict[str, str] = {}
    for name, wanted in fixed.items():
        pool = values.get(name)
        if pool is None:
            continue
        key = wanted if wanted in pool else next((k for k, v in pool.items() if v == wanted), None)
        if key is None and wanted.startswith("#") and wanted[1:].isdecimal() and int(wanted[1:]) < len(pool):
            key = list(pool)[int(wanted[1:])]
        if key is None:
            listed = ", ".join(list(pool)[:30]) + (", ..." if len(pool) > 30 else "")
            raise SDGenError(
                "unknown-fixed-key",
                f"{name} has no key {wanted!r} (keys: {listed})",
                nearest=nearest_names(wanted, pool),
            )
        values[name] = {key: pool[key]}
        out[name] = key
    return out


def _generation(run: Run, layer: Layer, options: Options) -> Generation:
    if layer.kind != "prompt":
        return DIRECT if options.mode is None else replace(DIRECT, mode=options.mode)
    block: GenerationBlock = layer.model.generation
    node = layer.document.root.get("generation")
    for word, known, meaning in (
        (block.mode, ("combinatorial", "random"), "random"),
        (block.seed_mode, ("fixed", "progressive", "random"), "random"),
    ):
        if word not in known:
            run.note(
                f"generation: {word!r} is none of {', '.join(known)} and counts as {meaning}",
                layer.document.place(node),
            )
    return Generation(options.mode or block.mode, block.seed, block.seed_mode, block.max_images, block.variation_seed)


def _output(model: Any) -> OutputSettings:
    block = model.output
    if block is None:
        return OutputSettings()
    annotations = None if block.annotations is None else block.annotations.model_dump()
    return OutputSettings(
        block.session_name or None,
        tuple(block.filename_keys),
        annotations,
        block.file_name or None,
        block.images_per_folder,
    )


def session_name(output_name: str | None, name: str, file_name: str) -> str:
    """Folder and file prefix: ``output.session_name`` as written, else the prompt's name, else the file's stem, made
    plain.
    """
    if output_name:
        return output_name
    if name.strip():
        return name.replace(" ", "_").replace("-", "_")
    return file_name.split(".")[0].replace(" ", "_").replace("-", "_").lower()
