"""The first version's JSON configs as prompt files.

Their fields: ``prompt`` (``template``, ``negative``), ``variations`` (name -> list file or several), ``generation`` (``mode``,
``seed``, ``seed_mode``, ``max_images``), ``parameters``, ``output`` (``session_name``, ``filename_keys``), ``model``. The names
that the generator class of that time gave to the same things, and other plausible ones, are understood too. What was not said
had defaults that differ from today's and are written out.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import Place, SDGenError, nearest_names, shown
from ..documents import Node, fold
from ..imports import clash_prefix
from .lists import ValueList
from .placeholders import convert
from .plan import Plan
from .project import YAML, Project
from .texts import HEADER, block, comment, flow, scalar

_PROMPT = ("prompt.template", "prompt.text", "prompt.positive", "prompt", "prompt_template", "template")
_NEGATIVE = ("prompt.negative", "prompt.negative_prompt", "negative_prompt", "negative")
_VALUES = ("variations", "variation_files", "imports", "placeholders")
_OUTPUT = ("output.{}", "{}")
_SETTINGS = ("parameters", "params", "generation_config", "settings")
_GENERATION = {
    "mode": ("mode", "generation_mode"),
    "seed": ("seed",),
    "seed_mode": ("seed_mode",),
    "max_images": ("max_images", "count", "num_images", "number_of_images", "limit"),
    "variation_seed": ("variation_seed",),
}
_MODES = {"mode": ("combinatorial", "random"), "seed_mode": ("progressive", "fixed", "random")}
#: what the first version took when nothing was said
_DEFAULTS = {"width": 512, "height": 768, "steps": 30, "cfg_scale": 7.0, "sampler": "DPM++ 2M Karras"}
_HR_DEFAULTS = {"hr_scale": 2.0, "hr_upscaler": "R-ESRGAN 4x+", "denoising_strength": 0.5}
_SYNONYMS = {"sampler_name": "sampler", "cfg": "cfg_scale", "n_iter": "batch_count"}
_PARAMETERS = (
    *(*_DEFAULTS, *_HR_DEFAULTS, *_SYNONYMS, "scheduler", "batch_size", "batch_count", "enable_hr"),
    *("hr_second_pass_steps", "adetailer", "controlnet", "restore_faces", "clip_skip"),
)
_CARRIED = ("implements", "chunks", "themes", "style_sensitive_placeholders")
_HINTS = {
    "model": "Choose the checkpoint in the graph, or with `sdgen generate --checkpoint`.",
    "checkpoint": "Choose the checkpoint in the graph, or with `sdgen generate --checkpoint`.",
    "api_url": "Name ComfyUI's address with --server or SDGEN_SERVER.",
    "base_output_dir": "The folder of images is a setting: output_folder in settings.json.",
    "output_dir": "The folder of images is a setting: output_folder in settings.json.",
}


def parse_json(text: str, path: Path, plan: Plan) -> Any:
    """The JSON of a file. Raises ``bad-json`` with its place; a key written twice is a remark."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(found)
        if len(out) < len(found):
            twice = [k for k, n in Counter(k for k, _ in found).items() if n > 1]
            listed = ", ".join(map(repr, twice))
            plan.remark(f"written more than once, the last one counts: {listed}", Place(shown(path)))
        return out

    try:
        return json.loads(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as e:
        place = Place(shown(path), e.lineno, e.colno)
        raise SDGenError("bad-json", f"not valid JSON: {e.msg[:1].lower()}{e.msg[1:]}", place=place) from None
    except (ValueError, RecursionError):
        raise SDGenError("bad-json", "not valid JSON", place=Place(shown(path))) from None


def is_config(data: Any) -> bool:
    """Whether JSON data is a config of the first version: it has a text and values or settings for it, and is not the
    record of a session.
    """
    if not isinstance(data, dict) or "generation_info" in data or "images" in data or "snapshot" in data:
        return False
    has_text = any(isinstance(_get(data, name), str) for name in _PROMPT)
    return has_text and any(isinstance(data.get(n), dict) for n in (*_VALUES, "generation", *_SETTINGS))


def _get(data: Any, path: str) -> Any:
    for step in path.split("."):
        data = data.get(step) if isinstance(data, dict) else None
    return data


@dataclass
class _Values:
    """What ``imports`` says about a name: YAML source, and the index of today for each index of the first version."""

    source: str
    indexes: Sequence[int] | None


class ConfigMigration:
    """One config on its way."""

    def __init__(self, data: dict[str, Any], text: str, path: Path, project: Project, told: Plan) -> None:
        self.data = data
        self.path = path
        self.project = project
        self.told = told
        self._taken: set[str] = set()
        self._kept: list[str] = []
        try:
            self._root: Node | None = fold(text, shown(path))  # JSON is YAML: the nodes know their places
        except SDGenError:
            self._root = None

    def place(self, path: str = "") -> Place:
        node = self._root.at(tuple(path.split("."))) if self._root is not None and path else None
        if node is None or node.start is None:
            return Place(shown(self.path))
        return Place(shown(self.path), node.start.line + 1, node.start.column + 1)

    def take(self, *names: str) -> tuple[Any, str]:
        """The first of these fields that is there, and its path; it then counts as carried over."""
        for name in names:
            value = _get(self.data, name)
            if value is not None:
                self._taken.add(name)
                return value, name
        return None, ""

    def lose(self, path: str, value: Any, why: str) -> None:
        """Keep a field that has no equivalent as a comment, and report it."""
        self._kept.append(f"{path}: {flow(value)}")
        hint = next(
            (h for n, h in _HINTS.items() if path == n or path.endswith(f".{n}") or path[: len(n) + 1] == f"{n}."), None
        )
        self.told.lost(f"{path}: {why}", self.place(path), hint)

    def run(self) -> None:
        """Plan the prompt file and the lists it needs."""
        name, _ = self.take("name")
        text, where = self.take(*(n for n in _PROMPT if isinstance(_get(self.data, n), str)))
        negative, negative_at = self.take(*_NEGATIVE)
        if negative is not None and not isinstance(negative, str):
            self.lose(negative_at, negative, "is no text")
            negative = ""
        generation = self._generation()
        values = self._imports()
        converted = convert(
            text, negative or "", {n: v.indexes for n, v in values.items()}, generation["mode"] == "combinatorial"
        )
        for message in converted.remarks:
            self.told.remark(message, self.place(where))
        for message in converted.lost:
            self.told.lost(message, self.place(where))
            self._kept.append(message)
        for old, new in converted.renamed.items():
            if old in values:
                self.told.remark(
                    f"{{{old}}} is now called {{{new}}}: names are letters, digits and _", self.place(where)
                )
        if converted.prompt != text:
            self._kept.append(f"{where}: {flow(' '.join(text.split()))}")

        out = ["type: prompt\n", "version: '2.0'\n", f"name: {scalar(str(name or self._stem()))}\n"]
        description, _ = self.take("description")
        if re.fullmatch(r"\d+(\.\d+)*", str(self.data.get("version"))):
            self.take("version")
        if description:
            out.append(block("description", str(description)))
        for field in ("implements", "chunks"):
            value, _ = self.take(field)
            if value is not None:
                out.append(f"{field}: {flow(value)}\n")
        if values:
            out.append("imports:\n")
            out += [f"  {scalar(converted.renamed.get(n, n))}:{v.source}\n" for n, v in values.items()]
        out.append(block("prompt", converted.prompt))
        if converted.negative.strip():
            out.append(block("negative_prompt", converted.negative))
        out.append("generation:\n")
        out += [f"  {k}: {scalar(v)}\n" for k, v in generation.items()]
        out += self._parameters()
        out += self._output(converted.renamed)
        for field in ("themes", "style_sensitive_placeholders"):
            value, _ = self.take(field)
            if value is not None:
                out.append(f"{field}: {flow(value)}\n")
        for path, value in self._left(self.data, ""):
            self.lose(path, value, "has no place in a template")
        header = [HEADER.format(self.path.name) + "\n"]
        if self._kept:
            header += [comment("what it said and this file does not say in the same words:")]
            header += [comment(f"  {line}") for line in self._kept]
        target = self.path.with_name(f"{self._stem()}.prompt.yaml")
        self.project.add_new(target, "prompt", "".join(header + out), self.path, self.told)

    def _stem(self) -> str:
        return self.path.stem.removesuffix(".prompt")

    # ---- generation, parameters, output --------------------------------------------------------------------------

    def _generation(self) -> dict[str, Any]:
        out: dict[str, Any] = {"mode": "combinatorial", "seed": 42, "seed_mode": "progressive", "max_images": -1}
        for field, names in _GENERATION.items():
            value, path = self.take(*(f"generation.{n}" for n in names), *names)
            if value is None:
                continue
            if field in _MODES:
                word = str(value).strip().lower()
                if word == "ask":
                    self.told.remark(f"{path} was 'ask'; it is now {out[field]!r}", self.place(path))
                elif word in _MODES[field]:
                    out[field] = word
                else:
                    near = nearest_names(word, _MODES[field])
                    tail = f"; did you mean {near[0]!r}?" if near else ""
                    self.lose(path, value, f"{value!r} is unknown; it is now {out[field]!r}{tail}")
            elif (number := _whole(value)) is not None:
                out[field] = number
            else:
                self.lose(path, value, f"{value!r} is no whole number; it is now {out.get(field)!r}")
        if out["max_images"] == 0:
            out["max_images"] = -1
        return out

    def _parameters(self) -> list[str]:
        given: list[tuple[str, str, Any]] = []
        for container in _SETTINGS:
            if isinstance(inner := self.data.get(container), dict):
                self._taken.add(container)
                given += [(f"{container}.{name}", str(name), value) for name, value in inner.items()]
        for name in _PARAMETERS:
            value, path = self.take(name)
            given.append((path, name, value))
        out: dict[str, Any] = {}
        defaults = {**_DEFAULTS, "batch_size": 1, "batch_count": 1}
        for path, name, value in given:
            name = _SYNONYMS.get(name, name)
            if value is None:
                continue
            if name in defaults and (value == "ask" or value in (-1, -1.0)):
                self.told.remark(f"{path} was asked for; it is now {defaults[name]!r}", self.place(path))
                value = defaults[name]
            if name not in out:
                out[name] = value
            elif out[name] != value:
                self.lose(path, value, f"{name} is said a second time; the first one counts")
        if "implements" not in self.data:
            out = {**{k: v for k, v in _DEFAULTS.items() if k not in out}, **out}
            if out.get("enable_hr") is True:
                out.update({k: v for k, v in _HR_DEFAULTS.items() if k not in out})
        order = [*(k for k in _DEFAULTS if k in out), *(k for k in out if k not in _DEFAULTS)]
        return ["parameters:\n", *(f"  {scalar(k)}: {flow(out[k])}\n" for k in order)] if out else []

    def _output(self, renamed: dict[str, str]) -> list[str]:
        out: list[str] = []
        for field in ("session_name", "filename_keys", "annotations"):
            value, _ = self.take(*(pattern.format(field) for pattern in _OUTPUT))
            if field == "filename_keys" and isinstance(value, list):
                value = [renamed.get(str(v), v) for v in value]
            if value not in (None, "", []):
                out.append(f"  {field}: {flow(value)}\n")
        return ["output:\n", *out] if out else []

    def _left(self, data: dict[str, Any], above: str) -> Iterator[tuple[str, Any]]:
        """Fields that nothing took, as deep as they differ."""
        for key, value in data.items():
            path = f"{above}{key}"
            if path in self._taken or value in (None, "", [], {}):
                continue
            if isinstance(value, dict) and any(t.startswith(f"{path}.") for t in self._taken):
                yield from self._left(value, f"{path}.")
            else:
                yield path, value

    # ---- values --------------------------------------------------------------------------------------------------

    def _imports(self) -> dict[str, _Values]:
        entries: dict[str, Any] = {}
        for name in _VALUES:
            block_of = self.data.get(name)
            if isinstance(block_of, dict):
                self._taken.add(name)
                for key, value in block_of.items():
                    if key in entries:
                        self.lose(f"{name}.{key}", value, "is said a second time; the first one counts")
                    else:
                        entries[key] = (f"{name}.{key}", value)
        out: dict[str, _Values] = {}
        for name, (path, value) in entries.items():
            found = self._values_of(path, value)
            if found is not None:
                out[str(name)] = found
        return out

    def _values_of(self, path: str, value: Any) -> _Values | None:
        if isinstance(value, dict):
            file, _ = next(
                ((value[k], k) for k in ("file", "path", "source", "files", "values") if k in value), (None, "")
            )
            if file is not None and len(value) == 1:
                return self._values_of(path, file)
            if value and all(isinstance(v, (str, int, float)) for v in value.values()):
                lines = "".join(f"\n    {scalar(k)}: {scalar(str(v))}" for k, v in value.items())
                return _Values(lines, range(len(value)))
            self.lose(path, value, "is neither a file nor a map of values")
            return None
        items = value if isinstance(value, list) else [value]
        if not items or not all(isinstance(i, (str, int, float)) for i in items):
            self.lose(path, value, "names neither files nor values")
            return None
        written: list[str] = []
        lists: list[ValueList | dict[str, str] | None] = []
        for item in map(str, items):
            one = self._item(path, item)
            if one is not None:
                written.append(one[0])
                lists.append(one[1])
        if not written:
            return None
        source = f" {scalar(written[0])}" if len(written) == 1 and not isinstance(value, list) else f" {flow(written)}"
        return _Values(source, self._indexes(path, written, lists))

    def _item(self, path: str, text: str) -> tuple[str, ValueList | dict[str, str] | None] | None:
        """How an import names one file (or says one value), and the values."""
        found = self.project.find(text, self.path.parent, above=True)
        if found is None:
            if re.search(r"[/\\]|\.(txt|ya?ml|json|csv)$", text.strip(), re.IGNORECASE):
                names = [f.name for f in self.project.files if f.suffix in (".txt", *YAML)]
                near = nearest_names(re.split(r"[/\\]", text)[-1], names)
                self._kept.append(f"{path}: {flow(text)}")
                self.told.problem(
                    SDGenError("missing-file", f"{path}: there is no file {text}", place=self.place(path), nearest=near)
                )
                return None
            return text, {text: text}
        if found.suffix.lower() == ".txt":
            target, values = self.project.list_for(found)
            if values is None:
                return None
            found = target
        else:
            values = None
            self.project.convert_yaml(found)
        return self.project.written(found, self.path.parent, self.place(path)), values

    def _indexes(
        self, path: str, written: list[str], lists: list[ValueList | dict[str, str] | None]
    ) -> Sequence[int] | None:
        """A key of two lists was one value (the later text at the earlier place); today it is two."""
        old: dict[str, int] = {}
        today: dict[str, None] = {}
        for name, values in zip(written, lists, strict=True):
            if values is None:
                return None
            for key in values.values if isinstance(values, ValueList) else values:
                now = f"{clash_prefix(name)}__{key}" if key in today else key
                if key in old:
                    self.told.remark(
                        f"{path}: the key {key!r} is in several lists; the last one counted, now each is a value ({now})",
                        self.place(path),
                    )
                today.setdefault(now)
                old[key] = list(today).index(now) if key in old else len(today) - 1
        return list(old.values())


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,18}\s*", value):
        return int(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) else None
