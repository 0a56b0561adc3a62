"""The harness itself: ComfyUI's page comes up in a real browser, and an error of our scripts is caught."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page


def test_page_is_comfyuis_canvas(page: Page) -> None:
    assert page.locator("canvas#graph-canvas").is_visible()
    names = page.evaluate("() => Object.keys(window.LiteGraph.registered_node_types)")
    assert "CheckpointLoaderSimple" in names


def test_two_frontends_are_two(page: Page, frontend: str, web_comfy: Any) -> None:
    version = page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__")
    required = web_comfy.client.get("/system_stats")["system"]["required_frontend_version"]
    assert (version == required) == (frontend == "pinned")


def test_errors_of_ours_are_seen_and_others_are_not(page: Page, page_errors: list[Any]) -> None:
    add_script = "text => { const s = document.createElement('script'); s.textContent = text; document.body.append(s) }"
    for address in ("extensions/other/a.js", "extensions/sdgen/a.js"):
        throw = "setTimeout(() => { throw new Error('made by a test') });"
        page.evaluate(add_script, f"{throw} //# sourceURL={page.url}{address}")
    page.wait_for_timeout(500)
    assert len(page_errors[0].ours) == 1
    assert "made by a test" in page_errors[0].ours[0]
    page_errors[0].ours.clear()
