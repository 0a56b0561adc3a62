"""Which graph a template's parameters ask for, and the images that it names. The server's lists are recorded, not invented."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from sdgen_core.cli.detail_choice import DETAIL_INPUTS, DETAIL_WITHOUT_EFFECT
from sdgen_core.cli.graph_choice import Choice, choose, described
from sdgen_core.cli.graph_inputs import Offers
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
    ("CheckpointLoaderSimple", "ckpt_name"): [
        "sd15.safetensors",
        "sam3.safetensors",
        "inpaint/sd15-inpainting.safetensors",
    ],
    ("VAELoader", "vae_name"): ["mse.safetensors"],
    ("KSampler", "sampler_name"): ["euler", "dpmpp_2m"],
    ("KSampler", "scheduler"): ["normal", "karras"],
}

#: Nodes that find things, as their packs and newer versions of ComfyUI define them.
_SEARCH = {
    "image": ["IMAGE"],
    "threshold": ["FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0, "step": 0.01}],
    "dilation": ["INT", {"default": 10, "min": -512, "max": 512, "step": 1}],
    "crop_factor": ["FLOAT", {"default": 3.0, "min": 1.0, "max": 100, "step": 0.1}],
    "drop_size": ["INT", {"min": 1, "max": 16384, "step": 1, "default": 10}],
    "labels": ["STRING", {"multiline": True, "default": "all"}],
}
FINDERS = {
    "BboxDetectorSEGS": {"bbox_detector": ["BBOX_DETECTOR"], **_SEARCH},
    "SegmDetectorSEGS": {"segm_detector": ["SEGM_DETECTOR"], **_SEARCH},
    "ImpactSEGSToMaskList": {"segs": ["SEGS"]},
    "SAM3_Detect": {
        "model": ["MODEL", {}], "image": ["IMAGE", {}], "conditioning": ["CONDITIONING", {}],
        "threshold": ["FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0, "step": 0.01}],
        "refine_iterations": ["INT", {"default": 2, "min": 0, "max": 5}],
        "individual_masks": ["BOOLEAN", {"default": False}],
    },
}  # fmt: skip


class RecordedServer:
    """Answers of a ComfyUI to /object_info; ``without`` are nodes that it does not have."""

    def __init__(self, *without: str) -> None:
        self.without = without

    def get(self, path: str) -> Any:
        node = path.rpartition("/")[2]
        if node in self.without:
            return {}
        if node in FINDERS:
            return {node: {"input": {"required": FINDERS[node]}}}
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


def painters(choice: Choice) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The graph, and the inputs of its detail nodes."""
    prompt = build(choice.recipe).prompt
    return prompt, [n["inputs"] for n in prompt.values() if n["class_type"] == "SDGenDetail"]


def test_a_detector_is_what_it_finds_and_how_that_is_painted() -> None:
    choice = chosen(
        "{adetailer: {ad_model: face_yolov8n.pt, ad_confidence: 0.4, ad_denoising_strength: 0.35, ad_mask_blur: 8,"
        " ad_dilate_erode: -2, ad_mask_k_largest: 2, ad_y_offset: 5, ad_mask_min_ratio: 0.01, ad_use_steps: true,"
        " ad_steps: 9, ad_use_sampler: true, ad_sampler: DPM++ 2M Karras, ad_mask_merge_invert: Merge}}"
    )
    assert choice.warnings == ()
    prompt, [node] = painters(choice)
    expected = {
        "denoise": 0.35, "blur": 8, "grow": -2, "largest": 2, "largest_by": "size", "right": 0, "down": -5, "steps": 9,
        "sampler_name": "dpmpp_2m", "scheduler": "karras", "min_ratio": 0.01, "max_ratio": 1.0, "padding": 32,
        "only_masked": True, "merge": "together", "width": planner("width"), "height": planner("height"),
        "seed": planner("seed"), "cfg": planner("cfg"), "image": ["8", 0], "model": ["3", 0], "vae": ["3", 2],
        "positive": ["4", 0], "negative": ["5", 0],
    }  # fmt: skip
    assert {name: value for name, value in node.items() if name != "masks"} == expected
    masks = prompt[node["masks"][0]]
    found = prompt[masks["inputs"]["segs"][0]]
    assert masks["class_type"] == "ImpactSEGSToMaskList" and found["class_type"] == "BboxDetectorSEGS"
    assert set(found["inputs"]) == set(FINDERS["BboxDetectorSEGS"])
    assert (found["inputs"]["threshold"], found["inputs"]["labels"]) == (0.4, "all")
    detector, slot = found["inputs"]["bbox_detector"]
    assert slot == 0 and prompt[detector]["inputs"] == {"model_name": "bbox/face_yolov8n.pt"}
    assert prompt[prompt["9"]["inputs"]["images"][0]]["class_type"] == "SDGenDetail"


def test_a_segmentation_model_gives_shapes_and_two_detectors_follow_each_other() -> None:
    prompt, [first, second] = painters(
        chosen(
            "{adetailer: [{ad_model: face_yolov8n.pt}, {ad_model: person_yolov8n-seg.pt, ad_model_classes: person}]}"
        )
    )
    assert prompt[second["image"][0]]["inputs"] is first
    found = prompt[prompt[second["masks"][0]]["inputs"]["segs"][0]]
    assert found["class_type"] == "SegmDetectorSEGS" and found["inputs"]["segm_detector"][1] == 1
    assert found["inputs"]["labels"] == "person" and found["inputs"]["image"] == second["image"]


def test_sam_3_of_comfyui_itself_finds_what_it_is_told() -> None:
    asked = "{adetailer: {ad_model: sam3, ad_model_classes: face, ad_confidence: 0.6}}"
    prompt, [node] = painters(chosen(asked, "UltralyticsDetectorProvider"))
    found = prompt[node["masks"][0]]
    assert found["class_type"] == "SAM3_Detect" and set(found["inputs"]) == set(FINDERS["SAM3_Detect"])
    assert found["inputs"]["threshold"] == 0.6 and found["inputs"]["individual_masks"] is True
    sam = found["inputs"]["model"][0]
    assert prompt[sam]["inputs"] == {"ckpt_name": "sam3.safetensors"}
    words = prompt[found["inputs"]["conditioning"][0]]["inputs"]
    assert words == {"text": "face", "clip": [sam, 1]}
    assert "ad_model_classes" in refused("{adetailer: {ad_model: sam3.safetensors}}").message


def test_a_detail_pass_has_prompts_and_models_of_its_own() -> None:
    prompt, [node] = painters(
        chosen("{adetailer: {ad_prompt: 'sharp, [PROMPT]', ad_use_vae: true, ad_vae: mse}}", prompt="a <lora:x:1> cat")
    )
    assert prompt[node["vae"][0]]["inputs"] == {"vae_name": "mse.safetensors"}
    encoder = prompt[node["positive"][0]]
    assert encoder["class_type"] == "SDGenEncodePrompt" and node["model"][0] == node["positive"][0]
    assert encoder["inputs"]["model"] == ["3", 0], "without the LoRAs of the image's prompt, which are in the text"
    assert encoder["inputs"]["text"] == "sharp, {prompt}"
    assert node["negative"] == ["5", 2]
    prompt, [node] = painters(
        chosen(
            "{adetailer: {ad_use_checkpoint: true, ad_checkpoint: sd15-inpainting, ad_use_clip_skip: true, ad_clip_skip: 2}}"
        )
    )
    loader = node["vae"][0]
    assert prompt[loader]["inputs"] == {"ckpt_name": "inpaint/sd15-inpainting.safetensors"}
    encoder = prompt[node["positive"][0]]["inputs"]
    assert (encoder["model"], encoder["text"], encoder["clip_skip"]) == ([loader, 0], planner("positive"), 2)
    assert prompt[node["negative"][0]]["inputs"]["clip"] == [node["positive"][0], 1]


def test_what_no_node_does_is_said() -> None:
    choice = chosen("{adetailer: {ad_restore_face: true, ad_controlnet_model: tile, ad_prompt: 'a [SEP] b'}}")
    assert len(choice.warnings) == 2
    assert "ad_restore_face, ad_controlnet_model" in choice.warnings[0] and "[SEP]" in choice.warnings[1]
    assert "ad_mask_merge_invert may be none, merge" in refused("{adetailer: {ad_mask_merge_invert: Mix}}").message


def test_every_field_of_a_detector_is_placed() -> None:
    """A field is an input of the node, without effect there, read by name, or counts only together with one of these."""
    read = {
        "ad_model", "ad_model_classes", "ad_tab_enable", "ad_prompt", "ad_negative_prompt", "ad_confidence", "ad_y_offset",
        "ad_mask_filter_method", "ad_mask_merge_invert", "ad_sampler", "ad_scheduler", "ad_checkpoint", "ad_vae", "ad_clip_skip",
        "ad_steps", "ad_cfg_scale", "ad_inpaint_width", "ad_inpaint_height",
    }  # fmt: skip
    behind = {
        "ad_noise_multiplier", "ad_controlnet_module", "ad_controlnet_weight", "ad_controlnet_guidance_start",
        "ad_controlnet_guidance_end",
    }  # fmt: skip
    fields = set(Detector.model_fields)
    uses = {name for name in fields if name.startswith("ad_use_")} - set(DETAIL_WITHOUT_EFFECT)
    assert fields == {*DETAIL_INPUTS, *DETAIL_WITHOUT_EFFECT, *read, *behind, *uses}
    for name, plain in DETAIL_WITHOUT_EFFECT.items():
        assert Detector.model_fields[name].default in plain


def test_without_a_detector_the_packs_are_named() -> None:
    face = "{adetailer: {ad_model: face_yolov8n.pt}}"
    for missing in ("UltralyticsDetectorProvider", "BboxDetectorSEGS", "ImpactSEGSToMaskList"):
        error = refused(face, missing, "SegmDetectorSEGS", "SAM3_Detect")
        assert error.code == "no-detector" and "ComfyUI-Impact-Subpack" in str(error.hint)
        assert "SAM 3" not in str(error.hint)
    assert "SAM 3" in str(refused(face, "UltralyticsDetectorProvider").hint)
    error = refused("{adetailer: {ad_model: face_yolov9c.pt}}")
    assert error.code == "no-detector" and "bbox/face_yolov8n.pt" in error.nearest and "ultralytics" in str(error.hint)


# ---- graphs ---------------------------------------------------------------------------------------------------------


def every_recipe() -> list[Recipe]:
    details = (Detail("bbox/x.pt", settings={"steps": 3}), Detail("sam", "words", prompt="a [PROMPT]"))
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
