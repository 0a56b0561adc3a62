"""Which graph a template's parameters ask for, and the images that it names. The server's lists are recorded, not invented."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from sdgen_core.cli.graph_choice import DETAIL_INPUTS, DETAIL_WITHOUT_EFFECT, Choice, Offers, choose, described
from sdgen_core.cli.graphs import ALPHA, FROM_PLANNER, SHIPPED, Control, Detail, Recipe, SecondPass, build, planner
from sdgen_core.cli.images import with_images
from sdgen_core.errors import SDGenError
from sdgen_core.sessions.compile import compile_graph, is_link
from sdgen_core.templates import Options, ResolvedTemplate, load_template, load_text
from sdgen_core.templates.library import ChosenTemplate
from sdgen_core.templates.preset_model import Detector

ROOT = Path(__file__).resolve().parents[2]

#: The lists of a server with a few models.
LISTS = {
    ("ControlNetLoader", "control_net_name"): ["sd15/control_v11p_sd15_canny.safetensors", "depth.safetensors"],
    ("UpscaleModelLoader", "model_name"): ["RealESRGAN_x4plus.pth", "4x-UltraSharp.pth"],
    ("UltralyticsDetectorProvider", "model_name"): ["bbox/face_yolov8n.pt", "segm/person_yolov8n-seg.pt"],
    ("KSampler", "sampler_name"): ["euler", "dpmpp_2m"],
    ("KSampler", "scheduler"): ["normal", "karras"],
}

#: FaceDetailer as Impact Pack defines it: what has a widget, with its default.
FACE_DETAILER = {
    "image": ["IMAGE"], "model": ["MODEL"], "clip": ["CLIP"], "vae": ["VAE"],
    "guide_size": ["FLOAT", {"default": 512, "min": 64, "max": 16384, "step": 8}],
    "guide_size_for": ["BOOLEAN", {"default": True}],
    "max_size": ["FLOAT", {"default": 1024, "min": 64, "max": 16384, "step": 8}],
    "seed": ["INT", {"default": 0}], "steps": ["INT", {"default": 20}], "cfg": ["FLOAT", {"default": 8.0}],
    "sampler_name": [["euler", "dpmpp_2m"]], "scheduler": [["normal", "karras", "AYS SDXL"]],
    "positive": ["CONDITIONING"], "negative": ["CONDITIONING"],
    "denoise": ["FLOAT", {"default": 0.5, "min": 0.0001, "max": 1.0}],
    "feather": ["INT", {"default": 5, "min": 0, "max": 100}],
    "noise_mask": ["BOOLEAN", {"default": True}], "force_inpaint": ["BOOLEAN", {"default": True}],
    "bbox_threshold": ["FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0}],
    "bbox_dilation": ["INT", {"default": 10, "min": -512, "max": 512}],
    "bbox_crop_factor": ["FLOAT", {"default": 3.0, "min": 1.0, "max": 10}],
    "sam_detection_hint": [["center-1", "horizontal-2", "mask-area", "none"]],
    "sam_dilation": ["INT", {"default": 0}], "sam_threshold": ["FLOAT", {"default": 0.93}],
    "sam_bbox_expansion": ["INT", {"default": 0}], "sam_mask_hint_threshold": ["FLOAT", {"default": 0.7}],
    "sam_mask_hint_use_negative": [["False", "Small", "Outter"]],
    "drop_size": ["INT", {"default": 10, "min": 1}], "bbox_detector": ["BBOX_DETECTOR"],
    "wildcard": ["STRING", {"multiline": True, "dynamicPrompts": False}], "cycle": ["INT", {"default": 1, "min": 1}],
}  # fmt: skip


class RecordedServer:
    """Answers of a ComfyUI to /object_info; ``without`` are nodes that it does not have."""

    def __init__(self, *without: str) -> None:
        self.without = without

    def get(self, path: str) -> Any:
        node = path.rpartition("/")[2]
        if node in self.without:
            return {}
        if node == "FaceDetailer":
            return {node: {"input": {"required": FACE_DETAILER}}}
        return {node: {"input": {"required": {n: [names] for (k, n), names in LISTS.items() if k == node}}}}


def template(parameters: str, prompt: str = "a {Colour} cat") -> ResolvedTemplate:
    return load_text(
        f"""
name: t
prompt: "{prompt}"
imports:
  Colour: {{r: red, g: green}}
  Pose: {{a: poses/a.png, b: poses/b.png}}
  Scale: {{one: "1.5", two: "2"}}
generation: {{mode: combinatorial, seed: 7, seed_mode: progressive, max_images: -1}}
parameters: {parameters}
""",
        Options(),
    )


def chosen(parameters: str, *without: str, **options: Any) -> Choice:
    return choose(template(parameters, **options), Offers(RecordedServer(*without)))


def refused(parameters: str, *without: str) -> SDGenError:
    with pytest.raises(SDGenError) as caught:
        chosen(parameters, *without)
    return caught.value


# ---- which recipe ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "recipe"),
    [
        ("{steps: 4}", Recipe()),
        ("{n_iter: 3, restore_faces: true, enable_hr: false}", Recipe()),
        ("{init_image: x.png, denoising_strength: 0.6}", Recipe(image=True)),
        ("{image: '{Pose}'}", Recipe(image=True)),
        ("{image: {Pose}}", Recipe(image=True)),
        ("{image: x.png, mask: alpha}", Recipe(image=True, mask=ALPHA)),
        ("{image: x.png, mask: m.png, mask_blur: 4}", Recipe(image=True, mask="m.png", mask_blur=4)),
        ("{sd_model: a, sd_vae: b, lora: c}", Recipe(checkpoint=True, vae=True, lora=True)),
        ("{enable_hr: true}", Recipe(second=SecondPass(2.0, latent="bilinear"))),
        (
            "{enable_hr: true, hr_scale: 1.5, hr_upscaler: Latent (nearest-exact), hr_second_pass_steps: 6}",
            Recipe(second=SecondPass(1.5, latent="nearest-exact", steps=6)),
        ),
        ("{enable_hr: true, hr_upscaler: Lanczos}", Recipe(second=SecondPass(pixels="lanczos"))),
        ("{enable_hr: true, hr_upscaler: R-ESRGAN 4x+}", Recipe(second=SecondPass(model="RealESRGAN_x4plus.pth"))),
        ("{enable_hr: true, hr_upscaler: 4x-ultrasharp}", Recipe(second=SecondPass(model="4x-UltraSharp.pth"))),
        (
            "{controlnet: {model: 'control_v11p_sd15_canny [d14c016b]', image: '{Pose}', module: canny, weight: 0.7,"
            " threshold_a: 51, threshold_b: 204, guidance_end: 0.8, resize_mode: Just Resize}}",
            Recipe(
                controls=(
                    Control(
                        "sd15/control_v11p_sd15_canny.safetensors", FROM_PLANNER, "canny", 0.7, 0.0, 0.8, 0.2, 0.8, True
                    ),
                )
            ),
        ),
    ],
)
def test_parameters_choose_the_graph(parameters: str, recipe: Recipe) -> None:
    choice = chosen(parameters)
    assert choice.recipe == recipe
    assert choice.warnings == ()


def test_combinations_are_graphs_too() -> None:
    recipe = chosen(
        "{image: '{Pose}', lora: x, enable_hr: true, hr_upscaler: 4x-UltraSharp,"
        " controlnet: {units: [{model: depth}, {model: control_v11p_sd15_canny, image: edges.png, module: invert}]},"
        " adetailer: [{ad_model: face_yolov8n.pt}]}"
    ).recipe
    assert [c.image for c in recipe.controls] == [None, "edges.png"]
    prompt = build(recipe).prompt
    compiled = compile_graph(prompt, "2")
    assert {"image", "lora", "lora_strength", "denoise"} <= compiled.outputs
    loaded = [n["inputs"]["image"] for n in prompt.values() if n["class_type"] == "LoadImage"]
    assert loaded == [planner("image"), "edges.png"]
    assert described(recipe) == (
        "image to image, LoRA, 2 ControlNets, second pass at 2× (4x-UltraSharp.pth), 1 detail pass"
    )


def test_lora_tags_need_the_node_that_reads_them() -> None:
    assert not chosen("{}").recipe.tags
    recipe = chosen("{}", prompt="a {Colour} cat <lora:fur:0.8>").recipe
    assert recipe.tags
    prompt = build(recipe).prompt
    assert prompt["4"]["class_type"] == prompt["5"]["class_type"] == "SDGenEncodePrompt"
    assert prompt["7"]["inputs"]["model"] == ["4", 0]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ("{mask: m.png}", ["'mask' needs an image"]),
        ("{image: x.png, mask: '{Pose}'}", ["'mask' varies from image to image"]),
        ("{enable_hr: maybe}", ["'enable_hr' must be true or false"]),
        ("{enable_hr: true, hr_scale: '{Scale}'}", ["'hr_scale' varies", "--workflow"]),
        ("{enable_hr: true, hr_scale: 20}", ["'hr_scale' must be from"]),
        ("{enable_hr: true, hr_scale: big}", ["'hr_scale' must be a number"]),
        ("{enable_hr: true, hr_upscaler: 4x-UltraSharb}", ["no upscale model '4x-UltraSharb'", "4x-UltraSharp.pth"]),
        (
            "{controlnet: {model: depht.safetensor, image: x.png}}",
            ["no ControlNet 'depht.safetensor'", "depth.safetensors"],
        ),
        ("{controlnet: {model: depth}}", ["unit 0 names no image"]),
        ("{controlnet: {model: depth, image: x.png, module: openpose}}", ["no preprocessor 'openpose'"]),
        (
            "{image: x.png, controlnet: {model: depth, image: '{Pose}'}}",
            ["image '{Pose}' varies", "one image of a graph only"],
        ),
    ],
)
def test_what_no_graph_can_do_is_an_error(parameters: str, words: list[str]) -> None:
    error = refused(parameters)
    assert error.code == "bad-parameter"
    text = f"{error} {error.nearest} {error.hint}"
    assert all(word in text for word in words), text


def test_settings_that_comfyui_does_not_have_are_said() -> None:
    choice = chosen(
        "{controlnet: {model: depth, image: x.png, control_mode: My prompt is more important, resize_mode: Resize and Fill}}"
    )
    assert (
        len(choice.warnings) == 2 and "control_mode" in choice.warnings[0] and "Resize and Fill" in choice.warnings[1]
    )


# ---- detail passes --------------------------------------------------------------------------------------------------


def test_a_detector_becomes_a_face_detailer_with_its_settings() -> None:
    choice = chosen(
        "{adetailer: {ad_model: face_yolov8n.pt, ad_confidence: 0.4, ad_denoising_strength: 0.35, ad_mask_blur: 8,"
        " ad_dilate_erode: -2, ad_prompt: a sharp face, ad_use_steps: true, ad_steps: 9, ad_use_sampler: true,"
        " ad_sampler: DPM++ 2M Karras}}"
    )
    assert choice.warnings == ()
    (detail,) = choice.recipe.details
    assert (detail.model, detail.prompt, detail.negative) == ("bbox/face_yolov8n.pt", "a sharp face", "")
    prompt = build(choice.recipe).prompt
    [node] = [n["inputs"] for n in prompt.values() if n["class_type"] == "FaceDetailer"]
    expected = {
        "bbox_threshold": 0.4, "denoise": 0.35, "feather": 8, "bbox_dilation": -2, "steps": 9, "sampler_name": "dpmpp_2m",
        "scheduler": "karras", "noise_mask": True, "guide_size_for": False, "bbox_crop_factor": 3.0, "guide_size": 512,
    }  # fmt: skip
    assert {name: node[name] for name in expected} == expected
    assert node["seed"] == planner("seed") and node["cfg"] == planner("cfg")
    # everything the node wants is there, and nothing else
    assert set(node) == set(FACE_DETAILER)
    for name, spec in FACE_DETAILER.items():
        assert is_link(node[name]) or isinstance(spec[0], list) or spec[0] in ("INT", "FLOAT", "BOOLEAN", "STRING")
    assert prompt[node["positive"][0]]["inputs"]["text"] == "a sharp face"
    assert node["negative"] == ["5", 0]
    assert prompt["9"]["inputs"]["images"][0] in [k for k, n in prompt.items() if n["class_type"] == "FaceDetailer"]


def test_a_segmentation_model_gives_its_mask_and_two_detectors_follow_each_other() -> None:
    choice = chosen("{adetailer: [{ad_model: face_yolov8n.pt}, {ad_model: person_yolov8n-seg.pt, ad_x_offset: 3}]}")
    assert [w for w in choice.warnings if "ad_x_offset" in w] == list(choice.warnings)
    prompt = build(choice.recipe).prompt
    first, second = [k for k, n in prompt.items() if n["class_type"] == "FaceDetailer"]
    assert prompt[second]["inputs"]["image"] == [first, 0]
    assert "segm_detector_opt" in prompt[second]["inputs"] and "segm_detector_opt" not in prompt[first]["inputs"]


def test_every_field_of_a_detector_is_placed() -> None:
    """A field is an input of the node, without effect there, or one of those that steer the others."""
    steering = {"ad_model", "ad_tab_enable", "ad_prompt", "ad_negative_prompt", "ad_mask_filter_method"}
    behind = {  # count only together with a field of DETAIL_WITHOUT_EFFECT
        "ad_checkpoint", "ad_vae", "ad_noise_multiplier", "ad_clip_skip", "ad_controlnet_module", "ad_controlnet_weight",
        "ad_controlnet_guidance_start", "ad_controlnet_guidance_end",
    }  # fmt: skip
    uses = {"ad_use_steps", "ad_use_cfg_scale", "ad_use_sampler", "ad_use_inpaint_width_height"}
    fields = set(Detector.model_fields)
    assert fields == {*DETAIL_INPUTS, *DETAIL_WITHOUT_EFFECT, *steering, *behind, *uses}
    assert set(DETAIL_INPUTS.values()) <= set(FACE_DETAILER)
    for name, plain in DETAIL_WITHOUT_EFFECT.items():
        assert Detector.model_fields[name].default in plain


def test_without_a_detector_the_packs_are_named() -> None:
    error = refused("{adetailer: {ad_model: face_yolov8n.pt}}", "UltralyticsDetectorProvider")
    assert error.code == "no-detector" and "ComfyUI-Impact-Subpack" in str(error.hint)
    error = refused("{adetailer: {ad_model: face_yolov9c.pt}}")
    assert error.code == "no-detector" and "bbox/face_yolov8n.pt" in error.nearest and "ultralytics" in str(error.hint)


# ---- graphs ---------------------------------------------------------------------------------------------------------


def every_recipe() -> list[Recipe]:
    details = (Detail("bbox/x.pt", {"steps": 3}),)
    out = []
    for image, second, controls, detail, lora in itertools.product(
        ({}, {"image": True}, {"image": True, "mask": "m.png", "mask_blur": 3}),
        (None, SecondPass(latent="bilinear"), SecondPass(pixels="lanczos"), SecondPass(model="x")),
        ((), (Control("c"), Control("d", "e.png", "canny", stretch=True))),
        ((), details),
        (False, True),
    ):
        out.append(
            Recipe(checkpoint=lora, lora=lora, tags=lora, controls=controls, second=second, details=detail, **image)  # type: ignore[arg-type]
        )
    return out


def test_every_combination_is_whole() -> None:
    """All nodes lead to the image that is saved, every link has its node, and nodes come before those that read them."""
    recipes = every_recipe()
    assert len(recipes) == 96
    for recipe in recipes:
        graph = build(recipe)
        compiled = compile_graph(graph.prompt, "2")
        assert set(compiled.nodes) == set(graph.prompt) - {"1", "2"}
        seen = {"9"}
        todo = ["9"]
        while todo:
            for value in graph.prompt[todo.pop()]["inputs"].values():
                if is_link(value) and value[0] not in seen:
                    seen.add(value[0])
                    todo.append(value[0])
        assert seen == set(graph.prompt), recipe
        assert set(graph.stages) == set(graph.prompt)
        for node_id, node in graph.prompt.items():
            for value in node["inputs"].values():
                if is_link(value):
                    assert graph.stages[value[0]] <= graph.stages[node_id], (recipe, node_id, value)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_workflow_is_its_recipe(name: str) -> None:
    shipped = json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8"))
    assert without_titles(shipped) == without_titles(build(SHIPPED[name]).prompt)


def without_titles(prompt: dict[str, Any]) -> dict[str, Any]:
    return {k: {"class_type": n["class_type"], "inputs": n["inputs"]} for k, n in prompt.items()}


# ---- images ---------------------------------------------------------------------------------------------------------


class RecordingInput:
    """An input folder in memory."""

    def __init__(self, *names: str) -> None:
        self.files: dict[str, bytes] = dict.fromkeys(names, b"")
        self.uploads: list[str] = []

    def has_input(self, name: str) -> bool:
        return name in self.files

    def upload_image(self, name: str, data: bytes) -> str:
        self.files[name] = data
        self.uploads.append(name)
        return name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "poses").mkdir()
    (tmp_path / "poses" / "a.png").write_bytes(b"picture a")
    (tmp_path / "poses" / "b.png").write_bytes(b"picture b")
    return tmp_path


def written(folder: Path, parameters: str, prompt: str = "a {Colour} cat") -> ChosenTemplate:
    file = folder / "t.prompt.yaml"
    file.write_text(
        f"""
name: t
prompt: "{prompt}"
imports: {{Colour: {{r: red, g: green}}, Pose: {{a: poses/a.png, b: poses/b.png}}, Name: {{a: a, b: b, z: nowhere}}}}
generation: {{mode: combinatorial, seed: 7, seed_mode: progressive, max_images: -1}}
parameters: {parameters}
""",
        encoding="utf-8",
    )
    return ChosenTemplate((load_template(file, Options()),))


def parameters_of(chosen: ChosenTemplate) -> list[dict[str, Any]]:
    from sdgen_core.sessions.plan import Plan

    plan = Plan.build(chosen.resolved)
    return [dict(plan.item(n).parameters) for n in range(plan.count)]


def test_images_beside_the_template_are_sent_once(folder: Path) -> None:
    server = RecordingInput()
    chosen = with_images(written(folder, "{image: '{Pose}', mask: poses/a.png}"), folder, server)
    assert len(server.uploads) == 2 and all(name.startswith("sdgen/") for name in server.uploads)
    assert sorted(server.files.values()) == [b"picture a", b"picture b"]
    seen = parameters_of(chosen)
    assert {p["image"] for p in seen} == set(server.uploads)
    assert {p["mask"] for p in seen} == {next(k for k, v in server.files.items() if v == b"picture a")}
    again = with_images(written(folder, "{image: '{Pose}'}"), folder, server)
    assert len(server.uploads) == 2 and {p["image"] for p in parameters_of(again)} == set(server.uploads)


def test_the_prompt_and_the_records_keep_the_values_as_written(folder: Path) -> None:
    from sdgen_core.sessions.plan import Plan

    chosen = with_images(
        written(folder, "{image: '{Pose}'}", prompt="a {Colour} cat of {Pose}"), folder, RecordingInput()
    )
    item = Plan.build(chosen.resolved).item(0)
    plain = Plan.build(written(folder, "{image: '{Pose}'}", prompt="a {Colour} cat of {Pose}").resolved).item(0)
    assert item.prompt == plain.prompt == "a red cat of poses/a.png"
    assert item.values["Pose"] == plain.values["Pose"]


def test_an_image_may_be_named_by_a_part_of_its_path(folder: Path) -> None:
    server = RecordingInput()
    chosen = with_images(written(folder, "{image: 'poses/{Name}.png'}", "a {Name[a,b]} cat"), folder, server)
    assert {p["image"] for p in parameters_of(chosen)} == set(server.uploads) and len(server.uploads) == 2


def test_another_value_leaves_the_other_items_as_they_are(folder: Path) -> None:
    """Items are told apart by their parameters too: an extension must not make everything anew."""
    from sdgen_core.sessions.plan import Plan

    def identities(selector: str) -> set[str]:
        chosen = with_images(
            written(folder, "{image: '{Pose}'}", f"a cat {{Pose[{selector}]}}"), folder, RecordingInput()
        )
        plan = Plan.build(chosen.resolved, seeds=[1])
        return {plan.identity(n) for n in range(plan.count)}

    assert identities("a") < identities("a,b")
    before = identities("a")
    (folder / "poses" / "a.png").write_bytes(b"another picture")
    assert identities("a").isdisjoint(before)


def test_images_of_controlnet_units_and_of_the_input_folder(folder: Path) -> None:
    server = RecordingInput("there.png")
    chosen = with_images(
        written(
            folder,
            "{controlnet: {units: [{model: m, image: '{Pose}'}, {model: m, image: there.png},"
            " {model: m, image: 'data:image/png;base64,cGljdHVyZSBj'}]}}",
        ),
        folder,
        server,
    )
    units = parameters_of(chosen)[0]["controlnet"]["units"]
    assert units[0]["image"] in server.uploads
    assert units[1]["image"] == "there.png"
    assert server.files[units[2]["image"]] == b"picture c"
    assert len(server.uploads) == 3


def test_a_missing_image_is_named_with_its_value(folder: Path) -> None:
    (folder / "poses" / "b.png").rename(folder / "poses" / "bb.png")
    with pytest.raises(SDGenError) as caught:
        with_images(written(folder, "{image: '{Pose}'}"), folder, RecordingInput())
    assert caught.value.code == "missing-file"
    assert "Pose[b]" in caught.value.message and "poses/b.png" in caught.value.message
    assert "bb.png" in caught.value.nearest
