"""Keys, commands and settings of the gallery inside ComfyUI: each goes where it belongs."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from sdgen_core.comfy.runtime import ComfyServer

from . import canvas, gallery, orders


def test_keys_go_where_they_belong(page: Page, web_comfy: ComfyServer, frontend: str) -> None:
    name = f"keys_{frontend}"
    session = orders.order(web_comfy, name, ["cat", "dog"])
    orders.reaches(web_comfy, session, "completed", page)
    marks = lambda: [image["mark"] for image in orders.images(web_comfy, session)]  # noqa: E731
    posted: list[str] = []
    page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)

    # while the gallery is closed its keys do nothing, not even with the tab open; at the tab's newest image they mark it
    tab = orders.open_tab(page)
    newest = tab.locator(".sdgen-newest")
    expect(newest).to_be_visible(timeout=canvas.PATIENCE_MS)
    page.evaluate("document.activeElement.blur()")
    gallery.press(page, ["f", "i", "t", "u", "k", "z"])
    newest.get_by_role("button").first.focus()
    gallery.press(page, "i")
    expect(newest.get_by_role("button", name="Interesting")).to_have_attribute("aria-pressed", "true")
    orders.until(lambda: sorted(marks(), key=str) == [None, "interesting"], page)
    assert len([url for url in posted if "/judge" in url]) == 1

    # the key that opens the gallery closes it again, wherever one is in it
    full = orders.open_gallery(page)
    page.keyboard.press("Alt+l")
    expect(full).to_have_count(0)
    orders.open_images(page, name, 2)
    gallery.cells(page).first.dblclick()
    expect(page.locator(".sdgen-viewer")).to_be_visible()
    page.keyboard.press("Alt+l")
    expect(full).to_have_count(0)
    page.keyboard.press("Alt+l")  # it is where it was
    viewer = page.locator(".sdgen-viewer")
    expect(viewer).to_be_visible()

    # what is typed into a field is a text
    posted.clear()
    tags = viewer.get_by_role("combobox", name="Add a tag").or_(viewer.get_by_role("textbox", name="Add a tag")).first
    tags.click()
    page.keyboard.type("fitting k")
    expect(tags).to_have_value("fitting k")
    tags.fill("")
    page.keyboard.press("Delete")
    assert not [url for url in posted if "/judge" in url]
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Escape")
    gallery.found(page, 2)
    box = page.get_by_role("combobox", name="Search")
    box.click()
    page.keyboard.type("rif")
    expect(box).to_have_value("rif")
    box.fill("")
    page.keyboard.press("Escape")
    assert "review" not in page.url and not [url for url in posted if "/judge" in url]

    # ComfyUI's keys do nothing to the canvas behind, even where nothing has the focus
    canvas.load(page, canvas.shipped("seed_sweep"))
    count = page.evaluate("app.graph.nodes.length")
    select = (
        "app.canvas.selectItems ? app.canvas.selectItems(app.graph.nodes) : app.canvas.selectNodes(app.graph.nodes)"
    )
    page.evaluate(select)
    page.evaluate("document.activeElement.blur()")
    gallery.press(page, ["Delete", "Backspace", "Control+m", "Control+b", "Control+Enter"])
    gallery.cells(page).first.click()
    gallery.press(page, ["Control+m", "Control+b", "Control+Enter"])
    page.wait_for_timeout(500)
    assert page.evaluate("app.graph.nodes.length") == count
    assert page.evaluate("app.graph.nodes.every(n => n.mode === 0)")
    assert not [url for url in posted if url.endswith("/prompt")]


def test_commands_and_settings_are_listed_and_followed(page: Page, frontend: str) -> None:
    commands: list[dict[str, Any]] = page.evaluate(
        """() => app.extensionManager.command.commands.filter(c => c.id.startsWith('SDGen.'))
            .map(c => ({ id: c.id, label: typeof c.label === 'function' ? c.label() : c.label, key: c.keybinding?.combo.toString() }))"""
    )
    assert {one["id"]: one["label"] for one in commands} == {
        "SDGen.Gallery": "Open the gallery",
        "SDGen.Import": "Import new sessions",
    }
    assert [one["key"] for one in commands if one["id"] == "SDGen.Gallery"] == ["Alt + l"]

    # where the gallery was closed, or at its list: a switch in ComfyUI's settings
    full = orders.open_gallery(page)
    full.get_by_role("button", name="Statistics", exact=True).click()
    expect(page.locator(".sdgen-screen-statistics")).to_be_visible()
    page.keyboard.press("Alt+l")
    orders.open_gallery(page)
    expect(page.locator(".sdgen-screen-statistics")).to_be_visible()
    page.keyboard.press("Alt+l")
    page.evaluate("app.extensionManager.command.execute('Comfy.ShowSettingsDialog')")
    dialog = page.get_by_role("dialog").filter(has=page.get_by_text("SDGen", exact=True)).last
    dialog.get_by_text("SDGen", exact=True).first.click()
    switch = (
        dialog.get_by_label("Open the gallery where it was closed").or_(dialog.locator("[id='SDGen.KeepPlace']")).first
    )
    expect(dialog.get_by_text("Say when a session ends")).to_be_visible(timeout=canvas.PATIENCE_MS)
    try:
        switch.click()
        canvas.wait(lambda: page.evaluate("app.extensionManager.setting.get('SDGen.KeepPlace')") is False, page)
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        orders.open_gallery(page)
        page.keyboard.press("Alt+l")
        orders.open_gallery(page)
        expect(page.locator(".sdgen-screen-sessions")).to_be_visible()
    finally:
        canvas.choose(page, {"SDGen.KeepPlace": True})
