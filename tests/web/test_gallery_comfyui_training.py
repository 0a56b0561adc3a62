"""Training inside the real ComfyUI: from judged images to a LoRA that its loaders list, and its news on the page."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from sdgen_core.comfy.runtime import ComfyServer

from . import canvas, gallery
from .gallery import SEEDS, Writer, ask


def judged(page: Page, server: ComfyServer, name: str) -> None:
    """A session of three images, to which people said ok."""
    session = name.replace("_", "")[:10].ljust(10, "a")
    writer = Writer(server.base / "output" / "sdgen", name, session=session, planned=3)
    for seed in SEEDS:
        writer.add("Red", "Circle", seed, size=(64, 64))
    writer.end()
    ask(server, "/sdgen/import", {})
    images = f"/sdgen/images/ids?form=json&q=session:{session}"
    canvas.wait(lambda: len(ask(server, images)["ids"]) == 3, page)
    ask(server, "/sdgen/judge", {"ids": ask(server, images)["ids"], "field": "value/Colour", "value": "ok"})


def test_a_lora_is_trained_from_a_session(page: Page, web_comfy: ComfyServer, frontend: str) -> None:
    name = f"reds_{frontend}"
    judged(page, web_comfy, name)
    page.keyboard.press("Alt+l")
    page.get_by_role("searchbox", name="Search sessions").fill(name)  # it is older than those of other tests
    gallery.card(page, name).get_by_role("button", name=f"More about {name}").click(timeout=canvas.PATIENCE_MS)
    page.get_by_role("menuitem", name="Train …").click()
    window = page.get_by_role("dialog", name="Train a LoRA")
    expect(window.get_by_role("textbox", name="Name")).to_have_value(name, timeout=canvas.PATIENCE_MS)
    expect(window.get_by_role("region", name="What it would hold")).to_contain_text("of 3 chosen")
    window.get_by_role("spinbutton", name="Steps", exact=True).fill("2")
    window.get_by_role("button", name="Train", exact=True).click()
    state = page.locator(".sdgen-run-state")
    expect(state).to_have_text("Starts", timeout=canvas.PATIENCE_MS)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Save and stop")).to_have_count(0)  # so few steps save no state
    page.keyboard.press("Escape")  # to the list: what happens is told there, too
    run = page.get_by_role("region", name="Runs").get_by_role("listitem").filter(has_text=name)
    if frontend == "pinned":  # the training is the same
        run.get_by_role("button", name="Stop").click()
        run.get_by_role("button", name="Stop: what is not saved is lost").click()
        expect(run.locator(".sdgen-run-state")).to_have_text("Stopped", timeout=canvas.PATIENCE_MS)
        return
    expect(run.locator(".sdgen-run-state")).to_have_text("Done", timeout=canvas.SESSION_MS)
    expect(run).to_contain_text("2 of 2 steps")
    assert f"{name}.safetensors" in ask(web_comfy, "/models/loras")
