from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.sessions import files
from sdgen_core.sessions.files import atomic_file, leftovers, remove_leftovers, temporary_name, write_atomic


def test_a_file_appears_whole_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    write_atomic(path, b"one")
    write_atomic(path, b"two", durable=False)
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]


def test_nothing_is_left_of_a_write_that_fails(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_file(path) as handle:
        handle.write(b"half")
        raise RuntimeError("the caller's own")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]


def test_until_the_end_the_old_file_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"old")
    with atomic_file(path) as handle:
        handle.write(b"new" * 100_000)
        handle.flush()
        assert path.read_bytes() == b"old"
        [temporary] = leftovers(tmp_path)
        assert temporary.name.startswith("x.png.") and temporary.suffix == ".tmp"
        assert remove_leftovers(tmp_path) == []  # it is young: somebody is writing it
    assert path.read_bytes() == b"new" * 100_000


def test_threads_do_not_share_a_temporary_file(tmp_path: Path) -> None:
    names: set[Path] = set()
    together = threading.Barrier(8)

    def work(number: int) -> None:
        together.wait()
        names.add(temporary_name(tmp_path / "x.png"))
        for _ in range(20):
            write_atomic(tmp_path / "x.png", bytes([number]) * 50_000, durable=False)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 8
    data = (tmp_path / "x.png").read_bytes()
    assert len(data) == 50_000 and len(set(data)) == 1
    assert leftovers(tmp_path) == []


def test_a_name_of_the_greatest_length(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 125 + ".png")
    write_atomic(path, b"x")
    assert path.read_bytes() == b"x"


def test_a_killed_process_leaves_a_temporary_file_and_no_torn_one(tmp_path: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path; from sdgen_core.sessions.files import atomic_file\n"
        "with atomic_file(Path(sys.argv[1])) as f:\n"
        "    f.write(b'half'); f.flush(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.png")], check=False).returncode == 9
    assert not (tmp_path / "x.png").exists()
    [torn] = leftovers(tmp_path)
    os.utime(torn, (1, 1))
    (tmp_path / "notes.tmp").write_text("a user's own", encoding="utf-8")
    assert remove_leftovers(tmp_path) == [torn]
    assert [p.name for p in tmp_path.iterdir()] == ["notes.tmp"]


def test_missing_folder_and_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "none" / "x.png", tmp_path / "file" / "x.png"):
        with pytest.raises(SDGenError) as caught:
            write_atomic(path, b"x")
        assert caught.value.code == "unwritable-folder"
        assert "x.png" in str(caught.value)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 KiB."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(tiny_disk: Path) -> None:
    write_atomic(tiny_disk / "first.png", b"x" * 4096)
    with pytest.raises(SDGenError) as caught:
        write_atomic(tiny_disk / "first.png", b"y" * 200_000)
    assert caught.value.code == "disk-full"
    assert (tiny_disk / "first.png").read_bytes() == b"x" * 4096
    assert leftovers(tiny_disk) == []
    write_atomic(tiny_disk / "second.png", b"x" * 4096)


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "disk-full"), (errno.EDQUOT, "disk-full"), (errno.EROFS, "unwritable-folder")],
)
def test_errors_at_the_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(SDGenError) as caught:
        write_atomic(tmp_path / "x.png", b"x")
    assert caught.value.code == code
    assert list(tmp_path.iterdir()) == []


def windows_error(number: int) -> PermissionError:
    error = PermissionError(errno.EACCES, "being used by another process")
    error.winerror = number  # type: ignore[attr-defined]  # only Windows sets it
    return error


def test_a_viewer_that_has_the_file_open_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.replace, []

    def replace(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) < 4:
            raise windows_error(32)
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    write_atomic(tmp_path / "x.png", b"x")
    assert (tmp_path / "x.png").read_bytes() == b"x"
    assert len(calls) == 4


def test_a_viewer_that_keeps_it_open_ends_in_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def replace(source: Path, target: Path) -> None:
        raise windows_error(32)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(files, "SHARING_WAIT", 0.2)
    begun = time.monotonic()
    with pytest.raises(SDGenError) as caught:
        write_atomic(tmp_path / "x.png", b"x")
    assert 0.1 < time.monotonic() - begun < 1.5
    assert caught.value.code == "unwritable-folder"
    assert list(tmp_path.iterdir()) == []
