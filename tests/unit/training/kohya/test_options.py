"""What users set is checked against the checkout's declarations before anything starts."""

from __future__ import annotations

import argparse
import importlib.util
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.training.kohya import options
from sdgen_core.training.kohya.families import FAMILIES, Base
from sdgen_core.training.kohya.form import form
from sdgen_core.training.kohya.presets import presets
from sdgen_core.training.kohya.probe import Option, Script, probe

from .recorded_options import BASE, COUNTS, recorded

SD15 = FAMILIES["sd15"]
NOTHING = Base("sd15", "Stable Diffusion 1.5", frozenset())


def _script(name: str = BASE) -> Script:
    """The recorded options, without a checkout."""
    found = {
        key: Option(
            key,
            (f"--{key}",),
            type=said.get("type", ""),
            default=said.get("default"),
            choices=tuple(said["choices"]) if "choices" in said else None,
            action="store_true" if said.get("flag") else "store",
            nargs=said.get("nargs"),
        )
        for key, said in recorded(name).items()
    }
    return Script(Path(name), found)


SCRIPT = _script()


def _wrong(**given: Any) -> str:
    """What is said of a single wrong option."""
    values, problems = options.checked(SCRIPT, given)
    assert not values
    (problem,) = problems
    assert problem.fatal and problem.code == "bad-training-option" and problem.option == next(iter(given))
    return problem.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimizer_type", "subprocess.Popen"),
        ("optimizer_type", "torch.hub.load"),
        ("lr_scheduler_type", "timeit.timeit"),
        ("lr_scheduler_type", "torch.utils.cpp_extension.load_inline"),
        ("network_module", "antigravity"),
        ("network_module", "os"),
    ],
)
def test_what_is_imported_and_called_is_for_training(name: str, value: str) -> None:
    assert "names what a package for training has" in _wrong(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("optimizer_type", "torch.optim.AdamW", "torch.optim.AdamW"),
        ("optimizer_type", "pytorch_optimizer.CAME", "pytorch_optimizer.CAME"),
        ("lr_scheduler_type", "torch.optim.lr_scheduler.ConstantLR", "torch.optim.lr_scheduler.ConstantLR"),
        ("network_module", "lycoris.kohya", "lycoris.kohya"),
        ("network_dim", "8", 8),
        ("network_dim", 8.0, 8),
        ("learning_rate", "1e-4", 1e-4),
        ("learning_rate", 1, 1.0),
        ("sdpa", "true", True),
        ("mixed_precision", "bf16", "bf16"),
        ("network_args", "conv_dim=4 conv_alpha=1", ["conv_dim=4", "conv_alpha=1"]),
        ("network_args", ["conv_dim=4"], ["conv_dim=4"]),
        ("text_encoder_lr", [1e-5, "2e-5"], [1e-5, 2e-5]),
        ("lr_warmup_steps", "10%", 0.1),
        ("lr_warmup_steps", 0.05, 0.05),
        ("lr_warmup_steps", 100, 100),
        ("resolution", 512, "512"),
        ("resolution", "512, 768", "512, 768"),
    ],
)
def test_right_values_become_the_type_of_their_option(name: str, value: Any, right: Any) -> None:
    assert options.checked(SCRIPT, {name: value}) == ({name: right}, [])


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("network_dim", "many", "is a whole number"),
        ("network_dim", True, "is a whole number"),
        ("network_dim", 8.5, "is a whole number"),
        ("network_dim", 0, "is 1 or more"),
        ("network_dim", math.inf, "is a whole number"),
        ("learning_rate", "fast", "is a number"),
        ("learning_rate", "nan", "is a number"),
        ("learning_rate", -1e-4, "is above 0"),
        ("mixed_precision", "fp61", "is one of no, fp16, bf16, not 'fp61'; did you mean 'fp16'?"),
        ("sdpa", "yes", "is on or off"),
        ("sdpa", 1, "is on or off"),
        ("seed", [1], "is a whole number"),
        ("lr_warmup_steps", 1.5, "whole number, or a share below 1"),
        ("resolution", "512x512", "is one size or width,height"),
        ("network_dropout", 2, "is between 0 and 1"),
        ("vae", ["a"], "is a text"),
        ("vae", "a\0b", "NUL"),
        ("network_args", ["-x=1"], "do not begin with a dash"),
    ],
)
def test_wrong_values_are_refused_with_what_is_wanted(name: str, value: Any, says: str) -> None:
    message = _wrong(**{name: value})
    assert says in message and message.startswith(f"option {name} ")


def test_an_unknown_option_is_refused_with_the_nearest_one() -> None:
    assert _wrong(netwrok_dim=8) == "train_network.py has no option 'netwrok_dim'; did you mean 'network_dim'?"
    assert _wrong(quux=1) == "train_network.py has no option 'quux'"


def test_an_option_of_another_family_is_told(checkout: Path) -> None:
    values, (problem,) = options.checked(probe(checkout, BASE), {"guidance_scale": 1.0})
    assert values == {} and problem.message == "train_network.py has no option 'guidance_scale': it is for FLUX"


@pytest.mark.parametrize("name", sorted(options.OURS))
def test_the_launchers_own_options_are_refused_with_why(name: str) -> None:
    assert _wrong(**{name: "x"}) == f"option {name} is not yours to set: {options.OURS[name]}"


def test_every_option_of_the_launcher_exists() -> None:
    assert set(options.OURS) <= set(recorded(BASE)) and set(options.FILES) - {"clip_l", "clip_g", "t5xxl", "ae"} <= set(
        recorded(BASE)
    )


def test_an_option_without_a_value_is_left_to_the_default() -> None:
    assert options.checked(SCRIPT, {"network_dim": None}) == ({}, [])


@pytest.mark.parametrize(
    ("given", "option", "fatal"),
    [
        ({"cache_latents": True, "random_crop": True}, "cache_latents", True),
        ({"cache_text_encoder_outputs": True, "shuffle_caption": True}, "shuffle_caption", True),
        (
            {"network_train_unet_only": True, "network_train_text_encoder_only": True},
            "network_train_text_encoder_only",
            True,
        ),
        ({"full_bf16": True, "mixed_precision": "fp16"}, "full_bf16", True),
        ({"fp8_base": True, "mixed_precision": "no"}, "fp8_base", True),
        ({"fused_backward_pass": True, "optimizer_type": "AdamW"}, "fused_backward_pass", True),
        ({"use_8bit_adam": True, "optimizer_type": "AdamW"}, "use_8bit_adam", True),
        ({"network_module": "networks.lora_flux"}, "network_module", True),
        ({"learning_rate": 1.0}, "learning_rate", False),
        ({"enable_bucket": True, "resolution": "128"}, "min_bucket_reso", True),
        ({"enable_bucket": True, "resolution": "2048"}, "max_bucket_reso", True),
        ({"resolution": "500"}, "resolution", True),
        ({"vae": "vae.safetensors"}, "vae", True),
        ({"vae": str(Path(__file__).parent / "gone.safetensors")}, "vae", True),
        ({"dim_from_weights": True}, "dim_from_weights", True),
        ({"optimizer_type": "AdmaW8bit"}, "optimizer_type", True),
        ({"lr_scheduler": "cosin"}, "lr_scheduler", True),
        ({"lr_warmup_steps": 10}, "lr_warmup_steps", True),
        ({"network_args": ["conv_dim"]}, "network_args", True),
    ],
)
def test_what_the_scripts_would_say_after_minutes_is_said_before(
    given: dict[str, Any], option: str, fatal: bool
) -> None:
    assert [(one.option, one.fatal) for one in options.rules(SCRIPT, given, SD15, NOTHING)] == [(option, fatal)]


def test_prodigy_takes_a_learning_rate_of_one() -> None:
    assert options.rules(SCRIPT, {"learning_rate": 1.0, "optimizer_type": "Prodigy"}, SD15, NOTHING) == []


def test_a_name_that_the_checkout_itself_knows_is_taken() -> None:
    new = Option("optimizer_type", ("--optimizer_type",), help="Optimizer to use: AdamW (default), Brandnew8bit")
    script = Script(Path(BASE), {**SCRIPT.options, "optimizer_type": new})
    for name in ("brandnew8bit", "some.library.Optimizer", "SGD"):
        assert options.rules(script, {"optimizer_type": name}, SD15, NOTHING) == []
    assert options.rules(SCRIPT, {"lr_scheduler": "adafactor:1e-4"}, SD15, NOTHING) == []


def test_a_network_module_that_the_checkout_lacks(checkout: Path) -> None:
    (checkout / "networks" / "lora_fa.py").touch()
    script = probe(checkout, BASE)
    assert options.rules(script, {"network_module": "networks.lora_fa"}, SD15, NOTHING) == []
    (problem,) = options.rules(script, {"network_module": "networks.lora_af"}, SD15, NOTHING)
    assert problem.message == "the checkout has no network_module 'networks.lora_af'; did you mean 'networks.lora_fa'?"


def test_a_family_needs_its_files_and_sd3_those_that_its_checkpoint_lacks() -> None:
    flux = options.rules(SCRIPT, {}, FAMILIES["flux"], Base("flux", "FLUX", frozenset()))
    assert [one.option for one in flux] == ["clip_l", "t5xxl", "ae"]
    keys = frozenset({"text_encoders.clip_l.x", "text_encoders.t5xxl.y", *(f"joint_blocks.{n}.x" for n in range(24))})
    assert [one.option for one in options.rules(SCRIPT, {}, FAMILIES["sd3"], Base("sd3", "SD 3", keys))] == ["clip_g"]
    said = options.rules(SCRIPT, {"blocks_to_swap": 23, "clip_g": __file__}, FAMILIES["sd3"], Base("sd3", "SD 3", keys))
    assert [one.message for one in said] == ["blocks_to_swap can be 22 at most for this model, not 23"]


def test_packages_that_not_every_python_has() -> None:
    assert options.packages({"optimizer_type": "PagedAdamW8bit"}) == {"bitsandbytes": "optimizer_type PagedAdamW8bit"}
    assert options.packages({"optimizer_type": "Prodigy", "xformers": True}) == {
        "prodigyopt": "optimizer_type Prodigy",
        "xformers": "xformers",
    }
    assert options.packages({"optimizer_type": "AdamW"}) == {}
    assert options.packages({"optimizer_type": "pytorch_optimizer.CAME"}) == {
        "pytorch_optimizer": "optimizer_type pytorch_optimizer.CAME"
    }


def test_defaults_of_ours_are_no_traps_and_yield_to_what_is_given() -> None:
    found = options.completed(SCRIPT, SD15, {"learning_rate": 5e-5, "random_crop": True}, "cpu")
    assert found["learning_rate"] == 5e-5 and found["max_data_loader_n_workers"] == 0
    assert found["mixed_precision"] == "no" and found["cache_latents"] is False
    flux = _script("flux_train_network.py")
    assert options.completed(flux, FAMILIES["flux"], {}, "cuda")["guidance_scale"] == 1.0
    assert (
        options.completed(flux, FAMILIES["flux"], {"shuffle_caption": True}, "cuda")["cache_text_encoder_outputs"]
        is False
    )


def test_an_older_version_without_an_option_is_not_given_it() -> None:
    old = Script(Path(BASE), {name: one for name, one in SCRIPT.options.items() if name != "save_precision"})
    assert "save_precision" not in options.completed(old, SD15, {}, "cpu")


@pytest.mark.parametrize(
    ("given", "told", "exact"),
    [
        ({}, {}, True),
        ({"lr_scheduler": "constant_with_warmup", "lr_warmup_steps": 0.1}, {"lr_warmup_steps": 20}, True),
        (
            {"lr_scheduler": "cosine"},
            {"lr_scheduler_type": "CosineAnnealingLR", "lr_scheduler_args": ["T_max=200"]},
            True,
        ),
        ({"lr_scheduler": "cosine", "lr_warmup_steps": 5}, {}, False),
        ({"lr_scheduler": "cosine_with_min_lr"}, {}, False),
        ({"lr_scheduler_type": "CosineAnnealingLR", "lr_scheduler_args": ["T_max=9"]}, {}, True),
    ],
)
def test_a_schedule_goes_on_with_its_curve_or_says_that_it_cannot(
    given: dict[str, Any], told: dict[str, Any], exact: bool
) -> None:
    assert options.scheduled(given, 200) == ({**given, **told}, exact)


_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
_VALUES = st.fixed_dictionaries(
    {},
    optional={
        "network_dim": st.integers(1, 999),
        "learning_rate": st.floats(1e-12, 1, allow_nan=False),
        "sdpa": st.booleans(),
        "metadata_title": _TEXT,
        "mixed_precision": st.sampled_from(["no", "fp16", "bf16"]),
        "network_args": st.lists(_TEXT.filter(lambda text: not text.startswith("-")), max_size=3),
        "lr_warmup_steps": st.one_of(st.integers(1, 99), st.floats(0, 0.99)),
        "seed": st.integers(-(2**40), 2**40),
    },
)


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> argparse.ArgumentParser:
    """A real parser with the recorded options."""
    from .recorded_options import write_checkout

    path = write_checkout(tmp_path_factory.mktemp("checkout")) / BASE
    spec = importlib.util.spec_from_file_location("sdgen_recorded_script", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.setup_parser()


@given(given=_VALUES)
def test_argparse_reads_from_the_command_line_what_was_checked(
    parser: argparse.ArgumentParser, given: dict[str, Any]
) -> None:
    values, problems = options.checked(SCRIPT, given)
    assert not problems
    read = vars(parser.parse_args(options.arguments(SCRIPT, values)))
    assert {name: read[name] for name in values} == values


@pytest.mark.parametrize("name", presets())
def test_every_preset_fits_its_script(name: str) -> None:
    chosen = presets()[name]
    family = FAMILIES[chosen.family]
    script = _script(family.script)
    values, problems = options.checked(script, chosen.options)
    assert problems == [] and set(values) == set(chosen.options)
    keys = frozenset(f"joint_blocks.{number}.x" for number in range(24))
    bounds = {"min_bucket_reso": 256, "max_bucket_reso": 2048, "enable_bucket": True}
    whole = options.completed(script, family, {**bounds, **values}, "cuda")
    said = options.rules(script, whole, family, Base(family.name, family.title, keys))
    assert {one.option for one in said} <= {"clip_l", "clip_g", "t5xxl", "ae"}
    assert options.scheduled(whole, 1000)[1], "a run of a preset can go on exactly"


def test_there_is_a_preset_for_each_family_and_memory() -> None:
    assert {(one.family, one.memory) for one in presets().values()} == {
        (family, memory) for family in ("sd15", "sdxl", "flux", "sd3") for memory in (8, 12, 16, 24)
    }


@pytest.mark.parametrize("script", COUNTS)
def test_the_form_shows_all_options_but_the_launchers_own(checkout: Path, script: str) -> None:
    family = next(one for one in FAMILIES.values() if one.script == script)
    shown = form(probe(checkout, script), family)
    fields = {one["name"]: one for group in shown["groups"] for one in group["options"]}
    assert set(fields) == set(recorded(script)) - set(options.OURS)
    assert fields["mixed_precision"]["kind"] == "choice" and fields["mixed_precision"]["choices"] == [
        "no",
        "fp16",
        "bf16",
    ]
    assert fields["network_dim"]["kind"] == "int" and fields["network_args"]["kind"] == "list"
    assert fields["learning_rate"]["default"] == 1e-4
    assert [one["memory_gb"] for one in shown["presets"]] == [8, 12, 16, 24]


def test_the_form_begins_with_what_people_set_most() -> None:
    groups = ("model spec", "flux", "dataset", "network")
    made = {name: Option(name, (f"--{name}",), group=name, help="word " * 30) for name in groups}
    shown = form(Script(Path(BASE), made), SD15)
    assert [one["name"] for one in shown["groups"]] == ["network", "dataset", "flux", "model spec"]
    assert shown["groups"][0]["options"][0]["label"] == "Word" + " word" * 14 + " …"


def test_labels_and_help_are_the_english_half_of_the_text() -> None:
    option = Option(
        "save_every", ("--save_every",), help="save every N steps (0: never). Needs space / 保存 / する", type="int"
    )
    (field,) = form(Script(Path(BASE), {"save_every": option}), SD15)["groups"][0]["options"]
    assert (field["label"], field["help"]) == ("Save every N steps", "save every N steps (0: never). Needs space")
