"""The shipped workflows and the gallery look as they should: nothing overlaps, nothing is cut off.

With ``SDGEN_PICTURES=1`` the pictures of the README and of the template browser are written anew from the newest frontend.
"""

from __future__ import annotations

import io
import itertools
import os
import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from sdgen_core.catalog.library import Library
from sdgen_core.cli.graphs import SHIPPED
from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.training.desk import Desk, model_file, model_files
from sdgen_core.training.native.installation import Installation
from sdgen_core.training.runs.service import Runs
from sdgen_core.training.runs.trainers import installation_at, trainers

from . import canvas, demo, gallery

RECIPES = [name for name in SHIPPED if name != "txt2img_session"]
#: Without a template and a planner.
SMALL = ("score_session", "train_lora_native", "train_lora_kohya", "improve_value")

WRITE = bool(os.environ.get("SDGEN_PICTURES"))

BOXES = {
    "canvas": """() => app.graph.nodes.map(n => [n.title, n.pos[0], n.pos[1] - 30, n.pos[0] + n.size[0], n.pos[1] + n.size[1]])""",
    "vue": """() => [...document.querySelectorAll('[data-node-id]')].map(e => {
        const box = e.getBoundingClientRect()
        return [app.graph.getNodeById(e.dataset.nodeId)?.title, box.left, box.top, box.right, box.bottom]
    })""",
}


def overlaps(page: Page, renderer: str, least: int = 10) -> list[tuple[str, str]]:
    """Pairs of nodes that lie on each other; there are that many nodes at ``least``."""
    boxes = page.evaluate(BOXES[renderer])
    assert len(boxes) >= least
    return [
        (a[0], b[0])
        for a, b in itertools.combinations(boxes, 2)
        if min(a[3], b[3]) - max(a[1], b[1]) > 1 and min(a[4], b[4]) - max(a[2], b[2]) > 1
    ]


@pytest.mark.parametrize("renderer", ["canvas", "vue"])
def test_nodes_do_not_overlap_before_and_after_a_session(page: Page, frontend: str, renderer: str) -> None:
    canvas.draw_nodes_with(page, renderer)
    canvas.choose(page, {"Comfy.Minimap.Visible": False, "Comfy.Graph.CanvasInfo": False})
    for name in ("txt2img_session", "seed_sweep"):
        workflow = canvas.shipped(name)
        posing = WRITE and frontend == "newest" and renderer == "vue"
        if not posing:
            canvas.node(workflow, "SDGenSessionPlan")["widgets_values"][0] = f"{name} {frontend} {renderer}"
            canvas.node(workflow, "SDGenTemplate")["widgets_values"][5] = 4
        canvas.load(page, workflow)
        canvas.shows(page, "plan", "Run makes")
        page.wait_for_timeout(500)
        assert overlaps(page, renderer) == []
        canvas.press_run(page)
        expect(canvas.panel(page, "plan").locator(".sdgen-is-completed")).to_be_visible(timeout=canvas.SESSION_MS)
        page.wait_for_timeout(1000)
        assert overlaps(page, renderer) == []
        for panel in ("template", "plan"):
            hidden = canvas.panel(page, panel).evaluate("e => e.scrollHeight - e.clientHeight")
            assert hidden <= 1, f"{hidden} pixels of the {panel} panel are cut off"
        if posing:
            write_pictures(page, name)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_nothing_is_cut_off_where_values_are_chosen(page: Page, frontend: str, language: str) -> None:
    try:
        canvas.choose(page, {"Comfy.Minimap.Visible": False, "Comfy.Graph.CanvasInfo": False, "Comfy.Locale": language})
        canvas.reload(page)
        canvas.draw_nodes_with(page, "vue")
        workflow = canvas.shipped("txt2img_session")
        template = canvas.node(workflow, "SDGenTemplate")
        template["widgets_values"][0] = "examples/portrait/studio_portrait.prompt.yaml"
        template["widgets_values"][6] = "Hair[0]; Person[#0,2,5;limit:2]; Nobody[none]"
        canvas.load(page, workflow)
        canvas.shows(page, "template", "studio portrait")
        template["widgets_values"][6] = "Person[#0,2,5,6;limit:2]; Light[#1-3]"
        for width, height in ((700, 520), (1440, 900)):
            page.set_viewport_size({"width": width, "height": height})
            for tool, kind in ((0, "value"), (1, "theme")):
                canvas.panel(page, "template").locator(".sdgen-toolbar button").nth(tool).dispatch_event("click")
                dialog = page.locator(f".sdgen-{kind}-dialog")
                expect(dialog).to_be_visible()
                assert cut_off(page) == [], (width, kind)
                page.keyboard.press("Escape")
                expect(dialog).to_have_count(0)
        if WRITE and frontend == "newest" and language == "en":
            canvas.load(page, workflow)
            canvas.shows(page, "template", "Person2 of 8")
            view(page, 0.84, 80, 130)
            canvas.panel(page, "template").get_by_role("button", name="Person").click()
            page.get_by_role("dialog").get_by_role("textbox").fill("her")
            expect(page.locator(".sdgen-outcome:not(.sdgen-stale)")).to_contain_text("images")
            save(page, canvas.ROOT / "web" / "docs" / "images" / "choose_values.png")
    finally:
        canvas.choose(page, {"Comfy.Locale": "en"})


def cut_off(page: Page) -> list[str]:
    """What in an open window lies outside of it, or is wider than its place (a list of values may be cut with an ellipsis)."""
    script = """() => {
        const box = document.querySelector('dialog').getBoundingClientRect()
        const outside = e => {
            const b = e.getBoundingClientRect()
            return b.left < box.left - 1 || b.right > box.right + 1 || b.top < -1 || b.bottom > innerHeight + 1
        }
        const wide = e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible'
        const parts = [...document.querySelectorAll('dialog, dialog button, dialog input, dialog .sdgen-count, dialog .sdgen-tools')]
        const bad = parts.filter(e => !e.closest('.sdgen-names, .sdgen-values, .sdgen-themes') && (outside(e) || wide(e)))
        return bad.map(e => e.className + ': ' + e.textContent.slice(0, 40))
    }"""
    found: list[str] = page.evaluate(script)
    return found


@pytest.mark.parametrize("renderer", ["canvas", "vue"])
def test_the_workflows_of_recipes_can_be_read(page: Page, web_comfy: ComfyServer, frontend: str, renderer: str) -> None:
    # whoever has images sees the first one in the node that loads one: the frontend makes that node as high as the image
    Image.new("RGB", (256, 512), "teal").save(web_comfy.base / "input" / "0 portrait.png")
    canvas.reload(page)
    canvas.draw_nodes_with(page, renderer)
    canvas.choose(page, {"Comfy.Minimap.Visible": False, "Comfy.Graph.CanvasInfo": False})
    posing = WRITE and frontend == "newest" and renderer == "vue"
    for name in (*RECIPES, *SMALL):
        workflow = canvas.shipped(name)
        canvas.load(page, workflow)
        if name not in SMALL:
            canvas.shows(page, "plan", "Run makes")
        page.wait_for_timeout(1000)
        assert overlaps(page, renderer, 5 if name in SMALL else 10) == [], name
        if posing:
            width = max(g["bounding"][0] + g["bounding"][2] for g in workflow["groups"])
            height = max(g["bounding"][3] for g in workflow["groups"])
            page.evaluate("() => app.extensionManager.command.execute('Workspace.ToggleFocusMode')")
            scale = min(1400 / width, 760 / height)
            view(page, scale, 10, 10)
            save(page, canvas.ROOT / "workflows" / f"{name}.jpg", width=1440, height=800, scale=0.6)
            page.evaluate("() => app.extensionManager.command.execute('Workspace.ToggleFocusMode')")


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gallery.Served]:
    """A server of the demo's library after some weeks, one of whose sessions the demo's scorer has looked at."""
    with gallery.built_page():
        server = gallery.Served(tmp_path_factory.mktemp("weeks"))
        demo.library(server.root)
        server.scan()
        demo.judge(server.library)
        with server:
            [(slug,)] = server.rows("SELECT slug FROM session WHERE name=?", demo.MAIN)
            gallery.score(server, slug)
            yield server


#: What of the gallery is looked at: its address, and what is there when all of it is.
SCREENS = {
    "sessions": ("/sessions", ".sdgen-card:nth-child(1) .sdgen-strip img"),
    "images": ("/images?session={session}", ".sdgen-cell img"),
    "review": ("/images?session={session}&review=1", ".sdgen-stage[data-shown=original]"),
    "compare": (
        "/compare?session={sweep}&pivot=Colour&locks=lock%3DShape%3AStar%26any%3DBackground",
        ".sdgen-pair img",
    ),
    "statistics": ("/statistics?table=values", ".sdgen-stats"),
    "scores": ("/images?session={session}&image={image}", ".sdgen-machine li"),
}


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("size", [(390, 844), (1400, 900), (3440, 1440)], ids=str)
def test_the_gallery_can_be_read(browser: Browser, weeks: gallery.Served, screen: str, size: tuple[int, int]) -> None:
    """On a phone, a desk and a very wide screen, light and dark: words stand out from what is behind them, and none is cut off
    without a way to read it; no control lies under another."""
    slugs = dict(weeks.rows("SELECT name, slug FROM session"))
    address, there = SCREENS[screen]
    where = "image JOIN session ON session.id = session WHERE slug=? AND number=?"
    [(image,)] = weeks.rows(f"SELECT image.id FROM {where}", slugs[demo.MAIN], demo.STAR)
    address = address.format(session=slugs[demo.MAIN], sweep=slugs[demo.SWEEP], image=image)
    looks: dict[str, Any] = {"viewport": {"width": size[0], "height": size[1]}, "color_scheme": "dark"}
    if size[0] < 500:
        looks |= {"has_touch": True, "is_mobile": True}
    with gallery.opened(browser, weeks.url, address, **looks) as page:
        if screen == "scores" and size[0] < 500:
            page.get_by_role("button", name="Details").click()
        expect(page.locator(there).first).to_be_visible(timeout=gallery.PATIENCE_MS)
        expect(page.locator(".sdgen-spinner")).to_have_count(0)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert page.evaluate(LEGIBLE) == [], scheme
        if WRITE and size == (1400, 900):
            pose(page, screen)


@pytest.mark.skipif(not WRITE, reason="only writes a picture: what is in it is looked at by the tests of training")
def test_a_training_has_its_picture(browser: Browser, demo_models: Path, comfyui_folder: Path, tmp_path: Path) -> None:
    trainer_of = trainers(partial(Installation, comfyui_folder), partial(installation_at, comfyui_folder))
    runs = Runs(tmp_path / "training", trainer_of)
    files, file = partial(model_files, demo_models), partial(model_file, demo_models)

    def desk(library: Library) -> Desk:
        return Desk(library, runs, names=("native",), files=files, file=file, follows=True)

    with gallery.built_page():
        server = gallery.Served(tmp_path, training=desk)
        demo.library(server.root)
        server.scan()
        demo.judge(server.library)
        with server:
            recipe = {"name": "purple stars", "value": "Colour=Purple", "at_least": 20}
            gallery.ask(server, "/sdgen/training/datasets", {"recipe": recipe})
            order = {
                "name": "purple stars",
                "trainer": "native",
                "checkpoint": "sdgen-demo.safetensors",
                "dataset": "purple stars",
            }
            order |= {"steps": 100, "options": {"save_every": 25}}
            run = gallery.ask(server, "/sdgen/training/runs", order)["id"]
            looks: dict[str, Any] = {"viewport": {"width": 1400, "height": 900}, "color_scheme": "dark"}
            with gallery.opened(browser, server.url, f"/training?run={run}", **looks) as page:
                far = re.compile(r"(7[6-9]|8\d) of 100 steps .* left")
                expect(page.locator(".sdgen-run-said")).to_contain_text(far, timeout=gallery.SCORED_MS * 2)
                pose(page, "training")
            gallery.ask(server, f"/sdgen/training/runs/{run}/stop", {})
            while gallery.ask(server, "/sdgen/training/runs")["runs"][0]["state"] != "stopped":
                time.sleep(0.2)


#: What cannot be read: too pale, cut off, or under something else.
LEGIBLE = """() => {
    const pen = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true })
    const colour = text => {
        pen.clearRect(0, 0, 1, 1)
        pen.fillStyle = text
        pen.fillRect(0, 0, 1, 1)
        const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data
        return [r, g, b, a / 255]
    }
    const on = (above, below) => [0, 1, 2].map(i => above[i] * above[3] + below[i] * (1 - above[3])).concat(1)
    const light = c => {
        const [r, g, b] = c.map(v => v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const behind = e => {
        const own = colour(getComputedStyle(e).backgroundColor)
        return own[3] === 1 ? own : on(own, e.parentElement ? behind(e.parentElement) : [255, 255, 255, 1])
    }
    const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05)
    const styles = e => e ? [getComputedStyle(e), ...styles(e.parentElement)] : []
    const hidden = e => {
        const own = e.getBoundingClientRect()
        for (let n = e.parentElement; n; n = n.parentElement) {
            const box = n.getBoundingClientRect()
            const out = own.right > box.right + 1 || own.left < box.left - 1 || own.bottom > box.bottom + 1 || own.top < box.top - 1
            if (out && getComputedStyle(n).overflow !== 'visible') return true
        }
        return own.bottom > innerHeight
    }
    const app = document.querySelector('.sdgen-viewer') ?? document.querySelector('.sdgen-app')
    const wrong = []
    const say = (what, e) => wrong.push(`${what}: ${e.className} "${(e.innerText || e.ariaLabel || '').slice(0, 40)}"`)
    for (const e of app.querySelectorAll('*')) {
        const words = [...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim())
        if (!words || !e.checkVisibility({ visibilityProperty: true }) || e.matches('option, .sdgen-unseen') || e.closest('svg')) continue
        const all = styles(e), seen = all.reduce((share, style) => share * style.opacity, 1)
        if (!e.closest(':disabled, .sdgen-cell') && seen > 0) {
            const back = behind(e), [r, g, b, a] = colour(all[0].color)
            const ratio = contrast(on([r, g, b, a * seen], back), back)
            const coarse = parseFloat(all[0].fontSize) >= 18 || !/[\\p{L}\\p{N}]/u.test(e.innerText)  // large, or a sign
            if (ratio < (coarse ? 3 : 4.5)) say(`too pale (${ratio.toFixed(1)})`, e)
        }
        if (all[0].overflow === 'hidden' && e.scrollWidth > e.clientWidth + 1) {
            if (all[0].textOverflow !== 'ellipsis' || !e.closest('[title], [aria-label]')) say('cut off', e)
        }
    }
    for (const e of app.querySelectorAll('button, input, select, a')) {
        if (!e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || hidden(e)) continue
        const box = e.getBoundingClientRect()
        const there = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)
        if (there && !e.contains(there) && !there.contains(e) && ![...e.labels ?? []].some(l => l.contains(there))) say('covered', e)
    }
    return wrong
}"""


def pose(page: Page, screen: str) -> None:
    """Show what a picture of the README shows."""
    if screen == "images":
        page.get_by_role("slider", name="Size of the images").fill("130")
        page.evaluate("document.activeElement.blur()")
    if screen == "review":
        for done, key in enumerate("oko", 1):
            page.keyboard.press(key)
            expect(page.locator(".sdgen-review-count")).to_contain_text(f"{done} image")
    page.mouse.move(700, 1)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        target = canvas.ROOT / "web" / "docs" / "images" / f"gallery_{screen}.webp"
        shot.convert("RGB").save(target, quality=88, method=6)


def write_pictures(page: Page, name: str) -> None:
    """Write the README's picture of the canvas, and the one of the template browser."""
    web, workflows = canvas.ROOT / "web" / "docs" / "images", canvas.ROOT / "workflows"
    page.wait_for_timeout(9000)  # the message that the session is complete goes by itself
    if name == "seed_sweep":
        view(page, 0.7, 80, 130)
        web.mkdir(parents=True, exist_ok=True)
        save(page, web / "canvas.png")
        show_menu(page, web)
    else:
        show_sheet(page, web)
    page.evaluate("() => app.extensionManager.command.execute('Workspace.ToggleFocusMode')")
    page.mouse.move(1420, 790)  # no tooltip where a click was
    view(page, 0.72, 10, 10)
    save(page, workflows / f"{name}.jpg", width=1440, height=800, scale=0.6)
    page.evaluate("() => app.extensionManager.command.execute('Workspace.ToggleFocusMode')")


def show_menu(page: Page, folder: Path) -> None:
    """Write the picture of a session's menu."""
    view(page, 0.9, -320, -330)
    canvas.panel(page, "plan").locator(".sdgen-more").dispatch_event("click")
    boxes = [canvas.panel(page, "plan").bounding_box(), page.locator(".sdgen-menu").bounding_box()]
    left, top = (round(min(box[side] for box in boxes if box)) - 12 for side in ("x", "y"))
    right, bottom = (
        round(max(box[side] + box[size] for box in boxes if box)) + 12
        for side, size in (("x", "width"), ("y", "height"))
    )
    save(page, folder / "session_menu.png", right - left, min(bottom, 900) - top, left=left, top=top)
    page.keyboard.press("Escape")


def show_sheet(page: Page, folder: Path) -> None:
    """Write the picture of the sheet that the menu opens."""
    canvas.panel(page, "plan").locator(".sdgen-more").dispatch_event("click")
    page.get_by_role("menuitem").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("img.sdgen-sheet")).to_be_visible(timeout=canvas.PATIENCE_MS)
    page.wait_for_timeout(1500)
    box = dialog.bounding_box()
    assert box
    save(
        page, folder / "sheet.png", round(box["width"]), round(box["height"]), left=round(box["x"]), top=round(box["y"])
    )
    page.keyboard.press("Escape")


def view(page: Page, scale: float, left: int, top: int) -> None:
    """Show the canvas at this scale with its origin at this place of the page."""
    script = """([scale, x, y]) => {
        Object.assign(app.canvas.ds, { scale, offset: [x / scale, y / scale] })
        app.canvas.setDirty(true, true)
    }"""
    page.evaluate(script, [scale, left, top])
    page.wait_for_timeout(1500)


def save(
    page: Page, target: Path, width: int = 1440, height: int = 900, scale: float = 1.0, left: int = 0, top: int = 0
) -> None:
    """Save what the page shows, or a part of it."""
    clip: Any = {"x": left, "y": top, "width": width, "height": height}
    with Image.open(io.BytesIO(page.screenshot(clip=clip))) as shot:
        picture = shot.convert("RGB").resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS)
    picture.save(target, quality=82, optimize=True)
