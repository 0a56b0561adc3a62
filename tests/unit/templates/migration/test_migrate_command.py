"""``sdgen migrate`` as a command, and that writing never loses a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sdgen_core.cli import build_app
from sdgen_core.errors import SDGenError
from sdgen_core.templates.migrate import migrate

from .tools import legacy, put, tree

DRAFT = "name: X\ntemplate: a {A}\nvariations: {A: [one, two]}\ngeneration: {seed: 1}\n"


def run(*args: str):
    return CliRunner().invoke(build_app("migrate"), ["migrate", *args])


def test_a_dry_run_shows_a_diff_and_writes_nothing(tmp_path):
    root = legacy("first", tmp_path)
    before = tree(root)
    result = run(str(root))
    assert result.exit_code == 1  # model.checkpoint and api_url need a hand
    assert tree(root) == before
    assert "+++ " in result.stdout and "+  {Plumage[#0,2]} owl, {Mood[$2]}," in result.stdout
    assert "note " in result.stdout and "by hand " in result.stdout
    assert result.stdout.splitlines()[-1] == (
        "9 new files, 0 files to change; nothing is written without --write; 2 things to do by hand"
    )


def test_writing(tmp_path):
    root = legacy("drafts", tmp_path)
    result = run(str(root), "--write")
    assert result.exit_code == 0, result.stdout
    assert result.stdout.splitlines()[-1] == "2 new files, 9 files changed"
    assert "coats.prompt.yaml.bak" in result.stdout and "+++" not in result.stdout
    before = tree(root)
    again = run(str(root), "--write")
    assert (again.exit_code, tree(root)) == (0, before)
    assert again.stdout == f"nothing to migrate in {root.as_posix()} (19 files looked at)\n"


def test_json(tmp_path):
    root = legacy("first", tmp_path)
    result = run(str(root / "configs" / "owls.json"), "--json")
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert data["written"] is False and data["looked_at"] == 1
    by_name = {Path(c["file"]).name: c for c in data["changes"]}
    assert by_name["owls.prompt.yaml"]["action"] == "new" and by_name["owls.prompt.yaml"]["from"].endswith("owls.json")
    assert by_name["moods.yaml"]["kind"] == "values" and by_name["moods.yaml"]["diff"].startswith("--- /dev/null\n")
    (problem,) = data["problems"]
    assert (problem["error"], problem["line"], problem["column"]) == ("not-carried-over", 5, 12)
    assert "--checkpoint" in problem["hint"]


@pytest.mark.parametrize(
    ("args", "code"),
    [(["nowhere"], 1), ([], 2), (["nowhere", "--nope"], 2)],
)
def test_exit_codes(args, code):
    assert run(*args).exit_code == code


def test_a_wrong_path_names_the_nearest(tmp_path):
    put(tmp_path, {"configs/a.json": "{}"})
    result = run(str(tmp_path / "config"), "--json")
    error = json.loads(result.stdout)
    assert (result.exit_code, error["error"], error["nearest"]) == (1, "missing-file", ["configs"])


def test_earlier_backups_stay(tmp_path):
    put(tmp_path, {"x.prompt.yaml": DRAFT, "x.prompt.yaml.bak": "mine", "x.prompt.yaml.bak2": "mine too"})
    plan = migrate(tmp_path)
    plan.write()
    files = tree(tmp_path)
    assert plan.changes[0].backup == tmp_path / "x.prompt.yaml.bak3"
    assert (files["x.prompt.yaml.bak"], files["x.prompt.yaml.bak2"]) == (b"mine", b"mine too")
    assert files["x.prompt.yaml.bak3"] == DRAFT.encode() and sorted(files) == [
        "x.prompt.yaml",
        "x.prompt.yaml.bak",
        "x.prompt.yaml.bak2",
        "x.prompt.yaml.bak3",
    ]


def test_a_file_that_comes_in_between_is_not_replaced(tmp_path):
    put(tmp_path, {"a.txt": "x→one\n", "b.txt": "y→two\n"})
    plan = migrate(tmp_path)
    put(tmp_path, {"b.yaml": "mine"})
    with pytest.raises(SDGenError) as caught:
        plan.write()
    assert caught.value.code == "target-exists" and "a.yaml" in caught.value.message, "what was written is named"
    assert tree(tmp_path)["b.yaml"] == b"mine" and sorted(tree(tmp_path)) == ["a.txt", "a.yaml", "b.txt", "b.yaml"]


def test_a_file_that_changes_in_between_is_not_replaced(tmp_path):
    put(tmp_path, {"x.prompt.yaml": DRAFT})
    plan = migrate(tmp_path)
    put(tmp_path, {"x.prompt.yaml": DRAFT + "# new\n"})
    with pytest.raises(SDGenError) as caught:
        plan.write()
    assert caught.value.code == "file-changed" and tree(tmp_path) == {"x.prompt.yaml": (DRAFT + "# new\n").encode()}


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom rights bind")
def test_a_folder_without_rights(tmp_path):  # pragma: no cover - not on build machines that run as root
    put(tmp_path, {"a.txt": "x→one\n"})
    tmp_path.chmod(0o500)
    try:
        result = run(str(tmp_path), "--write")
        assert result.exit_code == 1 and "unwritable-folder" in result.stderr
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_that_is_gone(tmp_path):
    put(tmp_path, {"x/a.txt": "x→one\n"})
    plan = migrate(tmp_path)
    (tmp_path / "x" / "a.txt").unlink()
    (tmp_path / "x").rmdir()
    with pytest.raises(SDGenError) as caught:
        plan.write()
    assert caught.value.code == "unwritable-folder" and "a.yaml" in caught.value.message


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_and_rights_stay(tmp_path):
    put(tmp_path, {"real/x.yaml": DRAFT, "work/.keep": ""})
    (tmp_path / "real/x.yaml").chmod(0o640)
    (tmp_path / "work/x.prompt.yaml").symlink_to(tmp_path / "real/x.yaml")
    migrate(tmp_path / "work").write()
    assert (tmp_path / "work/x.prompt.yaml").is_symlink()
    assert "prompt: a {A}" in (tmp_path / "real/x.yaml").read_text(encoding="utf-8")
    assert (tmp_path / "real/x.yaml").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "work/x.prompt.yaml.bak").read_text(encoding="utf-8") == DRAFT


def test_names_are_those_the_user_wrote(tmp_path, monkeypatch):
    legacy("drafts", tmp_path)
    put(tmp_path / "drafts", {"prompts/bad.prompt.yaml": DRAFT.replace("a {A}", "a {Nope} @gone")})
    monkeypatch.chdir(tmp_path)
    plan = migrate(Path("drafts"))
    assert {c.path.as_posix().split("/")[0] for c in plan.changes} == {"drafts"}
    assert {p.place.file for p in plan.problems} == {"drafts/prompts/bad.prompt.yaml"}
    assert all("sdgen-migrate" not in str(p) for p in plan.problems)
    monkeypatch.chdir(tmp_path / "drafts")
    plan = migrate(Path())
    assert {p.place.file for p in plan.problems} == {"prompts/bad.prompt.yaml"}


def test_the_command_itself(tmp_path):
    root = legacy("first", tmp_path)
    command = [sys.executable, "-m", "sdgen_core", "migrate", str(root)]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.returncode == 1 and "vieux chêne" in done.stdout.decode("utf-8") and done.stderr == b""
