"""Files of embeddings: whatever is added, cut off, damaged or written by two at once, nothing that was whole is lost."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.scoring.embedding import files as embeddings
from sdgen_core.scoring.embedding.files import EmbeddingFile, EmbeddingStore

MODEL = "0123456789abcdef"
WIDTH = 4
HEADER, RECORD = 64, 16 + 2 * WIDTH


def key(n: int) -> bytes:
    return hashlib.md5(b"%d" % n).digest()


def vector(n: int) -> np.ndarray:
    out = np.random.default_rng(n).normal(size=WIDTH)
    return (out / np.linalg.norm(out)).astype(np.float32)


def vectors(numbers) -> np.ndarray:
    return np.stack([vector(n) for n in numbers]) if len(numbers) else np.empty((0, WIDTH), np.float32)


def at(path: Path) -> EmbeddingFile:
    return EmbeddingFile(path, MODEL, WIDTH)


def add(file: EmbeddingFile, numbers) -> None:
    file.append([key(n) for n in numbers], vectors(numbers))


def holds(file: EmbeddingFile, expected: dict[int, int]) -> None:
    """``expected``: image -> the number of its vector."""
    assert file.keys() == {key(n) for n in expected}
    found, there = file.vectors([key(n) for n in expected])
    assert there.all() and found.dtype == np.float32
    np.testing.assert_allclose(found, vectors(list(expected.values())), atol=6e-4)


@pytest.fixture
def file(tmp_path):
    return at(tmp_path / "folder" / "a.emb")


@settings(max_examples=60, deadline=None)
@given(
    batches=st.lists(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 99)), max_size=6), max_size=8),
    fresh=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_the_last_of_all_that_was_added_is_there(tmp_path_factory, batches, fresh):
    path = tmp_path_factory.mktemp("e") / "a.emb"
    file, expected = at(path), {}
    for batch, again in zip(batches, fresh, strict=False):
        if again:
            file = at(path)
        file.append([key(image) for image, _ in batch], vectors([n for _, n in batch]))
        expected.update(batch)
        holds(file, expected)
        holds(at(path), expected)


def test_an_image_that_is_not_there_has_a_row_of_noughts(file):
    assert file.keys() == set()
    found, there = file.vectors([key(1)])
    assert found.tolist() == [[0] * WIDTH] and there.tolist() == [False]
    assert not file.path.parent.exists()  # asking makes nothing
    add(file, [1])
    found, there = file.vectors([key(2), key(1)])
    assert there.tolist() == [False, True] and not found[0].any() and found[1].any()


@pytest.mark.parametrize("cut", range(HEADER + 3 * RECORD + 1))
def test_what_is_cut_off_at_any_byte_costs_the_record_it_is_in(file, cut):
    add(file, [1, 2, 3])
    whole = file.path.read_bytes()
    assert len(whole) == HEADER + 3 * RECORD
    file.path.write_bytes(whole[:cut])
    left = max(0, cut - HEADER) // RECORD
    for reader in (file, at(file.path)):
        holds(reader, {n: n for n in [1, 2, 3][:left]})
    add(at(file.path), [7])
    holds(file, {n: n for n in [*[1, 2, 3][:left], 7]})
    assert file.path.stat().st_size == HEADER + (left + 1) * RECORD


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 4 * RECORD), min_size=1, max_size=6))
def test_tails_cut_off_again_and_again(tmp_path_factory, cuts):
    file, rows = at(tmp_path_factory.mktemp("e") / "a.emb"), []
    for n, cut in enumerate(cuts):
        new = [4 * n, 4 * n + 1, 4 * n + 2]
        add(file, new)
        rows += new
        size = max(HEADER, file.path.stat().st_size - cut)
        os.truncate(file.path, size)
        rows = rows[: (size - HEADER) // RECORD]
        holds(file, {row: row for row in rows})


@pytest.mark.parametrize("place", range(HEADER))
def test_a_damaged_header_is_refused_and_left_as_it_is(file, place):
    add(file, [1])
    damaged = bytearray(file.path.read_bytes())
    damaged[place] ^= 0x41
    file.path.write_bytes(damaged)
    for use in (at(file.path).keys, lambda: add(at(file.path), [2])):
        with pytest.raises(SDGenError, match=r"a\.emb") as error:
            use()
        assert error.value.code == "bad-embeddings"
    assert file.path.read_bytes() == damaged


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (lambda p: p.write_bytes(b"hello"), "no file of embeddings"),
        (lambda p: p.write_bytes(b"\x89PNG" * 100), "no file of embeddings"),
        (lambda p: EmbeddingFile(p, "f" * 16, WIDTH).append([key(1)], vectors([1])), "another model's"),
        (lambda p: EmbeddingFile(p, MODEL, 3).append([key(1)], np.ones((1, 3))), "another model's"),
    ],
)
def test_a_file_of_somebody_else_is_refused(tmp_path, other, said):
    path = tmp_path / "a.emb"
    other(path)
    before = path.read_bytes()
    for use in (at(path).keys, lambda: add(at(path), [2])):
        with pytest.raises(SDGenError, match=said):
            use()
    assert path.read_bytes() == before


def test_a_newer_version_is_refused(file, monkeypatch):
    monkeypatch.setattr(embeddings, "_VERSION", 2)
    add(file, [1])
    monkeypatch.undo()
    with pytest.raises(SDGenError, match="newer version"):
        at(file.path).keys()


def test_noughts_that_a_power_cut_left_do_not_count(file):
    add(file, [1, 2, 3])
    data = bytearray(file.path.read_bytes())
    data[HEADER + RECORD : HEADER + 2 * RECORD] = bytes(RECORD)
    data[-2 * WIDTH :] = bytes(2 * WIDTH)
    file.path.write_bytes(data)
    holds(at(file.path), {1: 1})
    add(at(file.path), [2])
    holds(at(file.path), {1: 1, 2: 2})


def test_vectors_are_brought_to_length_1_and_nonsense_is_refused(file):
    file.append([key(1)], 1e6 * vectors([1]))
    holds(file, {1: 1})
    for bad in (np.nan, np.inf):
        rows = vectors([2, 3])
        rows[1, 2] = bad
        with pytest.raises(ValueError, match="finite"):
            file.append([key(2), key(3)], rows)
    with pytest.raises(ValueError, match="direction"):
        file.append([key(2)], np.zeros((1, WIDTH)))
    with pytest.raises(ValueError, match="1 keys"):
        file.append([key(2)], vectors([2, 3]))
    with pytest.raises(ValueError, match="16 bytes"):
        file.append([b"short"], vectors([2]))
    holds(file, {1: 1})


def test_cosines_are_those_of_the_vectors(file, monkeypatch):
    monkeypatch.setattr(embeddings, "_BLOCK", 3)
    add(file, range(10))
    texts = vectors([50, 51])
    wanted = [key(n) for n in (9, 99, 0, 4, 5, 6, 7)]
    found, there = file.similarities(wanted, texts)
    assert found.shape == (7, 2) and found.dtype == np.float32
    assert there.tolist() == [True, False] + 5 * [True] and not found[1].any()
    np.testing.assert_allclose(found, file.vectors(wanted)[0] @ texts.T, atol=1e-6)


WRITER = """
import sys
import numpy as np
from pathlib import Path
from tests.unit.scoring.test_embeddings import add, at
file, begin = at(Path(sys.argv[1])), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
sizes = np.random.default_rng(begin).integers(1, 6, 100)
for size in sizes:
    add(file, range(begin, begin + size))
    begin += size
print(begin)
"""


def test_two_programs_that_add_at_once_lose_nothing(file):
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(file.path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": root}
    writers = [subprocess.Popen([*command, str(begin)], **pipes) for begin in (0, 10_000)]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    ends = [int(writer.communicate(timeout=100)[0]) for writer in writers]
    numbers = [*range(ends[0]), *range(10_000, ends[1])]
    assert len(numbers) > 400
    holds(file, {n: n for n in numbers})


def test_a_file_that_a_power_cut_left_as_noughts_is_an_empty_one(file):
    add(file, [1])
    file.path.write_bytes(bytes(HEADER + 3 * RECORD + 7))
    for reader in (file, at(file.path)):
        holds(reader, {})
    add(file, [2])
    for reader in (file, at(file.path)):
        holds(reader, {2: 2})


def test_what_is_damaged_is_put_aside_and_begun_again(tmp_path, caplog):
    store = EmbeddingStore(tmp_path)
    add(store.file(MODEL, WIDTH, "s"), [1])
    path = store.file(MODEL, WIDTH, "s").path
    sound = path.read_bytes()
    assert not caplog.text
    for n, bad in enumerate((b"hello", sound[:30] + b"x" + sound[31:])):
        path.write_bytes(bad)
        holds(store.file(MODEL, WIDTH, "s"), {})
        add(store.file(MODEL, WIDTH, "s"), [2])
        holds(store.file(MODEL, WIDTH, "s"), {2: 2})
        assert path.with_name(path.name + embeddings.ASIDE).read_bytes() == bad
        assert caplog.text.count("made again") == n + 1
    # what is somebody else's is no damage
    path.unlink()
    EmbeddingFile(path, "f" * 16, WIDTH).append([key(1)], vectors([1]))
    before = path.read_bytes()
    with pytest.raises(SDGenError, match="another model's"):
        store.file(MODEL, WIDTH, "s").keys()
    assert path.read_bytes() == before


def test_another_program_that_never_ends_is_an_error(file, monkeypatch):
    monkeypatch.setattr(embeddings, "_PATIENCE", 0.05)
    add(file, [1])
    with embeddings._exclusive(file.path.parent), pytest.raises(SDGenError) as error:
        add(file, [2])
    assert error.value.code == "embeddings-locked"
    add(file, [2])
    holds(file, {1: 1, 2: 2})


def test_a_full_disk_is_an_error_and_what_was_there_stays(file, monkeypatch):
    add(file, [1])
    write = os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) < 2 * RECORD:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, data[: RECORD + 5])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(SDGenError) as error:
        add(file, [2, 3, 4])
    assert error.value.code == "disk-full"
    monkeypatch.undo()
    holds(file, {1: 1, 2: 2})
    add(file, [3])
    holds(file, {1: 1, 2: 2, 3: 3})


def test_a_folder_that_is_none(tmp_path):
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(SDGenError) as error:
        add(at(tmp_path / "folder" / "a.emb"), [1])
    assert error.value.code == "unwritable-folder"


def test_models_and_sessions_have_files_of_their_own(tmp_path):
    store = EmbeddingStore(tmp_path)
    one, other = store.file(MODEL, WIDTH, "20260101-a"), store.file("f" * 16, WIDTH, "20260101-a")
    add(one, [1])
    one.sync()
    other.sync()
    assert one.path == tmp_path / MODEL / "20260101-a.emb"
    assert store.file(MODEL, WIDTH, "20260101-a").keys() == {key(1)}
    assert other.keys() == store.file(MODEL, WIDTH, "b").keys() == set()
    assert store.file(MODEL, WIDTH, "../../x").path.parent == tmp_path / MODEL
    with pytest.raises(ValueError, match="identity"):
        store.file("..", WIDTH, "a")
