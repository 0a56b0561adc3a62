"""What a user sets of a training script: checked against the checkout's own declarations, completed, and turned into arguments.

sd-scripts checks little itself: what comes from a file goes unchecked into its settings, and much of the rest fails only after the models
have been loaded. So every value is checked here, those rules included that its scripts assert late (named beside each).
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ...errors import nearest_names
from ..runs.model import Problem
from .families import FAMILIES, Base, Family
from .probe import Option, Script, probe

_CODE = "bad-training-option"

_DATA = "the data set of the run says it"
_STEPS = "the run's number of steps says it"
_RESUME = "SDGen goes on from saved states itself, with exact steps"
_UPLOAD = "SDGen uploads nothing"
#: Options that the launcher sets itself, and why nobody else may.
OURS: dict[str, str] = {
    "pretrained_model_name_or_path": "the run names its checkpoint",
    "v2": "the checkpoint says it",
    **dict.fromkeys(
        ("train_data_dir", "reg_data_dir", "in_json", "dataset_config", "dataset_class", "dataset_repeats"), _DATA
    ),
    **dict.fromkeys(("caption_extension", "caption_extention"), "captions are in .txt files beside the images"),
    **dict.fromkeys(("output_dir", "output_name"), "the run has a folder and a name"),
    "save_model_as": "what comes out is checked as safetensors",
    **dict.fromkeys(("logging_dir", "log_with", "log_prefix"), "the run keeps its own TensorBoard events"),
    **dict.fromkeys(
        ("resume", "initial_step", "initial_epoch", "skip_until_initial_step", "save_state", "save_state_on_train_end"),
        _RESUME,
    ),
    **dict.fromkeys(("max_train_steps", "max_train_epochs"), _STEPS),
    **dict.fromkeys(
        ("save_every_n_epochs", "save_n_epoch_ratio", "save_last_n_epochs", "save_last_n_epochs_state"),
        "SDGen counts steps: use save_every_n_steps",
    ),
    **dict.fromkeys(
        ("config_file", "output_config"), "what they hold is not checked by sd-scripts; give options singly"
    ),
    **dict.fromkeys(("console_log_simple", "console_log_level", "console_log_file"), "SDGen reads the log"),
    "tokenizer_cache_dir": "it is filled from ComfyUI's files",
    **dict.fromkeys(
        ("wandb_api_key", "wandb_run_name", "log_tracker_name", "log_tracker_config"),
        "the run keeps its own TensorBoard events, and no secrets",
    ),
    "training_comment": "it holds the run's id",
    "debug_dataset": "it shows windows and trains nothing",
    **dict.fromkeys(
        (
            "huggingface_repo_id",
            "huggingface_repo_type",
            "huggingface_path_in_repo",
            "huggingface_token",
            "huggingface_repo_visibility",
            "save_state_to_huggingface",
            "resume_from_huggingface",
            "async_upload",
        ),
        _UPLOAD,
    ),
    **dict.fromkeys(
        (
            *(
                "deepspeed",
                "zero_stage",
                "zero3_init_flag",
                "zero3_save_16bit_model",
                "fp16_master_weights_and_gradients",
            ),
            *(
                "offload_optimizer_device",
                "offload_optimizer_nvme_path",
                "offload_param_device",
                "offload_param_nvme_path",
            ),
        ),
        "SDGen starts one process",
    ),
}

#: Options that name files which must be there.
FILES = ("vae", "clip_l", "clip_g", "t5xxl", "ae", "network_weights", "base_weights", "sample_prompts")

_POSITIVE = (
    "train_batch_size",
    "gradient_accumulation_steps",
    "network_dim",
    "save_every_n_steps",
    "sample_every_n_steps",
    "vae_batch_size",
    "bucket_reso_steps",
)
_ABOVE_ZERO = ("learning_rate", "unet_lr", "text_encoder_lr", "text_encoder_lr1", "text_encoder_lr2", "network_alpha")
_SHARES = ("caption_dropout_rate", "caption_tag_dropout_rate", "network_dropout", "noise_offset", "ip_noise_gamma")
#: What caches of text encoders' outputs exclude (assert_extra_args of the scripts for SDXL, FLUX and SD 3).
_CAPTIONS_CHANGE = ("shuffle_caption", "caption_dropout_rate", "token_warmup_step", "caption_tag_dropout_rate")
#: Options whose value is imported and called, with arguments that are options too: nothing but training may be done by that.
_CLASSES = ("network_module", "optimizer_type", "lr_scheduler", "lr_scheduler_type")
_EIGHT_BIT = re.compile(r"(8bit|32bit|^paged)", re.IGNORECASE)
#: The optimizer (in small letters) → the package that it needs (get_optimizer).
_OPTIMIZERS = {"lion": "lion_pytorch", "prodigy": "prodigyopt"}
_MUCH = 0.05  # a learning rate that makes Adam's weights overflow; LoRAs take about 1e-4


def value_of(option: Option, value: Any) -> Any:
    """``value`` as the option's type: a flag's bool, a number, a text, or a list of these. Raises ``ValueError`` saying what is wanted."""
    if option.is_flag or option.action == "BooleanOptionalAction":
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if not isinstance(value, bool):
            raise ValueError("is on or off: true or false")
        return value
    if option.nargs is None or option.nargs == "?":
        return _one(option, value)
    parts = value.split() if isinstance(value, str) else value if isinstance(value, (list, tuple)) else [value]
    if isinstance(option.nargs, int) and len(parts) != option.nargs:
        raise ValueError(f"takes {option.nargs} values, not {len(parts)}")
    if option.nargs == "+" and not parts:
        raise ValueError("takes one value or more")
    for part in parts:  # argparse would take it for the next option
        if isinstance(part, str) and part.startswith("-") and option.type not in ("int", "float"):
            raise ValueError("takes values that do not begin with a dash")
    return [_one(option, part) for part in parts]


def _one(option: Option, value: Any) -> Any:
    read: Callable[[Any], Any] = _TYPES.get(option.type, _text)
    out = read(value)
    if option.choices is not None and out not in option.choices:
        names = [str(one) for one in option.choices if one is not None]
        raise ValueError(f"is one of {', '.join(names)}")
    return out


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, os.PathLike)):
        raise ValueError("is a text")
    if "\0" in str(value):
        raise ValueError("may not hold a NUL character")
    return str(value)


def _int(value: Any) -> int:
    if not isinstance(value, bool):
        try:
            if isinstance(value, str):
                return int(value)
            if isinstance(value, (int, float)) and value == int(value):
                return int(value)
        except (ValueError, OverflowError):
            pass
    raise ValueError("is a whole number")


def _float(value: Any) -> float:
    if not isinstance(value, bool):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            pass
        else:
            if math.isfinite(number):
                return number
    raise ValueError("is a number")


def _int_or_float(value: Any) -> int | float:
    """A count, a share below 1, or a percentage, as sd-scripts' type of that name reads them."""
    number = _float(value[:-1]) / 100 if isinstance(value, str) and value.endswith("%") else _float(value)
    if number >= 1 and number != int(number):
        raise ValueError("is a whole number, or a share below 1")
    return int(number) if number >= 1 else number


_TYPES: Mapping[str, Callable[[Any], Any]] = {"int": _int, "float": _float, "int_or_float": _int_or_float}


def checked(script: Script, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The values that are right, each as its option's type, and a problem for every other one. None means: not given."""
    values: dict[str, Any] = {}
    problems = []
    for name, value in given.items():
        option = script.options.get(name)
        if name in OURS:
            problems.append(_wrong(name, f"option {name} is not yours to set: {OURS[name]}", "Leave it out."))
        elif option is None:
            owner = _owner(script, name)
            also = f": it is for {owner}" if owner else _near(name, [one for one in script.options if one not in OURS])
            problems.append(_wrong(name, f"{script.path.name} has no option {name!r}{also}"))
        elif value is not None:
            try:
                values[name] = value_of(option, value)
                _within(name, values[name])
            except ValueError as error:
                values.pop(name, None)
                also = _near(str(value), [str(one) for one in option.choices or ()])
                problems.append(_wrong(name, f"option {name} {error}, not {_shown(value)}{also}"))
    return values, problems


def _owner(script: Script, name: str) -> str:
    """The family whose script has an option that this one lacks; "" for none."""
    for family in FAMILIES.values():
        path = script.path.with_name(family.script)
        if path != script.path and path.is_file() and name in probe(path.parent, path.name).options:
            return family.title
    return ""


def _near(name: str, known: Iterable[str]) -> str:
    """``; did you mean …?`` with the nearest name, if one is near."""
    near = nearest_names(name, known)
    return f"; did you mean {near[0]!r}?" if near else ""


def _within(name: str, value: Any) -> None:
    """Raises ``ValueError`` for a number that can never work."""
    for one in value if isinstance(value, list) else [value]:
        if name in _POSITIVE and one < 1:
            raise ValueError("is 1 or more")
        if name in _ABOVE_ZERO and one <= 0 and not name.startswith("text_encoder"):
            raise ValueError("is above 0")
        if name in _SHARES and not 0 <= one <= 1:
            raise ValueError("is between 0 and 1")
    if name in _CLASSES and isinstance(value, str):
        package, _, rest = value.partition(".")
        if package in sys.stdlib_module_names or (package == "torch" and not rest.startswith("optim.")):
            raise ValueError("names what a package for training has")
    if name == "resolution" and not re.fullmatch(r"\s*[1-9]\d*\s*(,\s*[1-9]\d*\s*)?", value):
        raise ValueError("is one size or width,height in pixels")


def _wrong(option: str, message: str, hint: str = "", *, fatal: bool = True) -> Problem:
    return Problem(_CODE, message, hint, option=option, fatal=fatal)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def completed(
    script: Script, family: Family, given: Mapping[str, Any], device: str, *, bf16: bool = True
) -> dict[str, Any]:
    """``given`` with our defaults where sd-scripts' own are for fine-tuning or not for every machine; only options that the script has.

    ``device`` is "cuda", "mps" or "cpu"; ``bf16``: whether it has that. Sources: docs/train_network.md and the pages of the other families
    (see the presets); no worker processes, since they cost memory and time at the start of each epoch; a fixed seed, so that a resumed run
    shuffles as the first did.
    """
    values: dict[str, Any] = {
        "network_module": family.network_module,
        "network_dim": 16,
        "network_alpha": 8.0,
        "learning_rate": 1e-4,
        "mixed_precision": ("bf16" if bf16 else "fp16") if device == "cuda" else "no",
        "save_precision": "fp16",
        "sdpa": not any(given.get(name) for name in ("xformers", "mem_eff_attn")),
        "gradient_checkpointing": device == "cuda",
        "cache_latents": not (given.get("color_aug") or given.get("random_crop")),
        "max_data_loader_n_workers": 0,
        "seed": 42,
        "network_train_unet_only": not given.get("network_train_text_encoder_only"),
    }
    if family.name in ("sdxl", "flux", "sd3"):
        unet_only = given.get("network_train_unet_only", values["network_train_unet_only"])
        values["cache_text_encoder_outputs"] = bool(unet_only) and not any(given.get(name) for name in _CAPTIONS_CHANGE)
    if family.name == "sdxl":
        values["no_half_vae"] = True
    if family.name == "flux":
        values |= {"guidance_scale": 1.0, "timestep_sampling": "flux_shift", "model_prediction_type": "raw"}
    if given.get("network_weights") and given.get("dim_from_weights"):
        del values["network_dim"], values["network_alpha"]
    fitting = {name: value for name, value in values.items() if _fits(script.options.get(name), value)}
    return {**fitting, **given}


def _fits(option: Option | None, value: Any) -> bool:
    return option is not None and (option.choices is None or value in option.choices)


def rules(script: Script, values: Mapping[str, Any], family: Family, base: Base) -> list[Problem]:
    """What is wrong with values together: what the scripts would assert only after minutes, and what spoils a training silently."""
    found = _names(script, values)

    def clash(option: str, message: str, *, fatal: bool = True) -> None:
        found.append(_wrong(option, message, fatal=fatal))

    def on(name: str) -> Any:
        return values.get(name)

    if on("cache_latents") and (on("color_aug") or on("random_crop")):
        clash("cache_latents", "cache_latents cannot be used with color_aug or random_crop")
    if on("cache_text_encoder_outputs"):
        for name in _CAPTIONS_CHANGE:
            if on(name):
                clash(name, f"{name} changes captions, and cache_text_encoder_outputs keeps them: use one of the two")
        if family.name == "sdxl" and not on("network_train_unet_only"):
            clash("cache_text_encoder_outputs", "cache_text_encoder_outputs needs network_train_unet_only")
    if on("network_train_unet_only") and on("network_train_text_encoder_only"):
        clash(
            "network_train_text_encoder_only",
            "network_train_unet_only and network_train_text_encoder_only exclude each other",
        )
    for name in ("fp16", "bf16"):
        if on(f"full_{name}") and on("mixed_precision") != name:
            clash(f"full_{name}", f"full_{name} needs mixed_precision {name}")
    for name in ("fp8_base", "fp8_base_unet"):
        if on(name) and on("mixed_precision") in (None, "no"):
            clash(name, f"{name} needs mixed_precision fp16 or bf16")
    if on("blocks_to_swap") and on("cpu_offload_checkpointing"):
        clash("blocks_to_swap", "blocks_to_swap and cpu_offload_checkpointing exclude each other")
    most = _swappable(family, base)
    if on("blocks_to_swap") and most is not None and on("blocks_to_swap") > most:
        clash("blocks_to_swap", f"blocks_to_swap can be {most} at most for this model, not {on('blocks_to_swap')}")
    optimizer = str(on("optimizer_type") or "").lower()
    if on("fused_backward_pass") and (optimizer != "adafactor" or (on("gradient_accumulation_steps") or 1) != 1):
        clash(
            "fused_backward_pass",
            "fused_backward_pass needs optimizer_type Adafactor and gradient_accumulation_steps 1",
        )
    if on("use_8bit_adam") and (optimizer or on("use_lion_optimizer")):
        clash("use_8bit_adam", "use_8bit_adam excludes optimizer_type and use_lion_optimizer")
    if on("dim_from_weights") and not on("network_weights"):
        clash("dim_from_weights", "dim_from_weights needs network_weights")
    module = on("network_module")
    others = {one.network_module: one.title for one in FAMILIES.values() if one.network_module != family.network_module}
    if module in others:
        clash(
            "network_module", f"network_module {module} is for {others[module]}, but the checkpoint is {family.title}"
        )
    for name in ("learning_rate", "unet_lr"):
        if isinstance(on(name), float) and on(name) > _MUCH and not optimizer.startswith(("prodigy", "dadapt")):
            clash(name, f"{name} {on(name):g} will most likely end in NaN; LoRAs take about 1e-4", fatal=False)
    found += _buckets(values)
    for name in FILES:
        for path in on(name) if isinstance(on(name), list) else [on(name)] if on(name) else []:
            if not Path(path).is_absolute():
                clash(name, f"option {name}: say the whole path, not {path!r}")
            elif not Path(path).is_file():
                found.append(Problem(_CODE, f"option {name}: there is no file {path}", option=name, file=path))
    for name in family.files:
        if not on(name):
            clash(name, f"{family.title} needs option {name}: the file of its {_FILE_WORDS[name]}")
    for name in family.files_within:
        if not on(name) and not base.holds(name):
            clash(name, f"the checkpoint holds no {_FILE_WORDS[name]}: option {name} names its file")
    return found


_FILE_WORDS = {"clip_l": "CLIP-L", "clip_g": "CLIP-G", "t5xxl": "T5-XXL", "ae": "autoencoder"}


def _names(script: Script, values: Mapping[str, Any]) -> list[Problem]:
    """Names that are no choices to argparse, since a class or module of any library may be meant (get_optimizer, get_scheduler_fix)."""
    found = []
    for name, known in (("optimizer_type", _OPTIMIZER_NAMES), ("lr_scheduler", _SCHEDULER_NAMES)):
        value = str(values.get(name) or "")
        helped = script.options[name].help if name in script.options else ""
        names = {one.lower(): one for one in (*known, *re.findall(r"\w+", helped))}
        if value and "." not in value and value.split(":")[0].lower() not in names:
            found.append(
                _wrong(name, f"there is no {name} {value!r}{_near(value, known)}", f"Known are {', '.join(known)}.")
            )
    if values.get("lr_warmup_steps") and str(values.get("lr_scheduler") or "constant").lower() == "constant":
        hint = "Set lr_scheduler to constant_with_warmup."
        found.append(_wrong("lr_warmup_steps", "lr_scheduler constant takes no lr_warmup_steps", hint))
    module = str(values.get("network_module") or "")
    if module.startswith("networks.") and script.path.is_absolute():
        folder = script.path.parent / "networks"
        if not (folder / f"{module.split('.')[1]}.py").is_file():
            also = _near(module, [f"networks.{path.stem}" for path in folder.glob("*.py")])
            found.append(_wrong("network_module", f"the checkout has no network_module {module!r}{also}"))
    for name in ("network_args", "optimizer_args", "lr_scheduler_args"):
        odd = next((one for one in values.get(name) or () if one.count("=") != 1 or one.startswith("=")), None)
        if odd is not None:
            found.append(_wrong(name, f"option {name} takes name=value, not {odd!r}"))
    return found


_OPTIMIZER_NAMES = (
    *(
        "AdamW",
        "AdamW8bit",
        "PagedAdamW",
        "PagedAdamW8bit",
        "PagedAdamW32bit",
        "Adafactor",
        "Lion",
        "Lion8bit",
        "PagedLion8bit",
    ),
    *(
        "SGDNesterov",
        "SGDNesterov8bit",
        "AdEMAMix8bit",
        "PagedAdEMAMix8bit",
        "Prodigy",
        "DAdaptation",
        "DAdaptAdaGrad",
        "DAdaptAdam",
    ),
    *(
        "DAdaptAdan",
        "DAdaptAdanIP",
        "DAdaptLion",
        "DAdaptSGD",
        "RAdamScheduleFree",
        "AdamWScheduleFree",
        "SGDScheduleFree",
    ),
    *("Adam", "Adamax", "NAdam", "RAdam", "Adagrad", "Adadelta", "ASGD", "SGD", "RMSprop", "Rprop"),  # torch.optim's
)
_SCHEDULER_NAMES = (
    *(
        "constant",
        "constant_with_warmup",
        "linear",
        "cosine",
        "cosine_with_restarts",
        "cosine_with_min_lr",
        "polynomial",
    ),
    *("inverse_sqrt", "warmup_stable_decay", "piecewise_constant", "adafactor"),
)


def _swappable(family: Family, base: Base) -> int | None:
    """How many blocks can be swapped: all but two (enable_block_swap of FLUX's and SD 3's models); None where it has no such option."""
    if family.name == "sd3":
        found = {name.split("joint_blocks.")[1].split(".")[0] for name in base.keys if "joint_blocks." in name}
        return len(found) - 2
    return 35 if family.name == "flux" else None


def _buckets(values: Mapping[str, Any]) -> list[Problem]:
    """The rules of image sizes (BaseDataset.adjust_min_max_bucket_reso_by_steps and verify_bucket_reso_steps)."""
    sizes = [int(part) for part in str(values.get("resolution") or "").split(",") if part.strip()]
    found = []
    if values.get("enable_bucket") and sizes:
        least, most = values.get("min_bucket_reso", 256), values.get("max_bucket_reso", 1024)
        if min(sizes) < least:
            text = f"min_bucket_reso is {least}, more than the resolution {values['resolution']}"
            found.append(_wrong("min_bucket_reso", text, f"Set min_bucket_reso to {min(sizes)} or less."))
        if max(sizes) > most:
            text = f"max_bucket_reso is {most}, less than the resolution {values['resolution']}"
            found.append(_wrong("max_bucket_reso", text, f"Set max_bucket_reso to {max(sizes)} or more."))
    elif any(size % 8 for size in sizes):
        found.append(
            _wrong("resolution", f"resolution {values['resolution']} is no multiple of 8, the scale of the VAE")
        )
    if values.get("bucket_reso_steps", 64) % 8:
        found.append(_wrong("bucket_reso_steps", "bucket_reso_steps is a multiple of 8 (of 32 for SDXL and SD 3)"))
    return found


def packages(values: Mapping[str, Any]) -> dict[str, str]:
    """Package → the option that needs it, of those that not every installation has."""
    found = {}
    optimizer = str(values.get("optimizer_type") or "")
    if _EIGHT_BIT.search(optimizer) or values.get("use_8bit_adam"):
        found["bitsandbytes"] = f"optimizer_type {optimizer}" if optimizer else "use_8bit_adam"
    low = optimizer.lower()
    needed = _OPTIMIZERS.get(low) or ("dadaptation" if low.startswith("dadapt") else "")
    needed = needed or ("schedulefree" if low.endswith("schedulefree") and "." not in low else "")
    if needed:
        found[needed] = f"optimizer_type {optimizer}"
    if "." in optimizer:
        found[optimizer.split(".")[0]] = f"optimizer_type {optimizer}"
    module = str(values.get("network_module") or "networks")
    if module.split(".")[0] != "networks":
        found[module.split(".")[0]] = f"network_module {module}"
    if values.get("xformers"):
        found["xformers"] = "xformers"
    return found


def scheduled(values: Mapping[str, Any], steps: int) -> tuple[dict[str, Any], bool]:
    """The options of the learning rate's schedule for a run of ``steps``, and whether a resumed process goes on with the same curve.

    A process resumed for the remaining steps would build the curve of sd-scripts' own schedules over these alone, while the restored
    counter goes on: a cosine would jump to its end. torch's classes have their length in arguments that are saved with the state, so those
    curves are asked of torch instead; a share of warm-up becomes its number of steps. What has no such class (a cosine behind a warm-up)
    cannot go on exactly.
    """
    out = dict(values)
    name = str(values.get("lr_scheduler") or "constant").lower()
    warmup = values.get("lr_warmup_steps") or 0
    if isinstance(warmup, float):
        out["lr_warmup_steps"] = warmup = int(warmup * steps)
    if values.get("lr_scheduler_type") or values.get("lr_scheduler_args"):
        return out, bool(values.get("lr_scheduler_type"))
    if name in ("constant", "constant_with_warmup", "inverse_sqrt") or name.startswith("adafactor"):
        return out, True
    cycles = values.get("lr_scheduler_num_cycles") or 1
    torch_class = {
        "cosine": ("CosineAnnealingLR", [f"T_max={steps}"]),
        "linear": ("LinearLR", ["start_factor=1.0", "end_factor=0.0", f"total_iters={steps}"]),
        "polynomial": ("PolynomialLR", [f"total_iters={steps}", f"power={values.get('lr_scheduler_power') or 1}"]),
        "cosine_with_restarts": ("CosineAnnealingWarmRestarts", [f"T_0={math.ceil(steps / cycles)}"]),
    }.get(name)
    if torch_class is None or warmup:
        return out, False
    out["lr_scheduler_type"], out["lr_scheduler_args"] = torch_class
    return out, True


def arguments(script: Script, values: Mapping[str, Any]) -> list[str]:
    """The command line of the values: ``--name=value``, so that a value may begin with a dash; a flag that is off is left out."""
    out = []
    for name, value in values.items():
        option = script.options[name]
        flag = option.flags[0]
        if option.is_flag:
            out += [flag] if value is (option.action != "store_false") else []
        elif option.action == "BooleanOptionalAction":
            out.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, list):
            out += [flag, *(_plain(one) for one in value)]
        elif value is not None:
            out.append(f"{flag}={_plain(value)}")
    return out


def _plain(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)
