"""What is read of a run: its log, its events, and the file that it made."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.sessions.safetensors_file import read_header
from sdgen_core.training.runs.events import downsampled, masked_crc, read_folder, read_scalars, records
from sdgen_core.training.runs.publish import publish
from sdgen_core.training.runs.trail import Progress, Trail, shown_lines
from sdgen_core.training.runs.verdict import judge, stamp

from .fake_trainer import bar, crc, event, lora, safetensors
from .fakes import FakeTrainer

# ---- logs -----------------------------------------------------------------------------------------------------------------------

LINES = st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12), max_size=12)


@given(LINES, st.lists(st.sampled_from(["\r", "\n", "\r\n"]), min_size=12, max_size=12), st.data())
def test_pieces_are_the_same_however_they_come(tmp_path_factory, lines, breaks, data) -> None:
    path = tmp_path_factory.mktemp("log") / "log.txt"
    whole = "".join(line + end for line, end in zip(lines, breaks, strict=False)).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    path.write_bytes(b"")
    trail, pieces = Trail(path), []
    for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        with path.open("ab") as file:
            file.write(whole[begin:end])
        pieces += trail.read()
    assert pieces == [line for line in lines if line]
    assert list(trail.read()) == [] and trail.unfinished == ""


def test_a_bar_counts_though_nothing_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(("x" * 50 + bar(0, 3, None, 1) + bar(1, 3, 0.5, 1)).encode())
    trail, progress = Trail(path), Progress(FakeTrainer())
    progress.take(trail.read(), 0.0)
    assert (progress.step, trail.unfinished) == (0, "")
    progress.take([*trail.read(), trail.unfinished], 1.0)
    assert (progress.step, progress.loss) == (1, 0.5)


def test_bytes_that_are_no_text_hide_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"\xff\xfe caf\xe9\r" + bar(2, 3, 0.25, 1).encode() + b"\n\x00\n")
    progress = Progress(FakeTrainer())
    progress.take(Trail(path).read(), None)
    assert progress.step == 2


def test_a_line_without_end_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    with path.open("wb") as file:
        for _ in range(40):
            file.write(b"z" * (1 << 16))
    trail = Trail(path)
    assert list(trail.read()) == []
    list(trail.read())
    assert 0 < len(trail.unfinished) <= 1 << 18


def test_pace_and_first_loss_that_is_no_number() -> None:
    progress = Progress(FakeTrainer())
    for step in range(1, 6):
        progress.take(
            [bar(step, 9, None, 1).strip(), bar(step, 9, math.nan if step > 3 else 1.0, 1).strip()], 10.0 * step
        )
    assert progress.pace == pytest.approx(10.0)
    assert progress.no_number_at == 4 and progress.loss is None
    assert progress.curve == [(1, 1.0), (2, 1.0), (3, 1.0)]
    past = Progress(FakeTrainer())
    past.take([bar(5, 9, 1.0, 1).strip()], None)
    assert past.pace is None and past.step == 5


def test_shown_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes("first\r\na\rb\rc\n\nlast é\n\n".encode())
    assert shown_lines(path, 0) == ["first", "c", "", "last é"]
    assert shown_lines(path, 1) == ["last é"]
    assert shown_lines(tmp_path / "none", 3) == []


# ---- events ---------------------------------------------------------------------------------------------------------------------

SCALARS = st.lists(
    st.tuples(
        st.floats(0, 2e9), st.integers(0, 127), st.sampled_from(["loss/current", "lr/unet", "x"]), st.floats(width=32)
    ),
    max_size=8,
)


def same(found, written) -> bool:
    pairs = zip(found, written, strict=True)
    return all(
        (one.tag, one.step, one.at) == (tag, step, wall)
        and (one.value == value or (math.isnan(value) and math.isnan(one.value)))
        for one, (wall, step, tag, value) in pairs
    )


@given(SCALARS, st.integers(0, 400))
def test_events_up_to_where_they_are_cut_off(tmp_path_factory, written, lost) -> None:
    pieces = [event(*one) for one in written]
    whole = b"".join(pieces)
    kept = max(0, len(whole) - lost)
    path = tmp_path_factory.mktemp("events") / "events.out.tfevents.1"
    path.write_bytes(whole[:kept])
    ends, at = [], 0
    for piece in pieces:
        at += len(piece)
        ends.append(at)
    there = [one for one, end in zip(written, ends, strict=True) if end <= kept]
    assert same(list(read_scalars(path)), there)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_a_word(tmp_path_factory, data) -> None:
    path = tmp_path_factory.mktemp("events") / "events.out.tfevents.1"
    path.write_bytes(data)
    list(read_scalars(path))
    framed = struct.pack("<Q", len(data))
    path.write_bytes(framed + struct.pack("<I", crc(framed)) + data + b"0000")
    list(read_scalars(path))
    assert [bytes(one) for one in records(path.read_bytes())] == [data]


@given(st.binary(max_size=50))
def test_the_checksum_is_that_of_the_description(data) -> None:
    assert masked_crc(data) == crc(data)


def test_the_checksum_of_the_standard() -> None:
    # RFC 3720, B.4: CRC-32C of 32 bytes of zero is 8a9136aa
    plain = 0x8A9136AA
    assert masked_crc(bytes(32)) == ((plain >> 15 | plain << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF


def test_what_sd_scripts_wrote_is_read_as_tensorboard_reads_it() -> None:
    """An event file of a real training (sd-scripts 0.10.1), and what TensorBoard 2.21's own EventAccumulator says of it."""
    recorded = Path(__file__).parent / "recorded"
    found: dict[str, list[list[float]]] = {}
    for one in read_folder(recorded):
        found.setdefault(one.tag, []).append([one.step, one.value, one.at])
    assert found == json.loads((recorded / "tensorboard.json").read_text(encoding="utf-8"))


def test_a_folder_of_events(tmp_path: Path) -> None:
    (tmp_path / "run1").mkdir()
    (tmp_path / "run1" / "events.out.tfevents.2").write_bytes(event(2.0, 1, "b", 2.0))
    (tmp_path / "events.out.tfevents.1").write_bytes(event(1.0, 1, "a", 1.0) + event(3.0, 2, "a", 3.0))
    (tmp_path / "notes.txt").write_bytes(event(4.0, 1, "c", 1.0))
    assert [one.value for one in read_folder(tmp_path)] == [1.0, 2.0, 3.0]
    assert read_folder(tmp_path / "none") == []


def test_events_that_grow_are_read_on(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    whole = [event(float(n), n, "loss/current", 1 / n) for n in range(1, 40)]
    with path.open("wb", buffering=0) as file:
        for n, record in enumerate(whole):
            half = len(record) // 2
            file.write(record[:half])
            assert [one.step for one in read_scalars(path)] == list(range(1, n + 1))
            file.write(record[half:])
    assert [one.step for one in read_scalars(path)] == list(range(1, 40))
    path.write_bytes(whole[-1])
    assert [one.step for one in read_scalars(path)] == [39]
    path.unlink()
    assert read_scalars(path) == []


@given(st.lists(st.tuples(st.integers(0, 1000), st.floats(0, 1)), max_size=300), st.integers(1, 50))
def test_a_curve_is_made_shorter(points, most) -> None:
    made = downsampled(points, most)
    assert len(made) == min(len(points), most)
    if points:
        assert made[-1][0] == points[-1][0]
        values = [value for _, value in points]
        assert all(min(values) - 1e-9 <= value <= max(values) + 1e-9 for _, value in made)


# ---- verdicts -------------------------------------------------------------------------------------------------------------------


def code(path: Path, asked: int = 5, made: int = 5, before: tuple[int, int] | None = None) -> str:
    cause = judge(path, before, asked, made)
    return "good" if cause is None else cause.code


def test_a_good_lora(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    assert code(path) == "no-output"
    lora(path)
    assert code(path) == "good"
    assert code(path, before=stamp(path)) == "old-output"
    assert code(path, made=4) == "wrong-steps"
    lora(path, ss_steps="5")
    assert code(path, made=4) == "good"
    assert code(path, asked=8, made=8) == "wrong-steps"


def bits(kind: str, number: float) -> bytes:
    """A number as a type that numpy may lack."""
    if kind == "BF16":
        return struct.pack("<f", number)[2:]
    if kind == "F8_E5M2":
        return struct.pack("<e", number)[1:]
    if kind == "F8_E4M3":
        sign = 0x80 if math.copysign(1, number) < 0 else 0
        return bytes([sign | {0.0: 0, 0.5: 0x30, math.inf: 0x7F}[abs(number)]])
    return struct.pack({"F64": "<d", "F32": "<f", "F16": "<e"}[kind], number)


@pytest.mark.parametrize("kind", ["F64", "F32", "F16", "BF16", "F8_E5M2", "F8_E4M3"])
@pytest.mark.parametrize(
    ("number", "says"), [(0.5, "good"), (0.0, "all-zero"), (-0.0, "all-zero"), (math.inf, "not-finite")]
)
def test_numbers_of_every_type(tmp_path: Path, kind: str, number: float, says: str) -> None:
    path = tmp_path / "a.safetensors"
    data = bits(kind, 0.0) * 3 + bits(kind, number)
    safetensors(
        path,
        {"m.lora_A.default.weight": (kind, [4], bits(kind, 0.5) * 4), "m.lora_B.default.weight": (kind, [2, 2], data)},
    )
    assert code(path) == says


@given(st.lists(st.floats(width=16), min_size=1, max_size=8))
def test_numbers_are_judged_as_numpy_does(tmp_path_factory, numbers) -> None:
    path = tmp_path_factory.mktemp("verdict") / "a.safetensors"
    array = numpy.array(numbers, "<f2")
    safetensors(path, {"m.diff": ("F16", [len(numbers)], array.tobytes())})
    said = "not-finite" if not numpy.isfinite(array).all() else "good" if array.any() else "all-zero"
    assert code(path) == said


ONE, ZERO = ("F16", [1], struct.pack("<e", 1)), ("F16", [1], struct.pack("<e", 0))


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        (
            {"a.lora_up.weight": ONE, "a.lora_down.weight": ZERO, "a.alpha": ONE},
            "all-zero",
        ),  # native training begins so
        (
            {"a.lora_up.weight": ZERO, "a.lora_down.weight": ONE, "b.lora_up.weight": ONE, "b.lora_down.weight": ONE},
            "good",
        ),
        ({"a.hada_w1_a": ONE, "a.hada_w1_b": ONE, "a.hada_w2_a": ZERO, "a.hada_w2_b": ONE}, "all-zero"),
        ({"a.lokr_w1": ONE, "a.lokr_w2_a": ONE, "a.lokr_w2_b": ZERO}, "all-zero"),
        ({"a.lokr_w1": ONE, "a.lokr_w2": ONE}, "good"),
        ({"a.lora_up.weight": ZERO, "a.lora_down.weight": ONE, "b.diff_b": ONE}, "good"),
        ({"a.alpha": ONE, "a.oft_blocks": ZERO}, "all-zero"),
        ({"a.index": ("I64", [1], bytes(8))}, "no-weights"),
        ({}, "no-weights"),
    ],
)
def test_what_changes_nothing(tmp_path: Path, tensors, says: str) -> None:
    path = tmp_path / "a.safetensors"
    safetensors(path, tensors)
    assert code(path) == says


def test_a_large_file_is_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    data = numpy.zeros(3 << 20, "<f4")
    data[-1] = math.nan
    safetensors(path, {"m.diff": ("F32", [3 << 20], data.tobytes())})
    assert code(path) == "not-finite"


@given(st.integers(0, 400), st.binary(min_size=0, max_size=3))
def test_a_damaged_file_is_never_good(tmp_path_factory, cut, extra) -> None:
    path = tmp_path_factory.mktemp("verdict") / "a.safetensors"
    lora(path)
    whole = path.read_bytes()
    damaged = whole[: max(0, len(whole) - cut)] + extra
    path.write_bytes(damaged)
    assert len(damaged) == len(whole) or code(path) == "broken-output"  # other numbers are no damage that shows


@given(st.binary(max_size=80))
def test_a_header_of_any_bytes(tmp_path_factory, header) -> None:
    path = tmp_path_factory.mktemp("verdict") / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    assert code(path) in ("broken-output", "no-weights")


def test_the_real_library_reads_what_the_tests_write(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "a.safetensors"
    lora(path, ss_steps="3")
    assert sorted(library.load_file(path)) == sorted(read_header(path).tensors)
    library.save_file({"x.diff": numpy.ones((2, 3), "float32"), "y.alpha": numpy.float16([1])}, path, {"ss_steps": "5"})
    header = read_header(path)
    assert set(header.tensors) == {"x.diff", "y.alpha"} and header.metadata == {"ss_steps": "5"}
    assert code(path) == "good"


# ---- where loaders find it ------------------------------------------------------------------------------------------------------


def test_a_lora_gets_a_name_by_which_loaders_find_it_and_no_other(tmp_path: Path) -> None:
    output = tmp_path / "run" / "red.safetensors"
    output.parent.mkdir()
    output.write_bytes(b"new")
    others = {"red.safetensors", "red_3.safetensors"}
    made = [publish(output, tmp_path, others.__contains__)]
    assert made[0] == publish(output, tmp_path, others.__contains__), "it is there already"
    output.unlink()
    output.write_bytes(b"newer")
    made.append(publish(output, tmp_path, others.__contains__))
    assert [path.name for path in made] == ["red_2.safetensors", "red_4.safetensors"]
    assert [path.read_bytes() for path in made] == [b"new", b"newer"]
