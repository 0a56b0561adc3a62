"""Why a training failed, from what ComfyUI and its node say."""

from __future__ import annotations

import re

from ..runs.model import Cause

_MEMORY = Cause(
    "out-of-memory",
    "the memory did not suffice for training this model",
    "Turn gradient_checkpointing on, use smaller images, or close what else uses the memory.",
)
_KNOWN: tuple[tuple[str, Cause], ...] = (
    (
        r"\b(?:WinError|os error) 1455\b",  # Windows says the rest in its own language
        Cause(
            "out-of-memory",
            "Windows' paging file is too small to load this model",
            "Let Windows manage its size (advanced system settings, performance, virtual memory), or close other programs.",
        ),
    ),
    (
        r"OutOfMemoryError|out of memory|Allocation on device|can't allocate memory|not enough memory|MemoryError",
        _MEMORY,
    ),
    (
        r"Could not detect model type|invalid checkpoint|HeaderTooLarge|MetadataIncomplete|safetensors_rust",
        Cause("bad-base-model", "ComfyUI cannot load the checkpoint", "Choose one that Load Checkpoint loads."),
    ),
    (
        r"clip input is invalid|does not contain a valid clip|VAE is invalid|'NoneType' object has no attribute '(encode|tokenize|clone)'",
        Cause("bad-base-model", "the checkpoint lacks a model, text encoder or VAE", "Choose a whole checkpoint."),
    ),
    (
        r"Number of positive conditions \((\d+)\) does not match number of images \((\d+)\)",
        Cause(
            "images-and-captions",
            "there are {1} images and {0} captions",
            "Give each image one caption that is not empty.",
        ),
    ),
    (
        r"image size does not match the first image|Sizes of tensors must match except in dimension",
        Cause(
            "mixed-sizes",
            "this ComfyUI trains images of one size only",
            "Make them of one size, or take a newer ComfyUI.",
        ),
    ),
    (r"No valid images found", Cause("not-a-dataset", "the data set has no images that ComfyUI reads")),
    (
        r"Inference tensors cannot be saved for backward|"
        r"mat1 and mat2 must have the same dtype|expected .*? to have the same dtype|Input type .*? and (?:bias|weight) type",
        Cause("training-dtype", "this model cannot be trained in that precision", "Choose the other training_dtype."),
    ),
    (
        r"No space left on device|not enough space on the disk|\b(?:WinError|os error) 112\b",
        Cause("disk-full", "the disk is full", "Free some space."),
    ),
)

NAN = Cause(
    "loss-nan",
    "the loss became no number",
    "Lower learning_rate, or choose fp32 as lora_dtype; a state saved before it can be gone on from.",
)
KILLED = Cause(
    "killed",
    "the system ended it, which it does when the main memory is full",
    "Close other programs, or train a smaller model.",
)


def told(text: str) -> Cause | None:
    """The cause that a text of ComfyUI's names, if it is a known one."""
    for pattern, cause in _KNOWN:
        if found := re.search(pattern, text):
            return Cause(cause.code, cause.sentence.format(*found.groups()), cause.hint)
    return None


def cause_of(text: str) -> Cause:
    """The same, or the text itself."""
    return told(text) or Cause("training-failed", " ".join(text.split())[:300] or "it ended without a word")
