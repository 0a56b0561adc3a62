import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.parameters import ParameterRules, Parameters, files_called, find_file
from sdgen_core.sessions.samplers import strange_names

SAMPLERS = ["euler", "euler_ancestral", "heun", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_sde", "ddim", "uni_pc", "lcm"]
SCHEDULERS = ["simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal", "kl_optimal"]
RULES = ParameterRules(Parameters(scheduler="beta"), SAMPLERS, SCHEDULERS)


@pytest.mark.parametrize(
    ("written", "sampler", "scheduler"),
    [
        ({}, "euler", "beta"),
        ({"sampler": "Euler a"}, "euler_ancestral", "normal"),
        ({"sampler": "euler_ancestral"}, "euler_ancestral", "beta"),
        ({"sampler_name": "DPM++ 2M Karras"}, "dpmpp_2m", "karras"),
        ({"sampler": "DPM++ 2M"}, "dpmpp_2m", "karras"),
        ({"sampler": "DPM++ 2M", "scheduler": "Exponential"}, "dpmpp_2m", "exponential"),
        ({"sampler": "DPM++ 2M SDE", "scheduler": "automatic"}, "dpmpp_2m_sde", "exponential"),
        ({"sampler": "dpmpp_2m", "scheduler": "Automatic"}, "dpmpp_2m", "karras"),
        ({"scheduler": "SGM Uniform"}, "euler", "sgm_uniform"),
        ({"sampler": None, "scheduler": None}, "euler", "beta"),
    ],
)
def test_names_of_both_worlds(written, sampler, scheduler):
    found = RULES.resolve(written)
    assert (found.sampler_name, found.scheduler) == (sampler, scheduler)


def test_template_wins_over_the_planner_and_synonyms_are_accepted():
    found = RULES.resolve({"width": 768, "steps": "30", "cfg_scale": 5, "denoising_strength": 0.4, "batch_size": 4})
    assert found == Parameters(width=768, steps=30, cfg=5, denoise=0.4, scheduler="beta")


@pytest.mark.parametrize(
    "written",
    [
        {"width": "wide"},
        {"width": 0},
        {"steps": 1.5},
        {"cfg": float("nan")},
        {"denoise": 2},
        {"width": True},
        {"steps": [1]},
    ],
)
def test_bad_numbers_name_the_parameter(written):
    with pytest.raises(SDGenError) as caught:
        RULES.resolve(written)
    assert caught.value.code == "bad-parameter" and next(iter(written)) in str(caught.value)


def test_unknown_names_come_with_the_nearest():
    with pytest.raises(SDGenError) as caught:
        RULES.resolve({"sampler": "eulr"})
    assert "euler" in caught.value.nearest
    with pytest.raises(SDGenError) as caught:
        RULES.resolve({"scheduler": "karas"})
    assert "karras" in caught.value.nearest


FILES = ["detail_v1.safetensors", "detail_v1.5.safetensors", "a/Anna.safetensors", "b\\Anna.safetensors", "b/old.ckpt"]


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("detail_v1", ["detail_v1.safetensors"]),
        ("detail_v1.5", ["detail_v1.5.safetensors"]),
        ("Detail_V1.5 [0a1b2c3d]", ["detail_v1.5.safetensors"]),
        ("detail_v1.ckpt", ["detail_v1.safetensors"]),
        ("detail_v1.6", []),
        ("anna", ["a/Anna.safetensors", "b\\Anna.safetensors"]),
        ("a/anna", ["a/Anna.safetensors"]),
        ("b/Anna.safetensors", ["b\\Anna.safetensors"]),
        ("moved/old.safetensors", ["b/old.ckpt"]),
        ("", []),
    ],
)
def test_a_file_is_found_by_what_is_written_of_its_name(written, found):
    assert files_called(written, FILES) == found


def test_a_file_that_is_not_there_or_not_one_is_refused():
    assert find_file("loras", "detail_v1.5", FILES) == "detail_v1.5.safetensors"
    for name, words in (("detail_v2", "there is no LoRA"), ("anna", "may be any of")):
        with pytest.raises(SDGenError, match=words):
            find_file("loras", name, FILES)


def test_names_that_comfyui_has_not_are_remarked_on():
    parameters = {
        "sampler": "eulr",
        "schedule_type": "karas",
        "steps": 20,
        "scheduler": "{Schedule}",
        "hr_upscaler": "eulr",
    }
    assert strange_names(parameters) == [
        "parameters.sampler: in ComfyUI itself there is no sampler 'eulr'. Did you mean 'euler' or 'Euler a'?",
        "parameters.schedule_type: in ComfyUI itself there is no scheduler 'karas'. Did you mean 'karras'?",
    ]
    for name in ("DPM++ 2M Karras", "euler", "er_sde", "Euler a"):
        assert strange_names({"sampler": name, "sampler_name": name}) == []
    for name in ("Automatic", "karras", "linear_quadratic", "SGM Uniform"):
        assert strange_names({"scheduler": name}) == []
