"""The Template and Session Plan nodes on the canvas, in both ways in which the frontend draws nodes.

Loading ComfyUI's page takes longer than everything else here, so a test goes through several states of one page.
"""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from . import canvas

RENDERERS = ("canvas", "vue")

BROKEN = """\
type: prompt
version: '2.0'
name: fruit
prompt: a {Colr} apple
imports:
  Colour: [red, green, yellow]
generation: {mode: combinatorial, seed: 42, seed_mode: progressive, max_images: -1}
"""


def test_template_node_shows_what_it_would_make(page: Page, page_errors: list[Any]) -> None:
    for renderer in RENDERERS:
        canvas.draw_nodes_with(page, renderer)
        canvas.load(page, canvas.shipped("txt2img_session"))
        canvas.shows(page, "template", "48 combinations → 48 images")
        for text in ("demo shapes", "Colour8", "Shape6", "Background3drawn", "a red circle on a"):
            expect(canvas.panel(page, "template")).to_contain_text(text)
        canvas.shows(page, "plan", "Run makes 48 images")

        canvas.set_widget(page, "SDGenTemplate", "limit", 10)
        canvas.shows(page, "template", "10 of 48 combinations → 10 images")
        canvas.shows(page, "plan", "Run makes 10 images")
        canvas.set_widget(page, "SDGenSessionPlan", "count", 4)
        canvas.shows(page, "plan", "Run makes 4 images")
        canvas.shows(page, "template", "10 images")

        # an error in a text that is typed: its place, the nearest name, and it is seen at once
        canvas.set_widget(page, "SDGenTemplate", "file", "(the text below)")
        canvas.shows(page, "template", "no-template")
        page.locator("textarea").first.fill(BROKEN)
        canvas.shows(page, "template", "text:4:11")
        message = canvas.panel(page, "template").locator(".sdgen-error .sdgen-message")
        expect(message).to_contain_text("Did you mean 'Colour'?")
        assert canvas.colour(message) != canvas.colour(canvas.panel(page, "template"))
        expect(canvas.panel(page, "plan").locator(".sdgen-error")).to_be_visible()

        page.locator("textarea").first.fill(BROKEN.replace("{Colr}", "{Colour[2]}"))
        canvas.shows(page, "template", "Colour2 of 3")
        canvas.shows(page, "template", "2 images")
        expect(canvas.panel(page, "template").locator(".sdgen-error")).to_have_count(0)
    canvas.forgive_refusals(page_errors)


def test_panels_are_no_part_of_workflow_and_prompt(page: Page) -> None:
    for renderer in RENDERERS:
        canvas.draw_nodes_with(page, renderer)
        for name in ("txt2img_session", "seed_sweep"):
            workflow = canvas.shipped(name)
            canvas.load(page, workflow)
            canvas.shows(page, "plan", "Run makes")
            again = canvas.saved(page)
            for file in (workflow, again):
                canvas.load(page, file)  # what was saved with the panels loads as before
                canvas.shows(page, "plan", "Run makes")
                assert canvas.prompt(page) == canvas.shipped_api(name)
            values = {n["id"]: n.get("widgets_values") or [] for n in workflow["nodes"]}
            assert {n["id"]: n.get("widgets_values") or [] for n in again["nodes"]} == values


def test_only_the_last_answer_counts(page: Page) -> None:
    """Answers that come late never replace that of the last question, and a question that still changes is not asked."""
    canvas.load(page, canvas.shipped("txt2img_session"))
    canvas.shows(page, "template", "48 images")
    page.evaluate(
        """async () => {
            const { api } = await import('/scripts/api.js')
            const fetchApi = api.fetchApi.bind(api)
            window.asked = []
            api.fetchApi = async (route, options) => {
                if (!route.includes('preview')) return fetchApi(route, options)
                const { limit } = JSON.parse(options.body)
                window.asked.push(limit)
                const answer = await fetchApi(route, { ...options, signal: undefined })
                await new Promise(resolve => setTimeout(resolve, limit === 7 ? 2500 : 0))
                return answer
            }
        }"""
    )
    canvas.set_widget(page, "SDGenTemplate", "limit", 7)
    page.wait_for_function("() => window.asked.includes(7)")
    canvas.set_widget(page, "SDGenTemplate", "limit", 9)
    canvas.shows(page, "template", "9 images")
    page.wait_for_timeout(3000)
    canvas.shows(page, "template", "9 images")
    asked = page.evaluate("() => window.asked.length")
    for limit in range(20, 30):
        canvas.set_widget(page, "SDGenTemplate", "limit", limit)
        page.wait_for_timeout(20)
    canvas.shows(page, "template", "29 images")
    assert page.evaluate("() => window.asked.length") - asked <= 4  # two panels ask, never for each of the ten


def test_planner_follows_what_feeds_it(page: Page, page_errors: list[Any]) -> None:
    canvas.load(page, canvas.shipped("seed_sweep"))
    canvas.shows(page, "plan", "6 of 48 combinations × 4 seeds")
    canvas.set_widget(page, "SDGenSeedSweep", "seeds", "1-12")
    canvas.shows(page, "plan", "6 of 48 combinations × 12 seeds")
    canvas.set_widget(page, "SDGenSeedSweep", "seeds", "4-1")
    canvas.shows(page, "plan", "bad-seed-spec")
    canvas.on_node(
        page, "SDGenSessionPlan", "node => node.disconnectInput(node.inputs.findIndex(i => i.name === 'sweep'))"
    )
    canvas.shows(page, "plan", "Run makes 6 images")
    canvas.on_node(page, "SDGenSessionPlan", "node => node.disconnectInput(0)")
    canvas.shows(page, "plan", "Connect an SDGen Template")
    # the template behind a reroute
    canvas.on_node(
        page,
        "SDGenTemplate",
        """node => {
            const reroute = LiteGraph.createNode('Reroute')
            app.graph.add(reroute)
            node.connect(0, reroute, 0)
            reroute.connect(0, app.graph.nodes.find(n => n.comfyClass === 'SDGenSessionPlan'), 0)
        }""",
    )
    canvas.shows(page, "plan", "Run makes 6 images")
    # what another node gives is known only when it runs
    canvas.on_node(
        page,
        "SDGenTemplate",
        """node => {
            const text = LiteGraph.createNode('PrimitiveString')
            app.graph.add(text)
            text.connect(0, node, node.inputs.findIndex(i => i.name === 'theme'))
        }""",
    )
    canvas.shows(page, "template", "“theme” comes from another node")
    canvas.shows(page, "plan", "“theme” comes from another node")
    # a removed node leaves nothing behind that still asks
    canvas.on_node(page, "SDGenSessionPlan", "node => app.graph.remove(node)")
    expect(canvas.panel(page, "plan")).to_have_count(0)
    canvas.forgive_refusals(page_errors)


def test_french_and_the_light_theme(page: Page, frontend: str) -> None:
    canvas.load(page, canvas.shipped("txt2img_session"))
    canvas.shows(page, "template", "48 combinations")
    dark = canvas.panel(page, "template").evaluate("e => getComputedStyle(e).backgroundColor")
    try:
        canvas.choose(page, {"Comfy.Locale": "fr", "Comfy.ColorPalette": "light"})
        canvas.reload(page)
        canvas.load(page, canvas.shipped("txt2img_session"))
        canvas.shows(page, "template", "48 combinaisons → 48 images")
        canvas.shows(page, "plan", "Exécuter produira 48 images")
        assert canvas.panel(page, "template").evaluate("e => getComputedStyle(e).backgroundColor") != dark
        if frontend == "newest":  # 1.32.9 forgets the names of packs when it loads any language but English
            titles = page.evaluate("() => app.graph.nodes.map(node => node.constructor.title)")
            assert "Gabarit SDGen" in titles
        assert canvas.prompt(page)["2"]["inputs"] == canvas.shipped_api("txt2img_session")["2"]["inputs"]
    finally:
        canvas.choose(page, {"Comfy.Locale": "en", "Comfy.ColorPalette": "dark"})
