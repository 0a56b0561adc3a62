"""``sdgen expand`` as a command: what it prints and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from sdgen_core.cli import build_app


def expand(*args: str):
    return CliRunner().invoke(build_app("expand"), ["expand", *args])


def test_preview(case):
    project = case("{Coat} [bold]{Light}[/]", negative_prompt="low")
    result = expand(str(project.root / "main.prompt.yaml"))
    assert result.exit_code == 0
    assert "10 combinations -> 10 images" in result.stdout
    assert "red coat [bold]dawn light[/]" in result.stdout
    assert "negative: low" in result.stdout
    assert "Coat=Red, Light=Dawn" in result.stdout


def test_preview_of_a_large_run_ends_early(case):
    project = case("{Coat} {Light}")
    result = expand(str(project.root / "main.prompt.yaml"), "--seeds", "1000000#1", "--limit", "-1")
    assert "10,000,000 images" in result.stdout
    assert "9,999,990 more" in result.stdout


def test_rows(case):
    project = case("{Coat[Red]},\n{Light}", negative_prompt="'a,,b'", parameters="{steps: 5}")
    result = expand(
        str(project.root / "main.prompt.yaml"), "--jsonl", "--api", "--parameters", "--count", "1", "--seeds", "9,8"
    )
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {
            "index": 0,
            "prompt": "red coat,\ndawn light",
            "negative": "a, b",
            "seed": 9,
            "variations": {"Coat": "red coat", "Light": "dawn light"},
            "api_prompt": "red coat, dawn light",
            "api_negative": "a, b",
            "parameters": {"steps": 5},
        }
    ]


@pytest.mark.parametrize("jsonl", [True, False])
def test_errors(case, jsonl):
    project = case("{Coatt}")
    result = expand(str(project.root / "main.prompt.yaml"), *(["--jsonl"] if jsonl else []))
    assert result.exit_code == 1
    if jsonl:
        error = json.loads(result.stdout)
        assert (error["error"], error["line"], error["column"], error["nearest"]) == (
            "unresolved-placeholder",
            5,
            3,
            ["Coat"],
        )
        assert "Did you mean 'Coat'?" in error["message"]
    else:
        assert result.stdout == ""
        assert "main.prompt.yaml:5:3" in result.stderr and "unresolved-placeholder" in result.stderr


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["x.yaml", "--mode", "x"],
        ["x.yaml", "--count", "-1"],
        ["x.yaml", "--nope"],
    ],
)
def test_usage_errors(args):
    assert expand(*args).exit_code == 2


@pytest.mark.parametrize("option", [["--seeds", "5-1"], ["--use-fixed", "nonsense"]])
def test_bad_specs(case, option):
    project = case("{Coat}")
    result = expand(str(project.root / "main.prompt.yaml"), "--jsonl", *option)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"] in ("bad-seed-spec", "bad-fixed-spec")


def test_the_command_itself(case, tmp_path):
    project = case("{Coat} é")
    command = [sys.executable, "-m", "sdgen_core", "expand", str(project.root / "main.prompt.yaml"), "--jsonl"]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    assert json.loads(done.stdout.decode("utf-8").splitlines()[0])["prompt"] == "red coat é"
    assert b"generate" in subprocess.run([*command[:3], "--help"], capture_output=True, timeout=120, check=True).stdout
    assert subprocess.run([*command[:3], "nosuch"], capture_output=True, timeout=120, check=False).returncode == 2
