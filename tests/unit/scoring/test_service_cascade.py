"""A whole session through the cascade, as far as the catalog. The model server is ``FakeVlmServer``."""

from __future__ import annotations

import pytest

from sdgen_core.catalog.machine import Machine
from sdgen_core.scoring.cascade import tiers
from sdgen_core.scoring.cascade.crops import Box
from sdgen_core.scoring.cascade.detectors import DetectorSettings
from sdgen_core.scoring.cascade.rules import CascadeSettings
from sdgen_core.scoring.vlm.settings import VlmSettings

from .colours import SeesColours
from .test_service import library, scores, scoring, slug_of
from .vlm_server import FakeVlmServer, chat, yes

__all__ = ["library"]


def test_what_is_unsure_is_asked_and_the_catalog_says_who_answered(library):
    """The FAKE server says no to everything red."""
    with FakeVlmServer(lambda request: yes(0.05 if "red" in request.question else 0.95)) as server:
        wanted = CascadeSettings(low=0, high=1, vlm=VlmSettings(url=server.url, model="tiny-vlm"))
        report = scoring(library, cascade=wanted).score(slug_of(library), SeesColours())
        asked = len(server.asked)
        again = scoring(library, cascade=wanted).score(slug_of(library), SeesColours())
        assert (asked, len(server.asked)) == (16, 16)  # and all answers are kept
    [tier] = report["cascade"]
    assert (tier["name"], tier["asked"], tier["answered"], tier["failures"]) == ("vlm", 16, 16, [])
    assert again["cascade"][0]["kept"] == 16
    said = scores(library)
    assert said[:5] == pytest.approx([0.05 / 0.98] * 5, abs=0.01)
    assert said[5:14] == pytest.approx([0.95 / 0.98] * 9, abs=0.01)
    ids = [row for (row,) in library.catalog.index.store.rows("SELECT id FROM image")]
    details = Machine(library.catalog).details(ids)
    assert {each["values"]["Colour"]["method"] for each in details.values()} == {"vlm:tiny-vlm"}


def test_an_image_that_was_not_answered_for_is_named_by_its_file(library):
    """The FAKE server says nothing that is yes or no."""
    with FakeVlmServer(lambda request: chat("purple elephants")) as server:
        wanted = CascadeSettings(low=0, high=1, images={"vlm": 1}, vlm=VlmSettings(url=server.url, model="tiny-vlm"))
        report = scoring(library, cascade=wanted).score(slug_of(library), SeesColours())
    [failure] = report["cascade"][0]["failures"]
    assert failure["error"] == "vlm-unclear" and failure["message"].startswith("image image_00")


def test_a_server_that_is_not_there_changes_no_score(library):
    before = scoring(library).score(slug_of(library), SeesColours())
    wanted = CascadeSettings(low=0, high=1, vlm=VlmSettings(url="http://127.0.0.1:9", model="m", retries=0))
    report = scoring(library, cascade=wanted).score(slug_of(library), SeesColours())
    assert report["cascade"][0]["gave_up"]["error"] == "vlm-unreachable"
    assert report["classes"] == before["classes"]


def test_crops_wait_until_nothing_renders(library, monkeypatch):
    """The FAKE detector finds a person in every picture."""
    events = []

    class Detector:
        identity = "f" * 16

        def boxes(self, image):
            events.append("detect")
            return [Box("person", 0.9, 0.0, 0.0, 12.0, 12.0)]

    monkeypatch.setitem(tiers.REGIONS, "colour", ("full body",))
    monkeypatch.setattr(tiers, "load", lambda settings: Detector())
    scoring(library).score(slug_of(library), SeesColours())  # all embeddings are there
    wanted = CascadeSettings(low=0, high=1, tiers=["crops"], detector=DetectorSettings(path="face.pt"))
    work = scoring(library, cascade=wanted)
    report = work.score(slug_of(library), SeesColours(), wait=lambda: events.append("wait"))
    assert report["cascade"][0]["asked"] == events.count("detect") == 16
    assert all(events[n - 1] == "wait" for n, event in enumerate(events) if event == "detect")
