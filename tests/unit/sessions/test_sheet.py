"""Comparison sheets of real sessions, ours and the predecessor's."""

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from sdgen_core.cli import build_app
from sdgen_core.errors import SDGenError
from sdgen_core.sessions import actions
from sdgen_core.sessions.plan import Plan
from sdgen_core.sessions.recovery import verify
from sdgen_core.sessions.sheet import VARIES, parse_fixed, read_sheet, sheet_image, sheet_page
from sdgen_core.templates import load_text

from .conftest import make_item, request

TEXT = """
name: cats
prompt: "a {Colour} cat, {Light}"
imports: {Colour: {r: red, g: green, b: blue}, Light: [dawn, "high noon, hard light"]}
generation: {seed: 7}
parameters: {width: 64, height: 64, steps: 9}
"""


@pytest.fixture
def session(make):
    sessions = make()
    row = sessions.submit(request(plan=Plan.build(load_text(TEXT), seeds=[3, 40]))).session
    for item in sessions.ledger.items(row.id):
        make_item(sessions, row.id, item.idx)
    return sessions.finish_if_done(row.id)


def test_axes_and_pivot(session):
    sheet = read_sheet(session.folder)
    assert sheet.values == {
        "Colour": ["r", "g", "b"],
        "Light": ["dawn", "high noon, hard light"],
        "seed": ["3", "40"],
    }
    assert sheet.axes == ["Colour", "Light", "seed"]
    found, rest = sheet.pivot("Colour", "seed", {"Light": "dawn"})
    assert len(found) == 6 and rest == {"Light": "dawn"}
    assert all(cell.at == {"Colour": x, "seed": y, "Light": "dawn"} for (x, y), cell in found.items())
    (session.folder / found["r", "3"].file).unlink()
    again = read_sheet(session.folder)
    assert len(again.cells) == 11
    # what is left open is fixed to what most images have
    assert again.pivot("Colour", "seed", {})[1] == {"Light": "high noon, hard light"}
    with pytest.raises(SDGenError) as caught:
        sheet.pivot("Colour", "seed", {"Light": "down"})
    assert caught.value.nearest == ["dawn"]
    with pytest.raises(SDGenError) as caught:
        sheet.axis("colour")
    assert caught.value.nearest == ["Colour"]
    assert parse_fixed(["Light:dawn", "a:b:c"]) == {"Light": "dawn", "a": "b:c"}


def test_a_sheet_is_no_image_of_the_session(session):
    command = ["sessions", "sheet", str(session.folder), "--x", "Colour"]
    first = CliRunner().invoke(build_app("sessions"), command)
    assert first.exit_code == 0, first.output
    assert [p.relative_to(session.folder).as_posix() for p in session.folder.rglob("Colour_*.png")] == [
        "sheets/Colour_Light.png"
    ]
    assert verify(session.folder).ok
    assert CliRunner().invoke(build_app("sessions"), command).exit_code == 0


def test_what_is_another_for_each_image_does_not_empty_the_sheet(make):
    sessions = make()
    row = sessions.submit(
        request(plan=Plan.build(load_text(TEXT.replace("seed: 7", "seed: 7, seed_mode: progressive"))))
    ).session
    for item in sessions.ledger.items(row.id):
        make_item(sessions, row.id, item.idx)
    sheet = read_sheet(sessions.finish_if_done(row.id).folder)
    assert sheet.axes == ["Colour", "Light", "seed"]  # the seed has six values, one an image
    found, rest = sheet.pivot("Colour", "Light", {})
    assert len(found) == 6 and rest == {"seed": VARIES}
    assert len(sheet.pivot("Colour", "Light", {"seed": "7"})[0]) == 1


def test_the_picture_has_every_image_in_its_place(session):
    sheet = read_sheet(session.folder, parameters=True)
    assert "steps" in sheet.values and sheet.values["checkpoint"] == ["m.safetensors"]
    picture = sheet_image(sheet, "Colour", "seed", {"Light": "dawn"}, size=64)
    found, _ = sheet.pivot("Colour", "seed", {"Light": "dawn"})
    colours = {Image.open(session.folder / c.file).convert("RGB").getpixel((0, 0)) for c in found.values()}
    there = {colour for _, colour in picture.getcolors(1 << 24)}
    assert colours <= there and len(colours) == 2
    assert sheet_image(sheet, "seed", "seed", size=64).width < picture.width
    with pytest.raises(SDGenError) as caught:
        sheet_image(sheet, "Colour", "nothing")
    assert caught.value.code == "bad-option"


def test_a_theme_compares_with_none(make):
    sessions = make()
    plain = load_text(TEXT)
    for resolved in (plain, replace(plain, theme="gala", parameters={**plain.parameters, "steps": 8})):
        asked = request(plan=Plan.build(resolved, count=2), name="cats", on_existing="extend")
        row = sessions.submit(asked).session
        for item in sessions.ledger.items(row.id, "todo"):
            make_item(sessions, row.id, item.idx)
    sheet = read_sheet(row.folder)
    assert sheet.values["theme"] == ["no theme", "gala"]
    assert len(sheet.pivot("theme", "seed", {"Light": "dawn"})[0]) == 2


def test_the_page_stands_alone(session):
    page = sheet_page(read_sheet(session.folder), size=32)
    assert "http://" not in page and "https://" not in page and "/*DATA*/" not in page
    data = json.loads(page.split("const sheet = ", 1)[1].split(";\n", 1)[0])
    assert (data["x"], data["y"], len(data["cells"])) == ("Colour", "Light", 12)
    assert all(cell["src"].startswith("data:image/webp;base64,") for cell in data["cells"])


def test_text_of_a_session_cannot_leave_its_place_in_the_page(make):
    sessions = make()
    text = TEXT.replace("dawn", "</script><script>alert(1)</script>")
    row = sessions.submit(request(text)).session
    for item in sessions.ledger.items(row.id):
        make_item(sessions, row.id, item.idx)
    page = sheet_page(read_sheet(row.folder), size=16)
    assert page.count("<script>") == 1 and "\\u003c/script>" in page


def test_sessions_of_the_predecessor(tmp_path):
    source = Path(__file__).parents[2] / "data" / "sessions" / "20261122_142121-Plain_Run_One"
    folder = tmp_path / source.name
    shutil.copytree(source, folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for entry in manifest["images"]:
        Image.new("RGB", (8, 8), "red").save(folder / entry["filename"])
    sheet = read_sheet(folder)
    assert len(sheet.cells) == len(manifest["images"]) and "seed" in sheet.values
    assert set(manifest["images"][0]["applied_variations"]) <= set(sheet.values)
    axis = sheet.axes[0]
    assert sheet_image(sheet, axis, axis, size=32).width > 32


def test_a_server_draws_sheets(session, make):
    sessions = make()
    assert list(actions.axes(sessions, session.id)) == ["Colour", "Light", "seed"]
    png, kind = actions.compared(sessions, session.id, {"x": "seed", "y": "Light", "size": "32"})
    assert kind == "image/png" and Image.open(io.BytesIO(png)).format == "PNG"
    page, kind = actions.compared(sessions, session.id, {"form": "html"})
    assert kind == "text/html" and page.count(b"data:image/webp") == 12
    for body, code in (
        ({"form": "gif"}, "bad-request"),
        ({"size": "9999"}, "bad-request"),
        ({"x": "Color"}, "bad-option"),
    ):
        with pytest.raises(SDGenError) as caught:
            actions.compared(sessions, session.id, body)
        assert caught.value.code == code
    assert caught.value.nearest == ["Colour"]


def test_a_server_draws_no_endless_sheet(session, make, monkeypatch):
    monkeypatch.setattr(actions, "MOST_COMPARED", 5)
    sessions = make()
    assert actions.compared(sessions, session.id, {"x": "seed", "y": "Light", "size": "32"})[1] == "image/png"
    for body in ({"form": "html"}, {"x": "Colour", "y": "seed"}):
        with pytest.raises(SDGenError, match="more than 5"):
            actions.compared(sessions, session.id, body)
