"""A zip of images: the same pixels without what the files say, names that every system takes, a table of what is known."""

from __future__ import annotations

import contextlib
import csv
import io
import random
import zipfile

import pytest
from PIL import Image, ImageCms

from sdgen_core.catalog import export_images
from sdgen_core.catalog.clean_copies import NotCleaned, clean_copy, orientation
from sdgen_core.catalog.export_images import Progress, Stopped, check_room, write_zip
from sdgen_core.catalog.scan.headers import read_header
from sdgen_core.errors import SDGenError
from sdgen_core.sessions.metadata import encode_png

from .folders import Catalog, own_session, png

SECRETS = {"prompt": '{"1": {"class_type": "KSampler"}}', "workflow": "{}", "parameters": "a red coat", "sdgen": "{}"}


def cleaned(path):
    with path.open("rb") as handle:
        return b"".join(clean_copy(handle))


def noise(size=(40, 24), mode="RGB"):
    pixels = random.Random(3).randbytes(size[0] * size[1] * len(mode))
    return Image.frombytes(mode, size, pixels)


def exif(turned=1):
    made = Image.Exif()
    made[0x010F] = "prompt:{secret}"
    made[0x9286] = "a red coat"
    if turned > 1:
        made[0x0112] = turned
    return made


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("turned", [1, 6])
@pytest.mark.parametrize("kind", ["png", "jpeg", "progressive", "webp", "lossless"])
def test_clean_copies_have_the_same_pixels_and_say_nothing(tmp_path, kind, mode, turned):
    path, image = tmp_path / "a", noise(mode=mode)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if kind == "png":
        path.write_bytes(encode_png(image, SECRETS))
        image.info |= {}
    elif kind in ("jpeg", "progressive"):
        image = image.convert("RGB") if mode == "RGBA" else image
        image.save(
            path,
            "JPEG",
            exif=exif(turned),
            comment=b"secret",
            progressive=kind != "jpeg",
            icc_profile=profile,
            xmp=b"<secret/>",
        )
    else:
        image.save(path, "WEBP", lossless=kind == "lossless", exif=exif(turned), xmp=b"<secret/>", icc_profile=profile)
    clean = cleaned(path)
    (tmp_path / "b").write_bytes(clean)
    before, after = Image.open(path), Image.open(io.BytesIO(clean))
    assert before.tobytes() == after.tobytes() and before.size == after.size
    assert before.info.get("icc_profile") == after.info.get("icc_profile")
    assert before.getexif().get(0x0112, 1) == after.getexif().get(0x0112, 1)
    assert dict(read_header(tmp_path / "b").chunks) == {}
    for secret in (b"secret", b"red coat", b"KSampler"):
        assert secret not in clean
    assert cleaned(tmp_path / "b") == clean


def test_what_is_damaged_is_not_cleaned_and_raises_nothing_else(tmp_path):
    whole = []
    for kind in ("PNG", "JPEG", "WEBP"):
        data = io.BytesIO()
        noise().save(data, kind)
        whole.append(data.getvalue())
    pick = random.Random(5)
    for data in whole:
        for _ in range(300):
            broken = bytearray(data[: pick.randrange(1, len(data) + 1)])
            for _ in range(pick.randrange(4)):
                broken[pick.randrange(len(broken))] = pick.randrange(256)
            with contextlib.suppress(NotCleaned):
                b"".join(clean_copy(io.BytesIO(bytes(broken))))
    assert orientation(b"II*\0\xff\xff\xff\xff") == 1
    with pytest.raises(NotCleaned):
        clean_copy(io.BytesIO(b"GIF89a"))


@pytest.fixture
def mine(tmp_path):
    """A catalog with a session of five images, and the ids."""
    catalog = Catalog(tmp_path / "catalog")
    own_session(tmp_path / "sessions" / "mine", 5)
    catalog.run(tmp_path / "sessions")
    yield catalog, [row[0] for row in catalog.rows("SELECT id FROM image ORDER BY number")]
    catalog.close()


def zipped(mine, tmp_path, images=None, **options):
    catalog, ids = mine
    images = ids if images is None else images
    where = dict(catalog.rows("SELECT image.id, folder || '/' || file FROM image JOIN session ON session.id=session"))

    def file(image):
        from pathlib import Path

        path = Path(where[image])
        if not path.is_file():
            raise SDGenError("missing-file", f"the file is not there: {path}")
        return path

    progress = Progress(len(images))
    write_zip(tmp_path / "out.zip", catalog.index.store, images, file, progress, **options)
    return zipfile.ZipFile(tmp_path / "out.zip"), progress


def test_the_zip_holds_the_files_and_a_table(mine, tmp_path):
    archive, progress = zipped(mine, tmp_path)
    assert archive.testzip() is None and progress.done == 5 and progress.remarks == []
    assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    rows = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode("utf-8-sig"))))
    assert [row["file"] for row in rows] == [name for name in archive.namelist() if name.endswith(".png")]
    assert all(row["seed"] for row in rows)
    folder = tmp_path / "sessions" / "mine"
    assert archive.read(rows[0]["file"]) == (folder / rows[0]["original"]).read_bytes()


def test_clean_copies_in_the_zip_say_nothing(mine, tmp_path):
    archive, _ = zipped(mine, tmp_path, clean=True, names="number")
    assert [n for n in archive.namelist() if n.endswith(".png")] == [f"{n}.png" for n in range(1, 6)]
    for name in archive.namelist():
        if name.endswith(".png"):
            assert Image.open(io.BytesIO(archive.read(name))).info == {}


def test_names_are_of_their_own_and_fit_everywhere(mine, tmp_path, monkeypatch):
    ids = mine[1]
    real = export_images.details
    stems = ["CON", "a" * 300, "é" * 200, "../../x", "A" * 300]

    def renamed(store, images):
        return [{**one, "file": f"{stems[ids.index(one['id'])]}.png"} for one in real(store, images)]

    monkeypatch.setattr(export_images, "details", renamed)
    archive, _ = zipped(mine, tmp_path)
    names = archive.namelist()
    assert len({name.casefold() for name in names}) == len(names) == 6
    for name in names:
        assert len(name.encode()) <= 120 and not set(name) & set('<>:"/\\|?*') and not name.upper().startswith("CON.")


def test_values_name_files(mine, tmp_path):
    archive, _ = zipped(mine, tmp_path, names="values")
    assert any("seed-" in name for name in archive.namelist())


def test_what_is_missing_or_damaged_is_said(mine, tmp_path):
    catalog, ids = mine
    names = [name for (name,) in catalog.rows("SELECT file FROM image ORDER BY number")]
    folder = tmp_path / "sessions" / "mine"
    (folder / names[0]).unlink()
    (folder / names[1]).write_bytes((folder / names[1]).read_bytes()[:60])
    archive, progress = zipped(mine, tmp_path, [*ids, 999], clean=True)
    said = archive.read("remarks.txt").decode()
    assert names[0] in said and names[1] in said and "1 images are not in the library" in said
    assert str(tmp_path) not in said
    assert len(progress.remarks) == 3 and progress.done == 6
    assert len(archive.namelist()) == 3 + 2


def test_formulas_are_texts(mine, tmp_path, monkeypatch):
    real = export_images.details
    monkeypatch.setattr(
        export_images, "details", lambda store, images: [{**one, "note": "=cmd()"} for one in real(store, images)]
    )
    archive, _ = zipped(mine, tmp_path)
    rows = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode("utf-8-sig"))))
    assert rows[0]["note"] == "'=cmd()"


def test_stopping_and_a_full_disk_leave_nothing(mine, tmp_path, monkeypatch):
    catalog, ids = mine
    progress = Progress(5, stopped=True)
    with pytest.raises(Stopped):
        write_zip(tmp_path / "out.zip", catalog.index.store, ids, lambda image: tmp_path, progress)
    assert not (tmp_path / "out.zip").exists()

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export_images, "_add", full)
    with pytest.raises(SDGenError) as caught:
        zipped(mine, tmp_path)
    assert caught.value.code == "disk-full" and not (tmp_path / "out.zip").exists()
    check_room(catalog.index.store, ids, tmp_path)
    monkeypatch.setattr(export_images, "_SPARE", 1 << 62)
    with pytest.raises(SDGenError) as caught:
        check_room(catalog.index.store, ids, tmp_path)
    assert caught.value.code == "disk-full"


def test_png_helper_makes_what_is_cleaned(tmp_path):
    png(tmp_path / "x.png", SECRETS)
    assert b"KSampler" not in cleaned(tmp_path / "x.png")
