"""New sessions are looked for from ComfyUI's own menu, and what is found is told."""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import Page, expect

from sdgen_core.comfy.runtime import ComfyServer

from . import canvas

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "sessions" / "20261122_142121-Plain_Run_One"


def test_new_sessions_are_imported_from_the_menu(page: Page, web_comfy: ComfyServer, frontend: str) -> None:
    name = f"20250101_120000-{frontend}"
    shutil.copytree(SAMPLE, web_comfy.base / "archive" / name)
    page.locator(".comfy-menu-button-wrapper, button[aria-label=Menu]").first.click()
    page.get_by_role("menuitem", name="SDGen").first.hover()
    page.get_by_role("menuitem", name="Import new sessions").click()
    expect(page.get_by_text("Sessions imported").first).to_be_visible(timeout=canvas.PATIENCE_MS)
    found = web_comfy.client.get("/sdgen/images?limit=500")["images"]
    assert {image["file"] for image in found} >= {path.name for path in SAMPLE.glob("*.png")}
