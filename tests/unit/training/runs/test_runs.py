"""Runs from their start to their verdict, with real processes that are killed, hang, die and leave children behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.training.runs import supervisor
from sdgen_core.training.runs.service import NOBODY, Runs
from sdgen_core.training.runs.sharing import Host
from sdgen_core.training.runs.supervisor import Hold

from .conftest import Room, until
from .fakes import FakeTrainer

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


def step_of(runs, run):
    return runs.status(run)["step"]


def reached(runs, run, step):
    """Follow until the ledger says this step."""
    until(lambda: runs.round() is not None and step_of(runs, run) >= step)


def test_a_run_is_done_when_its_file_is_good(room: Room) -> None:
    runs = room.runs()
    run = room.start(runs, 6)
    assert runs.status(run)["state"] == "waiting" and runs.curves(run) == {}
    seen = []
    status = runs.wait(run, lambda now: seen.append((now["state"], now["step"])) or True)
    assert (status["state"], status["verdict"], status["cause"]) == ("done", "good", None)
    assert (status["step"], status["steps"], status["loss"]) == (6, 6, pytest.approx(1 / 6, rel=0.01))
    assert Path(status["output"]).is_file()
    [segment] = status["segments"]
    assert (segment["start"], segment["reached"], segment["exit"]) == (0, 6, 0)
    assert room.trained(run) == [1, 2, 3, 4, 5, 6]
    assert [step for _, step in seen] == sorted(step for _, step in seen)
    log = "\n".join(runs.logs(run))
    assert "running training / 学習開始" in log and "6/6" in log and "0/6" not in log  # of a bar its last state
    assert runs.curves(run)["loss/current"] == [(n, pytest.approx(1 / n)) for n in range(1, 7)]
    assert runs.list()[0]["id"] == run


@pytest.mark.parametrize(
    ("mode", "code", "says"),
    [
        ("no-data", "no-images", "no images were found"),  # exit code 0
        ("no-file", "no-output", "red.safetensors is not there"),  # exit code 0
        ("nan", "loss-not-finite", "no number from step 2 on"),  # exit code 0
        ("zero", "all-zero", "changes nothing"),  # exit code 0
        ("broken", "broken-output", "no whole safetensors file"),
        ("early", "wrong-steps", "4 of 5 steps were trained"),
        ("crash", "no-output", "the trainer ended with exit code 1 before the first step; no LoRA was written"),
        ("die", "no-output", "the trainer was killed by SIGKILL after 3 of 5 steps"),
    ],
)
def test_every_failure_is_told_in_a_sentence(room: Room, mode: str, code: str, says: str) -> None:
    runs = room.runs()
    status = runs.wait(room.start(runs, 5, mode=mode))
    assert (status["state"], status["verdict"] == "good", status["output"]) == ("failed", False, None)
    assert status["cause"]["code"] == code
    assert says in status["cause"]["sentence"]
    assert status["reason"] == ""


def test_a_bad_exit_code_does_not_spoil_a_good_file(room: Room) -> None:
    runs = room.runs()
    status = runs.wait(room.start(runs, 5, mode="late"))
    assert status["state"] == "done" and status["segments"][0]["exit"] == 1


def test_a_file_that_was_there_before_is_no_result(room: Room) -> None:
    runs = room.runs()
    job = runs.job("red", "fake", base=room.base, dataset=room.dataset, steps=5, options={"mode": "no-file"})
    job.output.mkdir(parents=True)
    from .fake_trainer import lora

    lora(job.output / "red.safetensors")
    status = runs.wait(runs.start(job))
    assert status["cause"]["code"] == "old-output"


def test_a_program_that_is_not_there(room: Room) -> None:
    runs = room.runs()
    status = runs.wait(room.start(runs, 5, program=str(room.folder / "no python")))
    assert status["state"] == "failed"
    assert status["cause"]["code"] == "not-started" and "no python" in status["cause"]["sentence"]


def test_what_is_wrong_is_said_before_the_start(room: Room, tmp_path: Path) -> None:
    runs = room.runs()
    with pytest.raises(SDGenError) as refused:
        room.start(runs, 5, lr=1, rank=2)
    assert [error.code for error in refused.value.errors] == ["bad-training"] * 2
    assert "lr: no such thing" in str(refused.value)
    room.base.unlink()
    with pytest.raises(SDGenError) as refused:
        room.start(runs, 0)
    assert [error.code for error in refused.value.errors] == ["bad-training", "missing-file"]
    assert not runs.there and not room.folder.exists()
    with pytest.raises(SDGenError, match="no way to share"):
        room.start(runs, 5, share="wiat")


@posix
def test_a_killed_trainer_is_seen_at_once(room: Room) -> None:
    runs = room.runs()
    runs.follow()
    run = room.start(runs, 100, mode="hang")
    until(lambda: step_of(runs, run) == 3)
    os.kill(runs.status(run)["segments"][0]["pid"], signal.SIGKILL)
    began = time.monotonic()
    until(lambda: runs.status(run)["state"] == "failed")
    assert time.monotonic() - began < 5
    assert "SIGKILL after 3 of 100 steps" in runs.status(run)["cause"]["sentence"]


@posix
def test_a_killed_keeper_takes_its_trainer_along(room: Room) -> None:
    runs = room.runs()
    run = room.start(runs, 100, mode="hang")
    reached(runs, run, 3)
    segment = runs.ledger.segment(run)
    os.kill(segment.keeper.pid, signal.SIGKILL)
    began = time.monotonic()
    until(lambda: runs.round() is not None and runs.status(run)["state"] == "failed")
    assert time.monotonic() - began < 5 + supervisor.process.GRACE
    assert "was killed, or the machine went down" in runs.status(run)["cause"]["sentence"]
    assert not segment.child.alive


@linux
@pytest.mark.parametrize("mode", ["hang", "children"])
def test_stop_leaves_no_process(room: Room, mode: str) -> None:
    runs = room.runs()
    run = room.start(runs, 2000, mode=mode)
    reached(runs, run, 3)
    if mode == "children":
        until(
            lambda: len(room.processes()) == 5
        )  # keeper, trainer, two children, one of a child that is in a session of its own
    runs.stop(run)
    status = runs.wait(run)
    assert (status["state"], status["cause"], status["output"]) == ("stopped", None, None)
    assert room.processes() == []


@linux
def test_a_trainer_that_ends_leaves_no_process(room: Room) -> None:
    runs = room.runs()
    run = room.start(runs, 3, mode="children")
    assert runs.wait(run)["state"] == "done"
    until(lambda: room.processes() == [], 5)


def test_three_stops_train_exactly_the_steps(room: Room) -> None:
    runs = room.runs()
    run = room.start(runs, 16, every=3, pace=0.2)
    for at in (4, 8, 12):
        reached(runs, run, at)
        runs.stop(run, save=True)
        status = runs.wait(run)
        assert status["state"] == "stopped"
        assert status["saved"][-1]["step"] >= at and status["saved"][-1]["step"] <= status["step"] < 16
        assert runs.resume(run).state == "waiting"
    status = runs.wait(run)
    assert status["state"] == "done" and status["step"] == 16
    segments = status["segments"]
    assert len(segments) == 4 and segments[-1]["reached"] == segments[-1]["steps"]
    # what each went on from is what the one before had saved: in sum the steps that were asked for, each of them once
    starts = [segment["start"] for segment in segments]
    kept = [after - before for before, after in zip(starts, [*starts[1:], 16], strict=True)]
    assert (
        all(3 <= steps <= segment["reached"] for steps, segment in zip(kept, segments, strict=True)) and sum(kept) == 16
    )
    expected: list[int] = []
    for segment in segments:
        expected += range(segment["start"] + 1, segment["start"] + segment["reached"] + 1)
    made = room.trained(run)
    assert set(made) == set(range(1, 17)) and made[-1] == 16
    assert len(made) - len(expected) in range(4)  # a step may have been made and not shown when its process was ended
    assert [step for step, _ in runs.curves(run)["loss/current"]] == list(range(1, 17))


def test_a_stop_at_once_goes_back_to_the_saved_state(room: Room) -> None:
    runs = room.runs()
    run = room.start(runs, 9, every=4, pace=0.3)
    reached(runs, run, 5)
    runs.stop(run)
    assert 5 <= runs.wait(run)["step"] < 8
    runs.resume(run)
    assert step_of(runs, run) == 4
    status = runs.wait(run)
    assert (status["state"], status["step"]) == ("done", 9)
    assert [segment["start"] for segment in status["segments"]] == [0, 4]


def test_what_cannot_go_on(room: Room) -> None:
    runs = room.runs()
    run = room.start(runs, 100, pace=0.05)
    reached(runs, run, 2)
    with pytest.raises(SDGenError) as refused:
        runs.stop(run, save=True)
    assert refused.value.code == "nothing-saved"
    with pytest.raises(SDGenError, match="is running: it cannot go on"):
        runs.resume(run)
    with pytest.raises(SDGenError, match="stop it first"):
        runs.forget(run)
    runs.stop(run)
    runs.wait(run)
    with pytest.raises(SDGenError, match="saved no state"):
        runs.resume(run)
    with pytest.raises(SDGenError, match="nothing to stop"):
        runs.stop(run)
    with pytest.raises(SDGenError) as unknown:
        runs.stop("rad")
    assert unknown.value.nearest == ["red"]
    folder = room.folder / "runs" / run
    assert folder.is_dir()
    runs.forget("red")
    assert not folder.exists() and runs.list() == []


def test_states_that_are_no_numbers_are_not_gone_on_with(room: Room) -> None:
    runs = room.runs()
    run = room.start(runs, 6, mode="nan", every=2)
    status = runs.wait(run)
    assert (status["state"], len(status["saved"]), status["resumable"]) == ("failed", 3, None)
    with pytest.raises(SDGenError, match="are no numbers") as refused:
        runs.resume(run)
    assert refused.value.code == "nothing-saved"


def test_one_trains_at_a_time_in_order(room: Room) -> None:
    runs = room.runs()
    first, second, third = (room.start(runs, 4, name=name, pace=0.3) for name in ("a", "b", "c"))
    reached(runs, first, 1)
    assert [one["state"] for one in runs.list()] == ["waiting", "waiting", "running"]
    assert runs.stop(second).state == "stopped"  # it has no process yet
    assert runs.wait(third)["state"] == "done"
    assert runs.status(first)["ended"] <= runs.status(third)["segments"][0]["started"]
    assert runs.status(second)["segments"] == []


def test_a_run_says_whether_it_can_be_stopped_at_a_saved_state(room: Room) -> None:
    runs = room.runs()
    run, second = room.start(runs, 100, every=2, pace=0.05), room.start(runs, 100, pace=0.05)
    assert not runs.status(run)["saves"] and runs.status(run)["resumable"] is None
    reached(runs, run, 2)
    assert runs.status(run)["saves"] and runs.status(run)["resumable"] is None
    runs.stop(run, save=True)
    status = runs.wait(run)
    assert not status["saves"] and status["resumable"] == status["saved"][-1]["step"]
    reached(runs, second, 1)
    assert not runs.status(second)["saves"]
    runs.stop(second)
    assert runs.wait(second)["resumable"] is None


# ---- what it waits for -----------------------------------------------------------------------------------------------------


def test_every_run_in_line_says_what_it_waits_for(room: Room) -> None:
    runs = room.runs()
    first, second, third = (room.start(runs, 100, name=name, pace=0.05) for name in ("a", "b", "c"))

    def reasons():
        return [runs.status(run)["reason"] for run in (first, second, third)]

    assert reasons() == [NOBODY] * 3
    runs.round()
    assert reasons() == ["", "waits for the end of a", "waits for the end of b"]
    assert [one["reason"] for one in runs.list()] == list(reversed(reasons()))
    runs.stop(first)
    until(lambda: runs.round() is not None and runs.status(second)["state"] != "waiting")
    assert reasons()[1:] == ["", "waits for the end of b"]
    runs.close()
    assert runs.status(third)["reason"] == NOBODY
    other = room.runs()
    other.round()
    assert other.status(third)["reason"] == "waits for the end of b"


def test_a_program_that_only_looks_keeps_nobody_from_starting(room: Room) -> None:
    looks, starts = room.runs(starts=False), room.runs()
    run = room.start(looks, 4)
    waiting = threading.Thread(target=looks.wait, args=(run,), daemon=True)
    waiting.start()
    time.sleep(0.5)
    until(lambda: starts.round() is False, 20)
    waiting.join(10)
    assert starts.status(run)["state"] == "done" and not waiting.is_alive()


def test_who_has_waited_for_its_run_keeps_nobody_from_following(room: Room) -> None:
    one, other = room.runs(), room.runs()
    run, second = room.start(one, 2), room.start(one, 2, name="second")
    assert one.wait(run)["state"] == "done"
    assert other.round() is not None
    assert other.wait(second)["state"] == "done"


def test_trouble_before_and_during_a_run_is_said_by_it(room: Room) -> None:
    wrong = ["the queue does not answer"]

    def busy() -> bool:
        if wrong:
            raise SDGenError("no-server", wrong[0])
        return False

    runs = room.runs(host=Host(busy=busy))
    run = room.start(runs, 100, share="wait", pace=0.05)
    runs.round()
    status = runs.status(run)
    assert (status["state"], status["reason"]) == ("waiting", "it cannot start yet: the queue does not answer")
    wrong.clear()
    reached(runs, run, 1)
    assert runs.status(run)["reason"] == ""
    runs.close()

    def gone(name: str) -> object:
        raise SDGenError("unknown-trainer", f"there is no trainer {name!r}")

    other = Runs(room.folder, gone)
    other.round()
    assert other.status(run)["reason"] == "it cannot be looked after: there is no trainer 'fake'"
    other.close()
    runs.round()
    assert runs.status(run)["reason"] == ""
    runs.stop(run)
    runs.wait(run)


def test_who_leaves_does_not_wait_for_a_start(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, begun = threading.Event(), threading.Event()
    launch = FakeTrainer.launch

    def slow(*given: Any) -> Any:
        begun.set()
        go_on.wait(20)
        return launch(*given)

    monkeypatch.setattr(FakeTrainer, "launch", slow)
    runs = room.runs()
    run = room.start(runs, 100, pace=0.05)
    thread = threading.Thread(target=runs.round, daemon=True)
    thread.start()
    assert begun.wait(10)
    assert runs.status(run)["reason"] == "is prepared"
    began = time.monotonic()
    runs.close()
    assert time.monotonic() - began < 5
    go_on.set()
    thread.join(20)
    runs.stop(run)
    runs.wait(run)


# ---- several programs ---------------------------------------------------------------------------------------------------------


def follower(room: Room) -> subprocess.Popen[bytes]:
    program = Path(__file__).with_name("fakes.py")
    started = subprocess.Popen(
        [sys.executable, str(program), str(room.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])},
    )
    assert started.stdout is not None and started.stdout.readline().strip() == b"follows"
    return started


@posix
def test_a_killed_follower_loses_no_step(room: Room) -> None:
    runs = room.runs()
    run = room.start(runs, 40, pace=0.1)
    one = follower(room)
    until(lambda: step_of(runs, run) >= 5)
    assert runs.round() is None  # the other one follows
    one.kill()
    one.wait()
    before = step_of(runs, run)
    time.sleep(1)
    assert step_of(runs, run) == before  # nobody looks
    child = runs.ledger.segment(run).child
    assert child.alive
    reached(runs, run, before + 5)
    assert runs.ledger.segment(run).child == child
    assert runs.status(run)["step"] - len(room.trained(run)) in (-2, -1, 0)
    status = runs.wait(run)
    assert (status["state"], status["step"], len(status["segments"])) == ("done", 40, 1)
    assert status["segments"][0]["exit"] == 0  # known, though its parent has died
    assert room.trained(run) == list(range(1, 41))


@posix
def test_a_run_that_ended_while_nobody_looked_is_judged(room: Room) -> None:
    runs = room.runs()
    good, bad = room.start(runs, 20, pace=0.05), room.start(runs, 5, mode="no-file")
    one = follower(room)
    until(lambda: step_of(runs, good) >= 1)
    one.kill()
    one.wait()
    until(lambda: len(room.trained(good)) == 20)
    time.sleep(0.5)
    assert runs.wait(good)["state"] == "done"
    assert runs.status(good)["step"] == 20
    assert runs.wait(bad)["cause"]["code"] == "no-output"


@posix
def test_a_follower_that_dies_while_it_starts_a_run(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = room.runs()
    run = room.start(runs, 30, pace=0.1)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs.ledger, "kept_by", dies)
        with pytest.raises(KeyboardInterrupt):
            runs.round()
    assert runs.ledger.segment(run).keeper is None and runs.status(run)["state"] == "starting"
    runs.close()
    other = room.runs()
    reached(other, run, 2)
    assert other.ledger.segment(run).keeper.alive
    assert other.wait(run)["state"] == "done" and room.trained(run) == list(range(1, 31))


@posix
def test_the_machine_was_started_anew(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = room.runs()
    run = room.start(runs, 100, every=2, mode="hang")
    reached(runs, run, 3)
    segment = runs.ledger.segment(run)
    monkeypatch.setattr(supervisor.process, "boot_id", lambda: "another one")
    until(lambda: runs.round() is not None and runs.status(run)["state"] == "failed")
    assert "the machine went down after 3 of 100 steps" in runs.status(run)["cause"]["sentence"]
    monkeypatch.undo()
    supervisor.process.end(segment.keeper, segment.child)
    assert runs.resume(run).resume.step == 2


def test_comfyui_takes_over_from_a_command(room: Room) -> None:
    command, comfy = room.runs(), room.runs(first=True)
    run = room.start(command, 200, pace=0.05)
    reached(command, run, 1)
    assert comfy.round() is None
    assert command.round() is None  # it makes room
    assert comfy.round() is True
    assert command.round() is None
    comfy.stop(run)
    assert command.wait(run, lambda _: comfy.round() is not None)["state"] == "stopped"


def test_looking_writes_nothing(room: Room) -> None:
    runs = room.runs(first=True)
    runs.wait(room.start(runs, 2))
    runs.round()
    before = runs.ledger._db.total_changes
    for _ in range(5):
        assert runs.round() is False
    assert runs.ledger._db.total_changes == before


def test_trouble_with_one_run_is_told_once(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    first = room.runs()
    run = room.start(first, 100, mode="hang")
    reached(first, run, 1)
    segment = first.ledger.segment(run)
    first.close()

    def gone(name: str) -> object:
        raise SDGenError("unknown-trainer", f"there is no trainer {name!r}")

    other = Runs(room.folder, gone)
    assert [other.round() for _ in range(3)] == [True] * 3
    assert sum("no trainer 'fake'" in record.message for record in caplog.records) == 1
    other.close()
    supervisor.process.end(segment.keeper, segment.child)


def test_the_lock_is_let_go(tmp_path: Path) -> None:
    first, second = Hold(tmp_path / "lock"), Hold(tmp_path / "lock")
    assert first.take() and first.take() and not second.take()
    first.release()
    assert second.take()
    second.release()


# ---- sharing --------------------------------------------------------------------------------------------------------------------


class Comfy:
    """A ComfyUI with one session that makes images."""

    def __init__(self) -> None:
        self.rendering, self.state, self.reason, self.freed = True, "running", "", 0

    def host(self) -> Host:
        return Host(
            busy=lambda: self.rendering,
            making=lambda: ["s1"] if self.state == "running" else [],
            pause=self.pause,
            resume=self.resume,
            free=self.free,
        )

    def pause(self, session: str, reason: str) -> None:
        self.state, self.reason = "paused", reason

    def resume(self, session: str, reason: str) -> None:
        if self.state == "paused" and self.reason == reason:
            self.state = "running"

    def free(self) -> None:
        self.freed += 1


def test_wait_starts_when_nothing_renders(room: Room) -> None:
    comfy = Comfy()
    runs = room.runs(host=comfy.host())
    run = room.start(runs, 3, share="wait")
    runs.round()
    assert runs.status(run)["reason"] == "waits until no session makes images"
    comfy.state = "completed"
    runs.round()
    assert (runs.status(run)["state"], runs.status(run)["reason"]) == (
        "waiting",
        "waits until ComfyUI has nothing to do",
    )
    comfy.rendering = False
    assert comfy.freed == 0
    assert runs.wait(run)["state"] == "done" and comfy.freed == 1


@pytest.mark.parametrize("share", ["pause", "both"])
def test_sessions_are_paused_and_go_on(room: Room, share: str) -> None:
    comfy = Comfy()
    runs = room.runs(host=comfy.host())
    run = room.start(runs, 3, share=share)
    runs.round()
    assert (comfy.state, comfy.reason) == ("paused", "paused while red is trained")
    assert runs.status(run)["state"] == ("waiting" if share == "both" else "starting")
    comfy.rendering = False
    runs.close()  # another program sees its end
    other = room.runs(host=comfy.host())
    assert other.wait(run)["state"] == "done"
    other.round()
    assert comfy.state == "running" and other.ledger.owing() == []


def test_a_session_waits_for_the_comfyui_that_makes_it(room: Room) -> None:
    comfy = Comfy()
    comfy.rendering = False
    runs = room.runs(host=comfy.host())
    run = room.start(runs, 3, share="pause")
    runs.round()

    def nobody(session: str, reason: str) -> None:
        raise SDGenError("no-server", "no ComfyUI answers")

    comfy.resume, resume = nobody, comfy.resume
    runs.close()
    other = room.runs(host=comfy.host())
    assert other.wait(run)["state"] == "done"
    other.round()
    assert comfy.state == "paused" and [one.id for one in other.ledger.owing()] == [run]
    other.close()
    comfy.resume = resume
    room.runs(host=comfy.host()).round()
    assert comfy.state == "running" and not other.ledger.owing()


def test_a_session_that_somebody_has_stopped_stays_so(room: Room) -> None:
    comfy = Comfy()
    comfy.rendering = False
    runs = room.runs(host=comfy.host())
    run = room.start(runs, 3, share="pause")
    runs.round()
    comfy.reason = "paused by the user"
    runs.wait(run)
    runs.round()
    assert comfy.state == "paused"


def test_none_asks_nobody(room: Room) -> None:
    comfy = Comfy()
    runs = room.runs(host=comfy.host())
    assert runs.wait(room.start(runs, 3))["state"] == "done"
    assert (comfy.state, comfy.freed) == ("running", 0)


# ---- logs -----------------------------------------------------------------------------------------------------------------------


def test_a_log_is_followed_to_its_end(room: Room) -> None:
    runs = room.runs()
    run = room.start(runs, 10, pace=0.05)
    other = room.runs()
    lines = []
    with contextlib.closing(other.follow_log(run)) as pieces:
        runs.follow()
        lines += pieces
    assert lines[-1] == "model saved." and any("10/10" in line for line in lines)
    assert other.logs(run, tail=2)[-1] == "model saved."
