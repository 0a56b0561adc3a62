"""Why a training with sd-scripts failed, from the end of its log and its exit code: one sentence and what to do.

The exit code alone says little: without images it is 0, and after NaN as well. Patterns are of v0.10.1 and the libraries that it pins,
recorded from real runs (``tests/unit/training/kohya/recorded``); an exception that none of them knows is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..runs.model import Cause
from .probe import english

_Match = re.Match[str]


def _kind(
    code: str, pattern: str, sentence: str | Callable[[_Match], str], hint: str
) -> tuple[re.Pattern[str], str, Callable[[_Match], str], str]:
    say = sentence if callable(sentence) else lambda found: sentence.format(**found.groupdict())
    return re.compile(pattern, re.MULTILINE), code, say, hint


_LESS = "Take a preset for less memory: smaller train_batch_size or resolution, gradient_checkpointing, blocks_to_swap, an 8-bit optimizer."
_DATA = "Check the data set: every image opens, and every caption is a UTF-8 text file that is not empty."

#: Most telling first; the first that is found counts.
_KINDS = (
    _kind(
        "no-images",
        r"No data found\. Please verify",
        "No image was found in the data set, so nothing was trained.",
        "The folder holds sub-folders named <repeats>_<name>, and these the images (png, jpg, webp or bmp).",
    ),
    _kind(
        "bad-option",
        r"^\S*\.py: error: unrecognized arguments: (?P<what>.+?)\s*$",
        "This version of sd-scripts does not know {what}.",
        "Leave it out, or update the checkout.",
    ),
    _kind(
        "bad-option",
        r"^\S*\.py: error: (?P<what>.+?)\s*$",
        "sd-scripts refuses its command line: {what}.",
        "Correct the option named.",
    ),
    _kind(
        "out-of-memory",
        r"(?P<what>CUDA out of memory|MPS backend out of memory|HIP out of memory|XPU out of memory)",
        "The graphics card has too little memory ({what}).",
        _LESS,
    ),
    _kind(
        "out-of-memory",
        r"DefaultCPUAllocator: (?:can't allocate|not enough) memory|^MemoryError|std::bad_alloc",
        "The main memory is full.",
        "Close other programs, or choose a smaller model, resolution or batch.",
    ),
    _kind(
        "out-of-memory",
        r"\b(?:WinError|os error) 1455\b",  # Windows says the rest in its own language
        "Windows' paging file is too small to load this model.",
        "Let Windows manage its size (advanced system settings, performance, virtual memory), or close other programs.",
    ),
    _kind(
        "disk-full",
        r"No space left on device|WinError 112|There is not enough space on the disk|unexpected pos \d+ vs \d+",
        "The disk is full.",
        "Free some space, then resume the run from its last state.",
    ),
    _kind(
        "no-tokenizer",
        r"Can't load tokenizer for '[^'\n]+'|Couldn't connect to '?https://huggingface|^ *with open\(vocab_file",
        "A tokenizer could not be loaded without a network.",
        "Name ComfyUI's folder, whose tokenizer files are used instead.",
    ),
    _kind(
        "no-tokenizer",
        r"Sequence length must be less than max_position_embeddings \(got `?sequence length`?: (?P<got>\d+) and[^)]*: (?P<most>\d+)\)"
        r"|Sequence length must be less than max_position_embeddings",
        "The tokenizer's files in tokenizer_cache_dir say a length that the text encoder does not have.",
        "Start the run again: SDGen writes these files anew with model_max_length 77.",
    ),
    _kind(
        "bad-base-model",
        r"\"(?P<what>[^\"\n]+)\" is neither a valid local path|Repo id must be in the form [^\n]*: '(?P<other>[^'\n]+)'",
        lambda found: f"The checkpoint {found['what'] or found['other']} is not there.",
        "Check the path; the file may have been moved or renamed.",
    ),
    _kind(
        "bad-base-model",
        r"Error\(s\) in loading state_dict for (?P<what>\w+)|^KeyError: '(?P<key>[\w.]*(?:time_embed|diffusion_model|first_stage|"
        r"cond_stage|conditioner|img_in|joint_blocks)[\w.]*)'|Error while deserializing header"
        r"|InvalidHeader|MetadataIncompleteBuffer",
        lambda found: (
            "The checkpoint does not fit this training script"
            + (
                f" ({found['what'] or found['key']})."
                if found["what"] or found["key"]
                else ": it is damaged or of another kind."
            )
        ),
        "Choose a checkpoint of the family that the script trains.",
    ),
    _kind(
        "bad-data-config",
        r"(?P<what>[^\n:]{0,200}) ?@ (?P<where>data\[[^\n]+\])",
        lambda found: (
            f"The data set's dataset.toml is wrong at {found['where'].strip()}: {found['what'].split('MultipleInvalid')[-1].strip(': ')}."
        ),
        "Correct the key named, or write the data set anew.",
    ),
    _kind(
        "bad-caption",
        r"(?:caption file is empty|illegal char in file|not UTF-8)[^\n]*?: (?P<what>[^\n]+?)\s*$",
        lambda found: f"The caption {found['what']} is empty or not UTF-8 text.",
        _DATA,
    ),
    _kind(
        "bad-caption",
        r"^UnicodeDecodeError: [^\n]+",
        "A caption of the data set is not UTF-8 text.",
        _DATA,
    ),
    _kind(
        "bad-image",
        r"(?:UnidentifiedImageError: )?cannot identify image file '?(?P<what>[^'\n]+)|image file is truncated"
        r"|Error loading image: (?P<other>[^\n]+)",
        lambda found: f"The image {found['what'] or found['other'] or 'that was read last'} is damaged.",
        _DATA,
    ),
    _kind(
        "bad-image",
        r"^ZeroDivisionError: ",
        "An image of the data set has no size: it is damaged (sd-scripts does not say which one).",
        _DATA,
    ),
    _kind(
        "encoding",
        r"^UnicodeEncodeError: '(?P<what>[\w-]+)'",
        "The trainer could not print its own Japanese texts ({what}).",
        "It needs PYTHONUTF8=1, which SDGen sets; start it from SDGen.",
    ),
    _kind(
        "no-state",
        r"^ValueError: Tried to find (?P<what>.+?) but folder does not exist",
        "The state {what} from which to go on is not there.",
        "Resume from another state, or start the run anew.",
    ),
    _kind(
        "missing-package",
        r"^ModuleNotFoundError: No module named '(?P<what>[\w.]+)'|^ImportError: No (?P<other>[\w-]+) /",
        lambda found: f"The package {found['what'] or found['other']} is missing in the Python of sd-scripts.",
        "Install it there with pip, or set `kohya_python` to the Python that has it.",
    ),
    _kind(
        "no-gpu",
        r"(?P<what>Torch not compiled with CUDA enabled|no kernel image is available|CUDA driver version is insufficient|"
        r"No CUDA GPUs are available|CUDA-capable device\(s\) is/are busy)",
        "The graphics card cannot be used: {what}.",
        "Install the torch that fits the card and its driver into the Python of sd-scripts.",
    ),
    _kind(
        "no-right",
        r"^PermissionError: \[[^\]]+\] (?P<what>[^\n]+)",
        "A file may not be written or read: {what}.",
        "Check the rights of the folder, and that no other program has the file open.",
    ),
    _kind(
        "not-finite",
        r"avr_loss=(?:nan|inf)|NaN detected in latents",
        "The loss became NaN, so the LoRA is worthless.",
        "Lower learning_rate (1e-4 is usual), use mixed_precision bf16 and, for SDXL, no_half_vae.",
    ),
)
_ASSERTED = re.compile(r"^AssertionError: (?P<what>[^\n]+)", re.MULTILINE)
_RAISED = re.compile(
    r"^(?P<what>(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception|Invalid|Interrupt)(?:: [^\n]*)?)\s*$", re.MULTILINE
)
_DIED = re.compile(r"died with <Signals\.SIG(?P<name>\w+)")


def cause(tail: str, exit_code: int | None) -> Cause | None:
    """Why it failed; None when neither the log nor the exit code say anything. Pieces of bars may end in ``\\r``."""
    text = tail.replace("\r", "\n")
    for pattern, code, say, hint in _KINDS:
        found = [*pattern.finditer(text)]
        if found:
            return Cause(code, say(found[-1]), hint)
    signal = _signal(text, exit_code)
    if signal is not None:
        return signal
    if found := [*_ASSERTED.finditer(text)]:
        return Cause(
            "refused", f"sd-scripts refuses its settings: {english(found[-1]['what'])}.", "Correct what it names."
        )
    raised = [one for one in _RAISED.finditer(text) if "CalledProcessError" not in one["what"]]
    if raised:
        return Cause("failed", f"sd-scripts ended with {_short(raised[-1]['what'])}.", "The log has the details.")
    if exit_code not in (0, None):
        return Cause("failed", f"sd-scripts ended with exit code {exit_code}.", "The log may have the details.")
    return None


def _signal(text: str, exit_code: int | None) -> Cause | None:
    """What ended the process from outside: the exit code is minus the signal, 128 more than it in a shell."""
    died = _DIED.search(text)
    number = (
        -exit_code if exit_code and exit_code < 0 else exit_code - 128 if exit_code and 128 < exit_code < 160 else 0
    )
    name = died["name"] if died else {2: "INT", 9: "KILL", 11: "SEGV", 15: "TERM"}.get(number, "")
    if name == "KILL":
        return Cause(
            "killed",
            "The training was killed from outside, most likely because the main memory was full.",
            "Close other programs, or choose a smaller model, resolution or batch; then resume from the last state.",
        )
    if name in ("INT", "TERM") or re.search(r"^KeyboardInterrupt\s*$", text, re.MULTILINE):
        return Cause(
            "stopped",
            "The training was stopped from outside; nothing was saved then.",
            "Resume it from its last state.",
        )
    if name == "SEGV" or exit_code == 0xC0000005:
        return Cause(
            "crashed", "The training crashed in native code.", "Update torch and the driver of the graphics card."
        )
    return None


def _short(text: str) -> str:
    plain = english(text).rstrip(".")
    return plain if len(plain) <= 200 else plain[:197] + "..."
