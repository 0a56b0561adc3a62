from __future__ import annotations

import hashlib
import json
import math
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.metadata import (
    encode_png,
    is_whole_png,
    read_png_chunks,
    read_sdgen_chunk,
    sdgen_chunk,
    sdgen_record,
    sha256_file,
    short_model_hash,
    strict_json,
)

SAMPLES = Path(__file__).parents[2] / "data" / "sessions"
PICTURE = Image.effect_noise((40, 30), 60).convert("RGB")


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def strictly(text: str) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({k for k, _ in items}) == len(items), "a key twice"
        return dict(items)

    text.encode("ascii")
    value = json.loads(text, parse_constant=refuse, object_pairs_hook=pairs)
    json.dumps(value, ensure_ascii=False).encode("utf-8")  # no half surrogate pairs inside
    return value


KEYS = st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.tuples(st.integers()))
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(alphabet=st.characters()),
    st.binary(),
    st.complex_numbers(),
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner), st.tuples(inner, inner), st.dictionaries(KEYS, inner), st.frozensets(st.integers())
    ),
    max_leaves=20,
)


@given(ANYTHING)
@example({1: math.nan, "1": math.inf, math.nan: -math.inf, None: "\ud800", False: {2, 1}})
def test_strict_json_is_always_json(value: Any) -> None:
    text = strict_json(value)
    assert strict_json(strictly(text)) == text


PLAIN = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(alphabet=st.characters(exclude_categories=("Cs",))),
    ),
    lambda inner: st.one_of(
        st.lists(inner), st.dictionaries(st.text(alphabet=st.characters(exclude_categories=("Cs",))), inner)
    ),
    max_leaves=20,
)


@given(PLAIN)
def test_strict_json_changes_nothing_that_json_has(value: Any) -> None:
    assert strictly(strict_json(value)) == value


def test_strict_json_details() -> None:
    assert strict_json({"a": math.nan, 2: math.inf, "e": "é"}) == '{"a":null,"2":null,"e":"\\u00e9"}'
    assert strict_json(Path("a")) == '"a"'
    assert strictly(strict_json("\ud83d\ude00")) == "\U0001f600"
    assert strict_json(["\udc80"]) == '["\\ufffd"]'


def test_numbers_of_numeric_libraries() -> None:
    numpy = pytest.importorskip("numpy")
    assert strict_json({"a": numpy.float32(0.5), "b": numpy.int64(3), "c": numpy.float64("nan")}) == (
        '{"a":0.5,"b":3,"c":null}'
    )


def png_kinds(data: bytes) -> dict[str, str]:
    """Keyword → chunk type of the text chunks: which kind was chosen."""
    position, found = 8, {}
    while position < len(data):
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        if kind in (b"tEXt", b"iTXt", b"zTXt"):
            found[data[position + 8 : position + 8 + length].split(b"\0")[0].decode()] = kind.decode()
        position += 12 + length
    return found


CHUNK_TEXT = st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=80)


@given(st.dictionaries(st.sampled_from(["prompt", "workflow", "parameters", "sdgen"]), CHUNK_TEXT))
def test_chunks_round_trip(tmp_path_factory: pytest.TempPathFactory, chunks: dict[str, str]) -> None:
    data = encode_png(PICTURE, chunks)
    path = tmp_path_factory.mktemp("png") / "x.png"
    path.write_bytes(data)
    assert read_png_chunks(path) == chunks
    assert list(png_kinds(data)) == list(chunks)
    for key, text in chunks.items():
        latin = all(ord(c) < 256 for c in text)
        assert png_kinds(data)[key] == ("tEXt" if latin else "iTXt")
    assert is_whole_png(path, crc=True)
    with Image.open(path) as image:
        assert image.text == chunks  # another reader agrees
        assert image.tobytes() == PICTURE.tobytes()


def test_what_a_text_chunk_cannot_hold_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(encode_png(PICTURE, {"parameters": "a\0b\ud800", "prompt": "{}"}))
    assert read_png_chunks(path) == {"parameters": "ab\ufffd", "prompt": "{}"}


def test_text_after_the_pixels_and_packed_text(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("zip", "packed é", zip=True)
    info.add_itxt("izip", "packed 日本", zip=True)
    info.add_itxt("named", "text", lang="fr", tkey="nommé")
    path = tmp_path / "x.png"
    PICTURE.save(path, pnginfo=info)
    data = path.read_bytes()
    body = b"late\0after the pixels"
    late = struct.pack(">I", len(body)) + b"tEXt" + body + struct.pack(">I", zlib.crc32(b"tEXt" + body))
    path.write_bytes(data[:-12] + late + data[-12:])
    assert read_png_chunks(path) == {
        "zip": "packed é", "izip": "packed 日本", "named": "text", "late": "after the pixels"
    }  # fmt: skip
    assert is_whole_png(path, crc=True)


def test_a_packed_text_that_would_fill_the_memory_is_left_out(tmp_path: Path) -> None:
    body = b"bomb\0\0" + zlib.compress(b"a" * (80 << 20), 9)
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    data = encode_png(PICTURE, {"prompt": "{}"})
    path = tmp_path / "x.png"
    path.write_bytes(data[:-12] + chunk + data[-12:])
    assert read_png_chunks(path) == {"prompt": "{}"}


def test_every_cut_of_a_png_is_noticed(tmp_path: Path) -> None:
    data = encode_png(PICTURE.resize((5, 4)), {"prompt": "{}", "sdgen": '{"version":1}'})
    path = tmp_path / "x.png"
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert not is_whole_png(path), length
        with pytest.raises(SDGenError) as caught:
            read_png_chunks(path)
        assert caught.value.code == "broken-image"
    path.write_bytes(data)
    assert is_whole_png(path)
    path.write_bytes(data + b"trailing bytes are somebody else's")
    assert is_whole_png(path)


def test_flipped_bits_are_noticed_with_checksums(tmp_path: Path) -> None:
    data = bytearray(encode_png(PICTURE, {}))
    data[len(data) // 2] ^= 1
    path = tmp_path / "x.png"
    path.write_bytes(data)
    assert is_whole_png(path)
    assert not is_whole_png(path, crc=True)


def test_files_that_are_no_png(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"\xff\xd8\xff\xe0 a JPEG by another name")
    with pytest.raises(SDGenError, match="not a PNG") as caught:
        read_png_chunks(path)
    assert caught.value.code == "broken-image"
    assert not is_whole_png(path)
    assert not is_whole_png(tmp_path / "nothing.png")
    assert not is_whole_png(tmp_path)
    with pytest.raises(SDGenError) as caught:
        read_png_chunks(tmp_path / "nothing.png")
    assert caught.value.code == "missing-file"


def test_reading_does_not_need_the_pixels(tmp_path: Path) -> None:
    data = encode_png(PICTURE, {"prompt": "{}"})
    at = data.index(b"IDAT")
    size = struct.unpack(">I", data[at - 4 : at])[0]
    path = tmp_path / "x.png"
    path.write_bytes(data[: at + 4] + b"\xff" * size + data[at + 4 + size :])
    assert read_png_chunks(path) == {"prompt": "{}"}


def test_recorded_images_are_whole() -> None:
    images = list(SAMPLES.rglob("*.png"))
    assert len(images) == 13
    for path in images:
        assert is_whole_png(path, crc=True)
        assert list(read_png_chunks(path)) == ["parameters"]
        assert read_sdgen_chunk(path) is None


def record(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "session": "s1",
        "session_name": "x",
        "index": 3,
        "keys": {"Coat": "Red"},
        "values": {"Coat": "red coat", "Hair": {"main": "bob", "lora": "<lora:bob:0.7>"}},
        "seed": 7,
        "requested_seed": -1,
        "prompt": "a,\nb",
        "negative": "",
        "checkpoint_name": "m.safetensors",
        "checkpoint_hash": None,
    }
    return sdgen_record(**{**fields, **changes})


def test_the_sdgen_chunk(tmp_path: Path) -> None:
    made = record(filename="x_0003.png", extra={"strength": math.nan, "seed": "never replaced"})
    assert made["version"] == 1
    assert made["checkpoint"] == {"name": "m.safetensors", "hash": None}
    assert made["strength"] is None and made["seed"] == 7
    path = tmp_path / "x_0003.png"
    path.write_bytes(encode_png(PICTURE, {"sdgen": sdgen_chunk(made)}))
    assert read_sdgen_chunk(path) == made
    for text in ("", "[]", "{", '{"version":"x"}'):
        path.write_bytes(encode_png(PICTURE, {"sdgen": text}))
        assert read_sdgen_chunk(path) is None


def test_hashes(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    content = b"x" * (3 << 20)
    path.write_bytes(content)
    expected = hashlib.sha256(content).hexdigest()
    assert sha256_file(path) == expected
    assert short_model_hash(path) == expected[:10]
    path.write_bytes(b"changed")
    assert short_model_hash(path) == hashlib.sha256(b"changed").hexdigest()[:10]
    for read in (sha256_file, short_model_hash):
        with pytest.raises(SDGenError) as caught:
            read(tmp_path / "none")
        assert caught.value.code == "missing-file"


def test_importing_loads_no_image_library() -> None:
    code = "import sys, sdgen_core.sessions.manifest; print('PIL' in sys.modules or 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
