"""What LoRA files say of themselves: whole, damaged, and of every form that people meet."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from typer.testing import CliRunner

from sdgen_core.cli.lora import app
from sdgen_core.errors import SDGenError
from sdgen_core.training.lora.info import lora_info
from sdgen_core.training.lora.merge import _check
from sdgen_core.training.lora.modules import modules_of, plain_name, split
from sdgen_core.training.lora.patches import Fit
from sdgen_core.training.lora.weights import (
    WeightFile,
    check_target,
    raw_of,
    read_header,
    save_tensors,
    write_weights,
)

Tensors = dict[str, torch.Tensor]
KINDS = [torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool, torch.float8_e4m3fn]


def saved(path: Path, tensors: Tensors, **metadata: str) -> Path:
    save_file(tensors, path, metadata)
    return path


def refused(call: Any, code: str, words: str = ".") -> SDGenError:
    with pytest.raises(SDGenError, match=words) as caught:
        call()
    assert caught.value.code == code, caught.value
    return caught.value


# ---- safetensors ---------------------------------------------------------------------------------------------------------

some_tensors = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(lambda n: n != "__metadata__"),
    st.tuples(st.sampled_from(KINDS), st.lists(st.integers(0, 3), max_size=3), st.integers(0, 9)),
    max_size=5,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    some_tensors,
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        st.text(st.characters(exclude_categories=["Cs"])),
        max_size=3,
    ),
)
def test_what_is_written_reads_alike_here_and_elsewhere(
    tmp_path: Path, drawn: dict[str, Any], metadata: dict[str, str]
) -> None:
    tensors = {name: (torch.ones(shape) * value).to(kind) for name, (kind, shape, value) in drawn.items()}
    path = tmp_path / "x.safetensors"
    save_tensors(path, tensors, metadata, replace=True)
    with safe_open(path, "pt") as file:
        assert set(file.keys()) == set(tensors) and (file.metadata() or {}) == metadata
        elsewhere = {name: file.get_tensor(name) for name in tensors}
    own = WeightFile(path) if tensors else None
    for name, tensor in tensors.items():
        assert own is not None
        for found in (elsewhere[name], own.get(name)):
            assert found.dtype == tensor.dtype and torch.equal(found.float(), tensor.float())
        assert bytes(own.raw(name)) == bytes(raw_of(tensor))


def test_damaged_files_are_told_from_each_other(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.safetensors", {"x.lora_up.weight": torch.ones(4, 4)})
    whole = path.read_bytes()
    refused(lambda: read_header(tmp_path / "none.safetensors"), "missing-file")
    (tmp_path / "a.pt").write_bytes(whole)
    refused(lambda: read_header(tmp_path / "a.pt"), "bad-weights", "no safetensors file")
    for damaged, words in (
        (whole[:-10], "cut off: 10 bytes"), (whole[:4], "cut off"), (b"", "cut off"), (b"\xff" * 200, "cut off"),
        (struct.pack("<Q", 9) + b"not json!", "cannot be read"), (struct.pack("<Q", 2) + b"[]", "is no table"),
        (struct.pack("<Q", 10) + b'{"a": "b"}', "nothing of use about 'a'"),
    ):  # fmt: skip
        path.write_bytes(damaged)
        refused(lambda: read_header(path), "bad-weights", words)
    header = {"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    refused(lambda: read_header(path), "bad-weights", "3 numbers of F32 in 8 bytes")


def test_nothing_is_left_of_a_file_that_failed(tmp_path: Path) -> None:
    def fails(name: str) -> memoryview:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_weights(tmp_path / "x.safetensors", {"a": ("F32", (2,))}, {}, fails)
    assert not list(tmp_path.iterdir())


def test_a_disk_without_room_is_noticed_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1 << 20})
    monkeypatch.setattr("sdgen_core.training.lora.weights.shutil.disk_usage", lambda folder: usage)
    call = lambda: save_tensors(tmp_path / "x.safetensors", {"a": torch.ones(2)}, {})  # noqa: E731
    refused(call, "disk-full", "GB are free")
    assert not list(tmp_path.iterdir())


def test_targets(tmp_path: Path) -> None:
    there = saved(tmp_path / "there.safetensors", {"a": torch.ones(1)})
    refused(lambda: check_target(there, replace=False), "file-exists")
    refused(lambda: check_target(there, replace=True, sources=[tmp_path / "." / "there.safetensors"]), "file-exists")
    refused(lambda: check_target(tmp_path / "a.ckpt", replace=True), "bad-option")
    check_target(there, replace=True)


# ---- forms ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("lora_unet_a.lora_down.weight", ("lora_unet_a", "lora", "down")),
        ("unet.a.to_q_lora.up.weight", ("unet.a.to_q", "lora", "up")),
        ("transformer.a.lora_A.weight", ("transformer.a", "lora", "down")),
        ("diffusion_model.a.lora_B.default.weight", ("diffusion_model.a", "lora", "up")),
        ("a.lora_B", ("a", "lora", "up")),
        ("a.lora_linear_layer.down.weight", ("a", "lora", "down")),
        ("a.hada_w2_b", ("a", "loha", "w2_b")),
        ("a.lokr_w1_a", ("a", "lokr", "w1_a")),
        ("a.dora_scale", ("a", "dora", "dora_scale")),
        ("a.diff_b", ("a", "diff", "diff_b")),
        ("model.diffusion_model.a.weight", ("model.diffusion_model.a.weight", "", "")),
        (".alpha", (".alpha", "", "")),
    ],
)
def test_the_parts_of_a_name(name: str, found: tuple[str, str, str]) -> None:
    assert split(name) == found


def test_an_alpha_of_nothing_is_no_module() -> None:
    modules, unknown = modules_of(["a.alpha", "b.alpha", "b.lora_up.weight", "c"])
    assert list(modules) == ["b"] and unknown == ["c", "a.alpha"]


def test_names_of_different_forms_that_mean_one_module() -> None:
    assert len({plain_name(n) for n in ("lora_unet_a_b", "diffusion_model.a.b", "unet.a.b", "transformer.a.b")}) == 1
    assert len({plain_name(n) for n in ("lora_te1_a_b", "text_encoders.clip_l.transformer.a.b", "lora_te_a_b")}) == 1
    assert plain_name("lora_te2_a") != plain_name("lora_te1_a") != plain_name("lora_unet_a")
    assert plain_name("lycoris_a_b") == plain_name("lora_unet_a_b")
    assert plain_name("unet.a.attn1.processor.to_out") == plain_name("lora_unet_a_attn1_to_out_0")


def pair(module: str, rank: int = 4, out: int = 8, wide: int = 6) -> Tensors:
    return {f"{module}.lora_up.weight": torch.ones(out, rank), f"{module}.lora_down.weight": torch.ones(rank, wide)}


TO_K = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"


@pytest.mark.parametrize(
    ("tensors", "metadata", "family"),
    [
        (pair(TO_K, wide=768), {}, "SD 1"),
        (pair(TO_K, wide=1024), {}, "SD 2"),
        (pair(TO_K, wide=2048), {}, "SDXL"),
        (pair("lora_te2_text_model_encoder_layers_0_mlp_fc1"), {}, "SDXL"),
        (pair("lora_unet_double_blocks_0_img_attn_qkv"), {}, "FLUX"),
        (pair("transformer.single_transformer_blocks.0.attn.to_q"), {}, "FLUX"),
        (pair("diffusion_model.joint_blocks.0.x_block.attn.qkv"), {}, "SD 3"),
        (pair("lora_unet_x"), {"ss_base_model_version": "sdxl_base_v1-0"}, "SDXL"),
        (pair("lora_unet_x"), {"modelspec.architecture": "flux-1-dev/lora"}, "FLUX"),
        (pair("lora_unet_x"), {}, "unknown"),
    ],
)
def test_the_family_of_models(tmp_path: Path, tensors: Tensors, metadata: dict[str, str], family: str) -> None:
    assert lora_info(saved(tmp_path / "a.safetensors", tensors, **metadata)).family == family


# ---- info ----------------------------------------------------------------------------------------------------------------


def test_a_file_of_kohya_s_with_everything(tmp_path: Path) -> None:
    tensors: Tensors = {
        **pair("lora_unet_a", 16), "lora_unet_a.alpha": torch.tensor(8.0, dtype=torch.bfloat16),
        **pair("lora_te1_b", 4), "lora_te1_b.alpha": torch.tensor(2.0),
        "lora_unet_c.diff": torch.ones(3), "lora_unet_c.diff_b": torch.ones(3), "other": torch.ones(1),
    }  # fmt: skip
    tags = {"10_pirate": {"pirate": 20, "sea": 7}, "5_hat": {"pirate": 4}}
    path = saved(tmp_path / "a.safetensors", tensors, ss_tag_frequency=json.dumps(tags), ss_output_name="pirates")
    found = lora_info(path, check=True)
    assert found.kinds == {"lora": 2, "diff": 1} and found.form == "kohya"
    assert found.ranks == {"lora_unet_a": 16, "lora_te1_b": 4}
    assert found.alphas == {"lora_unet_a": 8.0, "lora_te1_b": 2.0}
    assert found.triggers == (("pirate", 24), ("sea", 7)) and found.unknown == ("other",) and found.checked == ()
    said = found.to_json()
    assert said["modules"]["lora_unet_c"] == {"kind": "diff", "rank": None, "alpha": None}
    assert said["text_encoder"] == 1 and said["size"] == path.stat().st_size


@pytest.mark.parametrize("noted", ["no json", "[1]", '{"a": 1}', '{"a": {"b": "c"}}'])
def test_a_damaged_note_of_tags_is_no_fault_of_the_file(tmp_path: Path, noted: str) -> None:
    assert lora_info(saved(tmp_path / "a.safetensors", pair("lora_unet_a"), ss_tag_frequency=noted)).triggers == ()


def test_numbers_that_do_nothing_or_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    zero = {**pair("lora_unet_a"), "lora_unet_a.lora_up.weight": torch.zeros(8, 4)}
    found = lora_info(saved(path, zero), check=True).checked
    assert found is not None and "up is zero" in found[0] and found[-1] == "the whole LoRA changes nothing"
    bad = {**pair("lora_unet_a"), "lora_unet_a.lora_up.weight": torch.full((8, 4), float("inf"))}
    found = lora_info(saved(path, bad), check=True).checked
    assert found == ("lora_unet_a.lora_up.weight holds numbers that are not finite",)


@pytest.mark.parametrize(("missing", "hint"), [(2, True), (84, False), (100, False)])
def test_partly_is_proposed_only_where_most_of_a_lora_fits(missing: int, hint: bool) -> None:
    fit = Fit(Path("a.safetensors"), "SDXL", 100, tuple(f"m{n}" for n in range(missing)))
    error = refused(
        lambda: _check(fit, "SD 1", Path("b.safetensors"), partly=False), "lora-does-not-fit", "for SDXL, does"
    )
    assert ("--partly" in (error.hint or "")) is hint


def test_a_checkpoint_is_no_lora(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.safetensors", {"model.diffusion_model.a.weight": torch.ones(2)})
    refused(lambda: lora_info(path), "not-a-lora", "holds 1 tensors, and none of a LoRA")


def test_the_command(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.safetensors", pair(TO_K, wide=768), ss_output_name="pirates\x1b[31m")
    run = CliRunner()
    shown = run.invoke(app, ["info", str(path), "--check", "--modules"])
    assert shown.exit_code == 0 and "SD 1" in shown.output and "pirates\\x1b" in shown.output
    assert "all finite" in shown.output and TO_K in shown.output
    said = json.loads(run.invoke(app, ["info", str(path), "--json"]).output)
    assert said[0]["family"] == "SD 1"
    stacked = run.invoke(app, ["stack", f"{path}=0.5", str(path), "-o", str(tmp_path / "b.safetensors")])
    assert stacked.exit_code == 0 and "1 module, rank 8" in stacked.output
    resized = run.invoke(
        app, ["resize", str(tmp_path / "b.safetensors"), "--rank", "1", "-o", str(tmp_path / "c.safetensors")]
    )
    assert resized.exit_code == 0 and "rank 8 → 1" in resized.output
    zero = {**pair("lora_unet_a"), "lora_unet_a.lora_up.weight": torch.zeros(8, 4)}
    assert run.invoke(app, ["info", str(saved(path, zero)), "--check"]).exit_code == 1
