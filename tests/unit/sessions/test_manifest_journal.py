from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.journal import MESSAGE_LIMIT, Journal, JournalIndex
from sdgen_core.sessions.manifest import load_manifest

NAME = "manifest.jsonl"


def read(folder: Path) -> JournalIndex:
    index = JournalIndex(folder)
    index.update()
    return index


def image(index: int, **more: Any) -> dict[str, Any]:
    return {"filename": f"x_{index:04d}.png", "prompt": "é日本", "sdgen": {"index": index}, **more}


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / NAME).read_bytes().decode("utf-8").split("\n") if line.strip()]


def test_one_line_of_strict_json_per_event(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.start({"version": "2.0"})
    journal.image(image(0, prompt="a\nb\u2028c"))
    journal.failed(1, "node-error", "why", 2)
    journal.status("completed")
    journal.extended({"version": "2.0", "more": 1})
    data = (tmp_path / NAME).read_bytes()
    assert data.count(b"\n") == 5 and data.endswith(b"}\n") and b"\r" not in data
    assert [line["type"] for line in lines(tmp_path)] == ["start", "image", "failed", "status", "extended"]
    assert lines(tmp_path)[2]["attempt"] == 2
    index = read(tmp_path)
    assert index.snapshot == {"version": "2.0", "more": 1}
    assert index.status == "ongoing"
    assert list(index.entries()) == [image(0, prompt="a\nb\u2028c")]
    assert index.failed == [{"index": 1, "error": "node-error", "message": "why"}]
    assert (index.unreadable, index.torn) == (0, False)


def test_the_last_line_of_a_file_wins_and_success_undoes_failure(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.image(image(0, seed=1))
    journal.failed(1, "node-error", "first", 1)
    journal.failed(1, "node-error", "second", 2)
    journal.failed(2, "node-error", "stays", 1)
    journal.image(image(0, seed=2))
    assert [f["message"] for f in read(tmp_path).failed] == ["second", "stays"]
    journal.image(image(1))
    index = read(tmp_path)
    assert [e.get("seed") for e in index.entries()] == [2, None]
    assert [f["index"] for f in index.failed] == [2]


def test_long_messages_are_cut(tmp_path: Path) -> None:
    Journal(tmp_path).failed(0, "node-error", "x" * 100_000, 1)
    message = read(tmp_path).failed[0]["message"]
    assert len(message) == MESSAGE_LIMIT and message.endswith("x…")


def test_wrong_calls_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        Journal(tmp_path).status("done")
    with pytest.raises(ValueError):
        Journal(tmp_path).image({"seed": 1})
    assert not (tmp_path / NAME).exists()


ENTRY = st.fixed_dictionaries(
    {
        "prompt": st.text(max_size=20),
        "applied_variations": st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
        "sdgen": st.fixed_dictionaries({"index": st.integers(0, 5), "seconds": st.floats(0, 9)}),
    }
)


@settings(max_examples=25)
@given(st.lists(ENTRY, min_size=2, max_size=4))
def test_a_last_line_cut_anywhere_costs_only_itself(tmp_path_factory: pytest.TempPathFactory, made: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("journal")
    entries = [{"filename": f"{n}.png", **entry} for n, entry in enumerate(made)]
    journal = Journal(folder)
    for entry in entries:
        journal.image(entry)
    whole = (folder / NAME).read_bytes()
    begin = whole.rindex(b"\n", 0, -1) + 1
    known = {e["filename"]: e for e in entries}
    for cut in range(begin, len(whole) + 1):
        (folder / NAME).write_bytes(whole[:cut])
        index = read(folder)
        kept = cut >= len(whole) - 1  # only the line feed is missing: the record is there
        assert set(index.images) == {e["filename"] for e in (entries if kept else entries[:-1])}
        assert index.torn == (not kept and cut > begin)
        # the next append ends the torn line and is itself safe, for a new reader and for one that read before
        Journal(folder).image({"filename": "next.png", "sdgen": {"index": 9}})
        fresh = read(folder)
        index.update()
        for reader in (fresh, index):
            assert set(reader.images) == {e["filename"] for e in (entries if kept else entries[:-1])} | {"next.png"}
            assert reader.torn is False
            assert reader.unreadable == (not kept and cut > begin)
            for found in reader.entries():
                assert found == known.get(found["filename"], {"filename": "next.png", "sdgen": {"index": 9}})


def test_the_same_journal_goes_on_after_somebody_tore_its_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.image(image(0))
    with (tmp_path / NAME).open("ab") as other:
        other.write(b'{"type":"image","entry":{"filena')
    journal.image(image(1))
    index = read(tmp_path)
    assert [e["filename"] for e in index.entries()] == ["x_0000.png", "x_0001.png"]
    assert index.unreadable == 1


@pytest.mark.parametrize(
    "junk",
    [
        b"\0" * 50,
        b"\xff\xfe\n",
        b"[]\n",
        b"null\n",
        b'{"a":1}\n',
        b"\n\n",
        b'{"type":"new kind"}\n',
        b"[" * 90_000 + b"\n",
    ],
)
def test_lines_that_are_none_are_passed_over(tmp_path: Path, junk: bytes) -> None:
    journal = Journal(tmp_path)
    journal.image(image(0))
    with (tmp_path / NAME).open("ab") as other:
        other.write(junk)
    journal.image(image(1))
    assert len(read(tmp_path).images) == 2


def test_wrong_contents_of_lines_are_passed_over(tmp_path: Path) -> None:
    wrong = [
        {"type": "image"},
        {"type": "image", "entry": {"filename": 3}},
        {"type": "failed", "index": "x"},
        {"type": "start", "snapshot": []},
        {"type": "status", "status": "finished"},
    ]
    (tmp_path / NAME).write_text("".join(json.dumps(line) + "\n" for line in wrong), encoding="utf-8")
    index = read(tmp_path)
    assert (index.images, index.failed, index.snapshot, index.status) == ({}, [], None, None)


def test_an_index_reads_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    index = JournalIndex(tmp_path)
    index.update()
    assert index.images == {}
    for number in range(5):
        journal.image(image(number))
        index.update()
        assert len(index.images) == number + 1
    (tmp_path / NAME).unlink()
    index.update()
    assert index.images == {}


def test_many_threads_and_many_journals(tmp_path: Path) -> None:
    shared = Journal(tmp_path)

    def work(number: int) -> None:
        journal = shared if number % 2 else Journal(tmp_path)
        for n in range(100):
            journal.image(image(number * 100 + n))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    index = read(tmp_path)
    assert index.unreadable == 0
    assert [e["sdgen"]["index"] for e in index.entries()] == list(range(800))


def test_two_processes(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sdgen_core.sessions.journal import Journal\n"
        "j = Journal(Path(sys.argv[1])); k = int(sys.argv[2])\n"
        "for n in range(300): j.image({'filename': f'{k}-{n}.png', 'prompt': 'x' * 500, 'sdgen': {'index': n * 2 + k}})"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(k)]) for k in (0, 1)]
    assert [p.wait(60) for p in running] == [0, 0]
    index = read(tmp_path)
    assert len(index.images) == 600
    assert index.unreadable == 0


def test_a_killed_process_loses_nothing_that_was_appended(tmp_path: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path; from sdgen_core.sessions.journal import Journal\n"
        "j = Journal(Path(sys.argv[1])); j.start({'version': '2.0'})\n"
        "for n in range(50): j.image({'filename': f'{n}.png', 'sdgen': {'index': n}})\n"
        "os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 9
    assert len(read(tmp_path).images) == 50
    assert load_manifest(tmp_path).status == "ongoing"


def test_a_deleted_folder_is_an_error_not_a_silence(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    folder.mkdir()
    journal = Journal(folder)
    journal.image(image(0))
    (folder / NAME).unlink()
    folder.rmdir()
    with pytest.raises(SDGenError) as caught:
        journal.image(image(1))
    assert caught.value.code == "unwritable-folder"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 16 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)], capture_output=True)
    except OSError:
        pytest.skip("no mount here")
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_tears_at_most_the_line_that_failed(tiny_disk: Path) -> None:
    journal = Journal(tiny_disk)
    written = 0
    with pytest.raises(SDGenError) as caught:
        for number in range(1000):
            journal.image(image(number, prompt="x" * 700))
            written += 1
    assert caught.value.code == "disk-full"
    assert written > 5
    assert len(read(tiny_disk).images) == written
    with pytest.raises(SDGenError):
        journal.image(image(999, prompt="x" * 700))
    subprocess.run(["mount", "-o", "remount,size=64k", str(tiny_disk)], check=True)
    for number in range(written, written + 10):
        journal.image(image(number))
    index = read(tiny_disk)
    assert len(index.images) == written + 10
    assert index.unreadable <= 1
