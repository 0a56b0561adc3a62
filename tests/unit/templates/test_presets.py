"""Parameters, ADetailer and ControlNet."""

from __future__ import annotations

import pytest

FACE = """\
type: adetailer_config
version: '2.0'
detector:
  ad_model: face.pt
  ad_confidence: 0.4
  ad_inpaint_width: 640
  ad_prompt: 'a face, {Light}'
"""
OLD = "version: '1.0'\ndetectors:\n  - {ad_model: a.pt}\n  - {ad_model: b.pt, ad_steps: 12}\n"
CANNY = "type: controlnet_config\nversion: 1.0\nunits:\n  - {model: canny, threshold_a: 100}\n  - {model: depth}\n"
FILES = {"p/face.adetailer.yaml": FACE, "p/old.adetailer.yaml": OLD, "p/c.controlnet.yaml": CANNY}


def item(case, parameters, text="x", **blocks):
    return case(text, FILES, parameters=parameters, **blocks).plan().item(0)


def detectors(case, form):
    return item(case, f"{{adetailer: {form}}}", "{Light}").parameters["adetailer"]["detectors"]


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        ("p/face.adetailer.yaml", [("face.pt", 0.4, 640)]),
        (
            "[p/face.adetailer.yaml, p/old.adetailer.yaml]",
            [("face.pt", 0.4, 640), ("a.pt", 0.3, 512), ("b.pt", 0.3, 512)],
        ),
        ("{import: p/face.adetailer.yaml, override: {ad_confidence: 0.9}}", [("face.pt", 0.9, 640)]),
        ("[{import: p/face.adetailer.yaml, ad_inpaint_width: 700}]", [("face.pt", 0.4, 700)]),
        ("[p/face.adetailer.yaml, {ad_confidence: 1}]", [("face.pt", 1.0, 640)]),
        ("{ad_model: own.pt}", [("own.pt", 0.3, 512)]),
        ("[p/face.adetailer.yaml, {ad_model: own.pt}]", [("face.pt", 0.4, 640), ("own.pt", 0.3, 512)]),
    ],
)
def test_adetailer_forms(case, form, wanted):
    found = detectors(case, form)
    assert [(d["ad_model"], d["ad_confidence"], d["ad_inpaint_width"]) for d in found] == wanted
    assert all(len(d) == 42 for d in found)


@pytest.mark.parametrize("off", ["null", "false"])
def test_presets_can_be_switched_off(project, case, off):
    project.put(
        {"t.template.yaml": "name: T\ntemplate: '{prompt}'\nparameters: {steps: 5, adetailer: p/face.adetailer.yaml}\n"}
    )
    assert item(case, f"{{adetailer: {off}}}", implements="t.template.yaml").parameters == {"steps": 5}


def test_detector_prompts_take_the_choice(case):
    project = case(
        "{Coat[Red]} {Light}",
        FILES,
        parameters="{adetailer: {import: p/face.adetailer.yaml, ad_negative_prompt: 'bad {Coat}, {nobody}'}}",
    )
    found = [i.parameters["adetailer"]["detectors"][0] for i in project.plan().items()]
    assert [d["ad_prompt"] for d in found] == ["a face, dawn light", "a face, noon light"]
    assert found[0]["ad_negative_prompt"] == "bad red coat, {nobody}"
    assert any("{nobody}" in w for w in project.load().warnings)


def test_a_name_only_in_a_detector_is_drawn_and_not_looped(case):
    plan = case("{Coat}", FILES, parameters="{adetailer: p/face.adetailer.yaml}").plan()
    assert plan.count == 5
    assert {i.keys["Light"] for i in plan.items()} == {"Dawn", "Noon"}


def test_controlnet(case):
    units = item(case, "{controlnet: [p/c.controlnet.yaml, {weight: 2, control_mode: x}]}").parameters["controlnet"][
        "units"
    ]
    assert [(u["model"], u["weight"], u["threshold_a"], u["control_mode"]) for u in units] == [
        ("canny", 2.0, 100.0, "x"),
        ("depth", 1.0, 64.0, "Balanced"),
    ]
    unit = item(case, "{controlnet: {model: m, image: img/a.png}}").parameters["controlnet"]["units"][0]
    assert (unit["image"], unit["guess_mode"]) == ("img/a.png", False)
    for form in ("{model: m, override: {weight: 2}}", "[{model: m}, {override: {weight: 2}}]"):
        (unit,) = item(case, f"{{controlnet: {form}}}").parameters["controlnet"]["units"]
        assert (unit["model"], unit["weight"]) == ("m", 2.0)


def test_controlnet_images_from_an_import(case):
    project = case(
        "x",
        FILES,
        imports="{Image: [a.png, b.png]}",
        parameters="{controlnet: {model: m, image: {Image}}}",
        generation="{seed: 1, max_images: 5}",
    )
    assert project.plan().count == 1  # an image of ControlNet is no choice of the prompt
    plan = project.plan(build={"count": 4})
    assert plan.count == 4
    assert {i.parameters["controlnet"]["units"][0]["image"] for i in plan.items()} == {"a.png", "b.png"}
    assert all(i.values["Image"] == i.parameters["controlnet"]["units"][0]["image"] for i in plan.items())


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ("{adetailer: {import: p/face.adetailer.yaml, override: {nope: 1}}}", "nope"),
        ("{adetailer: {import: p/face.adetailer.yaml, override: {ad_confidence: high}}}", "ad_confidence"),
        ("{adetailer: {}}", "import"),
        ("{adetailer: 5}", "5"),
        ("{controlnet: {model: x, strength: 2}}", "strength"),
        ("{controlnet: {weight: 2}}", "model"),
        ("{controlnet: [{weight: 2}]}", "no unit"),
        ("{controlnet: {import: p/c.controlnet.yaml, override: strong}}", "override"),
        ("{controlnet: p/face.adetailer.yaml}", "version"),
    ],
)
def test_bad_presets(case, parameters, word):
    error = case("{Light}", FILES, parameters=parameters).error()
    assert error.code == "bad-preset"
    assert word in str(error)


def test_missing_preset(case):
    error = case("x", FILES, parameters="{adetailer: p/fac.adetailer.yaml}").error()
    assert (error.code, error.nearest[0]) == ("missing-file", "p/face.adetailer.yaml")


def test_presets_lie_beside_the_file_that_names_them(case):
    files = {
        "sub/t.template.yaml": "name: T\ntemplate: '{prompt}'\nparameters: {adetailer: f.adetailer.yaml}\n",
        "sub/f.adetailer.yaml": FACE,
    }
    files["f.adetailer.yaml"] = FACE.replace("face.pt", "leaf.pt")
    found = case("{Light}", files, implements="sub/t.template.yaml").plan().item(0).parameters["adetailer"]["detectors"]
    assert found[0]["ad_model"] == "face.pt"


def test_parameters_vary_per_image(case):
    project = case(
        "x",
        imports="{Steps: [10, 20], Size: ['512', '768']}",
        parameters="{steps: {Steps}, width: '{Size}', note: 'n {Steps}', seed: .inf}",
    )
    found = [i.parameters for i in project.plan().items()]
    assert [(p["steps"], p["width"], p["note"]) for p in found] == [
        (10, 512, "n 10"),
        (10, 768, "n 10"),
        (20, 512, "n 20"),
        (20, 768, "n 20"),
    ]
    assert found[0]["seed"] == ".inf"  # no infinity in JSON
    items = list(project.plan().items())
    assert len({i.identity for i in items}) == 4
