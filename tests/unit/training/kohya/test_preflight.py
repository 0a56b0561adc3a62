"""The checkout and its Python are looked at before anything long starts."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.training.kohya import preflight
from sdgen_core.training.kohya.preflight import Facts, Installation, ask, installation, problems


def _python(folder: Path) -> Path:
    """A file where a virtual environment has its Python."""
    path = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    path.parent.mkdir(parents=True)
    path.write_text("", encoding="utf-8")
    return path


def _program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def _code(folder: str, python: str = "") -> str:
    with pytest.raises(SDGenError) as caught:
        installation(folder, python)
    return f"{caught.value.code}: {caught.value.advice}"


def test_settings_that_name_nothing_say_which(tmp_path: Path, checkout: Path) -> None:
    assert _code("").startswith("kohya-not-found: the setting `kohya_folder` is empty")
    assert _code(str(tmp_path / "gone")).startswith("kohya-not-found: there is no train_network.py")
    assert "Set `kohya_folder` to" in _code(str(tmp_path)), "kohya_ss keeps it in sd-scripts"
    assert _code(str(checkout)).startswith("kohya-python:")
    assert "there is no Python" in _code(str(checkout), str(tmp_path / "python"))


@pytest.mark.parametrize("place", ["venv", ".venv", "../venv"])
def test_the_python_of_the_checkout_is_found(checkout: Path, place: str) -> None:
    python = _python((checkout / place).resolve())
    found = installation(str(checkout))
    assert found.folder == checkout and found.python.resolve() == python
    named = installation(f" {checkout} ".strip(), sys.executable)
    assert named.python == Path(sys.executable)


def test_a_real_python_says_what_it_has_and_what_it_lacks(checkout: Path) -> None:
    where = Installation(checkout, Path(sys.executable))
    facts = ask(where, ["torch", "json", "no_such_package_at_all"])
    assert facts.version == tuple(sys.version_info[:3])
    assert "json" in facts.packages and facts.packages["torch"]
    assert facts.errors["no_such_package_at_all"].startswith("ModuleNotFoundError")
    said = problems(where, facts, {"no_such_package_at_all": "optimizer_type Odd"})
    (problem,) = (one for one in said if "no_such_package_at_all" in one.message)
    assert problem.fatal and problem.option == "optimizer_type" and "which optimizer_type Odd needs" in problem.message
    assert "-m pip install no_such_package_at_all" in problem.hint


@pytest.mark.skipif(os.name == "nt", reason="what counts the calls is a shell script")
def test_a_python_is_asked_once_while_nothing_is_new(checkout: Path, tmp_path: Path) -> None:
    said = 'SDGEN-FACTS {"version": [3, 11, 0], "packages": {"torch": "2", "json": ""}, "device": "mps"}'
    where = Installation(checkout, _program(tmp_path / "python", f"echo x >> {tmp_path / 'calls'}\necho '{said}'"))
    for wanted in (["torch", "json"], ["torch"], ["json"]):
        assert ask(where, wanted).device == "mps"
    assert (tmp_path / "calls").read_text(encoding="utf-8") == "x\n"
    ask(where, ["another"])
    os.utime(where.python, (1, 1))
    ask(where, ["torch"])
    assert (tmp_path / "calls").read_text(encoding="utf-8") == "x\n" * 3


@pytest.mark.skipif(os.name == "nt", reason="programs of other kinds are shell scripts here")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("exit 0", "it said nothing"),
        ("echo oh dear >&2; exit 3", "ended with exit code 3: oh dear"),
        ("sleep 30", "did not answer"),
    ],
)
def test_a_program_that_is_no_python(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, says: str
) -> None:
    monkeypatch.setattr(preflight, "_TIMEOUT", 1.0)
    program = _program(tmp_path / "python", text)
    with pytest.raises(SDGenError, match=says) as caught:
        ask(Installation(checkout, program))
    assert caught.value.code == "kohya-python"


@pytest.mark.skipif(os.name == "nt", reason="files have no right to be run there")
def test_a_file_that_cannot_be_run(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "python").write_text("", encoding="utf-8")
    with pytest.raises(SDGenError, match="cannot be run"):
        ask(Installation(checkout, tmp_path / "python"))


def test_old_pythons_broken_packages_and_other_versions_are_named(checkout: Path) -> None:
    (checkout / "requirements.txt").write_text(
        "accelerate==1.6.0\ndiffusers[torch]==0.32.1\n# transformers==4.1\n", "utf-8"
    )
    packages = {"accelerate": "1.6.3", "diffusers": "0.35.0"}
    errors = {"cv2": "ImportError: libGL.so.1: cannot open", "toml": "ModuleNotFoundError: No module named 'toml'"}
    said = problems(Installation(checkout, Path("/p/python")), Facts((3, 9, 1), packages, errors), {})
    assert [(one.fatal, one.message) for one in said] == [
        (True, "/p/python is Python 3.9.1; sd-scripts needs 3.10 or newer"),
        (True, "/p/python cannot import opencv-python (ImportError: libGL.so.1: cannot open)"),
        (True, "/p/python lacks the package toml"),
        (False, "/p/python has diffusers 0.35.0; this checkout was written for 0.32.1"),
    ]
