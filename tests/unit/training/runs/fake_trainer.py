"""A program that prints, saves and ends as trainers do, kohya's scripts above all, without training anything.

It is run as a process of its own. ``--mode`` says what goes wrong; the bars, lines and exit codes are those that were recorded of
sd-scripts 0.10.1.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import struct
import subprocess
import sys
import time
from pathlib import Path


def safetensors(path: Path, tensors: dict[str, tuple[str, list[int], bytes]], **metadata: str) -> None:
    """A safetensors file, by the format's description alone."""
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    at = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))


def lora(path: Path, up: float = 0.5, **metadata: str) -> None:
    down, ups = struct.pack("<4e", 1, 2, 3, 4), struct.pack("<4e", up, 0, 0, 0)
    safetensors(
        path,
        {
            "lora_unet_a.lora_down.weight": ("F16", [2, 2], down),
            "lora_unet_a.lora_up.weight": ("F16", [2, 2], ups),
            "lora_unet_a.alpha": ("F16", [], struct.pack("<e", 2)),
        },
        **metadata,
    )


def varint(number: int) -> bytes:
    """A protocol buffer's whole number."""
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def event(wall: float, step: int, tag: str, value: float) -> bytes:
    """A TFRecord with one scalar."""
    name = tag.encode()
    scalar = b"\x0a" + bytes([len(name)]) + name + b"\x15" + struct.pack("<f", value)
    summary = b"\x0a" + bytes([len(scalar)]) + scalar
    message = b"\x09" + struct.pack("<d", wall) + b"\x10" + varint(step) + b"\x2a" + bytes([len(summary)]) + summary
    length = struct.pack("<Q", len(message))
    return length + struct.pack("<I", crc(length)) + message + struct.pack("<I", crc(message))


def crc(data: bytes) -> int:
    """CRC-32C bit by bit, masked as TFRecord does."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 * (value & 1))
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def bar(step: int, steps: int, loss: float | None, pace: float) -> str:
    filled = "█" * (10 * step // steps) + ("▎" if step < steps else "")
    end = "" if loss is None else f", avr_loss={loss:.3g}"
    return f"\rsteps: {100 * step // steps:3d}%|{filled:<10}| {step}/{steps} [00:{step:02d}<00:{steps - step:02d}, {pace:5.2f}s/it{end}]"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--states", type=Path, required=True)
    parser.add_argument("--events", type=Path)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--every", type=int, default=0)
    parser.add_argument("--pace", type=float, default=0.02)
    parser.add_argument("--mode", default="")
    parser.add_argument("--trained", type=Path, required=True, help="counts every step that was really made")
    given = parser.parse_args()

    print("accelerator device: cpu", flush=True)
    if given.mode == "children":  # as data loaders do; one in a session of its own, one whose parent is gone
        nap = [sys.executable, "-c", "import time; time.sleep(300)"]
        far = f"import subprocess; subprocess.Popen({nap!r}, start_new_session=True)"
        subprocess.Popen([sys.executable, "-c", f"{far}; import time; time.sleep(300)"])
        subprocess.Popen(nap, start_new_session=True)
    if given.mode == "no-data":
        print(
            "No data found. Please verify arguments (train_data_dir must be the parent of folders with images)",
            flush=True,
        )
        return 0
    if given.mode == "crash":
        print("Traceback (most recent call last):\nValueError: checkpoint is broken", file=sys.stderr, flush=True)
        return 1
    print("running training / 学習開始", flush=True)
    print(f"  total optimization steps / 学習ステップ数: {given.steps}", flush=True)
    sys.stderr.write(bar(0, given.steps, None, given.pace))
    events = None
    if given.events:
        given.events.mkdir(parents=True, exist_ok=True)
        events = (given.events / f"events.out.tfevents.{time.time():.0f}.{os.getpid()}").open("wb")
    for step in range(1, given.steps + 1):
        time.sleep(given.pace)
        with given.trained.open("a") as file:
            file.write(f"{given.start + step}\n")
        loss = math.nan if given.mode == "nan" and step > 1 else 1 / (given.start + step)
        sys.stderr.write(bar(step, given.steps, None, given.pace))
        sys.stderr.write(bar(step, given.steps, loss, given.pace))
        sys.stderr.flush()
        if events:
            events.write(event(time.time(), step, "loss/current", loss))
            events.flush()
        if given.every and step % given.every == 0:
            print(f"\nsaving state at step {step}", flush=True)
            folder = given.states / f"{given.start + step:08d}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "model.safetensors").write_bytes(b"weights")
            time.sleep(given.pace)
            (folder / "state.json").write_text(json.dumps({"step": given.start + step}))
        if given.mode == "hang" and step == 3:
            time.sleep(300)
        if given.mode == "early" and step == given.steps - 1:
            break
        if given.mode == "die" and step == 3:
            os.kill(os.getpid(), 9)
    sys.stderr.write("\n")
    print(f"saving checkpoint: {given.output}", flush=True)
    if given.mode == "broken":
        given.output.write_bytes(b"\x08")
    elif given.mode != "no-file":
        lora(given.output, {"nan": math.nan, "zero": 0.0}.get(given.mode, 0.5))
    print("model saved.", flush=True)
    return 1 if given.mode == "late" else 0


if __name__ == "__main__":
    sys.exit(main())
