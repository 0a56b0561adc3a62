"""Everything that can be done with a session, done at its planner's panel: with the keyboard, and really."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from sdgen_core.comfy.runtime import ComfyServer

from . import canvas
from .test_session import images_of, small_session


def state_of(server: ComfyServer, name: str) -> dict[str, Any]:
    [found] = [s for s in server.client.get("/sdgen/sessions")["sessions"] if s["name"] == name]
    status: dict[str, Any] = server.client.get(f"/sdgen/sessions/{found['id']}")
    return status


def menu(page: Page, entry: str) -> None:
    """Choose an entry of the session's menu with the keyboard alone."""
    canvas.panel(page, "plan").locator(".sdgen-more").focus()
    page.keyboard.press("Enter")
    items = page.get_by_role("menuitem")
    expect(items.first).to_be_visible()
    labels = [item.inner_text() for item in items.all() if item.is_enabled()]
    for _ in range(labels.index(entry)):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")


def form(page: Page, **values: str) -> Locator:
    """Fill the window that has opened and send it with Enter."""
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible(timeout=canvas.PATIENCE_MS)
    for name, value in values.items():
        dialog.locator(f"[name={name}]").fill(value)
    return dialog


def said(page: Page, text: str) -> None:
    expect(canvas.panel(page, "plan").locator(".sdgen-said").filter(has_text=text)).to_be_visible(
        timeout=canvas.SESSION_MS
    )


def paused(page: Page, server: ComfyServer, name: str, images: int) -> Locator:
    """A session that is paused somewhere in its middle."""
    canvas.load(page, small_session(name, images))
    canvas.shows(page, "plan", f"Run makes {images} images")
    canvas.press_run(page)
    plan = canvas.panel(page, "plan")
    plan.get_by_role("button", name="Pause", exact=True).click(timeout=canvas.PATIENCE_MS)
    expect(plan.locator(".sdgen-is-paused")).to_be_visible(timeout=canvas.PATIENCE_MS)
    canvas.wait(lambda: state_of(server, name)["state"] == "paused", page)
    return plan


@pytest.mark.parametrize("renderer", ["canvas"])
def test_a_session_is_changed_at_its_panel(
    page: Page, web_comfy: ComfyServer, frontend: str, renderer: str, page_errors: list[Any]
) -> None:
    name = f"menu_{frontend}"
    canvas.draw_nodes_with(page, renderer)
    plan = paused(page, web_comfy, name, 24)

    # leave out: a wrong number is refused in the window and in the panel, with what to do
    menu(page, "Leave out …")
    dialog = form(page, items="22-29")
    page.keyboard.press("Enter")
    expect(dialog.locator(".sdgen-error")).to_contain_text("no item 24", timeout=canvas.PATIENCE_MS)
    expect(plan.locator(".sdgen-error")).to_contain_text("unknown-item")
    form(page, items="20,22-23")
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    said(page, "3 images left out")
    assert state_of(web_comfy, name)["skipped"] == 3
    expect(plan).to_contain_text("3 left out")

    # plan fewer
    menu(page, "Plan fewer …")
    form(page, count="12")
    page.keyboard.press("Enter")
    said(page, "taken out of the plan")
    status = state_of(web_comfy, name)
    assert status["planned"] == 12 and status["left"] == 12 - status["done"]

    plan.get_by_role("button", name="Resume", exact=True).click()
    expect(plan.locator(".sdgen-is-completed")).to_be_visible(timeout=canvas.SESSION_MS)

    # extend: by images, and by seeds; nothing is refused silently
    menu(page, "Extend …")
    dialog = form(page)
    page.keyboard.press("Enter")
    expect(dialog.locator(".sdgen-error")).to_contain_text(
        "say either how many more images", timeout=canvas.PATIENCE_MS
    )
    form(page, more="4")
    page.keyboard.press("Enter")
    said(page, "4 images added")
    expect(plan.locator(".sdgen-is-completed")).to_be_visible(timeout=canvas.SESSION_MS)
    expect(plan).to_contain_text("16 of 16 images")
    assert len(images_of(web_comfy, name)) == 16
    canvas.forgive(page_errors, "/sdgen/sessions/")


def test_a_session_is_cared_for_at_its_panel(
    page: Page, web_comfy: ComfyServer, frontend: str, page_errors: list[Any]
) -> None:
    name, renamed = f"care_{frontend}", f"cared for {frontend}"
    canvas.load(page, small_session(name, 6))
    canvas.shows(page, "plan", "Run makes 6 images")
    canvas.press_run(page)
    plan = canvas.panel(page, "plan")
    expect(plan.locator(".sdgen-is-completed")).to_be_visible(timeout=canvas.SESSION_MS)

    # verify, with every file read; then with one gone
    menu(page, "Verify …")
    form(page).locator("[name=hashes]").check()
    page.keyboard.press("Enter")
    said(page, "Files, manifest and ledger agree.")
    images_of(web_comfy, name)[2].unlink()
    menu(page, "Verify …")
    form(page).get_by_role("button", name="Do it").click()
    said(page, "made, but gone: 1 (2)")

    # compare, in a picture and on a page of its own
    menu(page, "Compare …")
    dialog = page.get_by_role("dialog")
    picture = dialog.locator("img.sdgen-sheet")
    expect(picture).to_be_visible(timeout=canvas.PATIENCE_MS)
    before = picture.get_attribute("src")
    dialog.get_by_label("Across").select_option("Background")
    expect(picture).not_to_have_attribute("src", str(before), timeout=canvas.PATIENCE_MS)
    assert picture.evaluate("e => e.naturalWidth") > 100
    with page.context.expect_page() as opening:
        dialog.get_by_text("Open as a page").click()
    sheet = opening.value
    expect(sheet.locator("td.has img").first).to_be_visible(timeout=canvas.PATIENCE_MS)
    sheet.locator("td.has button").first.click()
    expect(sheet.get_by_role("dialog")).to_be_visible()
    sheet.get_by_role("button", name="close").click()
    expect(sheet.get_by_role("dialog")).to_have_count(0)
    sheet.close()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(plan.locator(".sdgen-more")).to_be_focused()

    # rename
    menu(page, "Rename …")
    form(page, name=renamed)
    page.keyboard.press("Enter")
    said(page, f"Renamed to {renamed}")
    folder = Path(state_of(web_comfy, renamed)["folder"])
    assert folder.is_dir() and folder.name.endswith(f"-{renamed}")
    expect(plan.locator(".sdgen-name")).to_have_text(renamed)

    # move: only to the places of the settings, here the output folder
    menu(page, "Move …")
    dialog = form(page)
    assert dialog.locator("option").all_inner_texts() == ["output", "archive"]
    dialog.locator("select").select_option("archive")
    dialog.get_by_role("button", name="Do it").click()
    said(page, "Moved to")
    assert not folder.exists()
    folder = Path(state_of(web_comfy, renamed)["folder"])
    assert folder.parent.name == "archive" and len(list(folder.glob("*.png"))) == 5

    # rebuild: a manifest that is gone is there again
    (folder / "manifest.json").unlink()
    (folder / "manifest.jsonl").unlink()
    menu(page, "Rebuild …")
    form(page)
    page.keyboard.press("Enter")
    said(page, "Rebuilt: ")
    assert len(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["images"]) == 5
    canvas.forgive(page_errors, "/sdgen/sessions/")


STUB = {
    "1": {
        "class_type": "SDGenTemplate",
        "inputs": {"file": "(the text below)", "theme": "", "style": "", "mode": "as written", "limit": 0},
    },
    "2": {"class_type": "SDGenSessionPlan", "inputs": {"template": ["1", 0], "on_existing": "resume", "count": 0}},
    "3": {
        "class_type": "StubImage",
        "inputs": {
            "seed": ["2", 2],
            "text": ["2", 0],
            "fail_at": "value 2",
            "wait": 0.0,
            "batch": 1,
            "loads": ["5", 0],
        },
    },
    "4": {"class_type": "SDGenSessionSave", "inputs": {"images": ["3", 0], "file_name": ["2", 10]}},
    "5": {"class_type": "StubLoader", "inputs": {"ckpt_name": "stub"}},
}


def failed(page: Page) -> None:
    """Wait for the session's end, and close the window in which older frontends show a node's error."""
    expect(canvas.panel(page, "plan").locator(".sdgen-is-failed")).to_have_text("failed", timeout=canvas.SESSION_MS)
    page.wait_for_timeout(1500)
    close = page.locator(".p-dialog-mask .p-dialog-close-button")
    if close.count():
        close.last.click()
        expect(page.locator(".p-dialog-mask")).to_have_count(0)


def test_failed_images_are_retried_left_out_and_taken_back(page: Page, web_comfy: ComfyServer, frontend: str) -> None:
    name = f"failing_{frontend}"
    prompt = json.loads(json.dumps(STUB))
    prompt["1"]["inputs"]["text"] = (
        f"name: {name}\nprompt: '{{V}}'\nimports: {{V: [value 1, value 2, value 3]}}\ngeneration: {{seed: 1}}\n"
    )
    prompt["2"]["inputs"]["name"] = name
    page.evaluate("prompt => app.loadApiJson(prompt, 'stub')", prompt)
    show = "node => { app.canvas.ds.scale = 0.7; app.canvas.ds.offset = [300 - node.pos[0], 150 - node.pos[1]] }"
    canvas.on_node(page, "SDGenSessionPlan", show)
    page.evaluate("() => app.canvas.setDirty(true, true)")
    canvas.shows(page, "plan", "Run makes 3 images")
    canvas.press_run(page)
    plan = canvas.panel(page, "plan")
    failed(page)
    assert state_of(web_comfy, name)["done"] == 2, state_of(web_comfy, name)["failures"]
    expect(plan).to_contain_text("2 of 3 images · 1 failed")
    plan.get_by_role("button", name="Retry failed").click()
    said(page, "1 image to be made again")
    failed(page)
    menu(page, "Leave out failed")
    said(page, "1 image left out")
    expect(plan.locator(".sdgen-is-completed")).to_be_visible(timeout=canvas.SESSION_MS)
    menu(page, "Take back what was left out")
    said(page, "1 image to be made again")
    failed(page)
    assert state_of(web_comfy, name)["done"] == 2


def test_several_themes_are_previewed_as_they_will_be_made(
    page: Page, web_comfy: ComfyServer, frontend: str, page_errors: list[Any]
) -> None:
    folder = web_comfy.base / "user" / "sdgen" / "templates" / f"mix_{frontend}"
    for theme, hats in {"gala": "top hat", "pirates": "tricorne, bandana"}.items():
        (folder / "themes" / theme).mkdir(parents=True)
        values = ", ".join(f"{hat.split()[0]}: {hat}" for hat in hats.split(", "))
        (folder / "themes" / theme / "hat.yaml").write_text(f"variations: {{{values}}}\n", encoding="utf-8")
        text = f"imports: {{Hat: themes/{theme}/hat.yaml}}\n"
        (folder / "themes" / theme / "theme.yaml").write_text(text, encoding="utf-8")
    (folder / "base.template.yaml").write_text(
        "name: hats\ntemplate: '{prompt}'\nimports: {Hat: [cap]}\nthemes: {enable_autodiscovery: true, search_paths: [themes]}\n",
        encoding="utf-8",
    )
    (folder / "hats.prompt.yaml").write_text(
        "name: hats\nimplements: base.template.yaml\nprompt: 'a {Colour} {Hat}'\n"
        "imports: {Colour: [red, blue, green, grey, black, white]}\ngeneration: {seed: 1}\n",
        encoding="utf-8",
    )
    canvas.load(page, canvas.shipped("txt2img_session"))
    canvas.set_widget(page, "SDGenTemplate", "file", f"templates/mix_{frontend}/hats.prompt.yaml")
    canvas.set_widget(page, "SDGenTemplate", "theme", "gala:1, pirates:2")
    canvas.set_widget(page, "SDGenTemplate", "limit", 6)
    canvas.shows(page, "template", "gala 2 · pirates 4")
    canvas.shows(page, "template", "1–2 of 2")
    canvas.shows(page, "template", "tricorne")
    canvas.shows(page, "plan", "Run makes 6 images")
    canvas.set_widget(page, "SDGenTemplate", "distribution", "balanced")
    canvas.shows(page, "template", "gala 3 · pirates 3")
    canvas.set_widget(page, "SDGenTemplate", "theme", "gala:1, pirate:2")
    canvas.shows(page, "template", "pirates")
    expect(canvas.panel(page, "template").locator(".sdgen-error")).to_contain_text("pirate")
    canvas.wait(lambda: canvas.is_outlined_red(page, "SDGenTemplate"), page)
    canvas.forgive_refusals(page_errors)


def test_the_planner_says_what_a_session_will_cost(page: Page, web_comfy: ComfyServer, frontend: str) -> None:
    name = f"cost_{frontend}"
    canvas.load(page, small_session(name, 4))
    canvas.shows(page, "plan", "Run makes 4 images")
    canvas.press_run(page)
    expect(canvas.panel(page, "plan").locator(".sdgen-is-completed")).to_be_visible(timeout=canvas.SESSION_MS)
    canvas.load(page, small_session(f"{name} again", 12))
    canvas.shows(page, "plan", "Run makes 12 images")
    canvas.shows(page, "plan", f"as session {name} went")


def test_the_menu_speaks_french_and_nothing_of_it_is_cut_off(page: Page, web_comfy: ComfyServer, frontend: str) -> None:
    try:
        canvas.choose(page, {"Comfy.Locale": "fr"})
        canvas.reload(page)
        canvas.draw_nodes_with(page, "vue")
        canvas.load(page, small_session(f"fr_{frontend}", 2))
        canvas.shows(page, "plan", "Exécuter produira 2 images")
        page.evaluate("() => app.queuePrompt(0)")
        plan = canvas.panel(page, "plan")
        expect(plan.locator(".sdgen-is-completed")).to_have_text("terminée", timeout=canvas.SESSION_MS)
        for width, height in ((700, 520), (1440, 900)):
            page.set_viewport_size({"width": width, "height": height})
            plan.locator(".sdgen-more").dispatch_event("click")
            box = page.locator(".sdgen-menu").bounding_box()
            assert box and box["x"] >= 0 and box["y"] >= 0, box
            assert box["x"] + box["width"] <= width and box["y"] + box["height"] <= height, box
            expect(page.get_by_role("menuitem").filter(has_text="Renommer")).to_be_visible()
            page.keyboard.press("Escape")
            menu(page, "Prolonger …")
            dialog = page.get_by_role("dialog")
            wide = dialog.evaluate("e => e.scrollWidth - e.clientWidth")
            assert wide <= 1 and dialog.get_by_role("button", name="Exécuter").is_visible()
            page.keyboard.press("Escape")
        with Image.open(io.BytesIO(plan.screenshot())) as shot:
            assert shot.width > 100
    finally:
        canvas.choose(page, {"Comfy.Locale": "en"})
