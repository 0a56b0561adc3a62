"""Where users find help: the workflows in ComfyUI's template browser, and the help page of a node."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from sdgen_core.cli.graphs import SHIPPED

from . import canvas


def test_a_workflow_opens_from_the_template_browser(page: Page) -> None:
    page.evaluate("() => app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.get_by_text("sdgen", exact=True).first.click(timeout=canvas.PATIENCE_MS)
    for name in ("txt2img_session", "seed_sweep", *SHIPPED, "score_session"):
        expect(page.get_by_text(name).first).to_be_visible(timeout=canvas.PATIENCE_MS)
    page.get_by_text("seed_sweep").first.click()
    canvas.shows(page, "plan", "6 of 48 combinations × 4 seeds")
    assert canvas.prompt(page) == canvas.shipped_api("seed_sweep")


def test_the_help_of_a_node_opens_in_the_page(page: Page) -> None:
    """The frontend finds the help pages by itself: it asks for the node's page in the user's language."""
    canvas.load(page, canvas.shipped("txt2img_session"))
    canvas.on_node(page, "SDGenSessionPlan", "node => { app.canvas.selectNode(node) }")
    page.get_by_test_id("info-button").first.click(timeout=canvas.PATIENCE_MS)
    expect(page.get_by_text("One press of Run makes all of its images").first).to_be_visible(timeout=canvas.PATIENCE_MS)
