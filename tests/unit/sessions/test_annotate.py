"""Annotated copies: the original stays as it is, and what is drawn is there."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sdgen_core.sessions.annotate import Annotations, annotate_session, annotated, copy_name
from sdgen_core.sessions.metadata import read_png_chunks
from sdgen_core.sessions.upkeep import check

from .conftest import TEMPLATE, make_item, request

GREY = (100, 100, 100)


def changed(before, after):
    """The box of what was drawn."""
    from PIL import ImageChops

    return ImageChops.difference(before, after.convert("RGB")).getbbox()


@pytest.mark.parametrize("position", ["bottom-left", "bottom-right", "top-left", "top-right"])
def test_the_box_stands_in_its_corner(position):
    image = Image.new("RGB", (400, 300), GREY)
    out = annotated(image, ["Hair: red"], Annotations(position=position, font_size=20, margin=25, padding=7))
    assert out.mode == "RGB" and image.getcolors() == [(400 * 300, GREY)]
    left, top, right, bottom = changed(image, out)
    assert (left if "left" in position else 400 - right) == 25
    assert (top if "top" in position else 300 - bottom) == 25


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 200), st.integers(1, 200), st.integers(1, 60), st.lists(st.text(max_size=80), min_size=1, max_size=4)
)
def test_any_text_fits_any_image(width, height, size, lines):
    image = Image.new("RGBA", (width, height))
    assert annotated(image, lines, Annotations(font_size=size)).size == (width, height)


def test_colour_alpha_and_keys():
    image = Image.new("RGB", (300, 200), GREY)
    plain = annotated(image, ["x"], Annotations(background_alpha=0, text_color="red"))
    colours = {colour for _, colour in plain.getcolors(1 << 20)}
    assert GREY in colours and any(r > 200 and g < 90 for r, g, _ in colours) and (0, 0, 0) not in colours
    assert (0, 0, 0) in {c for _, c in annotated(image, ["x"], Annotations(background_alpha=255)).getcolors(1 << 20)}
    values = {"Hair": {"main": "bob", "lora": "<lora:b:1>"}, "Coat": "red,\ncoat"}
    assert Annotations().lines(values) == ["Hair: bob", "Coat: red, coat"]
    assert Annotations(keys=("Coat", "Gone")).lines(values) == ["Coat: red, coat"]
    assert Annotations.of({"enabled": False}) is None and Annotations.of(None) is None


def test_a_session_draws_copies_and_leaves_the_originals(make):
    sessions = make()
    block = "output: {annotations: {enabled: true, keys: [Colour], font_size: 4, margin: 0, padding: 0}}\n"
    row = sessions.submit(request(TEMPLATE % 2 + block)).session
    files = [make_item(sessions, row.id, idx)[0] for idx in range(2)]
    sessions.finish_if_done(row.id)
    hashes = {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
    sessions.annotator.close()
    for path in files:
        copy = copy_name(path)
        assert read_png_chunks(copy) == read_png_chunks(path) and Image.open(copy).size == Image.open(path).size
        assert copy.read_bytes() != path.read_bytes()
        assert hashlib.sha256(path.read_bytes()).hexdigest() == hashes[path]
    assert check(sessions, row.id, hashes=True)["verify"]["ok"]
    for path in files:
        copy_name(path).unlink()
    files[1].write_bytes(b"no png")
    made, wrong = annotate_session(row.folder, Annotations())
    assert made == 1 and len(wrong) == 1 and copy_name(files[0]).is_file()
