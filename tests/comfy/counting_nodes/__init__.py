"""Notes what a test server does, a line each, in the file SDGEN_COUNTS: texts encoded, weight files read, LoRAs applied, weights
patched."""

import os
from pathlib import Path

NODE_CLASS_MAPPINGS = {}


def _note(line):
    with Path(os.environ["SDGEN_COUNTS"]).open("a", encoding="utf-8") as counts:
        counts.write(line + "\n")


def _noting(owner, name, describe):
    plain = getattr(owner, name)

    def noted(*args, **options):
        _note(describe(*args))
        return plain(*args, **options)

    setattr(owner, name, noted)


if "SDGEN_COUNTS" in os.environ:
    import comfy.model_patcher
    import comfy.sd
    import comfy.utils

    _noting(comfy.sd.CLIP, "tokenize", lambda clip, text, *more: f"encode {text}")
    _noting(comfy.utils, "load_torch_file", lambda path, *more: f"read {Path(path).name}")
    _noting(comfy.model_patcher.ModelPatcher, "add_patches", lambda *args: "patch")
    _noting(comfy.model_patcher.ModelPatcher, "patch_weight_to_device", lambda patcher, key, *more: f"weight {key}")
