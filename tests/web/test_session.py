"""A session from the canvas, to the end: run, watch, reload, drag an image back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops
from playwright.sync_api import Page, expect

from sdgen_core.comfy.runtime import ComfyServer

from . import canvas


def small_session(name: str, limit: int) -> dict[str, Any]:
    """The shipped seed sweep, with so many images only."""
    workflow = canvas.shipped("seed_sweep")
    canvas.node(workflow, "SDGenTemplate")["widgets_values"][5] = 0
    planner = canvas.node(workflow, "SDGenSessionPlan")["widgets_values"]
    planner[0], planner[2] = name, limit
    return workflow


def images_of(server: ComfyServer, name: str) -> list[Path]:
    [folder] = (server.base / "output" / "sdgen").glob(f"*-{name}")
    return sorted(folder.glob("*.png"))


def test_run_watch_reload_and_drag_back(page: Page, web_comfy: ComfyServer, frontend: str) -> None:
    name = f"run_{frontend}"
    canvas.load(page, small_session(name, 8))
    canvas.shows(page, "plan", "Run makes 8 images")
    canvas.press_run(page)
    progress = canvas.panel(page, "plan").get_by_role("progressbar")
    expect(progress).to_have_attribute("aria-valuemax", "8", timeout=canvas.PATIENCE_MS)
    expect(canvas.panel(page, "plan").locator(".sdgen-is-completed")).to_be_visible(timeout=canvas.SESSION_MS)
    expect(progress).to_have_attribute("aria-valuenow", "8")
    expect(canvas.toast(page, f"Session {name} is complete")).to_be_visible()
    files = images_of(web_comfy, name)
    assert len(files) == 8

    # nothing of the run has become part of the workflow
    values = {n["id"]: n.get("widgets_values") or [] for n in canvas.saved(page)["nodes"]}
    assert values == {n["id"]: n.get("widgets_values") or [] for n in small_session(name, 8)["nodes"]}

    # the same press again: nothing is made, and the node says why
    canvas.press_run(page)
    canvas.shows(page, "plan", "All of its images are there")

    # after a reload of the page the node still shows its session
    page.wait_for_timeout(1500)  # the frontend keeps a draft of the workflow, a moment after each change
    canvas.reload(page)
    expect(canvas.panel(page, "plan").locator(".sdgen-is-completed")).to_be_visible(timeout=canvas.PATIENCE_MS)
    expect(canvas.panel(page, "plan")).to_contain_text("8 of 8 images")

    # an image dragged back makes exactly itself
    canvas.drop_file(page, files[5])
    canvas.shows(page, "plan", f"Set to one image: #5 of session {name}")
    assert json.loads(canvas.widget(page, "SDGenSessionPlan", "item"))["index"] == 5
    canvas.press_run(page)
    single = web_comfy.base / "output" / "sdgen" / f"{files[5].stem}_00001_.png"
    for _ in range(600):
        if single.is_file() and single.stat().st_size:
            break
        page.wait_for_timeout(200)
    page.wait_for_timeout(300)
    with Image.open(files[5]) as first, Image.open(single) as second:
        assert ImageChops.difference(first.convert("RGB"), second.convert("RGB")).getbbox() is None
    assert len(images_of(web_comfy, name)) == 8

    # and the button leads back to the whole session
    canvas.panel(page, "plan").get_by_role("button", name="Run the whole session again").click()
    canvas.shows(page, "plan", "Run makes 8 images")
    assert canvas.widget(page, "SDGenSessionPlan", "item") == ""


@pytest.mark.parametrize("renderer", ["vue"])
def test_pause_and_resume_in_the_node(page: Page, web_comfy: ComfyServer, frontend: str, renderer: str) -> None:
    name = f"pause_{frontend}"
    canvas.draw_nodes_with(page, renderer)
    # so small that ComfyUI's own toast about the way nodes are drawn does not lie over the panel
    canvas.load(page, small_session(name, 60), scale=0.6)
    canvas.shows(page, "plan", "Run makes 60 images")
    canvas.press_run(page)
    plan = canvas.panel(page, "plan")
    pause = plan.get_by_role("button", name="Pause", exact=True)
    expect(plan.locator(".sdgen-is-running")).to_be_visible(timeout=canvas.PATIENCE_MS)
    pause.evaluate("button => { button.marked = true }")
    counts = plan.locator(".sdgen-counts")
    before = counts.inner_text()
    expect(counts).not_to_have_text(before, timeout=canvas.PATIENCE_MS)
    assert pause.evaluate("button => button.marked")  # new figures do not replace the button under the pointer
    pause.click(timeout=canvas.PATIENCE_MS)
    expect(plan.locator(".sdgen-is-paused")).to_be_visible(timeout=canvas.PATIENCE_MS)
    expect(canvas.toast(page, f"Session {name} is paused")).to_be_visible()
    expect(plan.locator(".sdgen-warning")).to_contain_text("paused")
    [session] = [s for s in web_comfy.client.get("/sdgen/sessions")["sessions"] if s["name"] == name]
    assert session["state"] == "paused"
    assert session["left"] > 0
    plan.get_by_role("button", name="Resume", exact=True).click()
    expect(plan.locator(".sdgen-is-completed")).to_be_visible(timeout=canvas.SESSION_MS)
    assert len(images_of(web_comfy, name)) == 60
