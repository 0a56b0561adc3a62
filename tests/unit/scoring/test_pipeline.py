"""From image files to stored embeddings, with a model that is none (``FakeBackend``): what it is given and what is kept matters here."""

from __future__ import annotations

import hashlib
import io
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from sdgen_core.errors import SDGenError
from sdgen_core.scoring.embedding.decoding import decode
from sdgen_core.scoring.embedding.files import EmbeddingFile
from sdgen_core.scoring.embedding.pipeline import embed

MODEL, WIDTH, SIDE = "0123456789abcdef", 6, 8


class FakeBackend:
    """No model: the mean colours of the upper and the lower half of an image, less a half, brought to length 1.

    ``prepared`` and ``encoded`` count images, ``most`` is how many were prepared and not encoded at once. The model takes ``slow``
    seconds an image.
    """

    name, identity, width, scale = "fake", MODEL, WIDTH, 100.0

    def __init__(self, slow: float = 0.0) -> None:
        self.slow = slow
        self.batches: list[int] = []
        self.prepared = self.most = 0
        self.threads: set[str] = set()
        self.lock = threading.Lock()

    @property
    def encoded(self) -> int:
        return sum(self.batches)

    def prepare(self, image: Image.Image) -> np.ndarray:
        assert image.mode == "RGB"
        with self.lock:
            self.threads.add(threading.current_thread().name)
            self.prepared += 1
            self.most = max(self.most, self.prepared - self.encoded)
        small = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        return np.asarray(small, np.float32).transpose(2, 0, 1) / 255 - 0.5

    def encode_images(self, batch: np.ndarray) -> np.ndarray:
        assert batch.shape[1:] == (3, SIDE, SIDE) and batch.dtype == np.float32
        time.sleep(self.slow * len(batch))
        out = batch.reshape(len(batch), 3, 2, -1).mean(3).reshape(len(batch), WIDTH)
        with self.lock:
            self.batches.append(len(batch))
        return out / np.linalg.norm(out, axis=1, keepdims=True)


def key(n: int) -> bytes:
    return hashlib.md5(b"%d" % n).digest()


def picture(n: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    colours = np.random.default_rng(n).integers(0, 256, (2, 1, 3), np.uint8)
    return Image.fromarray(colours.repeat(size[1] // 2, 0).repeat(size[0], 1))


def seen(image: Image.Image) -> np.ndarray:
    backend = FakeBackend()
    return backend.encode_images(backend.prepare(image)[None])[0]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


@pytest.fixture
def file(tmp_path):
    return EmbeddingFile(tmp_path / "a.emb", MODEL, WIDTH)


def images(folder: Path, count: int) -> list[tuple[bytes, Path]]:
    out = [(key(n), folder / f"{n}.png") for n in range(count)]
    for n, (_, path) in enumerate(out):
        picture(n).save(path)
    return out


def holds(file: EmbeddingFile, numbers) -> None:
    found, there = file.vectors([key(n) for n in numbers])
    assert there.all()
    np.testing.assert_allclose(found, np.stack([seen(picture(n)) for n in numbers]), atol=2e-3)


@pytest.mark.parametrize(("count", "batch", "threads"), [(0, 4, 2), (1, 4, None), (1, 1, 1), (7, 1, 1), (23, 4, 3)])
def test_every_image_has_the_embedding_that_a_loop_gives_it(folder, file, count, batch, threads):
    backend, told = FakeBackend(), []
    report = embed(images(folder, count), backend, file, batch=batch, threads=threads, progress=told.append)
    assert (report.images, report.known, report.made, report.failures) == (count, 0, count, [])
    assert not report.cancelled and report.seconds >= report.model_seconds
    assert backend.batches == [batch] * (count // batch) + [count % batch] * (count % batch > 0)
    if count:
        holds(file, range(count))
    assert [p.done for p in told] == [0, *np.cumsum(backend.batches)]
    assert all(p.total == count and p.failed == 0 for p in told)
    assert all(p.per_second > 0 and p.left >= 0 for p in told[1:])


def test_what_has_an_embedding_is_not_opened(folder, file):
    made = images(folder, 10)
    embed(made[:6], FakeBackend(), file)
    for _, path in made[:6]:
        path.unlink()
    backend, told = FakeBackend(), []
    report = embed(iter([*made, *made]), backend, file, batch=3, progress=told.append)
    assert (report.images, report.known, report.made, backend.encoded) == (10, 6, 4, 4)
    assert [p.done for p in told] == [6, 9, 10] and told[-1].left == 0
    holds(file, range(10))


def bad(folder: Path) -> dict[str, str]:
    """Files that cannot be embedded, by name, with the code of the error."""
    whole = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(whole, "PNG")
    data = bytearray(whole.getvalue())
    (folder / "cut.png").write_bytes(data[: len(data) // 2])
    (folder / "text.png").write_text("no image")
    (folder / "empty.png").write_bytes(b"")
    data[len(data) // 2] ^= 0xFF
    (folder / "damaged.png").write_bytes(data)
    (folder / "bomb.gif").write_bytes(b"GIF89a" + 2 * (60_000).to_bytes(2, "little") + bytes(30))
    (folder / "large.gif").write_bytes(b"GIF89a" + 2 * (12_000).to_bytes(2, "little") + bytes(30))
    (folder / "none.gif").write_bytes(b"GIF89a" + bytes(40))
    (folder / "folder.png").mkdir()
    names = ("cut.png", "text.png", "empty.png", "damaged.png", "bomb.gif", "large.gif", "none.gif", "folder.png")
    return {"gone.png": "missing-file", **dict.fromkeys(names, "broken-image")}


def test_images_that_cannot_be_read_are_named_and_the_rest_goes_on(folder, file):
    good, wrong = images(folder, 20), bad(folder)
    paths = {hashlib.md5(name.encode()).digest(): folder / name for name in wrong}
    mixed = [*good, *paths.items()]
    random.Random(1).shuffle(mixed)
    report = embed(mixed, FakeBackend(), file, batch=4)
    holds(file, range(20))
    assert report.made == 20
    found = {Path(f.name).name: f.error.code for f in report.failures}
    assert found == wrong
    assert all(f.error.message and f.name in f.error.message and paths[f.key] == Path(f.name) for f in report.failures)
    again = embed(mixed, FakeBackend(), file)
    assert (again.known, again.made, len(again.failures)) == (20, 0, len(wrong))


class Overflowing(FakeBackend):
    """Cannot embed images that are 10 pixels wide before they are prepared: like half precision, it refuses the whole batch."""

    def prepare(self, image):
        return super().prepare(image) if image.width != 10 else np.full((3, SIDE, SIDE), np.inf, np.float32)

    def encode_images(self, batch):
        if not np.isfinite(batch).all():
            raise SDGenError("scorer-not-finite", "no numbers")
        return super().encode_images(batch)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_model_that_gives_no_numbers_for_an_image(folder, file, batch):
    listed = images(folder, 8)
    for n in (1, 2, 4, 5, 6, 7):
        Image.new("RGB", (10, 10)).save(listed[n][1])
    report = embed(listed, Overflowing(), file, batch=batch, threads=1)
    assert report.made == 2 and {f.error.code for f in report.failures} == {"scorer-not-finite"}
    assert [Path(f.name).name for f in report.failures] == [f"{n}.png" for n in (1, 2, 4, 5, 6, 7)]
    holds(file, [0, 3])


def test_a_model_that_gives_no_numbers_for_any_image_ends_the_work(folder, file):
    listed = images(folder, 8)
    for _, path in listed:
        Image.new("RGB", (10, 10)).save(path)
    with pytest.raises(SDGenError, match="no numbers"):
        embed(listed, Overflowing(), file, batch=4)


def test_a_decoder_that_fails_in_an_unknown_way_costs_its_image(folder, file):
    class Failing(FakeBackend):
        def prepare(self, image):
            if image.size == (10, 10):
                raise ZeroDivisionError("bucket")
            return super().prepare(image)

    listed = images(folder, 3)
    Image.new("RGB", (10, 10)).save(listed[1][1])
    report = embed(listed, Failing(), file)
    assert report.made == 2 and "1.png" in report.failures[0].error.message
    assert report.failures[0].error.code == "broken-image"


def test_no_more_is_prepared_than_two_batches_ahead(folder, file):
    backend = FakeBackend(slow=0.01)
    embed(images(folder, 60), backend, file, batch=4, threads=3)
    assert backend.most <= 3 * 4
    assert backend.most > 4  # while the model worked on a batch, the next one was prepared


def test_models_work_in_the_thread_that_asked(folder, file):
    here = []

    class Watching(FakeBackend):
        def encode_images(self, batch):
            here.append(threading.current_thread())
            return super().encode_images(batch)

    backend = Watching()
    embed(images(folder, 5), backend, file)
    assert set(here) == {threading.current_thread()}
    assert "sdgen-decode" in backend.threads


def test_one_thread_is_the_callers_own(folder, file):
    backend, listed = FakeBackend(), images(folder, 5)
    listed[2][1].write_bytes(b"broken")
    report = embed(listed, backend, file, batch=2, threads=1)
    assert (report.made, len(report.failures)) == (4, 1)
    assert backend.threads == {threading.current_thread().name}


def test_cancelling_ends_within_a_batch(folder, file):
    backend, before = FakeBackend(), threading.active_count()
    report = embed(images(folder, 40), backend, file, batch=4, cancelled=lambda: backend.encoded >= 8)
    assert report.cancelled and report.made == backend.encoded == 8
    assert len(file.keys()) == 8 and threading.active_count() == before
    assert embed(images(folder, 40), FakeBackend(), file).made == 32


def test_cancelling_while_nothing_is_decoded(folder, file):
    asked, go = [], threading.Event()

    class Stuck(FakeBackend):
        def prepare(self, image):
            go.wait()
            return super().prepare(image)

    def cancelled() -> bool:
        asked.append(1)
        if len(asked) == 3:
            go.set()
        return len(asked) >= 3

    backend = Stuck()
    report = embed(images(folder, 4), backend, file, batch=4, threads=2, cancelled=cancelled)
    assert report.cancelled and report.made == 0 and backend.encoded == 0


def test_the_model_waits_until_it_may_work(folder, file):
    backend, may, asked = FakeBackend(), threading.Event(), []

    def wait() -> None:
        asked.append(backend.encoded)
        if len(asked) == 2:
            threading.Timer(0.2, may.set).start()
            may.wait()

    report = embed(images(folder, 12), backend, file, batch=4, wait=wait)
    assert asked == [0, 4, 8] and report.made == 12
    assert 0.19 < report.waited <= report.seconds


def test_what_the_model_or_the_store_raises_ends_the_work_and_its_threads(folder, file, tmp_path):
    class Failing(FakeBackend):
        def encode_images(self, batch):
            if self.encoded >= 8:
                raise SDGenError("internal-error", "the model")
            return super().encode_images(batch)

    before = threading.active_count()
    with pytest.raises(SDGenError, match="the model"):
        embed(images(folder, 40), Failing(), file, batch=4)
    assert len(file.keys()) == 8 and threading.active_count() == before
    (tmp_path / "file").write_text("")
    with pytest.raises(SDGenError) as error:
        embed(images(folder, 40), FakeBackend(), EmbeddingFile(tmp_path / "file" / "a.emb", MODEL, WIDTH))
    assert error.value.code in ("unwritable-folder", "unreadable-file")
    assert threading.active_count() == before


def test_an_image_is_turned_as_it_is_seen(folder):
    path, image = folder / "a.jpg", picture(5, (64, 48))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(path, exif=exif, quality=95)
    turned = decode(path)
    assert turned.size == (48, 64)
    np.testing.assert_allclose(
        np.asarray(turned, float), np.asarray(ImageOps.exif_transpose(Image.open(path)), float), atol=1
    )


KILLED = """
import os, signal, sys, threading, time
from pathlib import Path
from tests.unit.scoring.test_pipeline import FakeBackend, key, MODEL, WIDTH
from sdgen_core.scoring.embedding.files import EmbeddingFile
from sdgen_core.scoring.embedding.pipeline import embed

folder, count, batches, later = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])

def kill():
    time.sleep(later)
    os.kill(os.getpid(), getattr(signal, "SIGKILL", 9))

class Telling(FakeBackend):
    def encode_images(self, batch):
        out = super().encode_images(batch)
        print(len(batch), flush=True)
        if len(self.batches) == batches:
            threading.Thread(target=kill).start()
        return out

embed([(key(n), folder / f"{n}.png") for n in range(count)], Telling(slow=0.004), EmbeddingFile(folder / "a.emb", MODEL, WIDTH), batch=5)
print("end", flush=True)
"""


def test_killing_at_any_moment_costs_a_batch_at_most(folder):
    count, rng, killed = 80, random.Random(3), 0
    images(folder, count)
    file = EmbeddingFile(folder / "a.emb", MODEL, WIDTH)
    while len(file.keys()) < count:
        stored = len(file.keys())
        moment = [str(rng.randint(2, 5)), str(rng.random() * 0.03)]
        command = [sys.executable, "-c", KILLED, str(folder), str(count), *moment]
        child = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3], timeout=200)
        lines = child.stdout.split()
        encoded = sum(int(line) for line in lines if line.isdigit())
        assert encoded - 5 <= len(file.keys()) - stored <= encoded
        killed += "end" not in lines
    assert killed
    holds(file, range(count))
