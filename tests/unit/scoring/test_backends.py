"""Scorers of open_clip's: what a file of weights is, which architecture it has, and models that are really asked."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdgen_core.errors import SDGenError
from sdgen_core.scoring.backends import architectures, sources, weights
from sdgen_core.scoring.backends.interface import Backend
from sdgen_core.scoring.backends.open_clip import load_path

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

TINY = {
    "embed_dim": 12,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 8, "heads": 1, "layers": 1},
}


def tiny_state(seed: int = 1, config: dict[str, Any] | None = None) -> dict[str, Any]:
    """The weights of a small CLIP, drawn from a seed: not trained, but a whole model."""
    torch.manual_seed(seed)
    return open_clip.CLIP(**(config or TINY)).state_dict()


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    return tiny_state()


def put(folder: Path, state: dict[str, Any], name: str = "tiny.safetensors", config: Any = TINY) -> Path:
    path = folder / name
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file({n: t.contiguous() for n, t in state.items()}, path)
    else:
        torch.save(state, path)
    if config is not None:
        path.with_suffix(".json").write_text(json.dumps(config), encoding="utf-8")
    return path


def error_of(path: Path, **options: Any) -> SDGenError:
    with pytest.raises(SDGenError) as caught:
        load_path(path, **options)
    return caught.value


def picture(seed: int = 0, size: tuple[int, int] = (50, 40)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(pixels)


# ---- a model that works -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tiny.safetensors", "tiny.pt", "tiny.bin"])
def test_a_file_with_its_configuration_beside_it_is_asked_as_open_clip_asks_it(
    tmp_path: Path, state: dict[str, Any], name: str
) -> None:
    backend = load_path(put(tmp_path, state, name), device="cpu")
    assert isinstance(backend, Backend)
    assert backend.name == "open_clip tiny" and backend.width == 12 and len(backend.identity) == 16
    images, texts = [picture(1), picture(2), picture(3, (32, 32))], ["a red circle", "une étoile"]
    batch = np.stack([backend.prepare(image) for image in images])
    assert batch.dtype == np.float32 and batch.shape == (3, 3, 32, 32)
    seen, said = backend.encode_images(batch), backend.encode_texts(texts)
    assert seen.dtype == said.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(seen, axis=1), 1, atol=1e-5)

    stock = tmp_path / "stock-name.json"
    stock.write_text(json.dumps(TINY), encoding="utf-8")
    open_clip.add_model_config(stock)
    model, _, prepare = open_clip.create_model_and_transforms(
        "stock-name", pretrained=str(tmp_path / name), require_pretrained=True
    )
    model.eval()
    with torch.no_grad():
        pixels = torch.stack([prepare(image) for image in images])
        wanted = model.encode_image(pixels, normalize=True).numpy()
        wanted_texts = model.encode_text(open_clip.get_tokenizer("stock-name")(texts), normalize=True).numpy()
    np.testing.assert_array_equal(batch, pixels.numpy())
    np.testing.assert_allclose(seen, wanted, atol=1e-5)
    np.testing.assert_allclose(said, wanted_texts, atol=1e-5)
    assert backend.scale == pytest.approx(float(model.logit_scale.detach().exp()))


def test_a_folder_as_models_are_published(tmp_path: Path, state: dict[str, Any]) -> None:
    put(tmp_path, state, "open_clip_model.safetensors", None)
    prepared = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash"}
    whole = {"model_cfg": TINY, "preprocess_cfg": prepared}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(whole), encoding="utf-8")
    backend = load_path(tmp_path, device="cpu")
    white = backend.prepare(Image.new("RGB", (90, 30), "white"))
    assert white.shape == (3, 32, 32) and white.max() == white.min() == 1.0
    # what is not in the middle counts too when the whole image is squeezed
    half = Image.new("RGB", (90, 30), "black")
    half.paste("white", (0, 0, 15, 30))
    assert backend.prepare(half).max() == 1.0
    with torch.no_grad():
        model = open_clip.create_model(f"local-dir:{tmp_path}", require_pretrained=True).eval()
        stock = model.encode_image(torch.from_numpy(white)[None], normalize=True).numpy()
    np.testing.assert_allclose(backend.encode_images(white[None]), stock, atol=1e-5)


@pytest.mark.parametrize("mode", ["P", "L", "LA", "RGBA", "I;16", "CMYK"])
def test_images_of_every_mode_are_prepared(tmp_path: Path, state: dict[str, Any], mode: str) -> None:
    backend = load_path(put(tmp_path, state), device="cpu")
    made = Image.new(mode, (40, 40)) if mode == "I;16" else picture().convert(mode)
    out = backend.prepare(made)
    assert out.shape == (3, 32, 32) and np.isfinite(out).all()
    if mode == "P":
        np.testing.assert_allclose(out, backend.prepare(made.convert("RGB")))


def test_no_texts_and_many_texts(tmp_path: Path, state: dict[str, Any]) -> None:
    backend = load_path(put(tmp_path, state), device="cpu")
    assert backend.encode_texts([]).shape == (0, 12)
    texts = [f"number {i}" for i in range(300)]
    np.testing.assert_allclose(backend.encode_texts(texts)[299], backend.encode_texts(texts[299:])[0], atol=1e-5)


def test_threads_get_the_same_vectors(tmp_path: Path, state: dict[str, Any]) -> None:
    backend = load_path(put(tmp_path, state), device="cpu")
    batch = np.stack([backend.prepare(picture(i)) for i in range(8)])
    wanted = backend.encode_images(batch)
    found: list[Any] = []

    def ask() -> None:
        for _ in range(5):
            found.append(backend.encode_images(batch))
            backend.release()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 15
    for one in found:
        np.testing.assert_allclose(one, wanted, atol=1e-6)


# ---- identity -----------------------------------------------------------------------------------------------------------------


def test_identity_is_that_of_the_content(tmp_path: Path, state: dict[str, Any]) -> None:
    first = load_path(put(tmp_path, state), device="cpu").identity
    other = tmp_path / "elsewhere"
    other.mkdir()
    assert load_path(put(other, state, "another name.safetensors"), device="cpu").identity == first
    changed = {name: tensor.clone() for name, tensor in state.items()}
    changed["visual.proj"][0, 0] += 1
    assert load_path(put(other, changed), device="cpu").identity != first
    prepared = {**TINY, "preprocess_cfg": {"mean": [0.5, 0.5, 0.5]}}
    assert load_path(put(other, state, config=prepared), device="cpu").identity != first


def test_a_hash_is_computed_again_only_when_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, memory = tmp_path / "a.bin", tmp_path / "cache" / "hashes.json"
    file.write_bytes(b"one")
    first = weights.content_hash(file, memory)
    read: list[Path] = []
    real = weights._sha256
    monkeypatch.setattr(weights, "_sha256", lambda path: read.append(path) or real(path))
    monkeypatch.setattr(weights, "_hashes", {})  # as in a new process
    assert weights.content_hash(file, memory) == first and not read
    file.write_bytes(b"three")
    assert weights.content_hash(file, memory) != first and read == [file]
    monkeypatch.setattr(weights, "_hashes", {})
    for damage in ("", "[]", '{"x": 3}', "\x00"):
        memory.write_text(damage, encoding="utf-8")
        assert len(weights.content_hash(file, memory)) == 64


# ---- memory -------------------------------------------------------------------------------------------------------------------


class _FakeModelOfLittleMemory:
    """No real model: one that cannot take more than ``most`` at once, as an accelerator cannot."""

    def __init__(self, most: int, error: type[RuntimeError] = torch.OutOfMemoryError) -> None:
        self.most, self.error, self.tried = most, error, []

    def encode_image(self, pixels: Any) -> Any:
        self.tried.append(len(pixels))
        if len(pixels) > self.most:
            raise self.error("CUDA out of memory. Tried to allocate 2.00 GiB")
        return pixels.flatten(1)[:, :12] + 3


def test_a_batch_that_does_not_fit_is_halved_and_this_is_remembered(
    tmp_path: Path, state: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    for error in (torch.OutOfMemoryError, RuntimeError):
        backend = load_path(put(tmp_path, state), device="cpu")
        backend.model = fake = _FakeModelOfLittleMemory(3, error)
        batch = np.stack([backend.prepare(picture(i)) for i in range(10)])
        rows = backend.encode_images(batch)
        assert fake.tried == [10, 5, 2, 2, 2, 2, 2] and backend.most == 2
        wanted = batch.reshape(10, -1)[:, :12] + 3
        np.testing.assert_allclose(rows, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-5)
        assert "goes on with 5" in caplog.text and "goes on with 2" in caplog.text
        backend.encode_images(batch)
        assert fake.tried[7:] == [2] * 5


def test_what_was_moved_of_a_model_that_does_not_fit_is_moved_back(tmp_path: Path, state: dict[str, Any]) -> None:
    class Half(_FakeModelOfLittleMemory):
        """No real model: the first half of its weights fits onto the card."""

        def __init__(self) -> None:
            super().__init__(99)
            self.there = 0

        def to(self, device: str) -> None:
            self.there = 0 if device == "cpu" else 1
            if device != "cpu":
                raise torch.OutOfMemoryError("CUDA out of memory")

    backend = load_path(put(tmp_path, state), device="cpu")
    backend.model, backend.device, backend._away = Half(), "meta", True
    with pytest.raises(SDGenError) as caught:
        backend.encode_images(np.zeros((4, 3, 32, 32), np.float32))
    assert caught.value.code == "scorer-out-of-memory" and backend.model.there == 0
    assert backend.most == 1
    backend.release()
    assert backend.most is None  # there may be more room when it is asked again


def test_not_even_one_image_fits(tmp_path: Path, state: dict[str, Any]) -> None:
    backend = load_path(put(tmp_path, state), device="cpu")
    backend.model = fake = _FakeModelOfLittleMemory(0)
    with pytest.raises(SDGenError) as caught:
        backend.encode_images(np.zeros((4, 3, 32, 32), np.float32))
    assert caught.value.code == "scorer-out-of-memory" and fake.tried == [4, 2, 1]


def test_other_errors_of_a_model_are_not_taken_for_a_lack_of_memory(tmp_path: Path, state: dict[str, Any]) -> None:
    backend = load_path(put(tmp_path, state), device="cpu")
    with pytest.raises(RuntimeError):
        backend.encode_images(np.zeros((4, 3, 7), np.float32))


def test_vectors_that_are_no_numbers_are_an_error(tmp_path: Path, state: dict[str, Any]) -> None:
    backend = load_path(put(tmp_path, state), device="cpu")
    with pytest.raises(SDGenError) as caught:
        backend.encode_images(np.full((1, 3, 32, 32), np.nan, np.float32))
    assert caught.value.code == "scorer-not-finite"


# ---- wrong files --------------------------------------------------------------------------------------------------------------


def test_a_missing_file_and_files_that_are_no_weights(tmp_path: Path) -> None:
    assert error_of(tmp_path / "none.safetensors").code == "scorer-missing"
    assert error_of(tmp_path / "none.pt").code == "scorer-missing"
    for number, content in enumerate((b"", b"junk", b"\xff" * 100, b"PK\x03\x04 no archive", b"<html>404</html>" * 9)):
        for suffix in weights.SUFFIXES:
            path = tmp_path / f"{number}{suffix}"
            path.write_bytes(content)
            error = error_of(path)
            assert error.code == "scorer-bad-file" and error.place and error.place.file.endswith(path.name), content


def test_torn_files(tmp_path: Path, state: dict[str, Any]) -> None:
    for name in ("tiny.safetensors", "tiny.pt"):
        path = put(tmp_path, state, name)
        whole = path.read_bytes()
        for length in (4, 200, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            assert error_of(path).code == "scorer-bad-file", (name, length)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.write_text, (tmp_path / "was-here", "x")

    torch.save({"visual.proj": Evil()}, tmp_path / "evil.pt")
    assert error_of(tmp_path / "evil.pt").code == "scorer-bad-file"
    assert not (tmp_path / "was-here").exists()


FOREIGN = {
    "a LoRA": ["lora_unet_down_blocks_0.lora_down.weight", "lora_unet_down_blocks_0.alpha"],
    "a checkpoint of a diffusion model": [
        "model.diffusion_model.out.0.weight",
        "first_stage_model.x",
        "cond_stage_model.y",
    ],
    "image half": ["vision_model.embeddings.class_embedding", "visual_projection.weight"],
    "transformers library": ["vision_model.embeddings.class_embedding", "text_model.final_layer_norm.weight"],
    "text half": ["text_model.final_layer_norm.weight"],
    "autoencoder": ["decoder.conv_in.weight", "encoder.conv_in.weight"],
    "ControlNet": ["control_model.input_blocks.0.0.weight"],
    "image half of a CLIP": ["visual.proj", "visual.conv1.weight"],
    "no CLIP: its first tensors are a, b": ["a", "b"],
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_of_another_kind_is_named_as_what_it_is(tmp_path: Path, kind: str) -> None:
    path = put(tmp_path, {name: torch.zeros(2, 2) for name in FOREIGN[kind]}, "model.safetensors", None)
    error = error_of(path)
    assert error.code == "scorer-wrong-kind" and kind in error.message and error.place


def test_weights_of_another_form_than_the_configuration(tmp_path: Path, state: dict[str, Any]) -> None:
    longer = {**TINY, "text_cfg": {**TINY["text_cfg"], "context_length": 20}}
    error = error_of(put(tmp_path, state, config=longer))  # open_clip alone would stretch the positions
    assert error.code == "scorer-unknown-architecture" and "positional_embedding is [16, 8] instead of [20, 8]" in str(
        error
    )
    less = {name: tensor for name, tensor in state.items() if name != "ln_final.bias"}
    assert "first ln_final.bias" in str(error_of(put(tmp_path, less)))
    assert "1 tensors more" in str(error_of(put(tmp_path, {**state, "visual.extra": torch.zeros(1)})))


@pytest.mark.parametrize(
    "config", ["{", "[]", '{"embed_dim": 4}', '{"embed_dim": 4, "vision_cfg": {"bogus": 1}, "text_cfg": {}}']
)
def test_bad_configurations(tmp_path: Path, state: dict[str, Any], config: str) -> None:
    path = put(tmp_path, state)
    path.with_suffix(".json").write_text(config, encoding="utf-8")
    error = error_of(path)
    assert error.code == "scorer-bad-config" and error.place and error.place.file.endswith("tiny.json")


def test_weights_that_are_no_numbers(tmp_path: Path, state: dict[str, Any]) -> None:
    assert error_of(put(tmp_path, {**state, "visual.proj": state["visual.proj"] * np.nan})).code == "scorer-bad-file"


def test_a_folder_that_lacks_something(tmp_path: Path, state: dict[str, Any]) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY}), encoding="utf-8")
    assert error_of(tmp_path).code == "scorer-missing"
    put(tmp_path, state, "a.safetensors", None)
    put(tmp_path, state, "b.bin", None)
    error = error_of(tmp_path)
    assert error.code == "scorer-missing" and "a.safetensors, b.bin" in error.message
    put(tmp_path, state, "open_clip_pytorch_model.bin", None)
    assert load_path(tmp_path, device="cpu").width == 12
    (tmp_path / "open_clip_config.json").unlink()
    assert error_of(tmp_path).code == "scorer-missing"


def test_a_tokenizer_that_would_have_to_be_fetched(tmp_path: Path, state: dict[str, Any]) -> None:
    config = {**TINY, "text_cfg": {**TINY["text_cfg"], "hf_tokenizer_name": "nobody/has-this-tokenizer"}}
    error = error_of(put(tmp_path, state, config=config))
    assert error.code == "scorer-no-tokenizer" and "nobody/has-this-tokenizer" in error.message


# ---- architectures ------------------------------------------------------------------------------------------------------------


def of_shapes(name: str, file: str, folder: str = "models") -> weights.WeightsFile:
    """A file as a model of open_clip's has it, without its gigabytes."""
    shapes = architectures._model_shapes(open_clip.get_model_config(name))
    return weights.WeightsFile(Path("/somewhere") / folder / file, shapes)


@pytest.mark.parametrize(
    ("model", "file", "found", "tag"),
    [
        ("ViT-B-32", "model.safetensors", "ViT-B-32", ""),
        ("ViT-B-32", "ViT-B-32-quickgelu.safetensors", "ViT-B-32-quickgelu", ""),
        ("ViT-B-32", "ViT-B-32-laion2b_s34b_b79k.safetensors", "ViT-B-32", "laion2b_s34b_b79k"),
        ("ViT-B-32", "vit_b_32 openai.bin", "ViT-B-32-quickgelu", "openai"),
        ("ViT-B-32-256", "anything.bin", "ViT-B-32-256", ""),
        ("RN50", "rn50-yfcc15m.pt", "RN50-quickgelu", "yfcc15m"),
        ("ViT-B-16-SigLIP", "model.safetensors", "ViT-B-16-SigLIP", ""),
        ("convnext_base_w", "convnext_base_w.safetensors", "convnext_base_w", ""),
        ("coca_ViT-B-32", "coca.pt", "coca_ViT-B-32", ""),
    ],
)
def test_the_architecture_is_found_from_shapes_and_names(model: str, file: str, found: str, tag: str) -> None:
    got = architectures.find(of_shapes(model, file))
    if "quickgelu" in found and tag == "":
        assert not got.remarks
    assert (got.name, got.tag) == (found, tag)


def test_what_shapes_cannot_tell_is_said() -> None:
    got = architectures.find(of_shapes("ViT-B-32", "model.safetensors"))
    assert "ViT-B-32-quickgelu" in got.remarks[0]


def test_images_are_prepared_as_the_weights_were_trained() -> None:
    siglip = architectures.find(of_shapes("ViT-B-16-SigLIP", "model.safetensors")).preparation
    assert siglip["mean"] == (0.5, 0.5, 0.5) and siglip["resize_mode"] == "squash"
    usual = architectures.find(of_shapes("ViT-B-32", "model.safetensors")).preparation
    assert usual["mean"] == open_clip.OPENAI_DATASET_MEAN and usual["resize_mode"] == "shortest"


def test_a_clip_of_no_known_architecture_gets_the_nearest_names(tmp_path: Path) -> None:
    other = {**TINY, "embed_dim": 20}
    load_path(put(tmp_path, tiny_state(config=other), "with.safetensors", other), device="cpu")
    error = error_of(
        put(tmp_path, tiny_state(config=other), config=None)
    )  # another's configuration is not taken for it
    assert error.code == "scorer-unknown-architecture" and error.nearest and "text width 8" in error.message
    file = of_shapes("ViT-B-32", "mine.bin")
    file.shapes["visual.proj"] = (768, 500)
    with pytest.raises(SDGenError) as caught:
        architectures.find(file)
    assert caught.value.nearest[0] == "ViT-B-32" and "visual.proj is [768, 500]" in caught.value.message


def test_openais_archives_are_read(tmp_path: Path) -> None:
    config = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 64, "layers": 1, "width": 64, "patch_size": 32},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
    }
    torch.manual_seed(4)
    model = open_clip.CLIP(**config, quick_gelu=True).eval()
    holder = torch.nn.Module()
    for name, tensor in model.state_dict().items():
        *parents, last = name.split(".")
        at = holder
        for part in parents:
            if not hasattr(at, part):
                at.add_module(part, torch.nn.Module())
            at = getattr(at, part)
        at.register_parameter(last, torch.nn.Parameter(tensor))
    path = tmp_path / "ViT-tiny.pt"
    torch.jit.save(torch.jit.script(holder), str(path))
    file = weights.read_table(path)
    assert file.archive and weights.foreign_kind(file.shapes) is None
    known = architectures.Architecture("ViT-B-32-quickgelu", "openai")
    backend = load_path(path, device="cpu", known=known)
    batch = np.stack([backend.prepare(picture(i)) for i in range(2)])
    with torch.no_grad():
        wanted = model.encode_image(torch.from_numpy(batch), normalize=True).numpy()
    np.testing.assert_allclose(backend.encode_images(batch), wanted, atol=2e-2)  # that loader rounds weights to fp16


def test_a_configuration_of_ones_own_never_replaces_open_clips(tmp_path: Path, state: dict[str, Any]) -> None:
    before = open_clip.get_model_config("ViT-B-32")
    assert load_path(put(tmp_path, state, "ViT-B-32.safetensors"), device="cpu").width == 12
    assert open_clip.get_model_config("ViT-B-32") == before
    assert sources.registered_name(sources.find(tmp_path / "ViT-B-32.safetensors")).startswith("sdgen-")
