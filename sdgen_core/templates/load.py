"""From a file (or a text typed in a node) to a ``ResolvedTemplate``: the whole pipeline, in the order users' files
rely on.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import SDGenError, nearest_names, shown
from . import documents
from .chunks import ChunkBook
from .documents import Document
from .imports import ImportReader, Memo, Pool
from .inherit import Layer, Merged, chain, kind_of, merge
from .model import FileModel, GenerationBlock, PromptFile, TemplateFile
from .names import Dressed, Values, apply_fixed, check_selectors, checked_choices, used_values
from .presets import expand_presets
from .resolved import MARKER, Generation, OutputSettings, ResolvedTemplate
from .run import Entry, Run, few
from .styles import styles_of
from .syntax import placeholders
from .text import Text
from .themes import Theme, load_theme, theme_from
from .validate import UnknownField, strict_problems

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
    """Load a prompt file (or a template whose imports give ``prompt``). Raises ``SDGenError`` for the user's mistakes,
    all of the file set together.
    """
    options = options or Options()
    source = Path(source)
    path = existing(source)
    run = Run(path.parent, shown(source.parent) if source.parent != Path() else "", options.strict)
    frame = None
    with run.collecting():
        leaf = run.salvage(path)
        frame = read_frame(run, leaf, kind_of(leaf, path.name), options)
    return _resolved(run, frame, options, shown(source), path)


def absolute(source: Path) -> Path:
    """The absolute path of what a user named. Raises ``missing-file`` for what can be no path."""
    try:
        if "\0" not in str(source):
            return Path(os.path.normpath(source.absolute()))
    except (OSError, ValueError):
        pass
    raise SDGenError("missing-file", f"the file does not exist: {shown(source)}") from None


def existing(source: Path) -> Path:
    """The absolute path of what a user wants to run. Raises ``missing-file`` with the names it may have meant."""
    path = absolute(source)
    if os.path.lexists(path):
        return path
    stems: dict[str, str] = {}
    with suppress(OSError, ValueError):
        names = [p.name for p in islice(path.parent.iterdir(), 2000) if p.suffix in (".yaml", ".yml")]
        for name in sorted(names, key=lambda n: (".prompt." not in n, n)):  # all endings are alike
            stems.setdefault(name.partition(".")[0], name)
    raise SDGenError(
        "missing-file",
        f"the file does not exist: {shown(source)}",
        nearest=[shown(source.with_name(stems[s])) for s in nearest_names(path.name.partition(".")[0], stems)],
        hint="Check the path; `sdgen list FOLDER` shows what can be run in a folder.",
    )


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
    parsed = documents.Parsed(documents.plain_lines(text), hashlib.sha256(data).hexdigest())
    folder = None if base is None else Path(os.path.normpath(base.absolute()))
    leaf = Document(parsed, None if folder is None else folder / f"{name}.prompt.yaml", name)
    run = Run(folder, shown(base) if base is not None else "", options.strict, within=options.within)
    frame = None
    with run.collecting():
        leaf = run.sound(leaf)
        root = leaf.root
        if root.kind != "map":
            message = "the text is no template: write prompt: and generation: at least"
            raise SDGenError("bad-structure", message, place=leaf.place())
        kind = TemplateFile if root.get("template") is not None and root.get("prompt") is None else PromptFile
        _complete(root, name)
        frame = read_frame(run, leaf, kind, options)
    return _resolved(run, frame, options, name, None)


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
    run = Run(None)
    fixed = _fixed(run, values, options)
    generation = resolved.generation if options.mode is None else replace(resolved.generation, mode=options.mode)
    choices = {**resolved.choices, **checked_choices(run, values, options.choices)}
    run.check()
    return replace(
        resolved,
        values=values,
        fixed={**resolved.fixed, **fixed},
        choices=choices,
        generation=generation,
        warnings=(*resolved.warnings, *run.warnings),
    )


@dataclass
class Frame:
    """A file merged with its parents: what is the same under every theme."""

    leaf: Document
    layers: list[Layer]
    merged: Merged

    @property
    def model(self) -> Any:
        """The leaf's own fields."""
        return self.layers[-1].model


def read_frame(run: Run, leaf: Document, kind: type[FileModel], options: Options) -> Frame:
    """Read the parents and merge. Raises what leaves nothing to go on with."""
    if options.schema:
        for problem in strict_problems(leaf, kind):
            if run.strict or not isinstance(problem, UnknownField):  # the model remarks on unknown fields
                run.problem(problem)
    layers = chain(run, leaf, kind)
    return Frame(leaf, layers, merge(run, layers))


def own_frame(run: Run, frame: Frame) -> Frame:
    """The file with its own imports only, for when its theme cannot be read: what the theme replaces does not matter, and
    what it would have brought is unknown.
    """
    run.partial = True
    return replace(frame, merged=replace(frame.merged, imports=frame.merged.own_imports))


def dress(
    run: Run,
    frame: Frame,
    theme: Theme | None = None,
    style: str = "default",
    *,
    alone: bool = False,
    memo: Memo | None = None,
    before: Dressed | None = None,
) -> Dressed:
    """Read everything the merged file names, with the imports of ``theme`` in place of the inherited ones: imports, chunks,
    presets. Mistakes are recorded.

    ``alone``: a template without a prompt. For many themes of one file: ``memo`` keeps what was read, and ``before``, the
    file without a theme, has the chunks and presets, which themes seldom change.
    """
    merged = frame.merged
    imports, removed = _with_theme(merged, theme)
    reader = ImportReader(run, style, frozenset(merged.sensitive), memo)
    pools: dict[str, Pool] = {n: Pool(broken=True) for n in (theme.broken if theme is not None else ())}
    for name, entry in imports.items():
        pools[name] = _read(run, reader, name, entry)
    removed |= dict.fromkeys(n for n, p in pools.items() if p.removed)
    if before is not None and not any(p.chunk or p.chunks for d in (pools, before.pools) for p in d.values()):
        out = replace(before, pools=pools, removed=removed, theme=theme)
    else:
        out = _expanded(run, merged, pools, removed, theme, alone)
    for block in ("imports", "defaults"):
        for chunk in list(out.book.used.values()):
            for name, entry in getattr(chunk, block).items():
                if (name not in pools or pools[name].missing) and name not in removed:
                    pools[name] = _read(run, reader, name, entry)
    return out


def _expanded(
    run: Run, merged: Merged, pools: dict[str, Pool], removed: dict[str, None], theme: Theme | None, alone: bool
) -> Dressed:
    book = ChunkBook(
        run,
        {**{n: p.chunk for n, p in pools.items() if p.chunk}, **merged.chunks},
        {n: p.chunks for n, p in pools.items() if p.chunks},
        {} if theme is None else {n: theme.name for n in merged.imports if n not in pools and n not in removed},
    )
    book.load_all()
    out = Dressed(merged.text, merged.negative or Text(""), book, pools, removed, {}, theme, alone)
    with run.collecting():
        out.prompt = book.expand(out.prompt)
        out.negative = book.expand(out.negative, lenient=True)
    with run.collecting():
        out.parameters = expand_presets(run, merged.parameters)
    return out


def _read(run: Run, reader: ImportReader, name: str, entry: Entry) -> Pool:
    try:
        return reader.read(name, entry)
    except SDGenError as error:
        run.problem(error)
        return Pool(broken=True)


def _fixed(run: Run, values: Values, options: Options, unused: Values | None = None) -> dict[str, str]:
    """Apply the fixed keys. One of an import that the template does not use has no effect, but must be there."""
    fixed: dict[str, str] = {}
    for name, key in options.fixed.items():
        with run.collecting():
            if name in values:
                fixed |= apply_fixed(values, {name: key})
            elif unused and name in unused:
                apply_fixed({name: unused[name]}, {name: key})
    return fixed


def _resolved(run: Run, frame: Frame | None, options: Options, source: str, path: Path | None) -> ResolvedTemplate:
    """The template, or everything that was wrong on the way to it."""
    if options.theme and options.theme_file:
        raise SDGenError("bad-option", "a theme and a theme file exclude each other")
    if frame is None:
        run.check()
        raise AssertionError("unreachable: without a frame there are problems")
    style = options.style or "default"
    dressed: Dressed | None = None
    with run.collecting():
        theme = _theme(run, frame.merged, options, frame.model.name, style)
        dressed = dress(run, frame, theme, style)
    if dressed is None:
        dressed = dress(run, own_frame(run, frame), None, style)
    _check_style(run, frame.merged, dressed.theme, style)
    values = used_values(run, dressed)
    _check_theme(run, frame.merged, dressed, values)
    fixed = _fixed(run, values, options, dressed.usable)
    choices = checked_choices(run, values, options.choices, dressed)
    check_selectors(run, dressed, values, fixed, choices)
    generation = generation_of(run, frame.layers[-1], options)
    run.check()

    files = sorted(run.files.values())
    if path is None:
        files.insert(0, (source, frame.leaf.parsed.sha256))
    digest = hashlib.sha256()
    for _, sha in sorted(files):
        digest.update(sha.encode())
    output = _output(frame.model)
    return ResolvedTemplate(
        name=frame.model.name,
        session_name=session_name(output.session_name, frame.model.name, path.name if path else source),
        source=source,
        source_hash=digest.hexdigest(),
        files=tuple(files),
        prompt=dressed.prompt.string,
        negative=dressed.negative.string,
        values=values,
        generation=generation,
        removed=tuple(dressed.removed),
        weights={n: p.weight for n, p in dressed.pools.items() if p.weight is not None and n in values},
        parameters=dressed.parameters,
        theme=options.theme,
        style=style,
        fixed=fixed,
        choices=choices,
        output=output,
        warnings=tuple(run.warnings),
        loras=() if dressed.theme is None else dressed.theme.loras,
    )


def _theme(run: Run, merged: Merged, options: Options, prompt_name: str, style: str) -> Theme | None:
    if options.theme_file is not None:
        file = absolute(options.theme_file)
        return theme_from(run, file, file.stem, style)
    if options.theme is not None:
        theme = load_theme(run, merged.themes, prompt_name, options.theme, style)
        theme.merge = theme.merge or (merged.themes is not None and merged.themes.merge)
        return theme
    return None


def _check_theme(run: Run, merged: Merged, dressed: Dressed, values: Values) -> None:
    """Remark on a theme that changes nothing because the prompt's own imports win."""
    theme = dressed.theme
    if theme is None or theme.loras or run.partial or merged.kind != "prompt":
        return
    given = dict.fromkeys((*theme.imports, *theme.removed, *theme.broken))
    kept = [n for n in given if n in merged.own_imports]
    used = {*values, *(p.name for text in (dressed.prompt, dressed.negative) for p in placeholders(text.string))}
    changed = [n for n in given if n not in kept and (n in used or _is_chunk(dressed, n))]
    if any(n in values for n in kept) and not changed:
        wins = f"the prompt's own imports ({few(kept)}) win over a theme's, which only replace inherited ones"
        run.note(f"the theme {theme.name!r} has no effect: {wins}", None, "bad-option")


def _is_chunk(dressed: Dressed, name: str) -> bool:
    pool = dressed.pools.get(name)
    return pool is not None and bool(pool.chunk or pool.chunks)


def _check_style(run: Run, merged: Merged, theme: Theme | None, style: str) -> None:
    """Remark on a style that neither the theme nor a file beside those of style-sensitive imports has."""
    if style == "default" or run.partial:
        return
    beside = styles_of(run, merged.sensitive, _with_theme(merged, theme)[0])
    known = list(dict.fromkeys((*(theme.styles if theme is not None else ()), *beside)))
    if style in known or not (known or theme is None):
        return
    if known:
        owner = "there is" if theme is None else f"the theme {theme.name!r} has"
        message = f"{owner} no style {style!r} (styles: {few(known)})"
    else:
        message = f"the style {style!r} has no effect: no theme was chosen, and no import has a file for it"
    run.warn(message, None, "bad-option", nearest_names(style, known))


def _with_theme(merged: Merged, theme: Theme | None) -> tuple[dict[str, Entry], dict[str, None]]:
    """The imports in force and the names a theme removed (less those the leaf gives back)."""
    if theme is None:
        return merged.imports, {}
    base = merged.imports if theme.merge else {}
    # a template run directly is frame and leaf in one: its imports are what a theme replaces, save its {prompt}
    own = (
        merged.own_imports
        if merged.kind == "prompt"
        else {k: v for k, v in merged.own_imports.items() if k == "prompt"}
    )
    imports = {k: v for k, v in {**base, **theme.imports}.items() if k not in theme.removed}
    imports.update(own)
    return imports, {n: None for n in theme.removed if n not in imports}


def generation_of(run: Run, layer: Layer, options: Options) -> Generation:
    """The generation block of a leaf; words it does not know are remarks."""
    if layer.kind != "prompt":
        return DIRECT if options.mode is None else replace(DIRECT, mode=options.mode)
    block: GenerationBlock = layer.model.generation
    words = (
        ("mode", block.mode, ("combinatorial", "random")),
        ("seed_mode", block.seed_mode, ("fixed", "progressive", "random")),
    )
    for name, word, known in words:
        if word in known:
            continue
        place = layer.document.place(layer.document.root.at(("generation", name)))
        if word == "ask":
            run.note(f"generation.{name}: ask counts as random where nobody is asked", place)
        else:
            message = f"generation.{name}: {word!r} is none of {', '.join(known)} and counts as random"
            run.warn(message, place, "schema", nearest_names(word, known))
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
