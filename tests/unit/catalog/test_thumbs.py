"""Thumbnails: right for any image, whole or not there, and made without standing in anybody's way."""

from __future__ import annotations

import io
import os
import random
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdgen_core.catalog.pictures import thumbs as module
from sdgen_core.catalog.pictures.phash import phash
from sdgen_core.catalog.pictures.shrink import fitted, placeholder, thumbnails
from sdgen_core.catalog.pictures.thumbs import LARGE, SIZES, SMALL, Made, ThumbQueue, Thumbs
from sdgen_core.errors import SDGenError

KEY = "0123456789abcdef" * 4
KEYS = [f"{n:032x}" for n in range(64)]


@pytest.fixture
def thumbs(tmp_path: Path) -> Thumbs:
    return Thumbs(tmp_path / "thumbs")


def quarters(width: int, height: int) -> Image.Image:
    """Red and green above, blue and white below: no two ways of turning it look the same."""
    image = Image.new("RGB", (width, height), "white")
    for colour, place in (("red", (0, 0)), ("#00ff00", (width // 2, 0)), ("blue", (0, height // 2))):
        image.paste(colour, (*place, place[0] + width // 2, place[1] + height // 2))
    return image


def made(thumbs: Thumbs, size: int, key: str = KEY) -> Image.Image:
    with Image.open(thumbs.path(key, size)) as image:
        assert image.format == "WEBP"
        image.load()
        return image


def difference(a: Image.Image, b: Image.Image) -> float:
    """The mean difference of two images, 0 to 255."""
    return float(np.abs(np.asarray(a.convert("RGB"), float) - np.asarray(b.convert("RGB"), float)).mean())


# ---- sizes and pixels ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "large", "small"),
    [
        ((832, 1216), (350, 512), (175, 256)),
        ((1216, 832), (512, 350), (256, 175)),
        ((2048, 2048), (512, 512), (256, 256)),
        ((300, 200), (300, 200), (256, 171)),
        ((100, 50), (100, 50), (100, 50)),
        ((1, 1), (1, 1), (1, 1)),
        ((4000, 3), (512, 1), (256, 1)),
        ((513, 512), (512, 511), (256, 256)),
    ],
)
def test_both_sizes_keep_the_aspect_and_are_never_larger(
    thumbs: Thumbs, size: tuple[int, int], large: tuple[int, int], small: tuple[int, int]
) -> None:
    assert thumbs.make(Image.new("RGB", size, "teal"), KEY) == size
    assert (made(thumbs, LARGE).size, made(thumbs, SMALL).size) == (large, small)
    assert thumbs.has(KEY)


def test_thumbnails_are_sharp(thumbs: Thumbs) -> None:
    """Fine lines keep the contrast that the best of Pillow's filters leaves them."""
    rng = np.random.default_rng(1)
    lines = np.kron(rng.integers(0, 2, (200, 140), dtype=np.uint8) * 255, np.ones((6, 6), np.uint8))
    image = Image.fromarray(lines).convert("RGB")
    thumbs.make(image, KEY)
    for size in SIZES:
        best = image.resize(fitted(image.size, size), Image.Resampling.LANCZOS)
        assert np.asarray(made(thumbs, size).convert("L")).std() > 0.85 * np.asarray(best.convert("L")).std()
        assert difference(made(thumbs, size), best) < 20


def as_file(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


SAVED: dict[str, Callable[[Path], Path]] = {
    "rgb.png": lambda p: as_file(quarters(640, 480), p),
    "palette.png": lambda p: as_file(quarters(640, 480).quantize(8), p),
    "palette.gif": lambda p: as_file(quarters(640, 480).quantize(8), p),
    "opaque.png": lambda p: as_file(quarters(640, 480).convert("RGBA"), p),
    "plain.jpg": lambda p: as_file(quarters(640, 480), p, quality=95),
    "cmyk.jpg": lambda p: as_file(quarters(640, 480).convert("CMYK"), p, quality=95),
    "cmyk.tif": lambda p: as_file(quarters(640, 480).convert("CMYK"), p),
    "large.jpg": lambda p: as_file(quarters(4096, 3072), p),
    "large.png": lambda p: as_file(quarters(4096, 3072), p),
    "plain.webp": lambda p: as_file(quarters(640, 480), p, lossless=True),
    "plain.bmp": lambda p: as_file(quarters(640, 480), p),
}


@pytest.mark.parametrize("name", SAVED)
def test_every_kind_of_file(thumbs: Thumbs, tmp_path: Path, name: str) -> None:
    path = SAVED[name](tmp_path / name)
    assert thumbs.make_from_file(path, KEY) == ((4096, 3072) if "large" in name else (640, 480))
    for size in SIZES:
        thumb = made(thumbs, size)
        assert thumb.mode == "RGB"
        assert difference(thumb, quarters(*thumb.size)) < 5


GREYS: dict[str, Callable[[np.ndarray], Image.Image]] = {
    "8.png": lambda grey: Image.fromarray((grey >> 8).astype(np.uint8)),
    "16.png": Image.fromarray,
    "16.tif": Image.fromarray,
    "32.tif": lambda grey: Image.fromarray(grey.astype(np.int32)),
}


@pytest.mark.parametrize("name", GREYS)
def test_greys_of_16_bits_keep_their_shades(thumbs: Thumbs, tmp_path: Path, name: str) -> None:
    ramp = np.tile(np.linspace(0, 65535, 400).astype(np.uint16), (300, 1))
    assert thumbs.make_from_file(as_file(GREYS[name](ramp), tmp_path / name), KEY) == (400, 300)
    expected = Image.fromarray((ramp >> 8).astype(np.uint8))
    assert difference(made(thumbs, LARGE), expected) < 3


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16"]
)
def test_every_mode_of_an_image(thumbs: Thumbs, mode: str) -> None:
    assert thumbs.make(Image.new(mode, (700, 600)), KEY) == (700, 600)
    assert made(thumbs, SMALL).size == (256, 219)


@pytest.mark.parametrize("name", ["rgba.png", "palette.png", "rgba.webp", "la.png"])
def test_what_is_transparent_stays_so(thumbs: Thumbs, tmp_path: Path, name: str) -> None:
    image = quarters(640, 480).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 320, 480))
    if name.startswith("palette"):
        image = image.quantize(16)
    elif name.startswith("la"):
        image = image.convert("LA")
    thumbs.make_from_file(as_file(image, tmp_path / name), KEY)
    for size in SIZES:
        alpha = made(thumbs, size).getchannel("A")
        assert (alpha.getpixel((5, 5)), alpha.getpixel((alpha.width - 5, 5))) == (0, 255)


# What is seen at top left, top right, bottom left and bottom right of quarters(), by EXIF's definition of the tag
SEEN = {1: "RGBW", 2: "GRWB", 3: "WBGR", 4: "BWRG", 5: "RBGW", 6: "BRWG", 7: "WGBR", 8: "GWRB", 0: "RGBW", 9: "RGBW"}
COLOURS = {"R": (255, 0, 0), "G": (0, 255, 0), "B": (0, 0, 255), "W": (255, 255, 255)}


@pytest.mark.parametrize("orientation", SEEN)
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_exif_orientation(thumbs: Thumbs, tmp_path: Path, orientation: int, ending: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = as_file(quarters(800, 600), tmp_path / f"turned.{ending}", exif=exif)
    upright = (600, 800) if 5 <= orientation <= 8 else (800, 600)
    assert thumbs.make_from_file(path, KEY) == upright
    thumb = made(thumbs, LARGE)
    assert thumb.size == fitted(upright, LARGE)
    corners = [thumb.getpixel((x, y)) for y in (9, thumb.height - 9) for x in (9, thumb.width - 9)]
    for found, colour in zip(corners, SEEN[orientation], strict=True):
        assert np.abs(np.subtract(found, COLOURS[colour])).max() < 12


def test_a_large_turned_jpeg_tells_its_own_size(thumbs: Thumbs, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = as_file(quarters(4096, 2048), tmp_path / "turned.jpg", exif=exif)
    assert thumbs.make_from_file(path, KEY) == (2048, 4096)
    assert made(thumbs, LARGE).size == (256, 512)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("exif", [b"MM\0*\0\0\0\x08\0\x05\x01", b"no TIFF at all", b"MM"])
def test_damaged_exif_is_ignored(thumbs: Thumbs, tmp_path: Path, exif: bytes) -> None:
    path = as_file(quarters(800, 600), tmp_path / "odd.jpg", exif=b"Exif\0\0" + exif)
    assert thumbs.make_from_file(path, KEY) == (800, 600)
    assert thumbs.has(KEY)


# ---- broken and dangerous files --------------------------------------------------------------------------------------


def png(width: int, height: int) -> bytes:
    """The beginning of a PNG file that says how large it is, with few pixels behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1 << 16))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def refused(thumbs: Thumbs, path: Path, **options: int) -> SDGenError:
    with pytest.raises(SDGenError) as caught:
        thumbs.make_from_file(path, KEY, **options)
    assert not thumbs.has(KEY)
    assert path.name in str(caught.value)
    return caught.value


def whole(ending: str) -> bytes:
    out = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    Image.fromarray(noise).save(out, ending)
    return out.getvalue()


@pytest.mark.parametrize("ending", ["png", "jpeg", "webp", "gif", "bmp", "tiff"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_file_that_is_cut_off(thumbs: Thumbs, tmp_path: Path, ending: str, share: float) -> None:
    data = whole(ending)
    path = tmp_path / f"cut.{ending}"
    path.write_bytes(data[: int(len(data) * share)])
    assert refused(thumbs, path).code == "broken-image"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no image",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    ],
)
def test_a_file_that_is_no_image(thumbs: Thumbs, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "odd.png").write_bytes(data)
    assert refused(thumbs, tmp_path / "odd.png").code == "broken-image"


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of odd TIFF tags
@pytest.mark.parametrize("ending", ["png", "jpeg", "webp", "gif", "bmp", "tiff"])
def test_damaged_bytes_are_a_broken_image_or_a_picture(thumbs: Thumbs, tmp_path: Path, ending: str) -> None:
    data, draw = whole(ending), random.Random(ending)
    path = tmp_path / f"damaged.{ending}"
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(draw.randint(1, 4)):
            damaged[draw.randrange(draw.choice((64, len(data))))] = draw.randrange(256)
        path.write_bytes(damaged)
        try:
            thumbs.make_from_file(path, KEY)
        except SDGenError as error:
            assert error.code == "broken-image"


def test_a_missing_file_and_a_folder(thumbs: Thumbs, tmp_path: Path) -> None:
    assert refused(thumbs, tmp_path / "none.png").code == "missing-file"
    (tmp_path / "folder.png").mkdir()
    assert refused(thumbs, tmp_path / "folder.png").code in ("broken-image", "unreadable-file")  # Windows: the latter


def test_a_decompression_bomb_is_not_decoded(thumbs: Thumbs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png(60_000, 60_000))
    for pillows in (Image.MAX_IMAGE_PIXELS, None):  # some node packs switch Pillow's limit off for the process
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillows)
        assert refused(thumbs, bomb).code == "broken-image"
        assert pillows == Image.MAX_IMAGE_PIXELS
    assert "60000 × 60000" in refused(thumbs, bomb).message


def test_a_limit_of_ones_own(thumbs: Thumbs, tmp_path: Path) -> None:
    path = as_file(quarters(100, 100), tmp_path / "small.png")
    assert refused(thumbs, path, max_pixels=9_999).code == "broken-image"
    assert thumbs.make_from_file(path, KEY, max_pixels=10_000) == (100, 100)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("limit", [7_000, 3_000])  # Pillow warns above its limit and refuses above twice that
def test_pillows_own_limit_may_be_lower(
    thumbs: Thumbs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    path = as_file(quarters(100, 100), tmp_path / "small.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert refused(thumbs, path).code == "broken-image"


# ---- the folder ------------------------------------------------------------------------------------------------------


def test_where_thumbnails_are(thumbs: Thumbs) -> None:
    assert thumbs.path("ab" + "cd" * 7, 256) == thumbs.folder / "ab" / ("cd" * 7 + "-256.webp")


@pytest.mark.parametrize(
    "key", ["", "a" * 15, "a" * 65, "A" * 16, "g" * 16, "../" + "a" * 16, "aa/" + "a" * 16, "a" * 16 + "\n", "٣" * 16]
)
def test_keys_that_lead_elsewhere(thumbs: Thumbs, key: str) -> None:
    for use in (lambda: thumbs.path(key, 256), lambda: thumbs.has(key), lambda: thumbs.remove(key)):
        with pytest.raises(ValueError, match="no key"):
            use()
    with pytest.raises(ValueError, match="pixels"):
        thumbs.path(KEY, 100)


def test_removing(thumbs: Thumbs) -> None:
    thumbs.make(quarters(600, 600), KEY)
    thumbs.remove(KEY)
    assert not thumbs.has(KEY)
    thumbs.remove(KEY)
    assert thumbs.size_bytes() == 0


def test_a_file_without_content_does_not_count(thumbs: Thumbs) -> None:
    thumbs.make(quarters(600, 600), KEY)
    thumbs.path(KEY, SMALL).write_bytes(b"")
    assert not thumbs.has(KEY)
    thumbs.make(quarters(600, 600), KEY)
    assert thumbs.has(KEY)


def test_a_folder_that_cannot_be_written(thumbs: Thumbs) -> None:
    thumbs.folder.mkdir()
    (thumbs.folder / KEY[:2]).write_text("in the way", encoding="utf-8")
    with pytest.raises(SDGenError) as caught:
        thumbs.make(quarters(60, 60), KEY)
    assert caught.value.code == "unwritable-folder"


def test_a_thumbnail_that_somebody_reads_need_not_be_replaced(thumbs: Thumbs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows does not replace an open file; what is there shows the same."""
    thumbs.make(quarters(600, 600), KEY)

    def open_elsewhere(path: Path, data: bytes, *, durable: bool) -> None:
        raise SDGenError("unwritable-folder", "open in another program")

    monkeypatch.setattr(module, "write_atomic", open_elsewhere)
    assert thumbs.make(quarters(600, 600), KEY) == (600, 600)
    with pytest.raises(SDGenError):
        thumbs.make(quarters(600, 600), KEYS[1])


def fill(thumbs: Thumbs, count: int) -> None:
    """Thumbnails last looked at one after the other, an hour apart, the first of KEYS the longest ago; made in reverse."""
    now = time.time()
    for n, key in enumerate(KEYS[:count]):
        thumbs.make(quarters(300 + n, 300), key)
        for size in SIZES:
            os.utime(thumbs.path(key, size), (now - 3600 * (count - n), now - 1e6 - 3600 * n))


def test_pruning_takes_what_nobody_looks_at(thumbs: Thumbs) -> None:
    fill(thumbs, 8)
    os.utime(thumbs.path(KEYS[2], SMALL), (time.time(), 1e9))  # looked at just now, in one size
    total = sum(p.stat().st_size for p in thumbs.folder.rglob("*.webp"))
    assert thumbs.size_bytes() == total
    assert thumbs.prune(total) == []
    assert thumbs.prune(total // 2, keep={KEYS[0]}) == [KEYS[n] for n in (1, 3, 4, 5)]
    assert thumbs.size_bytes() <= total // 2
    assert [n for n in range(8) if thumbs.has(KEYS[n])] == [0, 2, 6, 7]
    assert sorted(thumbs.prune(0)) == [KEYS[n] for n in (0, 2, 6, 7)]
    assert thumbs.size_bytes() == 0


def test_pruning_clears_what_a_killed_process_left_and_nothing_else(thumbs: Thumbs) -> None:
    fill(thumbs, 1)
    shard = thumbs.path(KEYS[0], SMALL).parent
    left, young, other = shard / "x-256.webp.1f-2e.tmp", shard / "y-256.webp.1f-2e.tmp", shard / "notes.txt"
    for path in (left, young, other):
        path.write_text("?", encoding="utf-8")
    os.utime(left, (1e9, 1e9))
    assert thumbs.prune(0) == [KEYS[0]]
    assert sorted(shard.iterdir()) == sorted([young, other])


def test_an_empty_folder(thumbs: Thumbs) -> None:
    assert (thumbs.size_bytes(), thumbs.prune(0), thumbs.has(KEY)) == (0, [], False)


@pytest.mark.parametrize("size", SIZES)
def test_placeholder(size: int) -> None:
    image = Image.open(io.BytesIO(placeholder(size)))
    assert (image.format, image.size) == ("WEBP", (size, size))
    colours = np.asarray(image.convert("RGB"), float)
    assert colours.std() > 5  # something is drawn
    assert np.ptp(colours, axis=2).max() < 20  # in grey
    assert placeholder(size) is Thumbs.placeholder(size)


MAKER = """
import sys
from pathlib import Path
from PIL import Image
from sdgen_core.catalog.pictures.thumbs import Thumbs
image = Image.effect_noise((300, 400), 90).convert("RGB")
print("ready", flush=True)
sys.stdin.readline()
for _ in range(30):
    Thumbs(Path(sys.argv[1])).make(image, sys.argv[2])
"""


def test_many_makers_of_one_key_never_leave_a_torn_file(thumbs: Thumbs) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MAKER, str(thumbs.folder), KEY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout and process.stdin
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("\n")
        process.stdin.flush()
    noise = Image.effect_noise((300, 400), 90).convert("RGB")
    threads = [threading.Thread(target=lambda: [thumbs.make(noise, KEY) for _ in range(20)]) for _ in range(2)]
    for thread in threads:
        thread.start()
    seen = 0
    while any(t.is_alive() for t in threads) or any(p.poll() is None for p in processes):
        for size in SIZES:
            if thumbs.path(KEY, size).exists():
                made(thumbs, size)
                seen += 1
    assert [p.communicate()[1] for p in processes] == ["", ""]
    assert [p.returncode for p in processes] == [0, 0]
    assert seen > 10
    assert sorted(p.name for p in thumbs.folder.rglob("*") if p.is_file()) == [
        f"{KEY[2:]}-{s}.webp" for s in (256, 512)
    ]


# ---- the queue -------------------------------------------------------------------------------------------------------


class Done:
    """Collects what became of images, and waits for it."""

    def __init__(self) -> None:
        self.made: list[Made] = []
        self._changed = threading.Condition()

    def __call__(self, made: Made) -> None:
        with self._changed:
            self.made.append(made)
            self._changed.notify_all()

    def keys(self, count: int) -> list[str]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.made) >= count, 30), self.made
        return [m.key for m in self.made]


@pytest.fixture
def queue(thumbs: Thumbs) -> ThumbQueue:
    queue = ThumbQueue(thumbs, limit=4)
    yield queue
    queue.close(timeout=30)


def test_queue_makes_thumbnails_of_images_and_files(queue: ThumbQueue, thumbs: Thumbs, tmp_path: Path) -> None:
    done = Done()
    path = as_file(quarters(800, 600), tmp_path / "a.png")
    assert queue.submit(path, KEYS[0], done)
    assert queue.submit(quarters(640, 400), KEYS[1], done, urgent=True)
    assert sorted(done.keys(2)) == KEYS[:2]
    by_key = {m.key: m for m in done.made}
    assert by_key[KEYS[1]].width == 640
    first = by_key[KEYS[0]]
    assert (first.width, first.height, first.error) == (800, 600, None)
    assert first.phash == phash(thumbnails(quarters(800, 600))[1][SMALL])  # before WebP changes it a little
    assert thumbs.has(KEYS[0]) and thumbs.has(KEYS[1])


def test_urgent_work_goes_first_and_runs_while_paused(queue: ThumbQueue) -> None:
    done = Done()
    queue.pause()
    for key in KEYS[:3]:
        assert queue.submit(quarters(50, 50), key, done)
    for key in KEYS[10:20]:  # more than background work has places
        assert queue.submit(quarters(50, 50), key, done, urgent=True)
    assert done.keys(10) == KEYS[10:20]
    time.sleep(0.05)
    assert len(done.made) == 10
    queue.resume()
    assert done.keys(13)[10:] == KEYS[:3]


def test_background_work_that_becomes_urgent_moves_up(queue: ThumbQueue) -> None:
    first, again = Done(), Done()
    queue.pause()
    for key in KEYS[:3]:
        queue.submit(quarters(50, 50), key, first)
    assert queue.submit(quarters(50, 50), KEYS[2], again, urgent=True)
    assert again.keys(1) == first.keys(1) == [KEYS[2]]


def test_the_same_key_is_made_once_for_all_who_ask(
    queue: ThumbQueue, thumbs: Thumbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, inside, go = [], threading.Event(), threading.Event()
    real = thumbs.made

    def slow(source: Image.Image | Path, key: str) -> Made:
        calls.append(key)
        inside.set()
        assert go.wait(30)
        return real(source, key)

    monkeypatch.setattr(thumbs, "made", slow)
    done = Done()
    queue.submit(quarters(50, 50), KEY, done)
    assert inside.wait(30)
    queue.submit(quarters(50, 50), KEY, done)  # while it is being made
    queue.submit(quarters(50, 50), KEYS[1], done)
    queue.submit(quarters(50, 50), KEYS[1], done, urgent=True)  # while it waits
    go.set()
    assert done.keys(4) == [KEY, KEY, KEYS[1], KEYS[1]]
    assert calls == [KEY, KEYS[1]]


def test_background_work_waits_for_a_place(queue: ThumbQueue) -> None:
    done = Done()
    queue.pause()
    for key in KEYS[:4]:
        assert queue.submit(quarters(50, 50), key, done)
    assert not queue.submit(quarters(50, 50), KEYS[4], done, timeout=0.05)
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(queue.submit(quarters(50, 50), KEYS[5], done)))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    queue.resume()
    waiting.join(30)
    assert answers == [True]
    assert done.keys(5) == [*KEYS[:4], KEYS[5]]


def test_closing_finishes_what_is_urgent_and_lets_go_who_waits(thumbs: Thumbs) -> None:
    queue = ThumbQueue(thumbs, workers=2, limit=1)
    urgent, background, answers = Done(), Done(), []
    queue.pause()
    queue.submit(quarters(50, 50), KEYS[0], background)
    waiting = threading.Thread(target=lambda: answers.append(queue.submit(quarters(50, 50), KEYS[1], background)))
    waiting.start()
    for key in KEYS[2:20]:
        queue.submit(quarters(500, 500), key, urgent, urgent=True)
    queue.close()
    waiting.join(30)
    assert answers == [False]
    assert sorted(m.key for m in urgent.made) == KEYS[2:20]
    assert background.made == []
    assert not queue.submit(quarters(50, 50), KEY, urgent, urgent=True)


def test_closing_may_finish_everything(thumbs: Thumbs) -> None:
    queue, done = ThumbQueue(thumbs), Done()
    queue.pause()
    for key in KEYS[:9]:
        queue.submit(quarters(50, 50), key, done)
    queue.close(finish=True)
    assert [m.key for m in done.made] == KEYS[:9]


def test_errors_reach_who_asked_and_stop_nothing(
    queue: ThumbQueue, thumbs: Thumbs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done = Done()
    (tmp_path / "odd.png").write_bytes(b"no image")
    queue.submit(tmp_path / "odd.png", KEYS[0], done)
    done.keys(1)
    assert done.made[0].error and done.made[0].error.code == "broken-image"

    def fails(made: Made) -> None:
        raise RuntimeError("what follows is broken")

    queue.submit(quarters(50, 50), KEYS[1], fails)
    queue.submit(quarters(50, 50), KEYS[2], done)
    assert done.keys(2)[1] == KEYS[2]
    assert "what follows is broken" in caplog.text

    def bug(source: object, key: str) -> Made:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(thumbs, "made", bug)
        queue.submit(quarters(50, 50), KEYS[3], done)
        done.keys(3)
    assert done.made[2].error and done.made[2].error.code == "internal-error"
    with pytest.raises(ValueError, match="no key"):
        queue.submit(quarters(50, 50), "../../etc/passwd", done)


def test_importing_is_light() -> None:
    code = (
        "import sys, sdgen_core.catalog.pictures.thumbs, sdgen_core.catalog.pictures.phash, sdgen_core.catalog.pictures.duplicates;"
        "sys.exit(repr([m for m in ('PIL', 'numpy', 'torch') if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False
    )
    assert done.stderr.strip() == "[]"
