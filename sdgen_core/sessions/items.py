"""The items of a session: their child prompts, their files, and what these say. Reads plans, writes images, decides nothing."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError
from ..templates import one_line
from .annotate import Annotations
from .batching import BatchGraph, batch_graph
from .compile import CompiledGraph, Prompt, WorkflowPin, compile_graph, standalone
from .files import make_folder, sha256_file, write_atomic
from .ledger import ItemRow, Part, SessionRow
from .loras import lora_hashes, loras_used
from .manifest import ManifestWriter, image_entry
from .metadata import encode_png, is_whole_png, read_sdgen_chunk, sdgen_record, strict_json
from .naming import FileNames
from .parameters import ParameterRules, Parameters
from .parameters_text import parameters_text
from .plan import Plan, PlanItem
from .theme_loras import found_loras, with_loras

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Host:
    """What the engine asks of the ComfyUI it runs in. ``checkpoint_path`` gives None for names that are no file,
    ``files`` the names of a kind of ``parameters.FILES``, ``lora_path`` the file of a LoRA's name or of a tag's.
    """

    samplers: Callable[[], list[str]]
    schedulers: Callable[[], list[str]]
    checkpoint_path: Callable[[str], Path | None]
    version: str = ""
    metadata: bool = True
    files: Callable[[str], Sequence[str]] | None = None
    lora_path: Callable[[str], Path | None] | None = None


@dataclass(frozen=True)
class Child:
    """One item ready to be posted: the API prompt and the extra data that savers write into the file."""

    prompt: Prompt
    extra_data: dict[str, Any]


@dataclass(frozen=True)
class PartOptions:
    """What was ordered with a part besides its parameters. ``item_widget`` is the place of the planner's ``item`` widget in the
    canvas workflow; ``batch`` the most images in one prompt; with ``batch_anyway`` also where they differ from single ones.
    """

    item_widget: int = 0
    batch: int = 1
    batch_anyway: bool = False

    def stored(self, parameters: Parameters) -> dict[str, Any]:
        """Both as the ledger keeps them, in ``Part.defaults``."""
        return {**parameters.to_dict(), **asdict(self)}

    @classmethod
    def read(cls, part: Part) -> tuple[Parameters, PartOptions]:
        """The planner's parameters and the options of a part, as any version stored them."""
        own = {name: part.defaults[name] for name in asdict(cls()) if name in part.defaults}
        return Parameters(**{k: v for k, v in part.defaults.items() if k not in own}), cls(**own)


class LoadedPart:
    """One part of a session, ready to render and compile."""

    def __init__(self, part: Part, host: Host, prefix: str) -> None:
        self.plan = Plan.from_json(part.plan)
        #: The theme's LoRAs; their loaders are in the graph.
        self.loras = found_loras(self.plan.resolved.loras, host.files("loras") if host.files is not None else None)
        self.graph: CompiledGraph = with_loras(compile_graph(part.graph, part.planner), self.loras)
        defaults, self.options = PartOptions.read(part)
        self.rules = ParameterRules(defaults, host.samplers(), host.schedulers(), host.files)
        self.batching: BatchGraph | None = None
        if self.options.batch > 1:
            with contextlib.suppress(SDGenError):  # said when the session was ordered
                self.batching = batch_graph(self.graph, anyway=self.options.batch_anyway)
        resolved = self.plan.resolved
        output = resolved.output
        self.names = FileNames(
            prefix,
            format=output.file_name,
            keys=output.filename_keys,
            per_folder=output.images_per_folder,
            theme=resolved.theme,
            style=resolved.style,
            known=self.plan.names,
        )
        self.annotations = Annotations.of(output.annotations)
        self.pin = WorkflowPin(part.workflow, part.planner, self.options.item_widget) if part.workflow else None

    def parameters(self, planned: PlanItem) -> Parameters:
        """The parameters of one item. Without a LoRA, one of no strength stands in where the graph wants a name."""
        found = self.rules.resolve(planned.parameters)
        if not found.lora and "lora" in self.graph.outputs:
            known = self.rules.files("loras") if self.rules.files is not None else ()
            if not known:
                raise SDGenError(
                    "bad-parameter", "the graph takes a LoRA from the planner, and there is none", hint=_LORA_HINT
                )
            found = replace(found, lora=known[0], lora_strength=0.0)
        return found

    def literals(self, planned: PlanItem, parameters: Parameters, file_name: str) -> dict[str, Any]:
        """What goes into the graph for one item: the planner's outputs, and for texts with placeholders their values, besides the
        ``prompt`` and ``negative_prompt`` of the image."""
        literals = literals_of(planned, parameters, file_name)
        if self.graph.texts:
            prompts = {"prompt": literals["positive"], "negative_prompt": literals["negative"]}
            literals["values"] = {**prompts, **dict.fromkeys(self.plan.empty, ""), **planned.values}
        return literals

    def checkpoint(self, parameters: Parameters) -> str | None:
        """The checkpoint of an item: the graph's own, or the planner's."""
        if "checkpoint" in self.graph.outputs:
            return parameters.checkpoint or None
        return self.graph.checkpoint


_KEYS = 4096
_LORA_HINT = "Put a LoRA into ComfyUI's models/loras, or take the LoRA loader out of the graph."


class LoadedSession:
    """A session's immutable side, read from the ledger once."""

    def __init__(self, row: SessionRow, parts: list[Part], host: Host) -> None:
        self.id = row.id
        self._host = host
        self.name = row.name
        self.folder = row.folder
        self.created = datetime.fromtimestamp(row.created)
        self.parts = [LoadedPart(part, host, row.prefix) for part in parts]
        self.manifest = ManifestWriter(row.folder)
        self.last_saved = time.monotonic()
        #: The keys of items that wait: the feeder looks further ahead than it posts.
        self._batch_keys: dict[int, Hashable | None] = {}

    def _record(
        self, idx: int, part: LoadedPart, planned: PlanItem, name: str, parameters: Parameters
    ) -> dict[str, Any]:
        """The ``sdgen`` chunk of an item as a map; the checkpoint's hash is known when it is saved."""
        return sdgen_record(
            session=self.id,
            session_name=self.name,
            index=idx,
            keys=planned.keys,
            values=planned.values,
            seed=planned.seed,
            requested_seed=planned.requested_seed,
            prompt=planned.prompt,
            negative=planned.negative,
            checkpoint_name=part.checkpoint(parameters),
            checkpoint_hash=None,
            filename=name,
            extra={"parameters": parameters.to_dict()},
        )

    def checkpoint(self, item: ItemRow) -> str | None:
        """The checkpoint that makes an item, if its graph names one."""
        part = self.parts[item.part]
        return part.checkpoint(part.parameters(part.plan.item(item.n)))

    def groups(self, items: Sequence[ItemRow], most: int) -> list[list[ItemRow]]:
        """``items`` in the order of the groups' first ones, those together that one prompt can make: they differ in prompt and seed
        only. ``most`` is the largest group.

        An item that was tried before is made alone: its neighbours may have failed it, or it them, up to a batch too large for the
        machine that ended ComfyUI.
        """
        out: list[list[ItemRow]] = []
        open_groups: dict[Hashable, list[ItemRow]] = {}
        for item in items:
            size = min(self.parts[item.part].options.batch, most)
            key = self._batch_key(item) if size > 1 and not item.attempts else None
            group = open_groups.get(key)
            if key is None or group is None or len(group) >= size:
                group = open_groups[key] = []
                out.append(group)
            group.append(item)
        return out

    def _batch_key(self, item: ItemRow) -> Hashable | None:
        batching = self.parts[item.part].batching
        if batching is None:
            return None
        if item.idx not in self._batch_keys:
            if len(self._batch_keys) >= _KEYS:
                self._batch_keys.clear()
            self._batch_keys[item.idx] = None
            with contextlib.suppress(SDGenError):  # what is wrong with it is recorded when its turn comes
                key = batching.key(self._literals(item))
                self._batch_keys[item.idx] = None if key is None else (item.part, key)
        return self._batch_keys[item.idx]

    def _literals(self, item: ItemRow) -> dict[str, Any]:
        part = self.parts[item.part]
        planned = part.plan.item(item.n)
        return part.literals(planned, part.parameters(planned), part.names(planned, item.idx))

    def child_of(self, items: Sequence[ItemRow], attempts: Mapping[int, int]) -> Child:
        """The prompt of an item, or the common one of a group. ``attempts`` are the attempts by item index."""
        first = self.child(items[0], attempts[items[0].idx])
        batching = self.parts[items[0].part].batching
        if len(items) == 1 or batching is None:
            return first
        indexes = [item.idx for item in items]
        numbers, tries = (",".join(map(str, those)) for those in (indexes, (attempts[idx] for idx in indexes)))
        prompt = batching.prompt([self._literals(item) for item in items], f"{self.id}/{numbers}/{tries}")
        claim = {"session": self.id, "indexes": indexes}
        return Child(prompt, {"extra_pnginfo": {**first.extra_data["extra_pnginfo"], "sdgen": claim}})

    def child(self, item: ItemRow, attempt: int) -> Child:
        """The prompt of one item, and what savers write into its file beside it."""
        part = self.parts[item.part]
        planned = part.plan.item(item.n)
        parameters = part.parameters(planned)
        name = part.names(planned, item.idx)
        literals = part.literals(planned, parameters, name)
        prompt = part.graph.child(literals, token=f"{item.session}/{item.idx}/{attempt}")
        extra: dict[str, Any] = {"sdgen": self._record(item.idx, part, planned, name, parameters)}
        if part.pin is not None:
            pinned = {**literals, "session": item.session, "index": item.idx}
            if part.loras:  # the canvas does not have their loaders
                pinned["loras"] = [lora.to_json() for lora in part.loras]
            extra["workflow"] = part.pin(pinned)
        return Child(prompt, {"extra_pnginfo": extra})

    def write(
        self,
        item: ItemRow,
        images: Sequence[Image],
        prompt: Mapping[str, Any],
        extra_pnginfo: Mapping[str, Any],
        model_hash: str | None,
        seconds: float,
        scores: Sequence[Mapping[str, Any] | None] = (),
    ) -> list[dict[str, Any]]:
        """Write the files of an item's images; gives their manifest entries. Raises ``not-saved``, ``disk-full``, …

        What the files say comes from the stored plan; of ``extra_pnginfo`` only further chunks such as the workflow are taken.
        ``scores``: what a model said of each image (see ``scoring.live``), where one did.
        """
        if not images:
            raise SDGenError("not-saved", f"item {item.idx} of session {self.id} came with no image")
        part = self.parts[item.part]
        planned = part.plan.item(item.n)
        names = [part.names(planned, item.idx, n) for n in range(len(images))]
        record = self._record(item.idx, part, planned, names[0], part.parameters(planned))
        record["checkpoint"]["hash"] = model_hash
        chunks: dict[str, str] = {}
        if self._host.metadata:
            find = self._host.lora_path
            loras = lora_hashes({name: find(name) for name in loras_used(prompt)}) if find else ""
            chunks["parameters"] = _parameters_text(record, loras)
            chunks["prompt"] = strict_json(standalone(prompt))
            chunks |= {name: strict_json(value) for name, value in extra_pnginfo.items() if name != "sdgen"}
        hashes: dict[int, str] = {}
        said = [*scores, *[None] * (len(images) - len(scores))]
        # The image with the plain name comes last: where it is whole, the rest of its batch is too.
        for n in reversed(range(len(images))):
            if self._host.metadata:
                own = {"filename": names[n], "batch_index": n, **_scored(said[n])}
                chunks["sdgen"] = strict_json({**record, **own})
            data = encode_png(images[n], chunks)
            path = self.folder / names[n]
            if path.parent != self.folder:
                make_folder(path.parent)
            write_atomic(path, data)
            hashes[n] = hashlib.sha256(data).hexdigest()
        return [
            self._entry(name, part, planned, item.idx, hashes[n], seconds, n, said[n]) for n, name in enumerate(names)
        ]

    def asked(self, item: ItemRow) -> PlanItem:
        """What an item's image is to show: keys and values of its placeholders, and its prompt."""
        return self.parts[item.part].plan.item(item.n)

    def choices(self) -> dict[str, tuple[dict[str, Any], list[str]]]:
        """Placeholder → values by key that the session could ask for, and the keys of those that it does."""
        out: dict[str, tuple[dict[str, Any], list[str]]] = {}
        for part in self.parts:
            used = part.plan.used()
            for name in part.plan.names:
                values, keys = out.setdefault(name, ({}, []))
                values.update(part.plan.resolved.values[name])
                keys += [key for key in used[name] if key not in keys]
        return out

    def found(self, item: ItemRow) -> list[dict[str, Any]]:
        """Manifest entries of an item whose files are there already, whole and its own; empty when they are not."""
        part = self.parts[item.part]
        planned = part.plan.item(item.n)
        entries: list[dict[str, Any]] = []
        while True:
            name = part.names(planned, item.idx, len(entries))
            path = self.folder / name
            if not path.is_file() or not is_whole_png(path):
                return entries
            record = read_sdgen_chunk(path) or {}
            if self._host.metadata and (record.get("session"), record.get("index")) != (self.id, item.idx):
                return entries
            n, scores = len(entries), record.get("scores")
            entries.append(self._entry(name, part, planned, item.idx, sha256_file(path), 0.0, n, scores))

    def _entry(
        self,
        name: str,
        part: LoadedPart,
        planned: PlanItem,
        idx: int,
        sha256: str,
        seconds: float,
        batch_index: int,
        scores: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """An image's entry in the manifest."""
        extra: dict[str, Any] = {"batch_index": batch_index} if batch_index else {}
        extra |= _scored(scores)
        resolved = part.plan.resolved
        if resolved.theme or resolved.style not in (None, "default"):  # others may be added to the session later
            extra |= {"theme": resolved.theme, "style": resolved.style}
        if part.loras:
            extra["loras"] = [lora.to_json() for lora in part.loras]
        return image_entry(
            filename=name,
            seed=planned.seed,
            prompt=planned.prompt,
            negative=planned.negative,
            values=planned.values,
            index=idx,
            keys=planned.keys,
            sha256=sha256,
            seconds=seconds,
            extra=extra,
        )


def _scored(scores: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"scores": scores} if scores else {}


def parse_token(token: str) -> tuple[str, list[int]]:
    """``session/index/attempt`` → (session id, [index]); of a batch, index and attempt are lists with commas. Raises ``bad-graph``."""
    parts = token.split("/")
    if len(parts) != 3 or not all(index.isdecimal() for index in parts[1].split(",")):
        raise SDGenError("bad-graph", f"{token!r} is no item of a session")
    return parts[0], [int(index) for index in parts[1].split(",")]


def literals_of(item: PlanItem, parameters: Parameters, file_name: str) -> dict[str, Any]:
    """The planner's outputs for one item, by the names of ``compile.PLAN_OUTPUTS``."""
    return {
        "positive": one_line(item.prompt),
        "negative": one_line(item.negative),
        "seed": item.seed,
        **parameters.to_dict(),
        "file_name": file_name,
    }


def _parameters_text(record: Mapping[str, Any], loras: str) -> str:
    """The A1111 text of an image, from its ``sdgen`` record."""
    parameters = record["parameters"]
    model = record["checkpoint"]["name"]
    return parameters_text(
        one_line(record["prompt"]),
        one_line(record["negative"]),
        seed=record["seed"],
        width=parameters["width"],
        height=parameters["height"],
        steps=parameters["steps"],
        sampler=parameters["sampler_name"],
        scheduler=parameters["scheduler"],
        cfg=parameters["cfg"],
        denoise=parameters["denoise"],
        model=PurePath(model.replace("\\", "/")).stem if model else None,
        model_hash=record["checkpoint"]["hash"],
        extra={"Lora hashes": loras},
    )
