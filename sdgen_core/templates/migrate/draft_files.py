"""Prompt, template and chunk files of the drafts, edited in place: their texts, paths and top-level fields."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SDGenError, nearest_names, shown
from ..documents import Node
from .draft_texts import Rules, Substitution, names_in_order, substitutions
from .editor import Editor
from .project import key_of
from .texts import flow, literal, scalar

if TYPE_CHECKING:
    from .drafts import Drafts

DEFAULT_GENERATION = {"mode": "combinatorial", "seed": 42, "seed_mode": "progressive", "max_images": -1}
_PATH = re.compile(r"\.(ya?ml|txt)$", re.IGNORECASE)


def substitute(editor: Editor, path: tuple[str | int, ...], found: list[Substitution]) -> None:
    """Put substitutions into a text where it stands; a text whose tokens are not written literally is written anew."""
    node = editor.node(path)
    text = str(node.value)
    parts: list[str] = []
    places: list[int] = []
    at = 0
    for s in found:
        parts += [text[at : s.start], s.new]
        at = s.start + len(s.old)
        places.append(_nth(editor.text, s.old, text.count(s.old, 0, s.start), node.start.index, node.end.index))
    new = "".join([*parts, text[at:]])
    if min(places) >= 0:
        for s, place in zip(found, places, strict=True):
            editor.replace(place, place + len(s.old), s.new)
        editor.mean(path, new)
    else:
        line = editor.text[editor.line_start(node.start.index) : node.start.index]
        editor.set(path, new, literal(new, line[: len(line) - len(line.lstrip())]))


def _nth(text: str, token: str, number: int, start: int, end: int) -> int:
    for _ in range(number + 1):
        found = text.find(token, start, end)
        if found < 0:
            return -1
        start = found + 1
    return found


class TextFile:
    """One prompt, template or chunk file."""

    def __init__(self, editor: Editor, path: Path, kind: str, drafts: Drafts) -> None:
        self.editor = editor
        self.path = path
        self.kind = kind
        self.drafts = drafts
        self.project = drafts.project
        self.plan = drafts.project.plan
        self.root = editor.root

    def get(self, key: str) -> Node | None:
        return self.root.get(key)

    def place(self, key: str | None = None) -> Any:
        return self.editor.document.place(self.get(key) if key else None)

    def run(self) -> None:
        base_node = self.get("base_path")
        base = str(base_node.value).strip() if base_node is not None and base_node.kind == "scalar" else None
        imports_key = "imports"
        if self.kind == "prompt" and not _full(self.get("imports")) and _full(self.get("variations")):
            imports_key = "variations"
        blocks = [(k, self.get(k)) for k in dict.fromkeys((imports_key, "chunks", "defaults"))]
        rules = self.drafts.rules(self.path, [b for _, b in blocks], base)
        draft = self._is_draft()
        for key, block in blocks:
            if block is not None and block.kind == "map":
                for name, _, node in block.pairs():
                    self._path((key, name), node, base, draft, True)
        rules.digits = draft
        rules.index_base = self._index_base()
        self._texts(rules, base is not None)
        if draft:
            self._loop_order()
        self._fields(imports_key, base)

    def _is_draft(self) -> bool:
        """Whether the file is certainly of the drafts: it uses what only they had."""
        if self.kind != "prompt":
            return False
        generation = self.get("generation")
        own = any(self.get(k) is not None for k in ("template", "variations", "selector_config", "extends"))
        text = self.get("prompt")
        character = text is not None and re.search(r"(?<!@)\{\w+\s+with\s+[\w.]+\s*=", str(text.value)) is not None
        imports = self.get("imports")
        if imports is not None and imports.kind == "map":
            character |= any(n.is_text and ".char." in str(n.value) for _, _, n in imports.pairs())
        return own or character or (generation is not None and generation.get("index_base") is not None)

    def _index_base(self) -> int:
        for key in ("selector_config", "generation"):
            block = self.get(key)
            node = block.get("index_base") if block is not None else None
            value = node.scalar() if node is not None and node.kind == "scalar" else None
            if isinstance(value, int):
                return int(value)
        return 0

    # ---- texts ---------------------------------------------------------------------------------------------------

    def _texts(self, rules: Rules, ambiguous: bool) -> None:
        for key in ("prompt", "template", "negative_prompt"):
            node = self.get(key)
            if node is None or not node.is_text:
                continue
            self._shared(str(node.value), rules, key)
            found = substitutions(str(node.value), rules)
            for s in found:
                if s.unclear:
                    place = self.editor.document.place_in(node, s.start, s.old)
                    self.plan.lost(f"{s.old}: {s.unclear}; it stays as it is", place, "Write it in today's form.")
            found = [s for s in found if not s.unclear]
            if found:
                substitute(self.editor, (key,), found)
            if ambiguous and not rules.digits and (bare := re.search(r"\{\w+\[\s*\d[\d\s,]*\]\}", str(node.value))):
                self.plan.lost(
                    f"{bare[0]} may come from the drafts, where numbers were indexes; today it means so many at random",
                    self.editor.document.place_in(node, bare.start(), bare[0]),
                    "Write [#1,5] for the indexes 1 and 5; remove base_path: when the number is right.",
                )

    def _shared(self, text: str, rules: Rules, key: str) -> None:
        """Two characters of one template fill the same names, and a name has one value in a prompt."""
        used = [n for n in rules.chunks if re.search(rf"(?<!@)\{{{n}(?:\s+with\s[^{{}}]*)?\}}", text)]
        for i, name in enumerate(used):
            for other in used[i + 1 :]:
                same = [p for p in rules.chunks[name] if p in rules.chunks[other] and p not in rules.parts]
                if same:
                    self.plan.lost(
                        f"{name} and {other} fill the same names ({', '.join(same)}), and the values of {name} count for both",
                        self.place(key),
                        f'Say the values of {other} in the text: @{{{other} with {same[0]}:"..."}}.',
                    )

    def _loop_order(self) -> None:
        """The drafts looped over names in alphabetical order."""
        key = "prompt" if self.get("prompt") else "template"
        text = self.editor.data.get(key)
        generation = self.get("generation")
        mode = generation.get("mode") if generation is not None else None
        if not isinstance(text, str) or (mode is not None and mode.value != "combinatorial"):
            return
        names = names_in_order(text)
        if names != sorted(names):
            remark = "the loops were in alphabetical order and are now in order of appearance; a weight [$N] says another order"
            self.plan.remark(remark, self.place(key))

    # ---- fields --------------------------------------------------------------------------------------------------

    def _fields(self, imports_key: str, base: str | None) -> None:
        """Top-level keys: the last edits, since they change what others are called."""
        editor = self.editor
        if base is not None:
            editor.remove(("base_path",))
        for key, why in (
            ("selector_config", "its index_base is written into the selectors"),
            (
                "extends",
                "a prompt takes its text from one template: make the base an X.template.yaml with {prompt} in it",
            ),
            ("extends_mode", "see extends"),
        ):
            node = self.get(key)
            if node is None:
                continue
            data = node.python()
            editor.comment_out((key,))
            if key != "selector_config":
                self.plan.lost(f"{key}: {flow(data)}: {why}", self.place(key))
            elif isinstance(data, dict) and data.get("random_seed") is not None:
                text = f"selector_config: random_seed {data['random_seed']} is now generation: variation_seed; write it there"
                self.plan.lost(text, self.place(key))
        if (generation := self.get("generation")) is not None and generation.get("index_base") is not None:
            if len(generation.value) > 1:
                editor.remove(("generation", "index_base"))
            else:
                editor.set(("generation",), {}, "{}")
        if self.kind == "prompt":
            if (template := self.get("template")) is not None:
                if self.get("prompt") is None:
                    editor.rename(("template",), "prompt")
                else:
                    editor.comment_out(("template",))
                    message = "the file has prompt: and template:; the prompt counts"
                    self.plan.lost(message, editor.document.place(template))
            if self.get("variations") is not None:
                if imports_key == "variations":
                    if self.get("imports") is not None:
                        editor.remove(("imports",))
                    editor.rename(("variations",), "imports")
                else:
                    editor.comment_out(("variations",))
                    message = "the file has imports: and variations:; the imports count"
                    self.plan.lost(message, self.place("variations"))
            if self.get("generation") is None:
                editor.append("generation", dict(DEFAULT_GENERATION), flow(DEFAULT_GENERATION))
                self.plan.remark("had no generation: block; it gets what the drafts took", self.place())
        if self.kind in ("prompt", "template"):
            wanted = {"type": self.kind, "name": self.path.name.split(".")[0]}
            missing = {k: v for k, v in wanted.items() if self.get(k) is None}
            if missing:
                editor.insert_first(missing)

    # ---- paths ---------------------------------------------------------------------------------------------------

    def _path(self, path: tuple[str | int, ...], node: Node, base: str | None, draft: bool, single: bool) -> None:
        if node.kind == "list":
            for position, item in enumerate(node.value):
                self._path((*path, position), item, base, draft, False)
        elif node.kind == "map":
            for key, _, item in node.pairs():
                self._path((*path, key), item, base, draft, False)
        elif node.is_text and _PATH.search(str(node.value).strip()) and "\n" not in str(node.value):
            self._file(path, str(node.value).strip(), base, draft, single)

    def _file(self, path: tuple[str | int, ...], text: str, base: str | None, draft: bool, single: bool) -> None:
        node = self.editor.node(path)
        found = self.project.find(text, self.path.parent, base, above=draft or bool(base), base_first=draft)
        if found is None:
            if draft or base:
                near = nearest_names(re.split(r"[/\\]", text)[-1], [f.name for f in self.project.files])
                message = f"{'.'.join(map(str, path))}: there is no file {text}"
                place = self.editor.document.place(node)
                self.plan.problem(SDGenError("missing-file", message, place=place, nearest=near))
            if base and not Path(text).is_absolute():
                moved = shown(os.path.normpath(Path(base.replace("\\", "/")) / text.replace("\\", "/")))
                self.editor.set(path, moved, scalar(moved))
            return
        targets = self._targets(found)
        own = Path(self.path.parent / text.replace("\\", "/"))
        if [t.resolve() for t in targets] == [own.resolve()] and not own.is_absolute():
            return  # it is found where the file says
        if self.kind != "prompt" and targets == [found] and not base:
            return  # a template's paths are relative to the prompts that use it
        written = [self.project.written(t, self.path.parent, self.editor.document.place(node)) for t in targets]
        if len(written) == 1:
            self.editor.set(path, written[0], scalar(written[0]))
        elif single and written:
            self.editor.set(path, written, flow(written))
            message = f"{text} combined {len(written)} files, which are now named themselves; it is not needed any more"
            self.plan.remark(message, self.editor.document.place(node))
        else:
            message = f"{text} combines other files; name those here"
            self.plan.lost(message, self.editor.document.place(node))

    def _targets(self, found: Path, trail: tuple[str, ...] = ()) -> list[Path]:
        """What takes a file's place today: a list's YAML, a character's chunk, the sources of a combined file."""
        if found.suffix.lower() == ".txt":
            return [self.project.list_for(found)[0]]
        self.drafts.convert(found)
        if key_of(found) in self.project.chunks:
            return [self.project.chunks[key_of(found)]]
        sources = self.drafts.sources(found)
        if sources is None:
            return [found]
        out: list[Path] = []
        for item in sources:
            source = self.project.find(str(item.value), found.parent, above=True)
            if source is None:
                message = f"sources: there is no file {item.value}"
                place = self.project.document(found).place(item)
                self.plan.problem(SDGenError("missing-file", message, place=place))
            elif key_of(source) not in trail:
                out += self._targets(source, (*trail, key_of(found)))
        return out


def _full(node: Node | None) -> bool:
    return node is not None and node.kind == "map" and bool(node.value)
