"""Training in the gallery: from a value that fails to a LoRA, with real runs of a process that trains nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from sdgen_core.catalog.library import Library
from sdgen_core.training.desk import Desk, model_file, model_files
from sdgen_core.training.runs.model import Cause
from sdgen_core.training.runs.service import Runs
from tests.unit.server.formed import Formed
from tests.unit.training.runs.conftest import until

from . import gallery
from .gallery import SHAPED, Served, address, ask, card, opened, press
from .test_pictures import LEGIBLE

ENDED = ("stopped", "failed", "done")
FULL = Cause("out-of-memory", "The main memory is full.", "Close other programs.")
RUNS = "/sdgen/training/runs"


class Trains(Served):
    """A server that trains: of nine red images people said ok to six, and ko to three."""

    def __init__(self, folder: Path, *, problem: str = "") -> None:
        models = folder / "models"
        checkpoint = models / "checkpoints" / "base.safetensors"
        checkpoint.parent.mkdir(parents=True)
        checkpoint.write_bytes(b"weights")
        self.runs = Runs(folder / "training", lambda name: {"fake": Formed()}[name], starts=not problem)

        def desk(library: Library) -> Desk:
            return Desk(
                library,
                self.runs,
                names=("fake",),
                files=lambda kind: model_files(models, kind),
                file=lambda kind, name: model_file(models, kind, name),
                problem=problem,
                follows=True,
            )

        super().__init__(folder, training=desk)
        gallery.shapes(self.root)

    def __enter__(self) -> Trains:
        super().__enter__()
        reds = ask(self, "/sdgen/images/ids?form=json&q=@Colour:Red")["ids"]
        for verdict, ids in (("ok", reds[:6]), ("ko", reds[6:])):
            ask(self, "/sdgen/judge", {"ids": ids, "field": "value/Colour", "value": verdict})
        return self

    def __exit__(self, *error: object) -> None:
        for run in self.there:
            if run["state"] not in ENDED:
                ask(self, f"{RUNS}/{run['id']}/stop", {})
        until(lambda: all(run["state"] in ENDED for run in self.there))
        super().__exit__(*error)

    @property
    def there(self) -> Any:
        return ask(self, RUNS)["runs"]

    def dataset(self) -> str:
        recipe = {"name": "reds", "value": "Colour=Red", "duplicates": None}
        return str(ask(self, "/sdgen/training/datasets", {"recipe": recipe})["name"])

    def begin(self, name: str, steps: int, **options: Any) -> str:
        body = {"name": name, "trainer": "fake", "checkpoint": "base.safetensors", "dataset": "reds", "steps": steps}
        return str(ask(self, RUNS, {**body, "options": options})["id"])


@pytest.fixture
def trains(tmp_path: Path) -> Iterator[Trains]:
    with gallery.built_page(), Trains(tmp_path) as server:
        yield server


def row(page: Page, name: str) -> Locator:
    """A run in the list."""
    opener = page.get_by_role("button", name=f"Open the run {name}", exact=True)
    return page.get_by_role("region", name="Runs").locator("li[data-run]").filter(has=opener)


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Train a LoRA")


def state(page: Page, text: str) -> None:
    """Of the run that is open. One that saves states all the time may just do that."""
    words = re.compile("Trains|Saves") if text == "Trains" else text
    expect(page.locator(".sdgen-run-state").first).to_have_text(words, timeout=gallery.PATIENCE_MS)


def test_from_a_value_that_fails_to_a_lora(browser: Browser, trains: Trains) -> None:
    with opened(browser, trains.url, "/statistics?table=failing") as page:
        page.get_by_role("button", name="Train a LoRA for red one").click()
        window = dialog(page)
        expect(window).to_contain_text("It learns the value “red one” of Colour.")
        preview = window.get_by_role("region", name="What it would hold")
        expect(preview).to_contain_text(re.compile(r"\d images? of 26 chosen"))
        expect(preview.get_by_role("listitem").filter(has_text="that people said no to")).to_contain_text("3")
        expect(preview.locator("img").first).to_have_attribute("alt", re.compile("red one"))
        window.get_by_role("textbox", name="Trigger word").fill("sksred")
        window.get_by_role("combobox", name="The value in the captions").select_option("replace")
        expect(preview.locator("img").first).to_have_attribute("alt", re.compile(r"^sksred(?!.*red one)"))
        assert not (trains.runs.folder / "datasets").exists(), "nothing is written before it is wanted"
        window.get_by_role("spinbutton", name="Steps").fill("60")
        window.get_by_text("All options").click()
        window.get_by_role("spinbutton", name="pace").fill("0.05")
        window.get_by_role("spinbutton", name="Save every so many steps").fill("5")
        press(page, "Tab")
        expect(window).to_contain_text("2 changed")
        window.get_by_role("button", name="Train", exact=True).click()
        expect(window).to_have_count(0)
        expect(page.get_by_role("heading", name="Colour-red_one")).to_be_visible()
        state(page, "Trains")
        expect(page.locator(".sdgen-run-said")).to_contain_text(re.compile(r"[1-9]\d* of 60 steps · .*left · loss 0"))
        expect(page.get_by_role("log")).to_contain_text("steps:")
        run = trains.there[0]["id"]
        assert address(page) == f"/training?table=failing&run={run}"
        samples = trains.runs.folder / "runs" / run / "samples"
        samples.mkdir(exist_ok=True)
        Image.new("RGB", (64, 64), "red").save(samples / "step 10.png")
        state(page, "Done")
        chart = page.get_by_role("region", name="Loss").get_by_role("img")
        expect(chart).to_have_attribute("aria-label", re.compile(r"60 points: from 1 to 0\.0167"))
        chart.focus()
        press(page, "ArrowLeft")
        expect(page.locator(".sdgen-loss figcaption")).to_contain_text("Step 60: 0.0167")
        press(page, ["Home", "ArrowRight"])
        expect(page.locator(".sdgen-loss figcaption")).to_contain_text("Step 2: 0.5")
        facts = page.get_by_role("region", name="What it is made with")
        expect(facts).to_contain_text("Colour-red_one.safetensors")
        expect(facts).to_contain_text("base.safetensors")
        expect(page.get_by_role("img", name="step 10.png")).to_have_js_property("naturalWidth", 64)
        expect(page.get_by_role("log")).to_contain_text("model saved.")
        log = page.get_by_role("log").inner_text()
        assert 0 < log.count("steps:") < 20, "of a bar only its last state is left, anew after each saved one"
        assert str(trains.runs.folder) not in page.content()
        page.get_by_role("button", name="All runs").click()
        expect(row(page, "Colour-red_one")).to_contain_text("60 of 60 steps")
        sets = page.get_by_role("region", name="Data sets")
        expect(sets.get_by_role("listitem").first).to_contain_text("learns Colour=Red")
        sets.get_by_role("button", name="Check").click()
        expect(sets.get_by_role("region", name="What is in it")).to_contain_text("Colour: red one")
        sets.get_by_role("button", name="Train …").click()
        window = dialog(page)
        expect(window.get_by_role("combobox", name="Data set")).to_have_value("Colour-red_one")
        window.get_by_role("spinbutton", name="Steps").fill("600")
        expect(window).to_contain_text(re.compile(r"About \d+ sec, as fast as the last one"))
        press(page, "Escape")
        expect(window).to_have_count(0)


def test_a_run_is_stopped_at_a_saved_state_goes_on_and_is_removed(browser: Browser, trains: Trains) -> None:
    trains.dataset()
    run = trains.begin("slow", 400, every=4, pace=0.05)
    with opened(browser, trains.url, f"/training?run={run}") as page:
        state(page, "Trains")
        page.get_by_role("button", name="Save and stop").click()
        expect(page.locator(".sdgen-run-said")).to_contain_text("stops at the next saved state")
        state(page, "Stopped")
        page.get_by_role("button", name=re.compile(r"Go on from step \d+")).click()
        state(page, "Trains")
        page.get_by_role("button", name="Stop", exact=True).click()
        state(page, "Trains")  # it asks first
        page.get_by_role("button", name="Stop: what is not saved is lost").click()
        state(page, "Stopped")
        page.get_by_role("button", name="Remove from the list").click()
        page.get_by_role("button", name="Remove it, with its folder").click()
        expect(page.get_by_text("Nothing has been trained yet.")).to_be_visible()
        assert address(page) == "/training"
    assert trains.there == [] and not (trains.runs.folder / "runs" / run).exists()


def test_what_others_begin_is_seen_at_once_and_a_failure_says_why(browser: Browser, trains: Trains) -> None:
    trains.dataset()
    with opened(browser, trains.url, "/training") as page:
        expect(page.get_by_text("Nothing has been trained yet.")).to_be_visible()
        first = trains.begin("long", 200, pace=0.05)
        trains.begin("empty", 4, mode="no-data")
        expect(row(page, "long").locator(".sdgen-run-state")).to_have_text("Trains", timeout=gallery.PATIENCE_MS)
        expect(row(page, "empty").locator(".sdgen-run-state")).to_have_text("Waits")
        expect(row(page, "empty")).to_contain_text("waits for the end of long")
        bar = row(page, "long").get_by_role("progressbar")
        expect(bar).not_to_have_attribute("aria-valuenow", "0")
        expect(row(page, "long").get_by_role("button", name="Save and stop")).to_have_count(0)  # it saves no states
        row(page, "empty").get_by_role("button", name="Stop").click()
        expect(row(page, "empty").locator(".sdgen-run-state")).to_have_text("Stopped")
        trains.begin("nothing", 4, mode="no-data")
        ask(trains, f"{RUNS}/{first}/stop", {})
        failed = row(page, "nothing")
        expect(failed.locator(".sdgen-run-state")).to_have_text("Failed", timeout=gallery.PATIENCE_MS)
        expect(failed.locator(".sdgen-run-cause")).to_contain_text("no images were found")
        opener = page.get_by_role("button", name="Open the run nothing")
        opener.focus()
        press(page, "Enter")
        expect(page.get_by_role("log")).to_contain_text("No data found.")
        press(page, "Escape")
        expect(opener).to_be_focused()
        press(page, "Enter")
        [key] = [run["id"] for run in trains.there if run["name"] == "nothing"]
        ask(trains, f"{RUNS}/{key}/forget", {})  # in another panel
        expect(page.get_by_role("alert")).to_contain_text("This run was removed from the list.")
        page.watched.forgive("404")  # of what was asked for in that moment
        page.get_by_role("button", name="All runs").click()
        expect(row(page, "long")).to_be_visible()
        expect(row(page, "nothing")).to_have_count(0)


def test_a_data_set_is_made_of_a_session_and_what_is_wrong_is_said(browser: Browser, trains: Trains) -> None:
    with opened(browser, trains.url) as page:
        card(page, SHAPED).get_by_role("button", name=f"More about {SHAPED}").click()
        page.get_by_role("menuitem", name="Train …").click()
        window = dialog(page)
        expect(window).to_contain_text("Of the images of 1 session.")
        expect(window.get_by_role("region", name="What it would hold")).to_contain_text("of 26 chosen")
        window.get_by_role("textbox", name="Name").fill("")
        expect(window.get_by_role("button", name="Train", exact=True)).to_be_disabled()
        window.get_by_role("textbox", name="Name").fill("shapes: all?")
        expect(window).to_contain_text("It will be called")
        window.get_by_text("All options").click()
        window.get_by_role("textbox", name="mode").fill("a/b")
        window.get_by_role("button", name="Train", exact=True).click()
        expect(window.get_by_role("alert")).to_contain_text("option mode: files of this machine cannot be named here")
        page.watched.forgive("400")  # type: ignore[attr-defined]
        expect(window.get_by_role("combobox", name="Data set")).not_to_have_value(
            ""
        )  # it is made, and is not made again
        press(page, "Escape")
        page.get_by_role("button", name="Training", exact=True).click()
        expect(page.get_by_role("region", name="Data sets").get_by_role("listitem")).to_have_count(1)
        page.get_by_role("button", name="Train …").first.click()
        window.get_by_role("textbox", name="Name").fill("every image")
        window.get_by_role("spinbutton", name="Best share").fill("100")
        window.get_by_role("button", name="Only make the data set").click()
        expect(page.locator(".sdgen-toast")).to_contain_text("The data set every image is made")
        sets = page.get_by_role("region", name="Data sets").get_by_role("listitem")
        expect(sets).to_have_count(2)
        kept = sets.filter(has_text="every image")
        kept.get_by_role("button", name="Delete").click()
        kept.get_by_role("button", name="Delete it; its images stay in the gallery").click()
        expect(sets).to_have_count(1)
        expect(page.locator(".sdgen-toast").last).to_contain_text("The data set every image is deleted")
    assert trains.there == []
    assert [path.name for path in (trains.runs.folder / "datasets").iterdir()] != ["every image"]


def test_what_became_of_improvements_is_shown_with_its_report(browser: Browser, trains: Trains) -> None:
    home = trains.runs.folder / "improve" / "Shapes Colour Red"
    home.mkdir(parents=True)
    aim = {"placeholder": "Colour", "key": "Red", "text": "red one"}
    judged = {"outcome": "promote", "target": {"before": 0.25, "after": 0.75, "low": 0.3, "high": 0.65}, "reasons": []}
    end = {"outcome": "promote", "lora": "sdgen/red 1.safetensors", "strength": 0.7}
    cycle = {"number": 1, "done": {"aim": aim, "judge 1": judged, "end": end}, "seconds": {}}
    with opened(browser, trains.url, "/training") as page:
        expect(page.get_by_text("Nothing has been trained yet.")).to_be_visible()
        (home / "report.html").write_text("<h1>Shapes: improvement</h1>")
        (home / "state.json").write_text(json.dumps({"name": "Shapes", "cycles": [cycle]}))
        found = page.get_by_role("region", name="Improvements").get_by_role("listitem")
        expect(found).to_contain_text("Colour: red one")
        expect(found).to_contain_text(
            "Promoted 25% → 75% of new images show it (the change is surely +30 to +65 points)"
        )
        expect(found).to_contain_text("red 1.safetensors, best at strength 0.7")
        with page.context.expect_page() as opening:
            found.get_by_role("link", name="Report with pictures").click()
        expect(opening.value.get_by_role("heading", name="Shapes: improvement")).to_be_visible()


def test_without_a_comfyui_runs_are_looked_at(browser: Browser, tmp_path: Path) -> None:
    with (
        gallery.built_page(),
        Trains(tmp_path, problem="there is no ComfyUI") as server,
        opened(browser, server.url, "/training", locale="fr-FR") as page,
    ):
        expect(page.get_by_role("heading", name="Entraînement", exact=True)).to_be_visible()
        expect(page.get_by_role("note")).to_contain_text("sdgen gallery --comfyui")
        expect(page.get_by_role("button", name="Entraîner …")).to_be_disabled()
        for n in range(25):
            job = server.runs.job(f"run {n}", "fake", base=tmp_path / "b", dataset=tmp_path / "d", steps=9)
            server.runs.ledger.add(job, "none")
            server.runs.ledger.update(job.id, state="done" if n else "failed", cause=None if n else FULL)
        runs = page.get_by_role("region", name="Entraînements").get_by_role("listitem")
        expect(runs).to_have_count(20)
        page.get_by_role("button", name="Montrer les 25 entraînements").click()
        expect(runs).to_have_count(25)
        oldest = runs.filter(has_text="run 0")
        expect(oldest).to_contain_text("La mémoire ne suffit pas pour entraîner ce modèle.")
        expect(oldest).not_to_contain_text(FULL.hint)


def test_on_a_phone_everything_is_in_reach(browser: Browser, trains: Trains) -> None:
    trains.dataset()
    run = trains.begin("narrow", 3)
    with opened(browser, trains.url, "/training", viewport={"width": 360, "height": 700}, has_touch=True) as page:
        expect(row(page, "narrow")).to_contain_text("3 of 3 steps")
        page.get_by_role("button", name="Check").click()
        expect(page.get_by_role("region", name="What is in it")).to_be_visible()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert page.evaluate(LEGIBLE) == [], scheme
        page.get_by_role("button", name="Open the run narrow").click()
        for name in ("Loss", "What it is made with", "Log"):
            expect(page.get_by_role("region", name=name)).to_be_visible()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert page.evaluate(LEGIBLE) == [], scheme
        wide = page.evaluate("document.querySelector('.sdgen-training-body').scrollWidth - innerWidth")
        assert wide <= 0
        page.get_by_role("button", name="Back", exact=True).click()
        assert address(page) == "/training" and run
