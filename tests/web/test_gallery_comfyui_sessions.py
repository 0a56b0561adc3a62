"""Sessions of a running ComfyUI, steered from the gallery: paused, resumed, extended, stopped, retried, verified, and imported."""

from __future__ import annotations

import re
import shutil

from playwright.sync_api import Page, expect

from sdgen_core.comfy.runtime import ComfyServer

from . import canvas, gallery, orders
from .test_catalog import SAMPLE

#: Keeps what an element has shown, one text after the other.
WATCH = """([selector, name]) => {
    const seen = window.shown = []
    const look = () => {
        const found = [...document.querySelectorAll(selector)].filter(e => e.textContent.includes(name))
        const text = found.map(e => e.textContent.trim()).join(' + ')
        if (text && seen.at(-1) !== text) seen.push(text)
    }
    look()
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true })
}"""


def test_a_session_is_steered_from_the_list_and_the_tab(page: Page, web_comfy: ComfyServer, frontend: str) -> None:
    name = f"steered_{frontend}"
    tab = orders.open_tab(page)
    session = orders.order(web_comfy, name, [f"value {n}" for n in range(30)], count=24, wait=0.5)

    # the tab shows it run, once, and goes on counting
    running = tab.locator(".sdgen-running").filter(has_text=name)
    expect(running).to_have_count(1, timeout=canvas.PATIENCE_MS)
    page.evaluate(WATCH, [".sdgen-running", name])
    expect(running).to_contain_text(re.compile(r"[3-9] of 24 images"), timeout=canvas.PATIENCE_MS)
    made = [[int(n) for n in re.findall(r"(\d+) of 24", text)] for text in page.evaluate("window.shown")]
    assert all(len(one) == 1 for one in made), made  # never twice
    assert made == sorted(made) and len(made) > 2, made

    # paused from the tab, resumed from the list, and the other place knows
    running.get_by_role("button", name="Pause").click()
    orders.reaches(web_comfy, session, "paused", page)
    expect(running.get_by_role("button", name="Resume")).to_be_visible()
    orders.open_gallery(page)
    card = gallery.card(page, name)
    expect(card).to_contain_text("paused", timeout=canvas.PATIENCE_MS)
    expect(card).to_have_count(1)
    orders.choose(page, name, "Resume")
    expect(card).to_contain_text("running", timeout=canvas.PATIENCE_MS)
    orders.choose(page, name, "Pause")
    expect(card).to_contain_text("paused", timeout=canvas.PATIENCE_MS)
    orders.choose(page, name, "Resume")
    orders.choose(page, name, "Stop")
    expect(card).to_contain_text("stopped", timeout=canvas.PATIENCE_MS)
    left = orders.reaches(web_comfy, session, "stopped", page)["left"]
    assert left > 0
    orders.choose(page, name, "Resume")
    expect(card).to_contain_text("24 of 24 images", timeout=canvas.SESSION_MS)
    expect(card).to_contain_text("completed", timeout=canvas.PATIENCE_MS)
    expect(running).to_have_count(0)

    # extended: what is no number of images is refused where it was typed
    orders.choose(page, name, "Extend …")
    window = page.get_by_role("dialog", name=f"Extend: {name}")
    window.get_by_label("How many more images").fill("0")
    window.get_by_role("button", name="Save").click()
    expect(window.get_by_role("spinbutton")).to_be_visible()
    assert orders.status(web_comfy, session)["planned"] == 24
    window.get_by_label("How many more images").fill("3")
    window.get_by_role("button", name="Save").click()
    expect(card).to_contain_text("27 of 27 images", timeout=canvas.SESSION_MS)
    assert len(orders.files(web_comfy, session)) == 27

    # verified: first all is well, then a file is gone
    orders.choose(page, name, "Verify")
    expect(canvas.toast(page, "Files, manifest and ledger agree.")).to_be_visible(timeout=canvas.PATIENCE_MS)
    orders.files(web_comfy, session)[4].unlink()
    orders.choose(page, name, "Verify")
    expect(canvas.toast(page, f"{name}: Something does not agree")).to_be_visible(timeout=canvas.PATIENCE_MS)


def test_failed_images_are_made_again(page: Page, web_comfy: ComfyServer, frontend: str) -> None:
    name = f"unlucky_{frontend}"
    orders.open_gallery(page)
    session = orders.order(web_comfy, name, ["value 1", "value 2", "value 3"], wait=0.2, fail_at="value 2")
    orders.reaches(web_comfy, session, "failed", page)
    card = gallery.card(page, name)
    expect(card).to_contain_text("failed", timeout=canvas.PATIENCE_MS)
    expect(card).to_contain_text("2 of 3 images")
    page.evaluate(WATCH, [".sdgen-card", name])
    orders.choose(page, name, "Retry 1 failed")
    expect(canvas.toast(page, "One image is made again.")).to_be_visible(timeout=canvas.PATIENCE_MS)
    canvas.wait(lambda: any("running" in text for text in page.evaluate("window.shown")), page)
    expect(card).to_contain_text("failed", timeout=canvas.PATIENCE_MS)
    orders.reaches(web_comfy, session, "failed", page)


def test_new_sessions_are_imported_from_the_list(page: Page, web_comfy: ComfyServer, frontend: str) -> None:
    orders.open_gallery(page)
    expect(page.locator(".sdgen-library")).to_contain_text("session", timeout=canvas.PATIENCE_MS)
    wanted = {f"found_{frontend}_{day}" for day in range(1, 5)}
    for day, name in enumerate(sorted(wanted), 1):
        shutil.copytree(SAMPLE, web_comfy.base / "archive" / f"2024010{day}_120000-{name}")
    page.get_by_role("button", name="Import new sessions").first.click()
    progress = page.locator(".sdgen-import")
    expect(progress).to_contain_text(re.compile(r"Done: \d+ sessions read"), timeout=canvas.PATIENCE_MS)
    # what the import says is over is in the catalog, whoever came first: the import or the look every few seconds
    assert wanted <= set(orders.names(web_comfy))
    progress.get_by_role("button", name="Close").click()
    expect(progress).to_have_count(0)
    names = gallery.names(page)
    assert len(names) == len(set(names)), names
