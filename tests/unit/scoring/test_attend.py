"""Somebody waits for scores inside a prompt of ComfyUI: it is not waited for, its sessions come first, and it can be cancelled."""

from __future__ import annotations

import threading

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.scoring import jobs as module
from sdgen_core.scoring.jobs import Failed

from .colours import SeesColours
from .test_jobs import Gated, idle, library, made, slugs, until

__all__ = ["library", "made", "slugs"]


def test_the_prompt_that_waits_is_not_waited_for(slugs, made):
    lent, own = SeesColours(), SeesColours()
    jobs = made(own, busy=lambda: True)  # ComfyUI executes the prompt that waits
    looks = []
    found = jobs.attend(slugs[:2], "demo", lent, lambda state, left: looks.append((state["held"], left)) or True)
    assert [found[slug]["embedded"] for slug in slugs[:2]] == [6, 6]
    assert (lent.images, own.images) == (12, 0)
    assert looks and not any(held for held, _ in looks)
    jobs.order(slugs[2:], "demo")  # others wait as ever
    until(lambda: jobs.state()["held"])
    assert own.images == 0


def test_it_comes_before_what_runs_and_what_waits(slugs, made):
    own, lent = Gated(), SeesColours()
    jobs = made(own)
    jobs.order(slugs[:2], "demo")
    until(own.reached.is_set)
    found = {}
    waiting = threading.Thread(target=lambda: found.update(jobs.attend(slugs[2:], "other", lent, lambda *_: True)))
    waiting.start()
    until(lambda: jobs.state()["waiting"][:1] == slugs[2:])
    assert jobs.state()["waiting"] == [slugs[2], slugs[0], slugs[1]]
    own.open.set()
    waiting.join(30)
    assert found[slugs[2]]["images"] == 6
    idle(jobs)
    # what had to stop was not lost, and was ended afterwards
    assert [jobs.report(slug)["images"] for slug in slugs[:2]] == [6, 6]
    assert own.images == 12 and jobs.report(slugs[0])["known"] == 6


def test_a_session_that_runs_already_is_waited_for(slugs, made):
    own, lent = Gated(), SeesColours()
    jobs = made(own)
    jobs.order(slugs[:1], "demo")
    until(own.reached.is_set)
    own.open.set()
    found = jobs.attend(slugs[:1], "demo", lent, lambda *_: True)
    assert found[slugs[0]]["images"] == 6 and own.images + lent.images == 6


@pytest.mark.parametrize("how", ["says no", "raises"])
def test_who_waits_ends_it_and_goes_on_later(slugs, made, how):
    lent = Gated()
    jobs = made(SeesColours())

    def look(state, left):
        if not lent.reached.is_set():
            return True
        lent.open.set()  # the batch that the model works on is ended
        if how == "raises":
            raise KeyboardInterrupt
        return False

    def attend():
        return jobs.attend(slugs, "demo", lent, look)

    if how == "raises":
        with pytest.raises(KeyboardInterrupt):
            attend()
    else:
        assert attend() == dict.fromkeys(slugs)
    assert lent.images == 6 and jobs.state()["waiting"] == [] and jobs.state()["running"] != slugs[0]
    found = jobs.attend(slugs, "demo", lent, lambda *_: True)
    assert [found[slug]["known"] for slug in slugs] == [6, 0, 0] and lent.images == 18


def test_cancelled_by_somebody_else_it_ends(slugs, made):
    lent = Gated()
    jobs = made(SeesColours())

    def look(state, left):
        if lent.reached.is_set() and not lent.open.is_set():
            jobs.cancel()
            lent.open.set()
        return True

    assert jobs.attend(slugs, "demo", lent, look) == dict.fromkeys(slugs)


def test_what_fails_is_among_the_outcomes(slugs, made):
    class Fails(SeesColours):
        def encode_images(self, batch):
            raise SDGenError("scorer-out-of-memory", "too little")

    jobs = made(SeesColours())
    found = jobs.attend(slugs[:1], "demo", Fails(), lambda *_: True)
    assert isinstance(found[slugs[0]], Failed) and found[slugs[0]].error == "scorer-out-of-memory"
    found = jobs.attend(slugs[:1], "demo", SeesColours(), lambda *_: True)  # an old failure is no outcome of this time
    assert found[slugs[0]]["images"] == 6
    with pytest.raises(SDGenError) as caught:
        jobs.attend(["nobody"], "demo", SeesColours(), lambda *_: True)
    assert caught.value.code == "unknown-session"


def test_the_memory_is_given_back_when_nothing_is_left(slugs, made):
    backend = Gated()
    backend.open.set()
    jobs = made(backend)
    jobs.order(slugs, "demo")
    idle(jobs)
    assert backend.released == 1


def test_a_program_that_ends_lets_go(slugs, made):
    lent = Gated()
    jobs = made(SeesColours())
    found = {}
    waiting = threading.Thread(target=lambda: found.update(jobs.attend(slugs, "demo", lent, lambda *_: True)))
    waiting.start()
    until(lent.reached.is_set)
    stopping = threading.Thread(target=jobs.stop)
    stopping.start()
    lent.open.set()
    stopping.join(30)
    waiting.join(30)
    assert not waiting.is_alive() and found == dict.fromkeys(slugs)


def test_what_fails_of_very_many_is_all_said(slugs, made, monkeypatch):
    monkeypatch.setattr(module, "_KEPT", 1)

    class Fails(SeesColours):
        def encode_images(self, batch):
            raise SDGenError("scorer-not-finite", "no numbers")

    found = made(SeesColours()).attend(slugs, "demo", Fails(), lambda *_: True)
    assert [one.error for one in found.values()] == ["scorer-not-finite"] * 3


def test_what_was_cancelled_is_not_put_back(slugs, made):
    backend = Gated()
    jobs = made(backend)
    jobs.order(slugs[:1], "demo")
    until(backend.reached.is_set)
    jobs.cancel(slugs[0])
    waiting = threading.Thread(target=lambda: jobs.attend(slugs[1:2], "demo", SeesColours(), lambda *_: True))
    waiting.start()
    until(lambda: slugs[1] in jobs.state()["waiting"])
    assert jobs.state()["waiting"] == [slugs[1]]
    backend.open.set()
    waiting.join(30)
    idle(jobs)
    assert backend.images in (0, 6) and jobs.state()["waiting"] == []
    with pytest.raises(SDGenError, match="not scored"):
        jobs.report(slugs[0])
