"""Which regions are painted, what is cut out around them, and that nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from sdgen_core.comfy.regions import Box, Painting, Selection, blurred, box_of, painted_size, surroundings  # noqa: E402


def masks(*boxes: Box, width: int = 100, height: int = 80) -> Any:
    out = torch.zeros(len(boxes), height, width)
    for mask, (left, top, right, bottom) in zip(out, boxes, strict=True):
        mask[top:bottom, left:right] = 1
    return out


def chosen(found: Any, **selection: Any) -> list[Box | None]:
    return [box_of(mask) for mask in Selection(**selection).choose(found, 80, 100)]


SMALL, LARGE, MIDDLE = (10, 10, 20, 20), (40, 20, 80, 70), (0, 50, 20, 70)


def test_masks_are_taken_as_found_and_empty_ones_left_out() -> None:
    assert chosen(masks(SMALL, (0, 0, 0, 0), LARGE)) == [SMALL, LARGE]
    assert chosen(masks((0, 0, 0, 0))) == chosen(torch.zeros(0, 80, 100)) == []
    assert chosen(masks((5, 5, 10, 10), width=50, height=40)) == [SMALL], (
        "masks of another size are brought to the image's"
    )


@pytest.mark.parametrize(
    ("selection", "kept"),
    [
        ({"largest": 1}, [LARGE]),
        ({"largest": 2}, [LARGE, MIDDLE]),
        ({"largest": 1, "judge": "order"}, [SMALL]),
        ({"min_ratio": 0.04}, [LARGE, MIDDLE]),
        ({"max_ratio": 0.04}, [SMALL]),
        ({"min_ratio": 0.9}, []),
    ],
)
def test_regions_are_left_out_by_size(selection: dict[str, Any], kept: list[Box]) -> None:
    assert chosen(masks(SMALL, LARGE, MIDDLE), **selection) == kept


@pytest.mark.parametrize(
    ("selection", "box"),
    [
        ({"grow": 4}, (8, 8, 21, 21)),
        ({"grow": 5}, (8, 8, 22, 22)),
        ({"grow": -5}, (12, 12, 18, 18)),
        ({"right": 7, "down": -4}, (17, 6, 27, 16)),
        ({"right": -200}, None),
        ({"grow": -50}, None),
    ],
)
def test_masks_are_moved_and_grown(selection: dict[str, Any], box: Box | None) -> None:
    [grown] = chosen(masks(SMALL), **selection) or [None]
    if box is None or "right" in selection:
        assert grown == box
    else:
        assert grown is not None
        assert all(abs(a - b) <= 1 for a, b in zip(grown, box, strict=True)), grown


def test_masks_are_merged_and_inverted() -> None:
    [union] = Selection(merge="together").choose(masks(SMALL, LARGE), 80, 100)
    assert torch.equal(union, masks(SMALL, LARGE).amax(0))
    [rest] = Selection(merge="everything else").choose(masks(SMALL, LARGE), 80, 100)
    assert torch.equal(rest, 1 - union)
    assert Selection(merge="everything else").choose(masks((0, 0, 0, 0)), 80, 100) == []


def test_a_blurred_mask_keeps_its_weight_in_the_middle() -> None:
    soft = blurred(masks(LARGE)[0], 3)
    assert soft[45, 60] > 0.99 and 0.4 < soft[45, 40] < 0.6 and soft[45, 20] == 0
    assert torch.equal(blurred(soft, 0), soft)


def test_the_cut_out_has_the_proportions_of_what_is_painted() -> None:
    assert surroundings((40, 40, 60, 50), 5, 64, 64, (100, 100)) == (35, 30, 65, 60)
    assert surroundings((0, 40, 20, 60), 0, 128, 64, (100, 100)) == (0, 40, 40, 60), "pushed back into the image"
    assert surroundings((0, 0, 100, 10), 0, 64, 64, (100, 50)) == (0, 0, 100, 50), "no more than there is"
    assert painted_size(511, 5) == (512, 16)


def test_only_the_masks_change() -> None:
    image = torch.rand(80, 100, 3, generator=torch.Generator().manual_seed(1))
    seen: list[tuple[int, ...]] = []

    def sample(pixels: Any, mask: Any, number: int) -> Any:
        seen.append((*pixels.shape[1:3], *mask.shape, number))
        assert 0 < mask.mean() < 1
        return torch.ones_like(pixels)

    found = Selection().choose(masks(SMALL, LARGE), 80, 100)
    made = Painting(64, 64, padding=6, blur=0).paint(image, found, sample)
    inside = masks(SMALL, LARGE).amax(0) > 0
    assert torch.equal(made[~inside], image[~inside])
    assert torch.all(made[inside] > 0.999)
    assert seen == [(64, 64, 1, 64, 64, 0), (64, 64, 1, 64, 64, 1)]
    seen.clear()
    Painting(64, 64, only_masked=False).paint(image, found[:1], sample)
    assert seen == [(80, 96, 1, 80, 96, 0)], "the whole image, at its own size"
    soft = Painting(64, 64, padding=6, blur=2).paint(image, found[1:], sample)
    assert not torch.equal(soft, made) and torch.equal(soft[:, :30], image[:, :30])
