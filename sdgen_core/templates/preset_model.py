"""What ADetailer and ControlNet presets may contain, and what the ``parameters`` block knows.

The fields and their defaults are those of the two A1111 extensions' API, as users' presets name them. ``presets`` takes
its tables from here; it fills fields itself, so that a placeholder may stand in place of any value. Limits are for the
strict rules and for editors; loading does not enforce them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from .fields import FileModel, Text

_MODELS = ["face_yolov8n.pt", "face_yolov8s.pt", "hand_yolov8n.pt", "person_yolov8n-seg.pt", "mediapipe_face_full"]


_DESCRIPTION = Field(
    None, description="What the preset is for. People read it; it has no effect.", examples=["Faces, at full size"]
)


def _part(default: float, description: str) -> Any:
    """A number from 0 to 1."""
    return Field(default, description=description, ge=0, le=1)


class Detector(FileModel):
    """What ADetailer finds in the image, and how it paints it again."""

    VARIABLE: ClassVar[bool] = True

    ad_model: Text | None = Field("face_yolov8n.pt", description="The detection model.", examples=_MODELS)
    ad_model_classes: Text | None = Field(
        "", description="Classes a world model looks for, with commas.", examples=["face, hand"]
    )
    ad_tab_enable: bool = Field(True, description="Whether this detector works.")
    ad_confidence: float = _part(0.3, "How sure the detection must be.")
    ad_mask_k_largest: int = Field(0, description="Keep only so many of the largest finds; 0 keeps all.", ge=0)
    ad_prompt: Text | None = Field(
        "",
        description="Prompt for what is found; the image's prompt when empty. Placeholders take the image's choices.",
        examples=["detailed face, {Expression}"],
    )
    ad_negative_prompt: Text | None = Field("", description="Negative prompt for what is found.", examples=["blurry"])
    ad_mask_filter_method: Text | None = Field(
        "Area", description="What the k largest are judged by.", examples=["Area", "Confidence"]
    )
    ad_mask_min_ratio: float = _part(0.0, "Leave out finds smaller than this part of the image.")
    ad_mask_max_ratio: float = _part(1.0, "Leave out finds larger than this part of the image.")
    ad_dilate_erode: int = Field(4, description="Pixels the mask grows; negative: shrinks.")
    ad_x_offset: int = Field(0, description="Pixels the mask moves to the right.")
    ad_y_offset: int = Field(0, description="Pixels the mask moves up.")
    ad_mask_merge_invert: Text | None = Field(
        "None", description="What is done with several masks.", examples=["None", "Merge", "Merge and Invert"]
    )
    ad_mask_blur: int = Field(4, description="Blur of the mask's edge in pixels.", ge=0)
    ad_denoising_strength: float = _part(0.4, "How much is painted anew: 0 nothing, 1 all.")
    ad_inpaint_only_masked: bool = Field(True, description="Paint at the full size of the mask's surroundings.")
    ad_inpaint_only_masked_padding: int = Field(32, description="Pixels of surroundings that are seen.", ge=0)
    ad_use_inpaint_width_height: bool = Field(False, description="Whether the two sizes below count.")
    ad_inpaint_width: int = Field(512, description="Width the find is painted at, in pixels.", ge=4)
    ad_inpaint_height: int = Field(512, description="Height the find is painted at, in pixels.", ge=4)
    ad_use_steps: bool = Field(False, description="Whether ad_steps counts, instead of the image's steps.")
    ad_steps: int = Field(28, description="Steps.", ge=1)
    ad_use_cfg_scale: bool = Field(False, description="Whether ad_cfg_scale counts, instead of the image's.")
    ad_cfg_scale: float = Field(7.0, description="How strongly the prompt leads.", ge=0)
    ad_use_checkpoint: bool = Field(False, description="Whether ad_checkpoint counts, instead of the image's.")
    ad_checkpoint: Text | None = Field(None, description="Another checkpoint.", examples=["inpainting.safetensors"])
    ad_use_vae: bool = Field(False, description="Whether ad_vae counts, instead of the image's.")
    ad_vae: Text | None = Field(None, description="Another VAE.", examples=["vae-ft-mse.safetensors"])
    ad_use_sampler: bool = Field(False, description="Whether sampler and scheduler below count.")
    ad_sampler: Text | None = Field("DPM++ 2M Karras", description="Another sampler.")
    ad_scheduler: Text | None = Field("Use same scheduler", description="Another scheduler.")
    ad_use_noise_multiplier: bool = Field(False, description="Whether ad_noise_multiplier counts.")
    ad_noise_multiplier: float = Field(1.0, description="Factor of the noise put in.", ge=0)
    ad_use_clip_skip: bool = Field(False, description="Whether ad_clip_skip counts.")
    ad_clip_skip: int = Field(1, description="CLIP layers to stop before the end.", ge=1)
    ad_restore_face: bool = Field(False, description="Restore faces afterwards.")
    ad_controlnet_model: Text | None = Field(
        "None", description="ControlNet model for what is found.", examples=["None", "Passthrough"]
    )
    ad_controlnet_module: Text | None = Field("None", description="ControlNet preprocessor for what is found.")
    ad_controlnet_weight: float = Field(1.0, description="Weight of that ControlNet.", ge=0)
    ad_controlnet_guidance_start: float = _part(0.0, "When that ControlNet begins, as part of the steps.")
    ad_controlnet_guidance_end: float = _part(1.0, "When that ControlNet ends, as part of the steps.")


class DetectorEntry(Detector):
    """A detector under ``parameters: adetailer:``. Behind other entries of a list, fields without ``import`` and
    ``ad_model`` change the entry before.
    """

    import_: Text | None = Field(
        None,
        alias="import",
        description="A preset file to start from, relative to this file.",
        examples=["presets/face.adetailer.yaml"],
        json_schema_extra={"form": "path"},
    )
    override: dict[str, Any] | None = Field(
        None,
        description="Fields that replace those of the preset; they can also stand beside import.",
        examples=[{"ad_confidence": 0.5}],
        json_schema_extra={"form": "detector_fields"},
    )
    enabled: Any = Field(None, description="Accepted for old files; an entry that is written works.", examples=[True])


class UnitFields(FileModel):
    """Fields that change a ControlNet unit."""

    VARIABLE: ClassVar[bool] = True

    model: Any = Field(
        None,
        description="The ControlNet model.",
        examples=["control_v11p_sd15_canny"],
        json_schema_extra={"type": ["string", "number"], "minLength": 1},
    )
    image: Any = Field(
        None,
        description="The image to follow: a path relative to the prompt that is run, or a placeholder whose values are "
        "paths.",
        examples=["images/pose.png", "{Pose}"],
        json_schema_extra={"type": ["string", "null"]},
    )
    module: Text | None = Field("none", description="The preprocessor.", examples=["none", "canny", "openpose"])
    weight: float = Field(1.0, description="Weight of the unit.", ge=0)
    guidance_start: float = _part(0.0, "When the unit begins, as part of the steps.")
    guidance_end: float = _part(1.0, "When the unit ends, as part of the steps.")
    processor_res: int = Field(512, description="Resolution of the preprocessor in pixels.", ge=1)
    threshold_a: float = Field(64.0, description="First threshold of the preprocessor.")
    threshold_b: float = Field(128.0, description="Second threshold of the preprocessor.")
    resize_mode: Text | None = Field(
        "Crop and Resize",
        description="How the image is fitted to the picture's size.",
        examples=["Just Resize", "Crop and Resize", "Resize and Fill"],
    )
    control_mode: Text | None = Field(
        "Balanced",
        description="Whether prompt or unit counts more.",
        examples=["Balanced", "My prompt is more important", "ControlNet is more important"],
    )
    pixel_perfect: bool = Field(False, description="Choose the preprocessor's resolution by the picture's size.")
    low_vram: bool = Field(False, description="Spare GPU memory.")
    guess_mode: bool = Field(False, description="Follow the image without a prompt.")


class Unit(UnitFields):
    """One ControlNet unit."""

    STRICT: ClassVar[tuple[str, ...]] = ("model",)


class UnitEntry(UnitFields):
    """A unit under ``parameters: controlnet:``. In a list, fields without ``import`` and ``model`` change the first
    unit.
    """

    import_: Text | None = Field(
        None,
        alias="import",
        description="A preset file to start from, relative to this file; the fields beside it change its first unit.",
        examples=["presets/canny.controlnet.yaml"],
        json_schema_extra={"form": "path"},
    )
    override: dict[str, Any] | None = Field(
        None,
        description="Fields that replace those of the preset's first unit.",
        examples=[{"weight": 0.6}],
        json_schema_extra={"form": "unit_fields"},
    )


class ControlnetBlock(UnitEntry):
    """What ``controlnet:`` is as a map: one unit, or several under ``units``."""

    units: list[Unit] | None = Field(
        None, description="Several units, as in a preset file.", examples=[[{"model": "control_v11p_sd15_canny"}]]
    )


class AdetailerFile(FileModel):
    """An ADetailer preset: what to find and paint again, for ``adetailer`` under ``parameters``."""

    KIND: ClassVar[str] = "adetailer"
    TYPES: ClassVar[tuple[str, ...]] = ("adetailer_config",)
    NAMES: ClassVar[tuple[str, ...]] = ("*.adetailer.yaml", "*.adetailer.yml")
    STRICT: ClassVar[tuple[str, ...]] = ("type",)

    type: Text | None = Field(
        None, description="The kind of this file.", json_schema_extra={"const": "adetailer_config"}
    )
    version: Text | None = Field(
        None,
        description="'2.0' with detector:, '1.0' with detectors:.",
        examples=["2.0"],
        json_schema_extra={"enum": ["2.0", "1.0", "2", "1", 2, 1]},
    )
    name: Text | None = Field(None, description="Name of the preset, for people.", examples=["Face"])
    description: Text | None = _DESCRIPTION
    detector: Detector | None = Field(
        None,
        description="The detector. Fields that are left out have their defaults.",
        examples=[{"ad_model": "face_yolov8n.pt", "ad_confidence": 0.4}],
    )
    detectors: list[Detector] | None = Field(
        None,
        description="Several detectors; they count in place of detector.",
        examples=[[{"ad_model": "face_yolov8n.pt"}, {"ad_model": "hand_yolov8n.pt", "ad_confidence": 0.5}]],
        json_schema_extra={"form": "detectors"},
    )


class ControlnetFile(FileModel):
    """A ControlNet preset: images that lead the composition, for ``controlnet`` under ``parameters``."""

    KIND: ClassVar[str] = "controlnet"
    TYPES: ClassVar[tuple[str, ...]] = ("controlnet_config",)
    NAMES: ClassVar[tuple[str, ...]] = ("*.controlnet.yaml", "*.controlnet.yml")
    STRICT: ClassVar[tuple[str, ...]] = ("type",)

    type: Text | None = Field(
        None, description="The kind of this file.", json_schema_extra={"const": "controlnet_config"}
    )
    version: Text | None = Field(
        None, description="'1.0'.", examples=["1.0"], json_schema_extra={"enum": ["1.0", "1", 1]}
    )
    name: Text | None = Field(None, description="Name of the preset, for people.", examples=["Pose"])
    description: Text | None = _DESCRIPTION
    units: list[Unit] = Field(
        description="The units.",
        examples=[[{"model": "control_v11p_sd15_canny", "image": "{Pose}", "weight": 0.8}]],
        json_schema_extra={"minItems": 1},
    )


_RECORDED = "Kept in the manifest; the graph decides."
_CHOSEN = "For the graph that `sdgen generate` chooses."


class ParametersBlock(FileModel):
    """What an image is made with. Every value may be a placeholder, with or without quotes, as in ``steps: {Steps}``.
    Names that nobody knows are kept in the manifest.
    """

    model_config = FileModel.model_config | {"json_schema_extra": {"additionalProperties": True}}
    VARIABLE: ClassVar[bool] = True

    width: int | None = Field(None, description="Width in pixels.", ge=16, le=16384, examples=[832])
    height: int | None = Field(None, description="Height in pixels.", ge=16, le=16384, examples=[1216])
    steps: int | None = Field(None, description="Sampling steps.", ge=1, le=10000, examples=[24])
    cfg_scale: float | None = Field(None, description="How strongly the prompt leads.", ge=0, le=100, examples=[6.5])
    cfg: float | None = Field(None, description="The same as cfg_scale.", ge=0, le=100, examples=[6.5])
    guidance: float | None = Field(None, description="The same as cfg_scale.", ge=0, le=100, examples=[3.5])
    sampler: Text | None = Field(
        None,
        description="The sampler, by A1111's name or ComfyUI's. A schedule may be part of A1111's name.",
        examples=["Euler a", "DPM++ 2M Karras", "DPM++ SDE", "UniPC", "DDIM", "euler", "dpmpp_2m", "uni_pc"],
    )
    sampler_name: Text | None = Field(None, description="The same as sampler.", examples=["euler", "dpmpp_2m"])
    scheduler: Text | None = Field(
        None,
        description="The schedule of the noise, by A1111's name or ComfyUI's.",
        examples=["Automatic", "Karras", "Exponential", "SGM Uniform", "normal", "karras", "beta"],
    )
    schedule_type: Text | None = Field(None, description="The same as scheduler.", examples=["Karras"])
    denoise: float | None = Field(
        None, description="How much noise is removed: 1 makes a whole image.", ge=0, le=1, examples=[1.0]
    )
    denoising_strength: float | None = Field(None, description="The same as denoise.", ge=0, le=1, examples=[0.6])
    checkpoint: Text | None = Field(
        None,
        description="The model, when the graph takes it from the planner; images of one model are made together.",
        examples=["dreamshaper_8.safetensors"],
    )
    model: Text | None = Field(None, description="The same as checkpoint.", examples=["dreamshaper_8"])
    sd_model: Text | None = Field(None, description="The same as checkpoint.", examples=["dreamshaper_8"])
    sd_model_checkpoint: Text | None = Field(
        None, description="The same as checkpoint.", examples=["dreamshaper_8.safetensors [879db523c3]"]
    )
    vae: Text | None = Field(
        None, description="The VAE, when the graph takes it from the planner.", examples=["vae-ft-mse.safetensors"]
    )
    sd_vae: Text | None = Field(None, description="The same as vae.", examples=["vae-ft-mse.safetensors"])
    lora: Text | None = Field(
        None, description="The LoRA, when the graph takes it from the planner.", examples=["watercolour"]
    )
    lora_strength: float | None = Field(None, description="Its strength.", ge=-100, le=100, examples=[0.8])
    lora_weight: float | None = Field(None, description="The same as lora_strength.", ge=-100, le=100, examples=[0.8])
    image: Text | None = Field(
        None,
        description="The image of image to image: a path relative to the prompt that is run, or a name in ComfyUI's input folder.",
        examples=["poses/sitting.png"],
    )
    init_image: Text | None = Field(None, description="The same as image.", examples=["poses/sitting.png"])
    adetailer: Any = Field(
        None,
        description="What to find and paint again: a preset file, a map of fields, or a list of both; null is off.",
        examples=["presets/face.adetailer.yaml", {"import": "presets/face.adetailer.yaml", "ad_confidence": 0.5}],
        json_schema_extra={"form": "adetailer"},
    )
    controlnet: Any = Field(
        None,
        description="Images that lead: a preset file, a map of fields, or a list of both; null is off.",
        examples=["presets/canny.controlnet.yaml", {"model": "control_v11p_sd15_canny", "image": "images/a.png"}],
        json_schema_extra={"form": "controlnet"},
    )
    batch_size: Any = Field(None, description=_RECORDED, examples=[1])
    n_iter: Any = Field(None, description=_RECORDED, examples=[1])
    batch_count: Any = Field(None, description=_RECORDED, examples=[1])
    enable_hr: Any = Field(
        None, description=f"Whether there is a second pass over the enlarged image. {_CHOSEN}", examples=[True]
    )
    hr_scale: Any = Field(None, description=f"How much larger it is, 2 when left out. {_CHOSEN}", examples=[2.0])
    hr_upscaler: Any = Field(
        None,
        description=f"What enlarges: Latent, Lanczos or an upscale model. {_CHOSEN}",
        examples=["Latent", "R-ESRGAN 4x+"],
    )
    hr_second_pass_steps: Any = Field(None, description=f"Its steps; 0: as many as the first. {_CHOSEN}", examples=[0])
    mask: Any = Field(
        None,
        description=f"Paint only here: a black and white image, or alpha for what is transparent in the image. {_CHOSEN}",
        examples=["images/mask.png", "alpha"],
    )
    mask_blur: Any = Field(None, description=f"Blur of the mask in pixels. {_CHOSEN}", examples=[4])
    clip_skip: Any = Field(None, description=_RECORDED, examples=[2])
    seed: Any = Field(None, description="Kept in the manifest; the seed of generation decides.", examples=[42])
    restore_faces: Any = Field(None, description=_RECORDED, examples=[False])
    alwayson_scripts: Any = Field(None, description=_RECORDED, examples=[{}])
    override_settings: Any = Field(None, description=_RECORDED, examples=[{}])
