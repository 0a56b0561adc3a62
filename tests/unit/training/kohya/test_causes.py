"""Each failure of sd-scripts, as it was recorded from a real run (``real.py``), ends in one sentence that says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.training.kohya.causes import cause

RECORDED = Path(__file__).parent / "recorded"
#: Recorded failure -> code, and what the sentence names.
EXPECTED = {
    "unknown_flag": ("bad-option", "does not know --bogus"),
    "bad_choice": ("bad-option", "argument --mixed_precision: invalid choice: 'fp99'"),
    "no_checkpoint": ("bad-base-model", "The checkpoint /models/gone.safetensors is not there"),
    "no_images": ("no-images", "No image was found"),
    "damaged_image": ("bad-image", "/run/data/images/2_cat/000001.png"),
    "cut_image": ("bad-image", "is damaged"),
    "empty_caption": ("bad-caption", "/run/data/images/2_cat/000001.txt"),
    "caption_no_utf8": ("bad-caption", "/run/data/images/2_cat/000001.txt"),
    "bad_config_key": ("bad-data-config", "data['datasets'][0]['bogus']: extra keys not allowed"),
    "bad_config_value": ("bad-data-config", "data['datasets'][0]['batch_size']: expected int"),
    "nan_loss": ("not-finite", "NaN"),
    "out_of_memory": ("out-of-memory", "main memory is full"),
    "killed": ("killed", "killed from outside"),
    "interrupted": ("stopped", "stopped from outside"),
    "terminated": ("stopped", "stopped from outside"),
    "code_page": ("encoding", "Japanese"),
    "no_state": ("no-state", "/runs/gone-state"),
    "no_tokenizer": ("no-tokenizer", "without a network"),
    "long_tokenizer": ("no-tokenizer", "tokenizer_cache_dir"),
    "no_package": ("missing-package", "lion_pytorch"),
    "other_model": ("bad-base-model", "does not fit"),
    "broken_model": ("bad-base-model", "damaged"),
    "full_disk": ("disk-full", "The disk is full"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_failure_has_its_cause(name: str) -> None:
    first, log = (RECORDED / f"{name}.txt").read_bytes().decode("utf-8").split("\n", 1)
    found = cause(log, int(first.removeprefix("exit ")))
    assert found is not None
    code, says = EXPECTED[name]
    assert found.code == code and says in found.sentence and found.hint
    assert found.sentence.endswith(".") and "\n" not in found.sentence and len(found.sentence) < 300


def test_a_good_end_has_no_cause() -> None:
    log = (RECORDED / "good.txt").read_bytes().decode("utf-8").split("\n", 1)[1]
    assert cause(log, 0) is None


@pytest.mark.parametrize(
    ("tail", "exit_code", "code", "says"),
    [
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB.\n",
            1,
            "out-of-memory",
            "graphics card",
        ),
        ("RuntimeError: MPS backend out of memory (MPS allocated: 8 GB)\n", 1, "out-of-memory", "MPS"),
        (
            "OSError: Can't load tokenizer for 'openai/clip-vit-large-patch14'. If you were\n",
            1,
            "no-tokenizer",
            "network",
        ),
        (
            "subprocess.CalledProcessError: Command '['python']' died with <Signals.SIGKILL: 9>.\n",
            1,
            "killed",
            "memory",
        ),
        ("OSError: [Errno 28] No space left on device\n", 1, "disk-full", "disk is full"),
        ("OSError: [WinError 1455] Le fichier de pagination est insuffisant\n", 1, "out-of-memory", "paging file"),
        ("AssertionError: full_bf16 requires bf16 / full_bf16を使う場合\n", 1, "refused", "full_bf16 requires bf16."),
        ("ModuleNotFoundError: No module named 'library'\n", 1, "missing-package", "library"),
        (
            "RuntimeError: Error(s) in loading state_dict for UNet2DConditionModel:\n size mismatch\n",
            1,
            "bad-base-model",
            "UNet2D",
        ),
        ("Traceback:\nmy.own.OddError: what is this\n", 1, "failed", "my.own.OddError: what is this"),
        ("", 3221225477, "crashed", "native code"),
        ("", -11, "crashed", "native code"),
        ("", 137, "killed", "memory"),
        ("", 7, "failed", "exit code 7"),
    ],
)
def test_failures_of_other_machines(tail: str, exit_code: int, code: str, says: str) -> None:
    found = cause(tail, exit_code)
    assert found is not None and found.code == code and says in found.sentence


def test_nothing_is_said_of_a_silent_good_end_and_of_one_that_nobody_saw() -> None:
    assert cause("", 0) is None and cause("", None) is None


@given(tail=st.text(max_size=300), exit_code=st.one_of(st.none(), st.integers(-64, 300)))
def test_any_log_gives_one_line_or_nothing(tail: str, exit_code: int | None) -> None:
    found = cause(tail, exit_code)
    assert found is None or ("\n" not in found.sentence and found.code)
