"""Headers of safetensors files: what the library writes is read alike, and nothing that is not borne out by the file is believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.safetensors_file import BrokenFileError, copy_with_metadata, read_header, read_metadata

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
A = {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}
B = {"dtype": "U8", "shape": [2], "data_offsets": [4, 6]}


def put(path: Path, header: bytes, data: bytes = b"") -> Path:
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


def one_tensor(path: Path, metadata: dict[str, str] | None, data: bytes) -> Path:
    header: dict[str, Any] = {"a": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}}
    if metadata is not None:
        header["__metadata__"] = metadata
    return put(path, json.dumps(header).encode(), data)


def test_the_header_of_a_real_file(tmp_path: Path) -> None:
    import numpy

    save_file({"x": numpy.ones((2, 3), "float32"), "y": numpy.ones(1, "int8")}, tmp_path / "x", {"é": "ü"})
    header = read_header(tmp_path / "x")
    assert {n: (e.dtype, e.shape, e.end - e.start) for n, e in header.tensors.items()} == {
        "x": ("F32", (2, 3), 24),
        "y": ("I8", (1,), 1),
    }
    assert header.metadata == {"é": "ü"} and header.begin + 25 == header.size
    assert read_metadata(tmp_path / "x") == ({"é": "ü"}, header.begin)


@pytest.mark.parametrize(
    ("header", "data", "says"),
    [
        (b'{"a": 1', b"", "cannot be read"),
        (b'{"a": [1]}', b"", "nothing of use about 'a'"),
        (b"[" * 100_000, b"", "cannot be read"),
        (b'{"__metadata__": ["x"]}', b"", "metadata is no table"),
        (b'{"__metadata__": {"x": "\\ud800"}}', b"", "metadata is no text"),
        (b'{"\\ud800": 1}', b"", "cannot be read"),
        (b'{"a": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}, "a": 1}', b"", "a name stands in it twice"),
        ({"a": A, "b": {**B, "data_offsets": [2, 4]}}, 6, "'b' in it does not begin where"),  # overlap
        ({"a": A, "b": {**B, "data_offsets": [5, 7]}}, 7, "'b' in it does not begin where"),  # gap
        ({"a": A, "b": B}, 5, "cut off: 1 bytes"),
        ({"a": A}, 6, "2 bytes longer"),
        ({"a": {**A, "shape": [5]}}, 4, "5 numbers of U8 in 4 bytes"),
        ({"a": {**A, "shape": [-1, -4]}}, 4, "wrong about 'a'"),
        ({"a": {**A, "shape": [4.0]}}, 4, "wrong about 'a'"),
        ({"a": {**A, "shape": [True, 4]}}, 4, "wrong about 'a'"),
        ({"a": {**A, "dtype": None}}, 4, "wrong about 'a'"),
        ({"a": {**A, "dtype": "U8000", "data_offsets": [4, 0]}}, 4, "wrong about 'a'"),
        ({"a": {**A, "data_offsets": [0, 4, 5]}}, 4, "nothing of use about 'a'"),
        ({"a": {**A, "data_offsets": [-4, 0]}}, 4, "wrong about 'a'"),
    ],
)
def test_what_a_header_must_not_say(tmp_path: Path, header: Any, data: bytes | int, says: str) -> None:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = put(tmp_path / "x", raw, bytes(data) if isinstance(data, int) else data)
    with pytest.raises(BrokenFileError) as caught:
        read_header(path)
    assert says in str(caught.value)
    with pytest.raises(SafetensorError):  # the library thinks no better of it
        safe_open(path, "np")


def test_a_long_header_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.write((100_000_001).to_bytes(8, "little"))
        file.truncate(200_000_000)
    with pytest.raises(BrokenFileError, match="no safetensors file"):
        read_header(path)


@given(st.binary(max_size=120), st.booleans())
def test_any_bytes_are_a_whole_file_or_a_broken_one(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, framed: bool
) -> None:
    path = tmp_path_factory.mktemp("any") / "x"
    _ = put(path, data) if framed else path.write_bytes(data)
    for read in (read_header, read_metadata):
        try:
            read(path)
        except BrokenFileError:
            continue
        assert framed and isinstance(json.loads(data), dict)


@given(st.binary(max_size=200), st.none() | st.dictionaries(text, text, max_size=3))
def test_a_copy_has_the_same_tensors_and_more_to_say(
    tmp_path_factory: pytest.TempPathFactory, tensors: bytes, metadata: dict[str, str] | None
) -> None:
    folder = tmp_path_factory.mktemp("copy")
    one_tensor(folder / "one", metadata, tensors)
    copy_with_metadata(folder / "one", folder / "two", {"sdgen_run": "é"})
    header = read_header(folder / "two")
    assert header.metadata == {**(metadata or {}), "sdgen_run": "é"} and header.tensors["a"].count == len(tensors)
    assert (folder / "two").read_bytes()[header.begin :] == tensors and header.begin % 8 == 0


@pytest.mark.parametrize("data", [b"", b"abc", b"\xff" * 40, (5).to_bytes(8, "little") + b"[1,2]"])
def test_nothing_is_left_of_a_copy_of_what_is_broken(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "one").write_bytes(data)
    with pytest.raises(BrokenFileError):
        copy_with_metadata(tmp_path / "one", tmp_path / "two", {})
    with pytest.raises(FileNotFoundError):
        copy_with_metadata(tmp_path / "nowhere", tmp_path / "two", {})
    with pytest.raises(SDGenError):
        copy_with_metadata(one_tensor(tmp_path / "one", {}, b"x"), tmp_path / "no folder" / "two", {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one"]
