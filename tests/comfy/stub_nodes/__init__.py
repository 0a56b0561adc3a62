"""Nodes for tests only: they fail, wait and count where real nodes cannot be made to. Copied into a test server's custom nodes."""

import os
import time
from pathlib import Path

from .detectors import NODES

LOADS = 0


class StubLoader:
    """Stands for a checkpoint loader: its output says how often it was really executed in this process."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"ckpt_name": (["stub", "stub_a.safetensors", "stub_b.safetensors"],)}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "load"
    CATEGORY = "stub"

    def load(self, ckpt_name):
        global LOADS
        LOADS += 1
        return (LOADS,)


class StubImage:
    """A flat image whose colour is the seed; fails at `fail_at`, waits `wait` seconds. Its height tells the loader's count."""

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "seed": ("INT", {"default": 0, "min": 0, "max": 0xFFFFFF}),
                "text": ("STRING", {"default": ""}),
                "fail_at": ("STRING", {"default": ""}),
                "wait": ("FLOAT", {"default": 0.0}),
                "batch": ("INT", {"default": 1}),
            },
            "optional": {"loads": ("INT", {"forceInput": True})},
        }

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "make"
    CATEGORY = "stub"

    def make(self, seed, text, fail_at, wait, batch, loads=0):
        import comfy.model_management
        import torch

        if os.environ.get("STUB_LOG"):
            with Path(os.environ["STUB_LOG"]).open("a", encoding="utf-8") as log:
                log.write(text + "\n")
        until = time.monotonic() + wait
        while time.monotonic() < until:
            comfy.model_management.throw_exception_if_processing_interrupted()
            time.sleep(0.01)
        if fail_at and fail_at in text:
            raise ValueError(f"told to fail at {fail_at}")
        colour = [(seed >> shift & 255) / 255 for shift in (16, 8, 0)]
        return (torch.tensor(colour).expand(batch, 16 + loads, 16, 3).clone(),)


class StubPass:
    """Passes images on. Batches of more than `fail_over` (0: none) fail in the way named; `pretends to have no memory` raises what a
    full graphics card would. `drop` images are left out of every batch."""

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "images": ("IMAGE",),
                "fail_over": ("INT", {"default": 0}),
                "failure": (["fails", "pretends to have no memory"],),
                "drop": ("INT", {"default": 0}),
                "wait": ("FLOAT", {"default": 0.0}),
            }
        }

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "pass_on"
    CATEGORY = "stub"

    def pass_on(self, images, fail_over, failure, drop, wait):
        import comfy.model_management
        import torch

        until = time.monotonic() + wait
        while time.monotonic() < until:
            comfy.model_management.throw_exception_if_processing_interrupted()
            time.sleep(0.01)
        if fail_over and len(images) > fail_over:
            if failure == "fails":
                raise ValueError(f"told to fail over {fail_over}")
            raise torch.cuda.OutOfMemoryError("Allocation on device")
        return (images[: max(1, len(images) - drop)],)


def _undo(data):
    """As if SDGen's own on-prompt handler were not there; this one runs after it."""
    if data.get("stub_no_dispatch"):
        data = {key: value for key, value in data.items() if key != "partial_execution_targets"}
    return data


try:
    from server import PromptServer

    PromptServer.instance.add_on_prompt_handler(_undo)
except ImportError:  # collected by pytest outside of ComfyUI
    pass

NODE_CLASS_MAPPINGS = {"StubLoader": StubLoader, "StubImage": StubImage, "StubPass": StubPass, **NODES}
