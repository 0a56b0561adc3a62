"""What ComfyUI's page says when a session ends, and that it says nothing when nobody wants to hear it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from sdgen_core.comfy.runtime import ComfyServer

from . import canvas, orders

SETTING = "SDGen.TellEnds"

#: Keeps what was said in the page of any session's end; each frontend has messages of its own make.
WATCH = """() => {
    window.told = []
    setInterval(() => {
        for (const [text] of document.body.textContent.matchAll(/Session \\S+ (?:is complete|is paused|ended with errors).{0,120}/gs))
            if (!window.told.includes(text)) window.told.push(text)
    }, 100)
}"""


@pytest.fixture
def switched(page: Page) -> Iterator[None]:
    """The setting is as it was when the test is over: all pages of a server share it."""
    try:
        yield
    finally:
        canvas.choose(page, {SETTING: True})


def switch(page: Page, on: bool) -> None:
    """Turn the switch in ComfyUI's settings."""
    page.evaluate("app.extensionManager.command.execute('Comfy.ShowSettingsDialog')")
    dialog = page.get_by_role("dialog").filter(has=page.get_by_text("SDGen", exact=True)).last
    dialog.get_by_text("SDGen", exact=True).first.click()
    dialog.get_by_label("Say when a session ends").or_(dialog.locator(f"[id='{SETTING}']")).first.click()
    canvas.wait(lambda: page.evaluate(f"app.extensionManager.setting.get('{SETTING}')") is on, page)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def tells(page: Page, text: str, detail: str) -> None:
    """Wait until a message says this."""
    canvas.wait(lambda: any(text in told and detail in told for told in page.evaluate("window.told")), page, 60_000)


def test_a_session_that_ends_is_told_of(page: Page, web_comfy: ComfyServer, frontend: str) -> None:
    done, failed, paused = (f"{name}_{frontend}" for name in ("finished", "broken", "waiting"))
    page.evaluate(WATCH)
    orders.order(web_comfy, done, ["cat", "dog"], wait=0.3)
    tells(page, f"Session {done} is complete", "2 of 2 images made")
    orders.order(web_comfy, failed, ["cat", "dog"], wait=0.3, fail_at="dog")
    tells(page, f"Session {failed} ended with errors", "1 of 2 images made")

    # what is paused here is told of, too: it runs on until its image is done
    tab = orders.open_tab(page)
    orders.order(web_comfy, paused, [f"value {n}" for n in range(20)], wait=0.5)
    running = tab.locator(".sdgen-running").filter(has_text=paused)
    running.get_by_role("button", name="Pause").click(timeout=canvas.PATIENCE_MS)
    tells(page, f"Session {paused} is paused", "of 20 images made")


@pytest.mark.usefixtures("switched")
def test_nothing_is_told_when_the_switch_is_off(page: Page, web_comfy: ComfyServer, frontend: str) -> None:
    quiet, loud = f"quiet_{frontend}", f"loud_{frontend}"
    tab = orders.open_tab(page)
    page.evaluate(WATCH)
    switch(page, False)
    orders.order(web_comfy, quiet, ["cat", "dog"], wait=0.5)
    running = tab.locator(".sdgen-running").filter(has_text=quiet)
    expect(running).to_be_visible(timeout=canvas.PATIENCE_MS)
    expect(running).to_have_count(0, timeout=canvas.PATIENCE_MS)  # the page has heard of its end

    # again at once when it is on, without a reload
    switch(page, True)
    orders.order(web_comfy, loud, ["cat", "dog"], wait=0.3)
    tells(page, f"Session {loud} is complete", "2 of 2 images made")
    told = page.evaluate("window.told")
    assert any(loud in text for text in told), told
    assert not any(quiet in text for text in told), told
