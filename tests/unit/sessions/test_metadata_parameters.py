from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sdgen_core.sessions.metadata import read_png_chunks
from sdgen_core.sessions.parameters_text import model_title, parameters_text, parse_parameters_text

SESSIONS = Path(__file__).parents[2] / "data" / "sessions"

# How A1111's own reader finds the pairs of the last line and the prompt: an independent check of what we write.
A1111_PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


def a1111_read(text: str) -> tuple[str, str, dict[str, str]]:
    *lines, last = text.strip().split("\n")
    if len(A1111_PAIR.findall(last)) < 3:
        lines.append(last)
        last = ""
    prompt, negative, done = "", "", False
    for line in lines:
        line = line.strip()
        if line.startswith("Negative prompt:"):
            done = True
            line = line[16:].strip()
        if done:
            negative += ("" if negative == "" else "\n") + line
        else:
            prompt += ("" if prompt == "" else "\n") + line
    pairs = {}
    for key, value in A1111_PAIR.findall(last):
        if value[:1] == '"' and value[-1:] == '"':
            value = json.loads(value)
        pairs[key] = value
    return prompt, negative, pairs


def test_the_layout_is_that_of_the_recorded_images() -> None:
    recorded = read_png_chunks(SESSIONS / "20261122_142127-named_run" / "named_run_0000.png")["parameters"]
    ours = parameters_text(
        "fine print, a courier, red coat, standing",
        "lowres, blurry",
        seed=2000115637,
        width=64,
        height=96,
        steps=12,
        sampler="euler_ancestral",
        scheduler="karras",
        cfg=6.0,
        model="sub/demoModel_v1.safetensors",
        model_hash="0123456789",
        denoise=1.0,
    )
    assert ours.rpartition(", Version: ")[0] == recorded.rpartition(", Version: ")[0]
    assert ours.endswith(", Version: SDGen 0.1.0")


def test_what_is_not_known_is_left_out() -> None:
    assert parameters_text("a", "", seed=1, width=2, height=3) == "a\nSeed: 1, Size: 2x3, Version: SDGen 0.1.0"
    assert parameters_text(" ", " ", seed=1, width=2, height=3).startswith("Seed: 1")
    assert "Denoising strength: 0.55" in parameters_text("a", "", seed=1, width=2, height=3, denoise=0.55)
    assert "CFG scale: 7.5" in parameters_text("a", "", seed=1, width=2, height=3, cfg=7.5)


def test_values_that_need_quotes_get_them() -> None:
    text = parameters_text(
        "a", "b", seed=1, width=2, height=3, model="x, y: z", extra={"Values": 'Coat: "red", x', "k!": 1, "Empty": ""}
    )
    assert 'Model: "x, y: z"' in text
    assert r'Values: "Coat: \"red\", x"' in text
    assert "Empty" not in text and "k!" not in text
    assert a1111_read(text)[2]["Values"] == 'Coat: "red", x'
    assert parse_parameters_text(text)["pairs"]["Values"] == 'Coat: "red", x'


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("a/b\\model.safetensors", "model"),
        ("x.y.ckpt", "x.y"),
        ("model_v1.5", "model_v1.5"),
        (".safetensors", ".safetensors"),
    ],
)
def test_model_title(name: str, title: str) -> None:
    assert model_title(name) == title


@pytest.mark.parametrize(
    "prompt",
    [
        "Negative prompt: all of it",
        "negative prompt: x\nsecond",
        "Steps: 20, Sampler: Euler, Seed: 5",
        "a\nSteps: 1, Seed: 2",
    ],
)
def test_prompts_that_look_like_the_format_stay_prompts(prompt: str) -> None:
    text = parameters_text(prompt, "bad", seed=77, width=64, height=64, steps=3)
    parsed = parse_parameters_text(text)
    assert (parsed["prompt"], parsed["negative_prompt"], parsed["seed"]) == (prompt, "bad", 77)
    theirs = a1111_read(text)
    assert theirs[0].replace("\u200b", "") == prompt
    assert theirs[1] == "bad"
    assert theirs[2]["Seed"] == "77"
    assert not any(re.match("(?i)steps:|negative prompt:", line) for line in text.split("\n")[:-2])


LINE = st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=60).map(str.strip)
PROMPT = st.one_of(
    LINE,
    st.lists(LINE, max_size=3).map(lambda lines: "\n".join(lines).strip()),
    st.sampled_from(
        ["Negative prompt: x", "Steps: 2, Seed: 3, Size: 1x1", "(a:1.2), (b c:1.3), [d:0.4]", "\u200bSteps: 1"]
    ),
)
VALUE = st.text(alphabet=st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30)


@given(PROMPT, PROMPT, st.integers(-1, 2**64), st.dictionaries(st.sampled_from(["Aa", "B-c", "D/e f"]), VALUE))
@example("", "Negative prompt: a\nNegative prompt: b", 0, {})
@example("", "Steps: 2", 0, {"Aa": '"'})
def test_round_trip(prompt: str, negative: str, seed: int, extra: dict[str, str]) -> None:
    text = parameters_text(prompt, negative, seed=seed, width=512, height=768, steps=20, cfg=7.5, extra=extra)
    parsed = parse_parameters_text(text)
    assert parsed["prompt"] == prompt
    assert parsed["negative_prompt"] == negative
    assert (parsed["seed"], parsed["width"], parsed["height"], parsed["cfg"]) == (seed, 512, 768, 7.5)
    for key, value in extra.items():
        assert parsed["pairs"][key] == value
    theirs = a1111_read(text)
    assert theirs[2]["Seed"] == str(seed)
    for key, value in extra.items():
        assert theirs[2][key] == value


@given(st.text(max_size=300))
@example("a: b, c")
@example("Steps: 1, Hashes: {")
@example('Steps: 1, x: "')
def test_the_reader_never_fails(text: str) -> None:
    parsed = parse_parameters_text(text)
    assert parsed["raw"] == text


def test_reading_other_programs_texts() -> None:
    text = (
        "masterpiece, (red hair:1.3)\nsecond line\nNegative prompt: bad,\nworse\r\n"
        "Steps: 28, Sampler: DPM++ 2M Karras, CFG scale: 5.5, Seed: 12, Size: 832x1216, Model hash: abc, Model: x, "
        'Clip skip: 2, Lora hashes: "a: 1, b: 2", Hashes: {"model": "abc", "lora:a": "1"}, '
        'Civitai resources: [{"type":"checkpoint","id":1}], Denoising strength: 0.4, Version: v1.10.1'
    )
    parsed = parse_parameters_text(text)
    assert parsed["prompt"] == "masterpiece, (red hair:1.3)\nsecond line"
    assert parsed["negative_prompt"] == "bad,\nworse"
    assert parsed["sampler"] == "DPM++ 2M Karras"
    assert parsed["clip_skip"] == 2
    assert parsed["denoise"] == 0.4
    assert parsed["pairs"]["Lora hashes"] == "a: 1, b: 2"
    assert json.loads(parsed["pairs"]["Hashes"]) == {"model": "abc", "lora:a": "1"}
    assert json.loads(parsed["pairs"]["Civitai resources"]) == [{"type": "checkpoint", "id": 1}]
    assert parsed["version"] == "v1.10.1"


def test_lines_after_the_pairs_and_texts_without_pairs() -> None:
    parsed = parse_parameters_text("a\nNegative prompt: b\nSteps: 2, Seed: 3, Size: 8x8\nTemplate: {x|y}")
    assert (parsed["prompt"], parsed["negative_prompt"], parsed["seed"]) == ("a", "b", 3)
    parsed = parse_parameters_text("portrait, (red hair:1.3), (blue eyes:1.2), (smile:0.9)")
    assert parsed["prompt"] == "portrait, (red hair:1.3), (blue eyes:1.2), (smile:0.9)"
    assert parsed["pairs"] == {}


def test_every_recorded_image_is_read() -> None:
    images = sorted(SESSIONS.rglob("*.png"))
    assert len(images) == 13
    for path in images:
        parsed = parse_parameters_text(read_png_chunks(path)["parameters"])
        assert parsed["prompt"].startswith("fine print, a courier, ")
        assert parsed["negative_prompt"] == "lowres, blurry"
        assert (parsed["width"], parsed["height"], parsed["steps"], parsed["cfg"]) == (64, 96, 12, 6.0)
        assert (parsed["sampler"], parsed["scheduler"]) == ("Euler a", "Karras")
        assert (parsed["model"], parsed["model_hash"]) == ("demoModel_v1", "0123456789")
