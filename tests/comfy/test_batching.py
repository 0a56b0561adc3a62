"""Batches in a real ComfyUI with the demo model: the same images, files and records as one by one."""

from __future__ import annotations

import copy
import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageDraw

from sdgen_core.comfy.feeder import GROUPS_APART, WINDOW
from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.sessions.compile import PLAN_OUTPUTS
from sdgen_core.sessions.metadata import is_whole_png, read_png_chunks
from sdgen_core.sessions.samplers import DETERMINISTIC

#: Of 255. Floating-point sums come out in another order when more images are computed at once.
TOLERANCE = 2

TEMPLATE = """
name: batches
prompt: "a {Colour} {Shape}"
negative_prompt: "not {Colour}"
imports: {Colour: [red, green, blue, yellow], Shape: [circle, square, triangle]}
generation: {mode: combinatorial, seed: 50, seed_mode: progressive, max_images: -1}
parameters: {width: 64, height: 64, steps: 6, cfg_scale: 2, sampler: euler, scheduler: simple}
"""

Alter = Callable[[dict[str, Any]], None]


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def output(name: str) -> list[Any]:
    """A link to the planner's output."""
    return ["2", PLAN_OUTPUTS.index(name)]


class Orders:
    """Sessions of the demo model, once in batches and once one by one."""

    def __init__(self, server: ComfyServer, root: Path) -> None:
        self.server = server
        self.client = server.client
        self._graph = json.loads((root / "workflows" / "api" / "txt2img_session.json").read_text(encoding="utf-8"))
        self._n = 0

    def press(
        self, text: str = TEMPLATE, alter: Alter | None = None, name: str = "b", **planner: Any
    ) -> dict[str, Any]:
        """Order a session; the planner's report."""
        graph = copy.deepcopy(self._graph)
        graph["1"]["inputs"] |= {"file": "(the text below)", "text": text}
        graph["2"]["inputs"] |= {"name": name, "on_existing": "new", **planner}
        if alter:
            alter(graph)
        prompt_id = self.client.queue_prompt({"prompt": graph})
        while (entry := self.client.history(prompt_id)) is None:
            time.sleep(0.05)
        assert entry["status"]["status_str"] == "success", entry["status"]
        report: dict[str, Any] = entry["outputs"]["2"]["sdgen"][0]
        return report

    def wait(self, session: str, *states: str, timeout: float = 300.0) -> dict[str, Any]:
        end = time.monotonic() + timeout
        while True:
            status: dict[str, Any] = self.client.get(f"/sdgen/sessions/{session}")
            if status["state"] in (states or ("completed",)):
                return status
            assert time.monotonic() < end, f"{status}\n{self.server.log_tail(60)}"
            time.sleep(0.1)

    def made(self, text: str = TEMPLATE, alter: Alter | None = None, **planner: Any) -> Made:
        """A session made to its end."""
        before = self.server.log_text().count("got prompt")
        report = self.press(text, alter, **planner)
        status = self.wait(report["id"])
        return Made(report, status, self.server.log_text().count("got prompt") - before - 1)

    def both(
        self, text: str = TEMPLATE, alter: Alter | None = None, batch: int = 4, **planner: Any
    ) -> tuple[Made, Made]:
        """A session in batches and the same one by one."""
        return self.made(text, alter, batch=batch, **planner), self.made(text, alter, **planner)


class Made:
    """A session that was made: its files in order, what the planner said, and how many prompts it took."""

    def __init__(self, report: dict[str, Any], status: dict[str, Any], prompts: int) -> None:
        self.warnings: list[str] = report["warnings"]
        self.status = status
        self.prompts = prompts
        self.folder = Path(status["folder"])
        self.files = sorted(self.folder.glob("*.png"))
        self.manifest = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))


def same_images(one: Made, other: Made) -> None:
    """The same files with the same pixels, up to the tolerance."""
    assert [f.name for f in one.files] == [f.name for f in other.files]
    assert len({f.read_bytes() for f in one.files}) == len(one.files), "images of a batch are alike"
    far = {
        mine.name: worst
        for mine, theirs in zip(one.files, other.files, strict=True)
        if (worst := difference(mine, theirs)) > TOLERANCE
    }
    assert not far


def difference(one: Path, other: Path) -> int:
    extrema = ImageChops.difference(Image.open(one).convert("RGB"), Image.open(other).convert("RGB")).getextrema()
    return max(high for _, high in extrema)


@pytest.fixture(scope="module")
def orders(
    _new_server: Callable[..., ComfyServer], root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Orders]:
    base = tmp_path_factory.mktemp("batches")
    shutil.copytree(Path(__file__).parent / "stub_nodes", base / "custom_nodes" / "stub_nodes")
    (base / "input").mkdir()
    picture = Image.new("RGB", (64, 64), "navy")
    ImageDraw.Draw(picture).ellipse((12, 12, 52, 52), "orange")
    picture.save(base / "input" / "start.png")
    picture.putalpha(Image.new("L", (64, 64), 255))
    picture.paste((0, 0, 0, 0), (20, 20, 50, 50))
    picture.save(base / "input" / "hole.png")
    with _new_server(base) as server:
        yield Orders(server, root)


# ---- the same images --------------------------------------------------------------------------------------------------


def test_the_table_of_samplers_holds_names_of_this_comfyui(orders: Orders) -> None:
    (names, _) = orders.client.get("/object_info/KSampler")["KSampler"]["input"]["required"]["sampler_name"]
    assert set(names) >= DETERMINISTIC


def test_every_sampler_of_the_table_gives_the_images_of_single_runs(orders: Orders) -> None:
    """euler, dpmpp_2m, ddim, uni_pc and all the others, each with four prompts and seeds in one batch."""
    text = TEMPLATE.replace("sampler: euler", 'sampler: "{Sampler}"').replace(
        "Shape: [circle, square, triangle]", f"Shape: [circle], Sampler: [{', '.join(sorted(DETERMINISTIC))}]"
    )
    batches, single = orders.both(text)
    assert (batches.prompts, single.prompts) == (len(DETERMINISTIC), 4 * len(DETERMINISTIC))
    same_images(batches, single)
    assert batches.warnings == single.warnings == []


def test_a_batch_leaves_the_records_of_single_runs(orders: Orders) -> None:
    batches, single = orders.both(batch=5)
    assert (batches.prompts, single.prompts) == (3, 12)
    same_images(batches, single)
    for entry, expected in zip(batches.manifest["images"], single.manifest["images"], strict=True):
        for told in (entry, expected):
            assert told["sdgen"].pop("sha256") and told["sdgen"].pop("seconds") > 0
            told.pop("timestamp", None)
        assert entry == expected
    for mine, theirs in zip(batches.files, single.files, strict=True):
        chunks, others = read_png_chunks(mine), read_png_chunks(theirs)
        assert (
            json.loads(chunks["prompt"]) == json.loads(others["prompt"])
            and chunks["parameters"] == others["parameters"]
        )
        record, other = json.loads(chunks["sdgen"]), json.loads(others["sdgen"])
        assert {**record, "session": ""} == {**other, "session": ""}
    verify = orders.client.post(f"/sdgen/sessions/{batches.status['id']}/verify", {"hashes": True})["verify"]
    assert verify["ok"], verify


def test_an_image_of_a_batch_is_made_again_where_sdgen_is_not_installed(
    orders: Orders, comfy_factory: Callable[..., ComfyServer]
) -> None:
    made = orders.made(batch=6)
    with comfy_factory(pack=False) as bare:
        prompt = json.loads(read_png_chunks(made.files[4])["prompt"])
        prompt_id = bare.client.queue_prompt({"prompt": prompt})
        while (entry := bare.client.history(prompt_id)) is None:
            time.sleep(0.05)
        (image,) = entry["outputs"]["9"]["images"]
        assert difference(bare.base / "output" / image["subfolder"] / image["filename"], made.files[4]) <= TOLERANCE


def test_progress_is_shown_on_the_users_own_nodes(orders: Orders) -> None:
    made = orders.made(batch=6)
    assert set(json.loads(read_png_chunks(made.files[0])["prompt"])) == {"3", "4", "5", "6", "7", "8", "9"}


def test_sizes_split_batches(orders: Orders) -> None:
    text = TEMPLATE.replace("width: 64", 'width: "{Width}"').replace(
        "Shape: [circle, square, triangle]", "Shape: [circle], Width: {small: 64, wide: 96}"
    )
    batches, single = orders.both(text, batch=8)
    same_images(batches, single)
    assert sorted(Image.open(f).width for f in batches.files) == [64] * 4 + [96] * 4
    assert batches.prompts < single.prompts


def test_negative_prompts_of_any_length(orders: Orders) -> None:
    text = TEMPLATE.replace('"not {Colour}"', '"{Much}"').replace("[circle, square, triangle]", "[circle]")
    text = text.replace("Colour: [red,", f"Much: {{a: no, b: '{'ugly, ' * 30}'}}, Colour: [red,")
    batches, single = orders.both(text)
    assert batches.prompts == 2
    same_images(batches, single)


def test_texts_that_this_model_cannot_take_together_are_made_one_by_one(orders: Orders) -> None:
    """More than 75 tokens make a longer encoding, which SD3 mixes with the image: it cannot be repeated."""
    text = TEMPLATE.replace('"not {Colour}"', '"{Much}"')
    text = text.replace("Colour: [red,", f"Much: {{a: no, b: '{'ugly, ' * 60}'}}, Colour: [red,")
    batches, single = orders.both(text)
    same_images(batches, single)
    assert batches.status["failed"] == 0
    log = orders.server.log_text()
    assert "made one by one, since together they failed" in log and "[not-batchable]" in log
    # after some vain tries the session goes on without
    assert log.count(f"session {batches.status['id']} goes on without batches") == 1
    # those that failed first, and those that waited in the queue by then
    assert len(single.files) < batches.prompts <= len(single.files) + GROUPS_APART + WINDOW


# ---- other graphs ------------------------------------------------------------------------------------------------------


def image_to_image(graph: dict[str, Any]) -> None:
    graph["20"] = node("LoadImage", image="start.png")
    graph["6"] = node("VAEEncode", pixels=["20", 0], vae=["3", 2])
    graph["7"]["inputs"]["denoise"] = 0.6


def inpaint(graph: dict[str, Any]) -> None:
    graph["20"] = node("LoadImage", image="hole.png")
    graph["21"] = node("VAEEncode", pixels=["20", 0], vae=["3", 2])
    graph["6"] = node("SetLatentNoiseMask", samples=["21", 0], mask=["20", 1])
    graph["7"]["inputs"]["denoise"] = 0.8


def second_pass(graph: dict[str, Any]) -> None:
    graph["20"] = node("LatentUpscaleBy", samples=["7", 0], upscale_method="bilinear", scale_by=1.5)
    second = {**graph["7"]["inputs"], "latent_image": ["20", 0], "seed": 7, "denoise": 0.5}
    graph["21"] = node("KSampler", **second)
    graph["8"]["inputs"]["samples"] = ["21", 0]


def in_two_stages(graph: dict[str, Any]) -> None:
    inputs = {k: v for k, v in graph["7"]["inputs"].items() if k not in ("seed", "denoise", "steps")}
    first = {"add_noise": "enable", "start_at_step": 0, "end_at_step": 3, "return_with_leftover_noise": "enable"}
    second = {"add_noise": "disable", "start_at_step": 3, "end_at_step": 1000, "return_with_leftover_noise": "disable"}
    graph["20"] = node("KSamplerAdvanced", **inputs, **first, noise_seed=output("seed"), steps=6)
    graph["7"] = node("KSamplerAdvanced", **{**inputs, "latent_image": ["20", 0]}, **second, noise_seed=1, steps=6)


def custom_sampling(graph: dict[str, Any]) -> None:
    graph["20"] = node("RandomNoise", noise_seed=output("seed"))
    graph["21"] = node("CFGGuider", model=["3", 0], positive=["4", 0], negative=["5", 0], cfg=output("cfg"))
    graph["22"] = node("KSamplerSelect", sampler_name=output("sampler_name"))
    graph["23"] = node("BasicScheduler", model=["3", 0], scheduler="simple", steps=6, denoise=1.0)
    sampler = {"noise": ["20", 0], "guider": ["21", 0], "sampler": ["22", 0], "sigmas": ["23", 0]}
    graph["7"] = node("SamplerCustomAdvanced", **sampler, latent_image=["6", 0])


def a1111_prompts(graph: dict[str, Any]) -> None:
    graph["4"] = node("SDGenEncodePrompt", clip=["3", 1], model=["3", 0], text=output("positive"))
    graph["7"]["inputs"] |= {"model": ["4", 0], "positive": ["4", 2]}


@pytest.mark.parametrize(
    "alter",
    [image_to_image, inpaint, second_pass, in_two_stages, custom_sampling, a1111_prompts],
    ids=lambda f: f.__name__,
)
def test_other_graphs_give_the_images_of_single_runs(orders: Orders, alter: Alter) -> None:
    text = TEMPLATE.replace("Shape: [circle, square, triangle]", "Shape: [circle, (square:1.2)]")
    batches, single = orders.both(text, alter)
    assert (batches.prompts, single.prompts) == (2, 8)
    assert batches.warnings == single.warnings or alter is not a1111_prompts
    same_images(batches, single)


def test_ddim_under_a_mask_is_made_one_by_one(orders: Orders) -> None:
    """It fills the mask with noise drawn for the batch as a whole."""
    text = TEMPLATE.replace("euler", "ddim").replace("[circle, square, triangle]", "[circle]")
    batches, single = orders.both(text, inpaint)
    same_images(batches, single)
    assert batches.prompts == 5


def test_a_graph_that_cannot_be_batched_says_why_and_runs_one_by_one(orders: Orders) -> None:
    def unknown(graph: dict[str, Any]) -> None:
        graph["20"] = node("StubPass", images=["8", 0], fail_over=0, failure="fails", drop=0, wait=0.0)
        graph["9"]["inputs"]["images"] = ["20", 0]

    text = TEMPLATE.replace("[circle, square, triangle]", "[circle]")
    made = orders.made(text, unknown, batch=4)
    assert made.prompts == 4
    (warning,) = [w for w in made.warnings if "one by one" in w]
    assert "node 20 (StubPass) is not known" in warning
    assert orders.made(text, unknown, batch=4, batch_anyway=True).prompts == 1


def test_stochastic_samplers_are_left_alone_unless_asked(orders: Orders) -> None:
    text = TEMPLATE.replace("euler", "euler_ancestral").replace("[circle, square, triangle]", "[circle]")
    batches, single = orders.both(text)
    assert batches.prompts == 4 and [w for w in batches.warnings if "euler_ancestral" in w]
    same_images(batches, single)
    anyway = orders.made(text, batch=4, batch_anyway=True)
    assert anyway.prompts == 1 and [f.name for f in anyway.files] == [f.name for f in single.files]
    assert not [w for w in anyway.warnings if "one by one" in w]


# ---- faults ------------------------------------------------------------------------------------------------------------


def through(**stub: Any) -> Alter:
    """Graphs with a stub node before the save node."""

    def alter(graph: dict[str, Any]) -> None:
        defaults = {"fail_over": 0, "failure": "fails", "drop": 0, "wait": 0.0}
        graph["20"] = node("StubPass", images=["8", 0], **{**defaults, **stub})
        graph["9"]["inputs"]["images"] = ["20", 0]

    return alter


def test_no_item_fails_because_of_its_neighbour(orders: Orders) -> None:
    text = TEMPLATE.replace("[circle, square, triangle]", '[circle, "square embedding:nowhere"]')
    report = orders.press(text, a1111_prompts, batch=4)
    status = orders.wait(report["id"], "failed")
    assert (status["done"], status["failed"]) == (4, 4)
    assert all("missing-embedding" in failure["message"] for failure in status["failures"])
    made = Made(report, status, 0)
    assert len(made.files) == 4 and all("circle" in read_png_chunks(f)["parameters"] for f in made.files)


def test_when_memory_runs_out_batches_are_halved(orders: Orders) -> None:
    alter = through(fail_over=2, failure="pretends to have no memory")
    made = orders.made(alter=alter, batch=4, batch_anyway=True)
    assert made.status["failed"] == 0 and len(made.files) == 12
    log = orders.server.log_text()
    assert f"session {made.status['id']} goes on with batches of 2" in log
    same_images(made, orders.made())


def test_a_batch_that_comes_with_too_few_images_is_made_one_by_one(orders: Orders) -> None:
    text = TEMPLATE.replace("[circle, square, triangle]", "[circle]")
    made = orders.made(text, through(drop=1), batch=4, batch_anyway=True)
    assert made.status["failed"] == 0 and made.prompts == 5
    same_images(made, orders.made(text))
    assert "a batch of 4 items came with 3 images" in orders.server.log_text()


def test_cancel_pauses_and_nothing_is_lost(orders: Orders) -> None:
    report = orders.press(alter=through(wait=2.0), batch=3, batch_anyway=True)
    while not orders.client.get(f"/sdgen/sessions/{report['id']}")["done"]:
        time.sleep(0.05)
    while orders.client.get(f"/sdgen/sessions/{report['id']}")["state"] == "running":
        orders.client.post("/interrupt", {})  # between two prompts ComfyUI does not hear it
        time.sleep(0.3)
    status = orders.wait(report["id"], "paused")
    assert "Cancel" in status["reason"] and status["failed"] == 0 and status["done"] % 3 == 0
    orders.client.post(f"/sdgen/sessions/{report['id']}/stop", {})


def test_kills_in_the_middle_of_batches_lose_nothing_and_repeat_little(
    _new_server: Callable[..., ComfyServer], root: Path, tmp_path: Path
) -> None:
    kills, batch = 5, 4
    chance = random.Random(4)
    text = TEMPLATE.replace("steps: 6", "steps: 2")
    session, prompts, folder = "", 0, tmp_path
    for attempt in range(kills + 1):
        server = _new_server(tmp_path / "base")
        server.start()
        try:
            orders = Orders(server, root)
            if not session:
                report = orders.press(text, seeds(12), batch=batch)
                session, folder = report["id"], Path(report["folder"])
                prompts -= 1
            if attempt < kills:
                time.sleep(chance.uniform(1.0, 4.0))
                server.kill()
                assert all(is_whole_png(path, crc=True) for path in folder.glob("*.png"))
            else:
                status = orders.wait(session)
                verify = orders.client.post(f"/sdgen/sessions/{session}/verify", {"hashes": True})["verify"]
            prompts += server.log_text().count("Prompt executed")
        finally:
            server.kill()
    assert verify["ok"], verify
    made = Made(report, status, 0)
    assert len(made.files) == status["done"] == 144 and status["failed"] == 0
    # what was in the window at a kill is made again, one by one; all else in batches
    assert prompts <= 144 / batch + kills * WINDOW * (batch + 1)


def seeds(count: int) -> Alter:
    def alter(graph: dict[str, Any]) -> None:
        graph["sweep"] = node("SDGenSeedSweep", seeds=f"{count}#100")
        graph["2"]["inputs"]["sweep"] = ["sweep", 0]

    return alter
