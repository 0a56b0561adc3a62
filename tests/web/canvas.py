"""What the tests of the page do to ComfyUI's canvas."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Locator, Page, expect

ROOT = Path(__file__).resolve().parents[2]

#: How long the page may take for something that the server answers at once; build machines are slow.
PATIENCE_MS = 30_000
#: How long a small session of the demo model may take.
SESSION_MS = 240_000


def shipped(name: str) -> dict[str, Any]:
    """A workflow that SDGen ships, in canvas format."""
    workflow: dict[str, Any] = json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))
    return workflow


def shipped_api(name: str) -> dict[str, Any]:
    """The same in API format."""
    prompt: dict[str, Any] = json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8"))
    return prompt


def node(workflow: dict[str, Any], kind: str) -> dict[str, Any]:
    """The first node of a class in a canvas workflow."""
    return next(n for n in workflow["nodes"] if n["type"] == kind)


def draw_nodes_with(page: Page, renderer: str) -> None:
    """Choose how the frontend draws nodes: on the ``canvas`` or as ``vue`` components."""
    page.evaluate("on => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)", renderer == "vue")


def load(page: Page, workflow: dict[str, Any], scale: float = 0.7) -> None:
    """Open a workflow and show all of it."""
    page.evaluate("workflow => app.loadGraphData(workflow)", workflow)
    page.evaluate(
        "scale => { app.canvas.ds.scale = scale; app.canvas.ds.offset = [110, 130]; app.canvas.setDirty(true, true) }",
        scale,
    )


def panel(page: Page, kind: str) -> Locator:
    """The panel in the node: ``template`` or ``plan``."""
    return page.locator(f".sdgen-panel.sdgen-{kind}")


def shows(page: Page, kind: str, text: str, timeout: float = PATIENCE_MS) -> None:
    """Wait until the panel shows ``text``, for the question as it is now."""
    where = page.locator(f".sdgen-panel.sdgen-{kind}:not(.sdgen-stale)")
    expect(where).to_contain_text(text, timeout=timeout)


def set_widget(page: Page, kind: str, name: str, value: Any) -> None:
    """Change a widget of the first node of a class, as another extension would: without an event."""
    script = """([kind, name, value]) => {
        const node = app.graph.nodes.find(n => n.comfyClass === kind)
        node.widgets.find(w => w.name === name).value = value
    }"""
    page.evaluate(script, [kind, name, value])


def widget(page: Page, kind: str, name: str) -> Any:
    """The value of a widget of the first node of a class."""
    script = (
        "([kind, name]) => app.graph.nodes.find(n => n.comfyClass === kind).widgets.find(w => w.name === name).value"
    )
    return page.evaluate(script, [kind, name])


def on_node(page: Page, kind: str, script: str) -> Any:
    """Call a script with the first node of a class."""
    return page.evaluate(f"kind => ({script})(app.graph.nodes.find(n => n.comfyClass === kind))", kind)


def colour(element: Locator) -> str:
    """The colour of an element's text."""
    return str(element.evaluate("e => getComputedStyle(e).color"))


def choose(page: Page, settings: dict[str, Any]) -> None:
    """Set settings of ComfyUI."""
    script = (
        "async settings => { for (const [id, value] of settings) await app.extensionManager.setting.set(id, value) }"
    )
    page.evaluate(script, list(settings.items()))


def reload(page: Page) -> None:
    """Load the page anew, as the user's F5."""
    page.reload()
    ready = "() => Boolean(window.app?.graph && window.app.extensionManager && window.LiteGraph?.registered_node_types.KSampler)"
    page.wait_for_function(ready, timeout=90_000)


def saved(page: Page) -> dict[str, Any]:
    """The workflow as the frontend would save it now."""
    workflow: dict[str, Any] = page.evaluate("() => JSON.parse(JSON.stringify(app.graph.serialize()))")
    return workflow


def prompt(page: Page) -> dict[str, Any]:
    """The API prompt that a press of Run would post now."""
    output: dict[str, Any] = page.evaluate("async () => (await app.graphToPrompt()).output")
    return output


def press_run(page: Page) -> None:
    """One press of Run."""
    page.get_by_role("button", name="Run", exact=True).first.click()


def drop_file(page: Page, path: Path) -> None:
    """Open a file as dropping it onto the canvas does."""
    script = """async ([name, data]) => {
        const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0))
        await app.handleFile(new File([bytes], name, { type: 'image/png' }))
    }"""
    page.evaluate(script, [path.name, base64.b64encode(path.read_bytes()).decode("ascii")])


def forgive_refusals(page_errors: list[Any]) -> None:
    """The browser itself prints a line for each template that the server refuses; a test that types wrong ones forgives them."""
    forgive(page_errors, "/sdgen/templates/")


def forgive(page_errors: list[Any], route: str) -> None:
    """The same for another of our routes."""
    ours = page_errors[0].ours
    ours[:] = [
        text for text in ours if not (route in text and ("400 (Bad Request)" in text or "404 (Not Found)" in text))
    ]


def wait(condition: Callable[[], bool], page: Page, timeout: float = PATIENCE_MS) -> None:
    """Wait until a condition is true."""
    for _ in range(int(timeout / 200)):
        if condition():
            return
        page.wait_for_timeout(200)
    raise AssertionError("waited in vain")


def is_outlined_red(page: Page, kind: str) -> bool:
    """Whether there is a red line along the left side of the first node of a class."""
    place = """node => {
        const { scale, offset } = app.canvas.ds, box = app.canvas.canvas.getBoundingClientRect()
        const [x, y] = [0, 1].map(i => (node.pos[i] + offset[i]) * scale + (i ? box.top : box.left))
        return { x: x - 14, y: y + 20, width: 15, height: node.size[1] * scale - 40 }
    }"""
    with Image.open(io.BytesIO(page.screenshot(clip=on_node(page, kind, place)))) as shot:
        pixels = shot.convert("RGB").tobytes()
    reds = sum(
        r > 140 and r > 2 * g and r > 2 * b for r, g, b in zip(pixels[::3], pixels[1::3], pixels[2::3], strict=True)
    )
    return reds > shot.height / 2


def toast(page: Page, text: str) -> Locator:
    """A message in the corner of the page."""
    return page.get_by_text(text).first
