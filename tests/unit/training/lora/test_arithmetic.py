"""Stacking and resizing are sums: what they give is held against the sums, made plainly in float64."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from sdgen_core.errors import SDGenError
from sdgen_core.training.lora.arithmetic import Applied, resize, stack

Tensors = dict[str, torch.Tensor]
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def delta(tensors: Tensors, module: str) -> torch.Tensor:
    """alpha / rank · up @ down, with the Tucker core if there is one, summed number by number of the rank."""
    up, down = tensors[f"{module}.lora_up.weight"].double(), tensors[f"{module}.lora_down.weight"].double()
    rank = down.shape[0]
    alpha = float(tensors.get(f"{module}.alpha", torch.tensor(float(rank))))
    mid = tensors.get(f"{module}.lora_mid.weight")
    out = torch.zeros(())
    if mid is not None:
        for m in range(rank):
            for n in range(rank):
                part = up[:, m].reshape(-1, 1, 1, 1) * down[n].reshape(1, -1, 1, 1) * mid[m, n].double()[None, None]
                out = out + part
    else:
        for r in range(rank):
            out = out + up[:, r].reshape(-1, *(1,) * (down.dim() - 1)) * down[r][None]
    return out * (alpha / rank)


def read(path: Path) -> Tensors:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no map


def near(one: torch.Tensor, other: torch.Tensor, tolerance: float = 1e-5) -> bool:
    scale = max(1e-6, float(other.abs().max()))
    return one.shape == other.shape and float((one - other).abs().max()) <= tolerance * scale


shapes = st.sampled_from([(6, (5,)), (4, (3, 3, 3)), (5, (7, 1, 1)), (3, (2, 3))])


@st.composite
def loras(draw: st.DrawFn) -> tuple[list[Tensors], list[float]]:
    """Some LoRAs of the same model: each has some of its modules, each of a rank of its own, with and without alpha and core."""
    model = {f"lora_unet_m{n}": draw(shapes) for n in range(draw(st.integers(1, 3)))}
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    files, strengths = [], []
    for _ in range(draw(st.integers(1, 3))):
        tensors: Tensors = {}
        for name, (out, kernel) in model.items():
            if tensors and draw(st.booleans()):
                continue
            rank = draw(st.integers(1, 4))
            spatial = (1,) * (len(kernel) - 1)
            tucker = len(kernel) == 3 and draw(st.booleans())
            tensors[f"{name}.lora_up.weight"] = torch.randn(out, rank, *spatial, generator=random)
            down = (kernel[0], *spatial) if tucker else kernel
            tensors[f"{name}.lora_down.weight"] = torch.randn(rank, *down, generator=random)
            if tucker:
                tensors[f"{name}.lora_mid.weight"] = torch.randn(rank, rank, *kernel[1:], generator=random)
            if draw(st.booleans()):
                tensors[f"{name}.alpha"] = torch.tensor(draw(st.sampled_from([0.5, 1.0, 4.0, 16.0])))
        files.append(tensors)
        strengths.append(draw(st.floats(-2, 2).map(lambda x: round(x, 3))))
    return files, strengths


@FEW
@given(loras())
def test_a_stack_is_the_sum_of_its_parts(tmp_path: Path, made: tuple[list[Tensors], list[float]]) -> None:
    files, strengths = made
    applied = []
    for number, (tensors, strength) in enumerate(zip(files, strengths, strict=True)):
        path = tmp_path / f"{number}.safetensors"
        save_file(tensors, path)
        applied.append(Applied(path, strength))
    ranks = stack(applied, tmp_path / "out.safetensors", replace=True)
    out = read(tmp_path / "out.safetensors")
    for module, rank in ranks.items():
        parts = [(t, s) for t, s in zip(files, strengths, strict=True) if f"{module}.lora_up.weight" in t]
        assert rank == sum(t[f"{module}.lora_down.weight"].shape[0] for t, _ in parts)
        wanted = torch.stack([delta(t, module) * s for t, s in parts]).sum(0)
        assert near(delta(out, module), wanted)
    assert set(ranks) == {name.partition(".")[0] for tensors in files for name in tensors}


@FEW
@given(loras(), st.integers(1, 5), st.floats(0.05, 1))
def test_a_smaller_rank_is_as_near_as_can_be(
    tmp_path: Path, made: tuple[list[Tensors], list[float]], rank: int, keep: float
) -> None:
    tensors = made[0][0]
    source, target = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    save_file(tensors, source)
    for options in ({"rank": rank}, {"keep": keep}, {"rank": rank, "keep": keep}):
        report = resize(source, target, replace=True, **options)
        out = read(target)
        for one in report:
            whole = delta(tensors, one.module)
            flat = whole.reshape(whole.shape[0], -1)
            found = delta(out, one.module).reshape(flat.shape)
            values = torch.linalg.svdvals(flat)
            shares = torch.cumsum(values**2, 0) / (values**2).sum()
            most = min(one.before, *flat.shape)
            needed = 1 + int((shares < keep - 1e-6).sum()) if "keep" in options else most
            # Eckart & Young: nothing of this rank is nearer than the largest singular values
            assert one.after <= min(options.get("rank", most), max(needed, 1) + 1)
            best = float((values[one.after :] ** 2).sum()) ** 0.5
            lost = float((flat - found).norm())
            assert lost <= best + 1e-4 * float(flat.norm())
            assert math.isclose(one.error, lost / float(flat.norm()), abs_tol=1e-3)
            if "keep" in options and "rank" not in options:
                assert 1 - one.error**2 >= keep - 1e-4


def plain(seed: int = 0, rank: int = 4, out: int = 8, wide: int = 6, name: str = "lora_unet_a") -> Tensors:
    random = torch.Generator().manual_seed(seed)
    return {
        f"{name}.lora_up.weight": torch.randn(out, rank, generator=random),
        f"{name}.lora_down.weight": torch.randn(rank, wide, generator=random),
        f"{name}.alpha": torch.tensor(2.0),
    }


def saved(path: Path, tensors: Tensors, **metadata: str) -> Path:
    save_file(tensors, path, metadata)
    return path


def test_one_module_under_names_of_two_forms_is_one(tmp_path: Path) -> None:
    one = saved(tmp_path / "one.safetensors", plain(1, name="lora_unet_blocks_0_fc1"))
    other = plain(2, name="x")
    names = {"up": "diffusion_model.blocks.0.fc1.lora_B.weight", "down": "diffusion_model.blocks.0.fc1.lora_A.weight"}
    save_file({names[k]: other[f"x.lora_{k}.weight"] for k in names}, tmp_path / "two.safetensors")
    ranks = stack([Applied(one), Applied(tmp_path / "two.safetensors", 0.5)], tmp_path / "out.safetensors")
    assert ranks == {"lora_unet_blocks_0_fc1": 8}
    wanted = delta(plain(1), "lora_unet_a") + 0.5 * delta({**other, "x.alpha": torch.tensor(4.0)}, "x")
    assert near(delta(read(tmp_path / "out.safetensors"), "lora_unet_blocks_0_fc1"), wanted)


def test_full_differences_are_added_and_text_encoders_have_their_own_strength(tmp_path: Path) -> None:
    norm = {"diffusion_model.n.diff": torch.tensor([1.0, 2.0]), "diffusion_model.n.diff_b": torch.tensor([4.0])}
    one = saved(tmp_path / "one.safetensors", {**norm, **plain(1, name="lora_te1_a")})
    two = saved(tmp_path / "two.safetensors", norm)
    out = tmp_path / "out.safetensors"
    ranks = stack([Applied(one, 0.5, 2.0), Applied(two, -1.0)], out)
    assert ranks == {"lora_te1_a": 4, "diffusion_model.n": 0}
    found = read(out)
    assert found["diffusion_model.n.diff"].tolist() == [-0.5, -1.0]
    assert found["diffusion_model.n.diff_b"].tolist() == [-2.0]
    assert near(delta(found, "lora_te1_a"), 2 * delta(plain(1), "lora_unet_a"))


def test_the_kind_of_numbers_and_the_metadata(tmp_path: Path) -> None:
    half = {name: tensor.half() for name, tensor in plain(1).items()}
    tags = json.dumps({"5_pirate": {"pirate": 9, "sea": 3}})
    shared = {"ss_base_model_version": "sdxl_base_v1-0", "ss_tag_frequency": tags}
    one = saved(tmp_path / "one.safetensors", half, ss_sd_model_name="a", **shared)
    two = saved(tmp_path / "two.safetensors", half, ss_sd_model_name="b", **shared)
    stack([Applied(one), Applied(two)], tmp_path / "out.safetensors")
    assert read(tmp_path / "out.safetensors")["lora_unet_a.lora_up.weight"].dtype == torch.float16
    with safe_open(tmp_path / "out.safetensors", "pt") as file:
        metadata = file.metadata()
    assert metadata["ss_base_model_version"] == "sdxl_base_v1-0" and "ss_sd_model_name" not in metadata
    assert metadata["ss_network_dim"] == "8" and metadata["ss_output_name"] == "out"
    assert json.loads(metadata["ss_tag_frequency"]) == {"5_pirate": {"pirate": 18, "sea": 6}}
    assert [lora["name"] for lora in json.loads(metadata["sdgen.stacked"])] == ["one.safetensors", "two.safetensors"]
    brain = {name: tensor.bfloat16() for name, tensor in plain(1).items()}
    saved(two, brain)
    stack([Applied(one), Applied(two)], tmp_path / "mixed.safetensors")
    assert read(tmp_path / "mixed.safetensors")["lora_unet_a.lora_up.weight"].dtype == torch.float32


def refused(call: Any, code: str, words: str) -> SDGenError:
    with pytest.raises(SDGenError, match=words) as caught:
        call()
    assert caught.value.code == code
    return caught.value


def test_what_does_not_go_together_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    one = saved(tmp_path / "one.safetensors", plain(1))
    out = tmp_path / "out.safetensors"

    def with_one(tensors: Tensors) -> Any:
        return lambda: stack([Applied(one), Applied(saved(tmp_path / "x.safetensors", tensors))], out)

    refused(with_one(plain(2, wide=7)), "lora-does-not-fit", r"\[8, 6\] and \[8, 7\]")
    dora = {**plain(2), "lora_unet_a.dora_scale": torch.ones(8, 1)}
    refused(with_one(dora), "not-a-plain-lora", "lora_unet_a in .*x.safetensors is a DoRA")
    loha = {f"lora_unet_a.hada_w{n}_{side}": torch.ones(2, 2) for n in (1, 2) for side in "ab"}
    refused(with_one(loha), "not-a-plain-lora", "is a LoHa")
    refused(with_one({**plain(2), "lora_unet_a.lora_up.weight": torch.full((8, 4), math.nan)}), "bad-weights", "finite")
    refused(with_one({**plain(2), "lora_unet_a.lora_up.weight": torch.ones(8, 3)}), "bad-weights", "multiplied")
    refused(with_one({"weight": torch.ones(2)}), "not-a-lora", "no tensor is of a LoRA")
    names = ("lora_unet_down_blocks_0_a", "lora_unet_input_blocks_1_a")
    for number, name in enumerate(names):
        saved(tmp_path / f"{number}.safetensors", plain(name=name))
    both = [Applied(tmp_path / f"{n}.safetensors") for n in (0, 1)]
    assert "sdgen lora merge" in refused(lambda: stack(both, out), "lora-does-not-fit", "differently").hint
    refused(with_one({**plain(2), "lora_unet_a.alpha": torch.ones(0)}), "bad-weights", "alpha of lora_unet_a .* has 0")
    refused(lambda: stack([Applied(one)], one, replace=True), "file-exists", "one of the files that are read")
    refused(lambda: resize(one, out), "bad-option", "a rank, or a share")
    refused(lambda: resize(one, out, rank=0), "bad-option", "the rank 0")
    refused(lambda: resize(one, out, keep=1.5), "bad-option", "1.5")
    refused(lambda: resize(one, tmp_path / "out.ckpt", rank=1), "bad-option", "safetensors")
    assert not out.exists() and not list(tmp_path.glob("*.tmp"))
    saved(out, plain(1))
    refused(lambda: stack([Applied(one)], out), "file-exists", "is there already")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("lora_unet_double_blocks_0_img_attn_proj", "transformer.transformer_blocks.0.attn.to_out.0"),  # FLUX
        ("lora_unet_single_blocks_3_linear2", "lora_transformer_single_transformer_blocks_3_proj_out"),
        ("diffusion_model.joint_blocks.0.x_block.attn.proj", "transformer.transformer_blocks.0.attn.to_out.0"),  # SD 3
        ("lycoris_down_blocks_0_a", "lora_unet_input_blocks_1_a"),
    ],
)
def test_two_names_of_one_module_are_not_stacked_beside_each_other(tmp_path: Path, one: str, other: str) -> None:
    """ComfyUI would apply but one of them."""
    files = [Applied(saved(tmp_path / f"{n}.safetensors", plain(name=n))) for n in (one, other)]
    refused(lambda: stack(files, tmp_path / "out.safetensors"), "lora-does-not-fit", "differently")


def test_names_that_only_look_like_two_are_stacked(tmp_path: Path) -> None:
    names = (
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
        "lora_unet_mid_block_attentions_0_x",
    )
    files = [Applied(saved(tmp_path / f"{n}.safetensors", plain(name=n))) for n in names]
    assert set(stack(files, tmp_path / "out.safetensors")) == set(names)


def test_a_small_alpha_costs_half_precision_nothing(tmp_path: Path) -> None:
    """kohya's alpha of 1 with rank 128: multiplied into one matrix alone, its numbers would leave the range of 16 bits."""
    random = torch.Generator().manual_seed(1)
    tensors = {
        "lora_unet_a.lora_up.weight": (1e-3 * torch.randn(64, 128, generator=random)).half(),
        "lora_unet_a.lora_down.weight": (0.02 * torch.randn(128, 64, generator=random)).half(),
        "lora_unet_a.alpha": torch.tensor(1.0).half(),
    }
    one = saved(tmp_path / "one.safetensors", tensors)
    stack([Applied(one, 0.25)], tmp_path / "out.safetensors")
    found, wanted = delta(read(tmp_path / "out.safetensors"), "lora_unet_a"), 0.25 * delta(tensors, "lora_unet_a")
    assert float((found - wanted).norm() / wanted.norm()) < 2e-3  # in one matrix alone: 9e-3


def test_numbers_too_large_for_half_precision_are_not_written(tmp_path: Path) -> None:
    large = {**plain(1), "lora_unet_a.alpha": torch.tensor(1e12)}
    one = saved(tmp_path / "one.safetensors", large)
    out = tmp_path / "out.safetensors"
    assert (
        "F32" in refused(lambda: stack([Applied(one)], out, dtype="F16"), "bad-weights", "too large for float16").hint
    )
    stack([Applied(one)], out, dtype="F32")
    assert near(delta(read(out), "lora_unet_a"), delta(large, "lora_unet_a"))


def test_a_lora_of_zeros_stays_one(tmp_path: Path) -> None:
    zero = {name: torch.zeros_like(t) if "up" in name else t for name, t in plain(1).items()}
    source = saved(tmp_path / "zero.safetensors", zero)
    [one] = resize(source, tmp_path / "out.safetensors", keep=0.5)
    assert (one.after, one.error) == (1, 0.0)
    assert not torch.any(delta(read(tmp_path / "out.safetensors"), "lora_unet_a"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a.safetensors", Applied(Path("a.safetensors"))),
        ("a.safetensors=0.8", Applied(Path("a.safetensors"), 0.8)),
        ("a = -1, 0.5", Applied(Path("a"), -1.0, 0.5)),
        ("C:\\loras\\a=b=2", Applied(Path("C:\\loras\\a=b"), 2.0)),
        ("a=b.safetensors", Applied(Path("a=b.safetensors"))),
    ],
)
def test_a_lora_and_its_strength_as_written(text: str, found: Applied) -> None:
    assert Applied.read(text) == found


@pytest.mark.parametrize("text", ["a=much", "a=1,2,3", "a=nan", "a=1e9", "a="])
def test_a_strength_that_is_none(text: str) -> None:
    refused(lambda: Applied.read(text), "bad-option", "no number from -100 to 100")
