from __future__ import annotations

import hashlib
import json
import math
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.sessions import manifest as manifest_module
from sdgen_core.sessions.journal import JournalIndex
from sdgen_core.sessions.manifest import (
    Journal,
    ManifestWriter,
    build_snapshot,
    image_entry,
    indented,
    write_manifest,
)
from sdgen_core.sessions.plan import Plan
from sdgen_core.templates import Options, load_template

SAMPLES = Path(__file__).parents[2] / "data" / "sessions"
STARTED = datetime(2026, 11, 22, 14, 21, 21, 749828)


TEMPLATES = SAMPLES / "input"


def plan_of(template: str, *, seeds: list[int] | None = None, count: int | None = None, **options: Any) -> Plan:
    return Plan.build(load_template(TEMPLATES / template, Options(**options)), seeds=seeds, count=count)


def snapshot_of(plan: Plan, **extra: Any) -> dict[str, Any]:
    return build_snapshot(plan, started=STARTED, checkpoint="demoModel_v1.safetensors [0123456789]", extra=extra)


def entry(index: int, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "filename": f"x_{index:04d}_seed-{index}.png",
        "seed": index,
        "prompt": f"a {index},\n\u00e9t\u00e9 \u65e5\u672c",
        "negative": "",
        "values": {"Coat": "red coat", "Hair": {"main": "bob", "lora": "<lora:bob:0.7>"}},
        "index": index,
        "keys": {"Coat": "Red", "Hair": "Bob"},
        "sha256": hashlib.sha256(str(index).encode()).hexdigest(),
        "seconds": 0.25,
        "extra": {},
    }
    return image_entry(**{**fields, **changes})


def read(folder: Path) -> dict[str, Any]:
    value = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return value


# --- snapshot and entries ------------------------------------------------------------------------


# The recorded sessions, and how the predecessor was called for them.
CALLS: dict[str, dict[str, Any]] = {
    "20261122_142121-Plain_Run_One": {"template": "plain.prompt.yaml"},
    "20261122_142127-named_run": {"template": "rnd.prompt.yaml"},
    "20261122_142131-Plain_Run_One-forest-winter": {
        "template": "plain.prompt.yaml",
        "theme": "forest",
        "style": "winter",
        "seeds": [5, 6],
        "count": 3,
    },
    "20261122_142137-failing": {"template": "fail.prompt.yaml", "fixed": {"Coat": "Blue"}},
    "20261122_142144-stopped": {"template": "plain.prompt.yaml"},
    "20261122_142213-newarch": {"template": "plain.prompt.yaml", "count": 2},
    "dryrun/20261122_142140-my name": {"template": "multi.prompt.yaml"},
}


@pytest.mark.parametrize("name", CALLS)
def test_the_snapshot_is_the_predecessors_and_a_namespaced_block(name: str) -> None:
    recorded = json.loads((SAMPLES / name / "manifest.json").read_text(encoding="utf-8"))["snapshot"]
    ours = snapshot_of(plan_of(**CALLS[name]))
    recorded["timestamp"] = ours["timestamp"]
    del ours["sdgen"]
    assert json.dumps(ours, indent=2) == json.dumps(recorded, indent=2)  # the order of keys as well


def test_the_namespaced_block() -> None:
    plan = plan_of("plain.prompt.yaml")
    own = snapshot_of(plan, session="s1", algorithm="wins")["sdgen"]
    assert own["session"] == "s1"
    assert own["template"]["name"] == "Plain Run-One"
    assert own["template"]["path"].endswith("tests/data/sessions/input/plain.prompt.yaml")
    assert own["template"]["hash"] == plan.resolved.source_hash
    assert {path.rpartition("/")[2] for path in own["template"]["files"]} >= {"plain.prompt.yaml", "coats.yaml"}
    assert own["keys"] == {
        "Coat": {"available_keys": ["Red", "Blue", "Green"], "used_keys": ["Red", "Blue", "Green"]},
        "Pose": {"available_keys": ["Stand", "Sit"], "used_keys": ["Stand"]},
    }
    assert own["variation_seed"] == plan.variation_seed
    assert own["base_seed"] == 7
    assert own["algorithm"] == "wins"
    assert own["versions"]["sdgen"] == "0.1.0"


def test_times_are_local_without_a_zone_and_models_may_be_unknown() -> None:
    utc = datetime(2026, 11, 22, 12, 0, 0, tzinfo=timezone.utc)
    snapshot = build_snapshot(plan_of("plain.prompt.yaml"), started=utc, checkpoint=None, extra={"nan": math.nan})
    assert snapshot["timestamp"] == utc.astimezone().replace(tzinfo=None).isoformat(timespec="microseconds")
    assert snapshot["timestamp"].endswith(".000000")
    assert snapshot["runtime_info"] == {"sd_model_checkpoint": "unknown"}
    assert snapshot["sdgen"]["nan"] is None


def test_an_entry_is_the_predecessors_and_a_namespaced_block() -> None:
    recorded = json.loads((SAMPLES / "20261122_142121-Plain_Run_One" / "manifest.json").read_text(encoding="utf-8"))
    ours = image_entry(
        filename="Plain_Run_One_0000_seed-7.png",
        seed=7,
        prompt="fine print,\na courier, red coat, standing",
        negative="lowres, blurry",
        values={"Coat": "red coat", "Pose": "standing"},
        index=0,
        keys={"Coat": "Red", "Pose": "Stand"},
        sha256="00",
        seconds=1.5,
        extra={"batch_index": 1, "index": "never replaced"},
    )
    own = ours.pop("sdgen")
    assert json.dumps(ours) == json.dumps(recorded["images"][0])
    assert own == {
        "index": 0, "keys": {"Coat": "Red", "Pose": "Stand"}, "sha256": "00", "seconds": 1.5, "batch_index": 1
    }  # fmt: skip


JSON_VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=30,
)


@given(JSON_VALUE)
def test_the_fast_writer_writes_what_python_writes(value: Any) -> None:
    assert indented(value) == json.dumps(value, indent=2, ensure_ascii=False)
    wrapped = '{\n  "k": ' + indented(value, "  ") + "\n}"
    assert wrapped == json.dumps({"k": value}, indent=2, ensure_ascii=False)


# --- manifest.json -------------------------------------------------------------------------------


def test_the_file_has_the_predecessors_layout(tmp_path: Path) -> None:
    """The recorded session, written by us from its parts, is the same file byte for byte."""
    recorded = (SAMPLES / "20261122_142121-Plain_Run_One" / "manifest.json").read_bytes()
    parts = json.loads(recorded)
    journal = Journal(tmp_path)
    journal.start(parts["snapshot"])
    for image in parts["images"]:
        journal.image(image)
    journal.status("completed")
    assert write_manifest(tmp_path) == tmp_path / "manifest.json"
    assert (tmp_path / "manifest.json").read_bytes() == recorded


def test_the_life_of_a_session(tmp_path: Path) -> None:
    writer = ManifestWriter(tmp_path)
    writer.start(snapshot_of(plan_of("plain.prompt.yaml")))
    first = read(tmp_path)
    assert list(first) == ["snapshot", "images", "status"]
    assert (first["images"], first["status"]) == ([], "ongoing")
    writer.image(entry(2))
    writer.failed(1, "node-error", "it broke", 1)
    writer.image(entry(0))
    writer.status("aborted")
    aborted = read(tmp_path)
    assert list(aborted) == ["snapshot", "images", "status", "failed"]
    assert [i["filename"] for i in aborted["images"]] == ["x_0000_seed-0.png", "x_0002_seed-2.png"]
    assert aborted["images"][1] == entry(2)
    assert aborted["failed"] == [{"index": 1, "error": "node-error", "message": "it broke"}]
    writer.status("ongoing")
    writer.image(entry(1))
    writer.image(entry(0, prompt="made again"))
    writer.status("completed")
    done = read(tmp_path)
    assert list(done) == ["snapshot", "images", "status"]
    assert [i["sdgen"]["index"] for i in done["images"]] == [0, 1, 2]
    assert done["images"][0]["prompt"] == "made again"
    bigger = snapshot_of(plan_of("plain.prompt.yaml", seeds=[1, 2]))
    writer.extended(bigger)
    writer.close()
    assert read(tmp_path)["snapshot"] == bigger
    assert read(tmp_path)["status"] == "ongoing"
    assert len(read(tmp_path)["images"]) == 3


def test_batch_images_stand_together(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for index in (1, 0):
        for batch in (0, 1, 2):
            name = f"x_{index:04d}" + (f"-{batch + 1}" if batch else "") + ".png"
            journal.image(entry(index, filename=name))
    write_manifest(tmp_path)
    names = [i["filename"] for i in read(tmp_path)["images"]]
    assert names == ["x_0000.png", "x_0000-2.png", "x_0000-3.png", "x_0001.png", "x_0001-2.png", "x_0001-3.png"]


def test_a_status_given_to_write_manifest_lasts(tmp_path: Path) -> None:
    Journal(tmp_path).start({})
    write_manifest(tmp_path, status="completed")
    write_manifest(tmp_path)
    assert read(tmp_path)["status"] == "completed"
    for bad in ("done", "", "Completed"):
        with pytest.raises(ValueError):
            write_manifest(tmp_path, status=bad)


def test_nothing_to_write_from_is_an_error(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(SDGenError) as caught:
            write_manifest(folder)
        assert caught.value.code == "no-manifest"


def test_nan_in_an_entry_stays_out_of_the_files(tmp_path: Path) -> None:
    with ManifestWriter(tmp_path) as writer:
        writer.start({"a": math.nan})
        writer.image({"filename": "x.png", "score": math.inf, "text": "\ud800"})
    for name in ("manifest.json", "manifest.jsonl"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "NaN" not in text and "Infinity" not in text
    assert read(tmp_path)["images"] == [{"filename": "x.png", "score": None, "text": "\ufffd"}]


# --- when a snapshot is due ----------------------------------------------------------------------


class Clock:
    """Stands in for the module's clock, so that a test decides how long things take."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.snapshot_takes = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    real = manifest_module.write_manifest

    def write(*args: Any, **options: Any) -> Path:
        clock.now += clock.snapshot_takes
        return real(*args, **options)

    monkeypatch.setattr(manifest_module, "time", clock)
    monkeypatch.setattr(manifest_module, "write_manifest", write)
    return clock


def images_in(folder: Path) -> int:
    return len(read(folder)["images"])


def test_snapshots_come_at_least_two_seconds_apart(tmp_path: Path, clock: Clock) -> None:
    writer = ManifestWriter(tmp_path)
    writer.start({})
    for index in range(19):
        clock.now += 0.1
        writer.image(entry(index))
    assert images_in(tmp_path) == 0
    clock.now += 0.2
    writer.image(entry(19))
    assert images_in(tmp_path) == 20
    writer.image(entry(20))
    assert images_in(tmp_path) == 20
    writer.close()
    assert images_in(tmp_path) == 21


def test_snapshots_take_less_than_one_percent_of_the_time(tmp_path: Path, clock: Clock) -> None:
    clock.snapshot_takes = 0.5
    writer = ManifestWriter(tmp_path)
    writer.start({})
    begun, seen, taken = clock.now, 0, 0
    for index in range(2000):
        clock.now += 0.25
        writer.image(entry(index))
        if index % 20 == 0 and (there := images_in(tmp_path)) != seen:
            seen, taken = there, taken + 1
    assert 5 <= taken <= 11
    assert taken * 0.5 <= 0.0101 * (clock.now - begun) + 0.5


def test_writing_now_and_closing(tmp_path: Path, clock: Clock) -> None:
    writer = ManifestWriter(tmp_path)
    writer.start({})
    writer.image(entry(0))
    assert images_in(tmp_path) == 0
    writer.write()
    assert images_in(tmp_path) == 1
    (tmp_path / "manifest.json").unlink()
    writer.close()  # nothing new: nothing to do
    assert not (tmp_path / "manifest.json").exists()


def test_a_snapshot_in_between_that_fails_does_not_fail_the_image(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    writer = ManifestWriter(tmp_path)
    writer.start({})

    def full(*_: Any, **__: Any) -> Path:
        raise SDGenError("disk-full", "Cannot write: no space left.")

    working = manifest_module.write_manifest
    monkeypatch.setattr(manifest_module, "write_manifest", full)
    clock.now += 10
    writer.image(entry(0))
    assert "no space left" in caplog.text
    with pytest.raises(SDGenError):
        writer.status("completed")
    monkeypatch.setattr(manifest_module, "write_manifest", working)
    writer.close()
    assert read(tmp_path)["status"] == "completed"
    assert images_in(tmp_path) == 1


def test_a_writer_notices_a_journal_that_was_rebuilt(tmp_path: Path) -> None:
    writer = ManifestWriter(tmp_path)
    writer.start({})
    for index in range(10):
        writer.image(entry(index))
    writer.write()
    manifest_module.rebuild(tmp_path)
    writer.image(entry(10))
    writer.write()
    assert images_in(tmp_path) == 11


def test_memory_is_one_tuple_an_image(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for index in range(200):
        journal.image(entry(index, prompt="long " * 1000))
    index = JournalIndex(tmp_path)
    index.update()
    assert set(map(type, index.images.values())) == {tuple}
    assert all(len(held) == 3 for held in index.images.values())
    assert sum(len(str(held)) for held in index.images.values()) < 200 * 40
