"""Which LoRAs an image was made with, and their hashes as sites know them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from sdgen_core.sessions.loras import lora_hashes, loras_used, short_hash


def node(class_type: str, **inputs: object) -> dict[str, object]:
    return {"class_type": class_type, "inputs": inputs}


def safetensors(path: Path, data: bytes, **metadata: str) -> Path:
    header = json.dumps({"__metadata__": metadata}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


def test_loras_of_loaders_and_tags_are_used_unless_they_have_no_strength() -> None:
    prompt = {
        "1": node("LoraLoader", lora_name="style/a.safetensors", strength_model=0.0, strength_clip=0.5, model=["0", 0]),
        "2": node("LoraLoader", lora_name="off.safetensors", strength_model=0, strength_clip=0),
        "3": node("LoraLoaderModelOnly", lora_name="b.safetensors", strength_model=1),
        "4": node("SDGenEncodePrompt", text="x <lora:c:0.7> <lora:c:0.2> <lora:none:0>", loras="apply"),
        "5": node("SDGenEncodePrompt", text="<lora:negative:1>", loras="leave out"),
        "6": node("SDGenEncodePrompt", text="broken <lora:", loras="apply"),
        "7": node("SDGenEncodePrompt", text=["9", 0]),
        "8": node("CLIPTextEncode", text="<lora:plain text:1>"),
    }
    assert loras_used(prompt) == ["style/a.safetensors", "b.safetensors", "c"]


def test_hashes_are_those_of_the_tensors(tmp_path: Path) -> None:
    plain = safetensors(tmp_path / "a.safetensors", b"tensors", ss_output_name="A")
    digest = hashlib.sha256(b"tensors").hexdigest()[:12]
    assert short_hash(plain) == short_hash(safetensors(tmp_path / "renamed.safetensors", b"tensors")) == digest
    noted = safetensors(tmp_path / "noted.safetensors", b"tensors", sshs_model_hash="0123456789abcdef")
    assert short_hash(noted) == "0123456789ab"
    old = tmp_path / "old.pt"
    old.write_bytes(b"tensors")
    assert short_hash(old) == digest
    plain.write_bytes(plain.read_bytes() + b" more")
    assert short_hash(plain) != digest, "a changed file is read again"
    files = {"style/noted.safetensors": noted, "a: tag, odd": noted, "gone": None, "lost": tmp_path / "lost.pt"}
    assert lora_hashes(files) == "noted: 0123456789ab, a tag odd: 0123456789ab"
    assert lora_hashes({}) == ""
