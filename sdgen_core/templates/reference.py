"""The reference pages of the documentation, made from the models: one Markdown page a kind of file, and an index.

A block that several kinds share is described on the first page that has it; the others link to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from .model import KINDS
from .schema import json_schema

#: A whole small file of each kind.
EXAMPLES: dict[str, str] = {
    "prompt": """\
# knight.prompt.yaml
type: prompt
version: '2.0'
name: Knight
imports:
  Coat: {Red: a red coat, Green: a green coat, Grey: a grey coat}
  Light: [dawn light, noon light]
parameters: {width: 832, height: 1216, steps: 24}
prompt: |
  a knight in {Coat[Red,Grey]}, {Light}
negative_prompt: blurry
generation: {mode: combinatorial, seed: 42, seed_mode: progressive, max_images: 100}
""",
    "template": """\
# portrait.template.yaml
type: template
version: '2.0'
name: Portrait
imports:
  Light: [dawn light, noon light]
parameters: {width: 832, height: 1216}
template: |
  masterpiece, portrait of {prompt}, {Light}
negative_prompt: blurry, {negprompt}
""",
    "chunk": """\
# hero.chunk.yaml
type: chunk
version: '2.0'
name: Hero
template: a hero in a {Coat}, {Pose}
imports:
  Pose: [standing, running]
defaults:
  Coat: grey coat
""",
    "variations": """\
# variations/coats.yaml
type: variations
version: '1.0'
name: Coats
variations:
  Red: a red coat
  Long: {main: a long coat, lora: '<lora:coat:0.7>'}
""",
    "theme": """\
# themes/pirates/theme.yaml
type: theme_config
version: '1.0'
name: Pirates
imports:
  Coat: {Captain: a captain's coat, Sailor: a striped shirt}
  Coat.winter: a fur coat
  Camera: [Remove]
variations: [Coat, Camera]
tags: [sea, history]
""",
    "adetailer": """\
# face.adetailer.yaml
type: adetailer_config
version: '2.0'
name: Face
detector:
  ad_model: face_yolov8n.pt
  ad_confidence: 0.4
  ad_prompt: 'detailed face, {Expression}'
""",
    "controlnet": """\
# pose.controlnet.yaml
type: controlnet_config
version: '1.0'
name: Pose
units:
  - model: control_v11p_sd15_openpose
    module: openpose
    image: '{PoseImage}'
    weight: 0.8
""",
}

#: Forms of values: YAML, and what it means.
FORM_EXAMPLES: dict[str, list[tuple[str, str]]] = {
    "import": [
        ("variations/coats.yaml", "all values of the file"),
        ("a red coat", "one value"),
        ("[coats.yaml, more/coats.yaml, a red coat]", "values of files, and texts, in this order"),
        ("{Red: a red coat, Blue: a blue coat}", "key → text"),
        ("{Bob: {main: short bob, lora: '<lora:bob:0.7>'}}", "key → parts"),
        ("{warm: warm.yaml, cold: cold.yaml}", "several files; a key of two files gets the name and __ in front"),
        ("{source: coats.yaml, weight: 5}", "any of these with a loop weight, for placeholders without one"),
        ("hero.chunk.yaml", "a chunk: @Name"),
        ("{hero: hero.chunk.yaml, film: film.chunk.yaml}", "a group of chunks: @Name.hero, @Name.film"),
        ("[Remove]", "the placeholder becomes empty"),
        ("null", "no values; takes away the parent's"),
    ],
    "theme_import": [
        ("pirates/coat.yaml", "all values of the file"),
        ("a red coat", "one value"),
        ("{Red: a red coat, Blue: a blue coat}", "key → text"),
        ("{warm: warm.yaml, cold: cold.yaml}", "several files"),
        ("{source: coats.yaml, weight: 5}", "any of these with a loop weight, for placeholders without one"),
        ("[Remove]", "the placeholder becomes empty"),
        ("null", "no values"),
    ],
    "theme_loras": [
        ("pirates-style", "a file of ComfyUI's LoRA folders, at strength 1; folder and ending may be left out"),
        ("{name: pirates-style, strength: 0.8}", "with a strength"),
        ("[pirates-style, {name: grain, strength: -0.3}]", "several, in this order"),
        ("null", "none"),
    ],
    "values": [
        ("{Red: a red coat, Blue: a blue coat}", "key → text"),
        ("{Bob: {main: short bob, lora: '<lora:bob:0.7>'}}", "key → parts: {X} takes main, {X:lora} the part lora"),
        ("[a red coat, a blue coat]", "texts that are their own keys"),
        ("[{Red: a red coat}, a blue coat]", "the same, mixed"),
    ],
    "adetailer": [
        ("presets/face.adetailer.yaml", "a preset file"),
        ("[presets/face.adetailer.yaml, presets/hand.adetailer.yaml]", "several"),
        ("{import: presets/face.adetailer.yaml, override: {ad_confidence: 0.5}}", "a preset with other fields"),
        ("[presets/face.adetailer.yaml, {ad_confidence: 0.5}]", "the same"),
        ("{ad_model: hand_yolov8n.pt}", "a detector without a preset"),
        ("null", "off: takes away the parent's"),
    ],
    "controlnet": [
        ("presets/canny.controlnet.yaml", "a preset file"),
        ("[presets/canny.controlnet.yaml, {weight: 0.6}]", "a preset; the fields change its first unit"),
        ("{import: presets/canny.controlnet.yaml, weight: 0.6}", "the same"),
        ("{model: control_v11p_sd15_canny, image: images/a.png}", "one unit without a preset"),
        ("{model: control_v11p_sd15_openpose, image: {Pose}}", "an image per value of Pose"),
        ("null", "off: takes away the parent's"),
    ],
}

_HEADINGS = {
    "import": "What an import may be",
    "theme_import": "What a theme's import may be",
    "theme_loras": "What lora may be",
    "values": "What variations may be",
    "adetailer": "What adetailer may be",
    "controlnet": "What controlnet may be",
    "GenerationBlock": "generation",
    "OutputBlock": "output",
    "AnnotationsBlock": "annotations",
    "ThemesBlock": "themes",
    "ParametersBlock": "parameters",
    "Detector": "Fields of a detector",
    "Unit": "Fields of a unit",
}
#: Forms that are maps with the fields of a block, and more: (the block, the definition with all fields).
_ENTRIES = {"adetailer": ("Detector", "DetectorEntry"), "controlnet": ("Unit", "ControlnetBlock")}
#: Blocks that stand on the page of their own kind, wherever they are used first.
_HOMES = {"Detector": "adetailer", "Unit": "controlnet"}
#: Blocks that are described as another one.
_ALIKE = {"UnitFields": "Unit"}
_TITLES = {"adetailer": "ADetailer presets", "controlnet": "ControlNet presets"}
_SHORT = {"string": "text", "number": "number", "integer": "whole number", "boolean": "true or false", "object": "map"}


def pages() -> dict[str, str]:
    """File name → Markdown of all pages."""
    homes = dict(_HOMES)
    made: dict[str, str] = {}
    for kind in KINDS:
        page = _Page(kind, homes)
        made[f"{kind}.md"] = page.text()
    return {"index.md": _index(), **made}


@dataclass
class _Page:
    """A page while it is written. ``homes``: heading of a block → the page that describes it."""

    kind: str
    homes: dict[str, str]
    linked: list[str] = field(default_factory=list)

    def text(self) -> str:
        schema = json_schema(self.kind)
        model = KINDS[self.kind]
        self.schema = schema
        body = schema["$defs"]["variations_file"] if self.kind == "variations" else schema
        lines = [
            f"# {_TITLES.get(self.kind, f'{self.kind.capitalize()} files')}",
            "",
            f"{_code(' · '.join(model.NAMES))}",
            "",
            _marked(body["description"]),
            "",
            "```yaml",
            *EXAMPLES[self.kind].splitlines(),
            "```",
            "",
            "## Fields",
            "",
            *self._table(body),
        ]
        for name in self.linked:  # grows while sections are written
            if self.homes[name] == self.kind:
                lines += self._section(name)
        return "\n".join(lines) + "\n"

    def _section(self, name: str) -> list[str]:
        definition = self.schema["$defs"].get(name, {})
        lines = ["", f"## {_HEADINGS[name]}", ""]
        if name in FORM_EXAMPLES:
            lines += ["| written | means |", "|---|---|"]
            lines += [f"| {_code(text)} | {_marked(meaning)} |" for text, meaning in FORM_EXAMPLES[name]]
            if name in _ENTRIES:
                block, entry = _ENTRIES[name]
                known = self.schema["$defs"][block]["properties"]
                more = {k: v for k, v in self.schema["$defs"][entry]["properties"].items() if k not in known}
                fields = self._link(block, _HEADINGS[block].lower())
                lines += ["", f"A map has the {fields}, and:", "", *self._table({"properties": more})]
            return lines
        if definition.get("description"):
            lines += [_marked(definition["description"]), ""]
        return lines + self._table(definition)

    def _table(self, schema: dict[str, Any]) -> list[str]:
        lines = ["| field | type | default | meaning | example |", "|---|---|---|---|---|"]
        required = schema.get("required", ())
        for name, prop in schema["properties"].items():
            default = "**required**" if name in required else _code(_yaml(prop["default"])) if "default" in prop else ""
            example = _code(_yaml(prop["examples"][0])) if prop.get("examples") else ""
            cells = [_code(name), self._type(name, prop), default, _marked(prop.get("description", "")), example]
            lines.append("| " + " | ".join(cells) + " |")
        return lines

    def _type(self, name: str, schema: dict[str, Any]) -> str:
        """A field's type in words, with links to the sections that say more."""
        if name in ("adetailer", "controlnet"):
            return self._link(name, "preset")
        if name == "lora" and self.kind == "theme":
            return self._link("theme_loras", "LoRA")
        if "const" in schema:
            return _code(str(schema["const"]))
        if "enum" in schema:
            words = [v for v in schema["enum"] if isinstance(v, str)]
            return ", ".join(_code(_yaml(w)) for w in words)
        for part in (schema, *schema.get("allOf", ()), *schema.get("anyOf", ())):
            if "$ref" in part:
                return self._link(part["$ref"].rpartition("/")[2], "block")
        inner = schema.get("additionalProperties")
        if isinstance(inner, dict) and "$ref" in inner:
            return f"name → {self._link(inner['$ref'].rpartition('/')[2], 'import')}"
        if isinstance(inner, dict) and inner.get("type") == "string":
            return "name → " + ("file" if "pattern" in inner else "text")
        types = [schema["type"]] if isinstance(schema.get("type"), str) else list(schema.get("type", ()))
        if "array" in types:
            items = schema.get("items", {})
            return f"list of {self._link(items['$ref'].rpartition('/')[2], 'maps') if '$ref' in items else 'texts'}"
        if "pattern" in schema and "ml" in schema["pattern"]:
            return "file"
        if not types:
            return "anything"
        word = "text" if "string" in types and types[0] == "string" else _SHORT[types[0]]
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is not None and high is not None:
            return f"{word}, {low:g} to {high:g}"
        return word if low is None else f"{word}, from {low:g}"

    def _link(self, name: str, word: str) -> str:
        name = _ALIKE.get(name, name)
        heading = _HEADINGS[name]
        home = self.homes.setdefault(name, self.kind)
        if name not in self.linked:
            self.linked.append(name)
        page = "" if home == self.kind else f"{home}.md"
        return f"[{word}]({page}#{re.sub(r'[^a-z0-9_ -]', '', heading.lower()).replace(' ', '-')})"


def _index() -> str:
    lines = [
        "# Reference",
        "",
        "Every kind of file, every field. These pages are made from the same models that check the files: "
        "`sdgen schema export --format markdown --out web/docs/reference` makes them again.",
        "",
        "| kind | file | what it is |",
        "|---|---|---|",
    ]
    for kind in KINDS:
        summary = _marked(json_schema(kind)["description"].partition(". ")[0].rstrip(".:"))
        lines.append(f"| [{kind}]({kind}.md) | {_code(KINDS[kind].NAMES[0])} | {summary} |")
    lines += [
        "",
        "## Completion in an editor",
        "",
        "`sdgen schema export --out .vscode` writes a JSON Schema of every kind, and settings for VS Code with Red Hat's "
        "YAML extension: open the folder that holds your templates, and fields are completed, explained and checked while "
        "you type. Other editors with a YAML language server take the same schemas; a first line of",
        "",
        "```text",
        "# yaml-language-server: $schema=.vscode/sdgen.prompt.schema.json",
        "```",
        "",
        "names one for a single file.",
    ]
    return "\n".join(lines) + "\n"


def _yaml(value: Any) -> str:
    """A value as it is written in a file, on one line."""
    if isinstance(value, float) and value.is_integer():
        return f"{value:.1f}"
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _marked(text: str) -> str:
    """Plain text as Markdown: placeholders, references and file names as code."""
    text = text.replace("|", "\\|").replace("<", "&lt;")
    return re.sub(r"(?<![\w`])(\{[^{}]*\}|@\w+(?:\.\w+)?|\[Remove\]|[\w.]+\.(?:ya?ml|prompt)\b)", r"`\1`", text)
