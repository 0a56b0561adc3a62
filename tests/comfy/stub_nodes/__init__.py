"""Nodes for tests only: they fail, wait and count where real nodes cannot be made to. Copied into a test server's custom nodes."""

import os
import time
from pathlib import Path

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

NODE_CLASS_MAPPINGS = {"StubLoader": StubLoader, "StubImage": StubImage}
