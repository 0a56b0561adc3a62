"""Heads of files that Pillow wrote as A1111, ComfyUI and others have it write them, and of files that are broken."""

import json
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from sdgen_core.catalog.parsers import parse
from sdgen_core.catalog.scan import headers
from sdgen_core.catalog.scan.headers import read_header
from sdgen_core.errors import SDGenError
from sdgen_core.sessions.metadata import encode_png

A1111 = "a cat in Zürich, 猫\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512"
GRAPH = json.dumps({"1": {"class_type": "KSampler", "inputs": {"seed": 5, "steps": 9, "positive": "a cat"}}})


def picture(mode="RGB", size=(37, 21)):
    return Image.linear_gradient("L").resize(size).convert(mode)


def png(**texts):
    return encode_png(picture(), texts)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunks(*chunks, before=b"IDAT"):
    """A PNG with chunks of its own before the first of a kind."""
    data = png()
    at = data.index(before) - 4
    return data[:at] + b"".join(chunks) + data[at:]


def user_comment(text, charset=b"UNICODE\0", encoding="utf-16-be"):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = charset + text.encode(encoding)
    return exif


def comfy_exif(**chunks):
    """As ComfyUI: the prompt under Model, others from Make downwards."""
    exif = Image.Exif()
    exif[0x0110] = "prompt:" + chunks.pop("prompt")
    for n, (name, text) in enumerate(chunks.items()):
        exif[0x010F - n] = f"{name}:{text}"
    return exif


@pytest.fixture
def head(tmp_path):
    """The header of bytes, or of an image saved with options."""

    def read(data, **options):
        path = tmp_path / "image"
        if isinstance(data, bytes):
            path.write_bytes(data)
        else:
            data.save(path, **options)
        return read_header(path)

    return read


def refused(head, data):
    with pytest.raises(SDGenError) as error:
        head(data)
    assert error.value.code == "broken-image"
    return error.value.text


# --- PNG --------------------------------------------------------------------------------------------------------------


def test_png_of_the_engine(head):
    found = head(png(parameters=A1111, prompt=GRAPH))
    assert (found.format, found.width, found.height) == ("png", 37, 21)
    assert dict(found.chunks) == {"parameters": A1111, "prompt": GRAPH}


def test_png_packed_texts(head):
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a café", zip=True)
    info.add_itxt("workflow", '{"ü": 1}', zip=True)
    info.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>")
    assert dict(head(picture(), format="png", pnginfo=info).chunks) == {
        "parameters": "a café",
        "workflow": '{"ü": 1}',
        "XML:com.adobe.xmp": "<x:xmpmeta/>",
    }


def test_png_texts_behind_the_pixels(head):
    texts = chunk(b"tEXt", b"Software\0x"), chunk(b"comf", b"prompt\0" + GRAPH.encode())
    assert dict(head(with_chunks(*texts, before=b"IEND")).chunks) == {"Software": "x", "prompt": GRAPH}


def test_png_with_exif(head):
    found = head(picture(), format="png", exif=user_comment(A1111).tobytes())
    assert dict(found.chunks) == {"parameters": A1111}


def test_png_that_ends_early_is_refused_also_where_its_texts_are_whole(head):
    data = png(parameters=A1111)
    assert head(data + b"junk behind the end").chunks["parameters"] == A1111
    for cut in range(len(data)):
        refused(head, data[:cut])


def test_png_bombs_are_left_out(head, monkeypatch):
    monkeypatch.setattr(headers, "MAX_TEXT", 4 << 20)
    bomb = chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(64 << 20), 9))
    two_mib = zlib.compress(b"x" * (2 << 20))
    many = [chunk(b"zTXt", b"t%d\0\0" % n + two_mib) for n in range(50)]
    found = head(with_chunks(chunk(b"tEXt", b"parameters\0first"), bomb, *many)).chunks
    assert found["parameters"] == "first"
    assert "bomb" not in found
    assert sum(map(len, found.values())) <= 4 << 20


def test_png_that_says_it_is_longer_than_the_file(head):
    data = png()
    assert "ends" in refused(head, data[:33] + struct.pack(">I", 2**31 - 1) + b"tEXt" + data[33:])


def test_png_with_texts_that_cannot_be_decoded(head):
    broken = chunk(b"zTXt", b"a\0\0not packed"), chunk(b"iTXt", b"b\0\0\0\0\0\xff\xfe"), chunk(b"tEXt", b"no keyword")
    assert dict(head(with_chunks(*broken, chunk(b"tEXt", b"c\0fine"))).chunks) == {"c": "fine"}


# --- JPEG -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True, "quality": 10}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_size(head, mode, options):
    found = head(picture(mode), format="jpeg", **options)
    assert (found.format, found.width, found.height, dict(found.chunks)) == ("jpeg", 37, 21, {})


def test_jpeg_comment(head):
    found = head(picture(), format="jpeg", comment="größer")
    assert found.chunks["comment"] == "größer"


@pytest.mark.parametrize(
    "exif",
    [
        user_comment(A1111),
        user_comment(A1111, encoding="utf-16-le"),
        user_comment("\ufeff" + A1111, encoding="utf-16-le"),
        user_comment(A1111, b"ASCII\0\0\0", "utf-8"),
        user_comment(A1111, bytes(8), "utf-8"),
        user_comment(A1111, b"", "utf-8"),
    ],
)
@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_a1111_text_in_a_user_comment(head, kind, exif):
    found = head(picture(), format=kind, exif=exif)
    assert found.chunks["parameters"] == A1111
    assert parse(found.chunks).sampler == "euler_ancestral"


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_comfyui_in_exif(head, kind):
    found = head(
        picture(), format=kind, exif=comfy_exif(prompt=GRAPH, workflow='{"nodes": []}', sdgen='{"version": 1}')
    )
    assert dict(found.chunks) == {"prompt": GRAPH, "workflow": '{"nodes": []}', "sdgen": '{"version": 1}'}
    assert parse(found.chunks).seed == 5


def test_a_camera_is_no_generator(head):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x010E] = "Canon", "EOS 5D: Mark {II}", "A day: at the sea"
    assert dict(head(picture(), format="jpeg", exif=exif).chunks) == {}


def test_jpeg_broken(head, tmp_path):
    picture().save(tmp_path / "a.jpg", exif=user_comment(A1111))
    data = (tmp_path / "a.jpg").read_bytes()
    pixels = data.index(b"\xff\xda")
    for cut in range(2, pixels):
        refused(head, data[:cut])
    start = data.index(b"\xff\xdb")
    assert head(data[:start] + b"\xff\xff\xff" + data[start:]).width == 37  # fill bytes are allowed
    assert "between two segments" in refused(head, data[:start] + b"xx" + data[start:])
    assert "length" in refused(head, b"\xff\xd8\xff\xe0\0\1" + data)
    assert "zero" in refused(head, b"\xff\xd8\xff\xc0\0\x0b\x08\0\0\0\0\1\1\x11\0\xff\xd9")


# --- WebP -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"lossless": True}, {"exif": comfy_exif(prompt=GRAPH)}, {"xmp": b"<x:xmpmeta>\xc3\xbc</x:xmpmeta>"}]
)
@pytest.mark.parametrize("size", [(37, 21), (1, 1), (3000, 2)])
def test_webp(head, size, options):
    found = head(picture(size=size), format="webp", **options)
    assert (found.format, found.width, found.height) == ("webp", *size)
    expected = {"exif": {"prompt": GRAPH}, "xmp": {"XML:com.adobe.xmp": "<x:xmpmeta>ü</x:xmpmeta>"}}
    assert dict(found.chunks) == expected.get(next(iter(options), ""), {})


def test_webp_animated(head):
    frames = [picture(size=(40, 30)) for _ in range(3)]
    found = head(frames[0], format="webp", save_all=True, append_images=frames[1:], exif=comfy_exif(prompt=GRAPH))
    assert (found.width, found.height, dict(found.chunks)) == (40, 30, {"prompt": GRAPH})


def test_webp_broken(head, tmp_path):
    picture().save(tmp_path / "a.webp", exif=comfy_exif(prompt=GRAPH))
    data = (tmp_path / "a.webp").read_bytes()
    for cut in range(12, len(data) - 1):
        refused(head, data[:cut])
    refused(head, data[:12] + b"VP8L" + struct.pack("<I", 5) + b"\0" * 6 + data[12:])
    refused(head, b"RIFF\x04\0\0\0WEBP")


# --- all --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"GIF89a" + bytes(40), b"\x89PNG", b"RIFF\0\0\0\0WAVE", b"\xff\xd8", b"<html>"])
def test_no_image(head, data):
    refused(head, data)


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(SDGenError) as error:
        read_header(tmp_path / "none.png")
    assert error.value.code == "missing-file"
    with pytest.raises(SDGenError) as error:
        read_header(tmp_path)
    assert error.value.code == "unreadable-file"


def test_the_content_tells_the_format(tmp_path):
    picture().save(tmp_path / "a.png", format="jpeg")
    assert read_header(tmp_path / "a.png").format == "jpeg"


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    (folder / "a.png").write_bytes(png(parameters=A1111))
    picture().save(folder / "b.jpg", exif=user_comment(A1111), comment="x")
    picture().save(folder / "c.webp", exif=comfy_exif(prompt=GRAPH), xmp=b"<x/>")
    picture().save(folder / "d.jpg", exif=comfy_exif(prompt=GRAPH, workflow="{}"))
    return [path.read_bytes() for path in sorted(folder.iterdir())], folder / "changed"


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_change_of_a_file_is_read_or_refused(samples, data):
    files, path = samples
    content = bytearray(data.draw(st.sampled_from(files)))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, min(len(content) - 1, 700)))] = data.draw(st.integers(0, 255))
    Path(path).write_bytes(content)
    try:
        found = read_header(path)
    except SDGenError as error:
        assert error.code == "broken-image"
    else:
        assert found.width > 0 and found.height > 0
        parse(found.chunks)
