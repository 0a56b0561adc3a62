"""Choosing on the canvas: values of placeholders, themes and styles; files that come and change; errors marked at the node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from sdgen_core.comfy.runtime import ComfyServer

from . import canvas

DEMO = "examples/demo/demo.prompt.yaml"


@pytest.fixture
def templates(web_comfy: ComfyServer) -> Path:
    """The user's template folder."""
    folder = web_comfy.base / "user" / "sdgen" / "templates"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def open_values(page: Page) -> Locator:
    canvas.panel(page, "template").get_by_role("button", name="Choose the values of each placeholder").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def count(dialog: Locator, name: str) -> Locator:
    """How many values of a placeholder are chosen, as the dialog says it."""
    return dialog.locator(".sdgen-name-row").filter(has_text=name).locator(".sdgen-count")


def show(dialog: Locator, name: str) -> None:
    dialog.locator(".sdgen-name-row").filter(has_text=name).click()


def sent_choices(page: Page) -> Any:
    """What a press of Run would send."""
    [node] = [n for n in canvas.prompt(page).values() if n["class_type"] == "SDGenTemplate"]
    return node["inputs"]["choices"]


@pytest.mark.parametrize("renderer", ["canvas", "vue"])
def test_values_are_chosen_with_the_keyboard_saved_and_run(
    page: Page, web_comfy: ComfyServer, frontend: str, renderer: str
) -> None:
    name = f"chosen_{frontend}_{renderer}"
    workflow = canvas.shipped("txt2img_session")
    canvas.node(workflow, "SDGenSessionPlan")["widgets_values"][0] = name
    canvas.draw_nodes_with(page, renderer)
    canvas.load(page, workflow)
    canvas.shows(page, "template", "48 images")
    canvas.on_node(page, "SDGenTemplate", "node => { app.canvas.selectNode(node) }")
    nodes = page.evaluate("() => app.graph.nodes.length")

    # a click on a placeholder in the node opens its values
    canvas.panel(page, "template").get_by_role("button", name="Shape").click()
    dialog = page.get_by_role("dialog")
    expect(count(dialog, "Shape")).to_have_text("6")
    dialog.get_by_role("button", name="None", exact=True).click()
    expect(count(dialog, "Shape")).to_have_text("left out")
    dialog.get_by_role("textbox").fill("CIR")
    expect(dialog.locator(".sdgen-value")).to_have_count(1)
    for key in ("ArrowDown", "Delete", "Backspace", "Space"):
        page.keyboard.press(key)
    expect(count(dialog, "Shape")).to_have_text("1 of 6")
    # to the placeholders, and one up
    for key in ("ArrowLeft", "ArrowUp", "ArrowRight", "Delete"):
        page.keyboard.press(key)
    expect(dialog.locator(".sdgen-name-row:has(:checked)")).to_contain_text("Colour")
    for key in ("Control+a", "Space", "ArrowDown", "ArrowDown", "Space", "Home", "End", "Space"):
        page.keyboard.press(key)
    expect(count(dialog, "Colour")).to_have_text("5 of 8")
    expect(dialog.locator(".sdgen-outcome:not(.sdgen-stale)")).to_contain_text("5 combinations → 5 images")
    dialog.get_by_label("Draw at random").first.check()
    dialog.get_by_role("spinbutton").fill("2")
    expect(count(dialog, "Colour")).to_have_text("2 drawn from 5")
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    assert page.evaluate("() => app.graph.nodes.length") == nodes

    written = "Colour[Green,Yellow,Purple,Orange,Cyan;limit:2]; Shape[Circle]"
    assert canvas.widget(page, "SDGenTemplate", "choices") == sent_choices(page) == written
    canvas.shows(page, "template", "Colour2 of 8")
    canvas.shows(page, "plan", "Run makes 2 images")

    # Escape leaves everything as it was
    dialog = open_values(page)
    show(dialog, "Background")
    dialog.get_by_role("button", name="Invert").click()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert canvas.widget(page, "SDGenTemplate", "choices") == written

    # the draft of the workflow that a reload opens has it; what is written is what the dialog shows
    page.wait_for_timeout(1500)
    canvas.reload(page)
    canvas.shows(page, "plan", "Run makes 2 images")
    dialog = open_values(page)
    expect(count(dialog, "Colour")).to_have_text("2 drawn from 5")
    expect(count(dialog, "Shape")).to_have_text("1 of 6")
    show(dialog, "Colour")
    checked = dialog.locator(".sdgen-value:has(:checked) .sdgen-key")
    assert checked.all_text_contents() == ["Green", "Yellow", "Purple", "Orange", "Cyan"]
    page.keyboard.press("Escape")

    canvas.press_run(page)
    expect(canvas.panel(page, "plan").locator(".sdgen-is-completed")).to_be_visible(timeout=canvas.SESSION_MS)
    [folder] = (web_comfy.base / "output" / "sdgen").glob(f"*-{name}")
    images = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["images"]
    assert len(images) == 2
    assert {i["applied_variations"]["Shape"] for i in images} == {"circle"}
    assert {i["applied_variations"]["Colour"] for i in images} < {"green", "yellow", "purple", "orange", "cyan"}


@pytest.mark.parametrize("renderer", ["canvas", "vue"])
def test_a_choice_can_be_undone_and_copied(page: Page, renderer: str) -> None:
    canvas.draw_nodes_with(page, renderer)
    canvas.load(page, canvas.shipped("txt2img_session"))
    canvas.shows(page, "template", "48 images")
    dialog = open_values(page)
    show(dialog, "Colour")
    dialog.get_by_text("Pink", exact=True).click()
    dialog.get_by_role("button", name="Apply").click()
    canvas.shows(page, "template", "42 images")
    for command, images in (("Undo", 48), ("Redo", 42)):
        page.evaluate("command => app.extensionManager.command.execute(command)", f"Comfy.{command}")
        canvas.shows(page, "template", f"{images} images")
        canvas.shows(page, "plan", f"Run makes {images} images")
    chosen = sent_choices(page)
    copy = "node => { app.canvas.selectNode(node); app.canvas.copyToClipboard(); app.canvas.pasteFromClipboard() }"
    canvas.on_node(page, "SDGenTemplate", copy)
    templates = "app.graph.nodes.filter(n => n.comfyClass === 'SDGenTemplate')"
    values = page.evaluate(f"() => {templates}.map(n => n.widgets.find(w => w.name === 'choices').value)")
    assert values == [chosen, chosen]


def test_what_is_written_by_hand_is_read_and_repaired(page: Page) -> None:
    canvas.load(page, canvas.shipped("txt2img_session"))
    canvas.set_widget(page, "SDGenTemplate", "choices", "Shape[Square,Circle,Dot]; Ghost[Boo]; Colour[#0-2;$3]")
    canvas.shows(page, "template", "6 images")
    expect(canvas.panel(page, "template").locator(".sdgen-warning")).to_contain_text(["not there: Dot", "Ghost"])
    expect(canvas.panel(page, "template").locator(".sdgen-chosen")).to_have_count(2)
    dialog = open_values(page)
    expect(dialog.locator(".sdgen-warning")).to_contain_text(["Shape: the template has no Dot", "has no Ghost"])
    # nothing touched: the text stays, its order too
    dialog.get_by_role("button", name="Apply").click()
    assert sent_choices(page) == "Colour[#0-2;$3]; Shape[Square,Circle,Dot]; Ghost[Boo]"
    dialog = open_values(page)
    dialog.get_by_role("button", name="Remove").click()
    show(dialog, "Shape")
    dialog.locator(".sdgen-value").filter(has_text="Star").click()
    show(dialog, "Colour")
    boxes = dialog.locator(".sdgen-value")
    boxes.nth(3).click()
    boxes.nth(5).click(modifiers=["Shift"])
    dialog.get_by_role("button", name="Apply").click()
    assert sent_choices(page) == "Colour[Red,Green,Blue,Yellow,Purple,Orange;$3]; Shape[Circle,Square,Star]"
    canvas.shows(page, "template", "18 images")
    expect(canvas.panel(page, "template").locator(".sdgen-warning")).to_have_count(0)
    dialog = open_values(page)
    for name in ("Shape", "Colour"):
        show(dialog, name)
        dialog.get_by_role("button", name="As in the template").click()
    dialog.get_by_role("button", name="Apply").click()
    assert sent_choices(page) == ""


def test_a_workflow_of_before_there_were_choices(page: Page) -> None:
    workflow = canvas.shipped("txt2img_session")
    node = canvas.node(workflow, "SDGenTemplate")
    for later in (("distribution", "weighted"), ("choices", "")):
        assert (node["inputs"].pop()["name"], node["widgets_values"].pop()) == later
    for renderer in ("canvas", "vue"):
        canvas.draw_nodes_with(page, renderer)
        canvas.load(page, workflow)
        canvas.shows(page, "template", "48 images")
        assert canvas.prompt(page) == canvas.shipped_api("txt2img_session")


THEMED = {
    "base.template.yaml": """\
name: base
template: 'photo, {prompt}'
imports: {Pet: pets.yaml, Place: [home]}
themes: {enable_autodiscovery: true, search_paths: [themes]}
""",
    "pets.yaml": "variations: {Dog: a dog, Cat: a cat}\n",
    "wild.yaml": "variations: {Wolf: a wolf, Lynx: a lynx, Bear: a bear}\n",
    "owls.yaml": "variations: {Owl: an owl}\n",
    "pets.prompt.yaml": """\
name: pets
implements: base.template.yaml
prompt: '{Pet} at {Place}'
imports: {Place: [the river, 'home, sweet home']}
generation: {mode: combinatorial, seed: 1, seed_mode: fixed, max_images: -1}
""",
    "themes/wild/theme.yaml": "name: wild\ntags: [forest]\nimports: {Pet: wild.yaml, Pet.night: owls.yaml}\n",
    "themes/torn/theme.yaml": "imports: [\n",
}


@pytest.mark.parametrize("renderer", ["canvas", "vue"])
def test_a_new_template_with_its_themes(
    page: Page, templates: Path, frontend: str, renderer: str, page_errors: list[Any]
) -> None:
    """Files are saved while the page is open: the node offers them, shows what they make, and follows them."""
    folder = f"{frontend}_{renderer}"
    file = f"templates/{folder}/pets.prompt.yaml"
    canvas.draw_nodes_with(page, renderer)
    canvas.load(page, canvas.shipped("txt2img_session"))
    canvas.shows(page, "template", "48 images")
    options = "node => { const v = node.widgets.find(w => w.name === 'file').options.values; return typeof v === 'function' ? v() : v }"
    assert file not in canvas.on_node(page, "SDGenTemplate", options)
    for name, text in THEMED.items():
        path = templates / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    canvas.wait(lambda: file in canvas.on_node(page, "SDGenTemplate", options), page)
    page.evaluate("() => app.refreshComboInNodes()")  # the key R
    assert file in canvas.on_node(page, "SDGenTemplate", options)
    canvas.set_widget(page, "SDGenTemplate", "file", file)
    canvas.shows(page, "template", "4 combinations → 4 images")

    # a value that no selector can name by its key is written by its place
    dialog = open_values(page)
    show(dialog, "Place")
    dialog.get_by_text("the river").click()
    dialog.get_by_role("button", name="Apply").click()
    canvas.shows(page, "template", "2 images")
    [place] = [n["inputs"]["choices"] for n in canvas.prompt(page).values() if n["class_type"] == "SDGenTemplate"]
    assert place.startswith("Place[") and "sweet" not in place

    canvas.panel(page, "template").get_by_role("button", name="Choose a theme and a style").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".sdgen-theme")).to_contain_text(["No theme", "torn", "wildforest", "night"])
    expect(dialog.locator(".sdgen-bad")).to_contain_text("theme.yaml:")
    dialog.get_by_role("textbox").fill("forest ni")
    page.keyboard.press("Enter")
    canvas.shows(page, "template", "1 image")
    assert [canvas.widget(page, "SDGenTemplate", name) for name in ("theme", "style")] == ["wild", "night"]
    expect(canvas.panel(page, "template")).to_contain_text("an owl")

    # saved on disk, seen on the canvas
    (templates / folder / "owls.yaml").write_text("variations: {Owl: an owl, Bat: a bat}\n", encoding="utf-8")
    canvas.shows(page, "template", "2 images")
    (templates / folder / "pets.prompt.yaml").write_text(
        THEMED["pets.prompt.yaml"].replace("{Pet}", "{Pat}"), encoding="utf-8"
    )
    canvas.shows(page, "template", "Did you mean 'Pet'?")
    (templates / folder / "pets.prompt.yaml").write_text(THEMED["pets.prompt.yaml"], encoding="utf-8")
    canvas.shows(page, "template", "2 images")
    canvas.forgive_refusals(page_errors)


FAULTY = """\
name: faulty
prompt: a {Colr} {Shap}
imports: {Colour: [red], Shape: [dot]}
generation: {mode: combinatorial}
"""


def test_errors_are_listed_and_mark_the_node(
    page: Page, templates: Path, frontend: str, page_errors: list[Any]
) -> None:
    file = templates / f"faulty_{frontend}.prompt.yaml"
    file.write_text(FAULTY, encoding="utf-8")
    for renderer in ("canvas", "vue"):
        canvas.draw_nodes_with(page, renderer)
        canvas.load(page, canvas.shipped("txt2img_session"))
        canvas.shows(page, "template", "48 images")
        page.wait_for_timeout(500)
        assert not canvas.is_outlined_red(page, "SDGenTemplate")
        canvas.set_widget(page, "SDGenTemplate", "file", f"templates/{file.name}")
        canvas.shows(page, "template", "2 problems")
        errors = canvas.panel(page, "template").locator(".sdgen-error .sdgen-message")
        place = f"templates/{file.name}:2:"
        expect(errors).to_contain_text([f"{place}11", f"{place}18"])
        expect(errors).to_contain_text(["Did you mean 'Colour'?", "Did you mean 'Shape'?"])
        expect(canvas.panel(page, "plan").locator(".sdgen-error")).to_have_count(1)
        page.wait_for_timeout(500)
        assert canvas.is_outlined_red(page, "SDGenTemplate")
        canvas.set_widget(page, "SDGenTemplate", "file", DEMO)
        canvas.shows(page, "template", "48 images")
        page.wait_for_timeout(500)
        assert not canvas.is_outlined_red(page, "SDGenTemplate")
        assert page.evaluate("() => app.graph.nodes.some(n => n.has_errors)") is False
    queue = page.evaluate("async () => (await (await fetch('/queue')).json())")
    assert queue == {"queue_running": [], "queue_pending": []}
    canvas.forgive_refusals(page_errors)


def test_prompts_unfold(page: Page) -> None:
    canvas.load(page, canvas.shipped("txt2img_session"))
    canvas.shows(page, "template", "48 images")
    prompts = canvas.panel(page, "template").locator(".sdgen-prompt")
    expect(prompts).to_have_count(3)
    prompts.nth(1).locator("summary").click()
    expect(prompts.nth(1)).to_have_attribute("open", "")
    canvas.set_widget(page, "SDGenTemplate", "limit", 5)
    canvas.shows(page, "template", "5 images")
    expect(prompts.nth(1)).to_have_attribute("open", "")  # stays open when the preview is asked again
    expect(prompts.nth(0)).not_to_have_attribute("open", "")


def test_the_dialog_speaks_french(page: Page) -> None:
    try:
        canvas.choose(page, {"Comfy.Locale": "fr"})
        canvas.reload(page)
        canvas.load(page, canvas.shipped("txt2img_session"))
        canvas.shows(page, "template", "48 images")
        canvas.panel(page, "template").get_by_role("button", name="Choisir les valeurs").click()
        dialog = page.get_by_role("dialog", name="Valeurs de demo shapes")
        dialog.get_by_role("button", name="Aucune").click()
        expect(dialog.locator(".sdgen-warning")).to_contain_text("omise")
        dialog.get_by_role("button", name="Annuler").last.click()
        expect(dialog).to_have_count(0)
    finally:
        canvas.choose(page, {"Comfy.Locale": "en"})
