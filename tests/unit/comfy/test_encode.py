"""What encoding remembers, for how long, and when it must not. Model and text encoder are stand-ins that count."""

import gc
import os
import uuid
import weakref
from types import SimpleNamespace

import pytest

from sdgen_core.comfy import encode, host
from sdgen_core.comfy.encode import encode_prompt
from sdgen_core.comfy.lora_files import files_trained_as
from sdgen_core.errors import SDGenError


class FakeTensor:
    def __init__(self, size=100):
        self.size = size

    def nelement(self):
        return self.size

    def element_size(self):
        return 4


class FakeModel:
    def __init__(self, parent=None):
        self.parent = parent
        self.patches_uuid = uuid.uuid4()


class FakeClip:
    """Notes the texts it encodes."""

    def __init__(self, parent=None, size=100):
        self.patcher = SimpleNamespace(patches_uuid=uuid.uuid4(), forced_hooks=None, parent=parent)
        self.layer_idx = None
        self.tokenizer_options = {}
        self.apply_hooks_to_conds = None
        self.size = size
        self.texts = []

    def tokenize(self, text):
        return text

    def encode_from_tokens_scheduled(self, text):
        self.texts.append(text)
        return [[FakeTensor(self.size), {"pooled_output": FakeTensor(1)}]]

    def clone(self):
        copy = FakeClip(self)
        copy.patcher.patches_uuid = self.patcher.patches_uuid
        return copy

    def clip_layer(self, layer):
        self.layer_idx = layer


@pytest.fixture
def loras(monkeypatch, tmp_path):
    """Two LoRA files, and what was done with them."""
    done = []
    for name in ("one", "two"):
        (tmp_path / f"{name}.safetensors").write_text(name, encoding="utf-8")

    def read(path):
        done.append(f"read {path.stem}")
        return {"tensor": FakeTensor(1 << 20)}

    def apply(model, clip, weights, for_model, for_clip):
        done.append((for_model, for_clip))
        return FakeModel(model), FakeClip(clip)

    monkeypatch.setattr(
        host, "model_files", lambda kind: [p.name for p in tmp_path.iterdir()] if kind == "loras" else []
    )
    monkeypatch.setattr(host, "model_path", lambda kind, name: tmp_path / name)
    monkeypatch.setattr(host, "read_weights", read)
    monkeypatch.setattr(host, "with_lora", apply)
    return SimpleNamespace(done=done, folder=tmp_path)


def test_a_text_is_encoded_once_for_a_text_encoder_as_it_is(loras):
    clip = FakeClip()
    for text in ("a", "b", "a", "(a:1.1)"):
        encode_prompt(None, clip, text)
    assert clip.texts == ["a", "b", "(a:1.1)"]
    clip.patcher.patches_uuid = uuid.uuid4()
    encode_prompt(None, clip, "a")
    clip.layer_idx = -2
    encode_prompt(None, clip, "a")
    clip.tokenizer_options = {"min_length": 5}
    encode_prompt(None, clip, "a")
    assert clip.texts[3:] == ["a", "a", "a"]
    other = FakeClip()
    encode_prompt(None, other, "a")
    assert other.texts == ["a"]


def test_a_copy_that_took_the_memory_along_has_its_own(loras):
    clip, copy = FakeClip(), FakeClip()
    encode_prompt(None, clip, "a")
    vars(copy).update(vars(clip), texts=[])
    encode_prompt(None, copy, "a")
    assert copy.texts == ["a"]


def test_hooks_change_weights_unseen_so_nothing_is_remembered(loras):
    clip = FakeClip()
    clip.patcher.forced_hooks = object()
    encode_prompt(None, clip, "a")
    encode_prompt(None, clip, "a")
    assert clip.texts == ["a", "a"]


def test_the_oldest_encodings_go_and_those_in_use_stay(loras):
    clip = FakeClip(size=1 << 20)  # 4 MB each
    for n in range(40):
        encode_prompt(None, clip, "constant")
        encode_prompt(None, clip, f"{n}")
    encode_prompt(None, clip, "0")
    assert clip.texts.count("constant") == 1 and clip.texts.count("0") == 2
    assert encode._Memory.of(clip).encoded._total <= 48 << 20


def test_what_is_remembered_is_not_changed_by_its_users(loras):
    clip = FakeClip()
    first, second = encode_prompt(None, clip, "a :2 AND b").conditioning
    assert first[1]["strength"] == 2 and "strength" not in second[1]
    [[_, values]] = encode_prompt(None, clip, "a").conditioning
    assert clip.texts == ["a", "b"] and "strength" not in values


def test_the_same_loras_give_the_same_objects(loras):
    model, clip = FakeModel(), FakeClip()
    text = "x <lora:one:1><lora:two:0.5:0.25>"
    made = [encode_prompt(model, clip, t) for t in (text, "y" + text, text)]
    assert len({(e.model, e.clip) for e in made}) == 1 and made[0].model is not model
    assert loras.done == ["read one", (1, 1), "read two", (0.25, 0.5)]
    assert made[0].clip.texts == ["x", "yx"]
    # the files are in memory for other strengths; one of none is not even applied
    encode_prompt(model, clip, "<lora:one:0.3><lora:two:0>")
    assert loras.done[4:] == [(0.3, 0.3)]
    assert encode_prompt(model, clip, "x <lora:one:0>").model is model
    # another model has its own, the text encoder stays the same one
    other = encode_prompt(FakeModel(), clip, text)
    assert other.model is not made[0].model and other.clip is made[0].clip
    # and a file that changed is another
    os.utime(loras.folder / "one.safetensors", ns=(1, 1))
    assert encode_prompt(model, clip, text).model is not made[0].model
    assert loras.done[-3:] == ["read one", (1, 1), (0.25, 0.5)]


def test_clip_skip_sets_a_layer_of_a_copy(loras):
    clip = FakeClip()
    first, second = encode_prompt(None, clip, "a", clip_skip=2), encode_prompt(None, clip, "b", clip_skip=2)
    assert first.clip is second.clip is not clip
    assert (first.clip.layer_idx, clip.layer_idx) == (-2, None)


def test_everything_is_let_go_with_the_model_and_the_text_encoder(loras):
    model, clip = FakeModel(), FakeClip()
    made = encode_prompt(model, clip, "x <lora:one:1>")
    watched = [weakref.ref(o) for o in (model, clip, made.model, made.clip, made.conditioning[0][0])]
    del model, clip, made
    gc.collect()
    assert [ref() for ref in watched] == [None] * 5


def test_a_lora_is_found_by_the_name_it_was_trained_under(tmp_path):
    def write(name, header):
        (tmp_path / name).write_bytes(len(header).to_bytes(8, "little") + header)
        return name

    known = [
        write("a.safetensors", b'{"__metadata__": {"ss_output_name": "Nice Style"}}'),
        write("b.safetensors", b'{"__metadata__": {}}'),
        write("c.safetensors", b"no json"),
        write("d.pt", b'{"__metadata__": {"ss_output_name": "nice style"}}'),
        "gone.safetensors",
    ]
    assert files_trained_as("nice style", known, lambda name: tmp_path / name) == ["a.safetensors"]
    assert files_trained_as("other", known, lambda name: tmp_path / name) == []


def test_without_a_text_encoder_there_is_nothing_to_encode_with():
    with pytest.raises(SDGenError) as caught:
        encode_prompt(None, None, "a")
    assert caught.value.code == "no-text-encoder"
