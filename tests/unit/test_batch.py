"""Orders of several sessions: the predecessor's lines, and YAML."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.cli.batch import Run, plan_run, read_line, read_lines, read_yaml
from sdgen_core.cli.progress import seconds_left
from sdgen_core.errors import SDGenError


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("a.prompt.yaml", Run("a.prompt.yaml")),
        ("a.prompt.yaml:gala:dark:20", Run("a.prompt.yaml", "gala", "dark", 20)),
        ("a.prompt.yaml:gala::20", Run("a.prompt.yaml", "gala", None, 20)),
        ("a.prompt.yaml:::5", Run("a.prompt.yaml", "", None, 5)),
        ("a.prompt.yaml : gala", Run("a.prompt.yaml", "gala")),
        ("C:/x/a.prompt.yaml:gala:dark:2", Run("C:/x/a.prompt.yaml", "gala", "dark", 2)),
        ("a.yml:gala:2,pirates:1", Run("a.yml", "gala:2,pirates:1")),
        ("a.yml:gala:2,pirates:1:dark:30", Run("a.yml", "gala:2,pirates:1", "dark", 30)),
        ("a.yml:gala,pirates::30", Run("a.yml", "gala,pirates", None, 30)),
    ],
)
def test_lines(line, wanted):
    assert read_line(line) == wanted


@pytest.mark.parametrize("line", ["", "gala", "a.yaml:b:c:d", "a.yaml:b:c:0", "a.yaml:b:c:1:2", "a.yaml:x:y:-1"])
def test_bad_lines_are_named(line):
    with pytest.raises(SDGenError) as caught:
        read_line(line)
    assert caught.value.code == "bad-batch"


@given(st.text(max_size=60))
def test_any_line_is_read_or_refused(line):
    try:
        read_line(line)
    except SDGenError as error:
        assert error.code == "bad-batch"


def test_a_file_of_lines():
    runs = read_lines("# night\n\na.prompt.yaml:gala:dark:20  # twenty\n  b.prompt.yaml\n", "night.txt")
    assert [(r.template, r.count, str(r.place)) for r in runs] == [
        ("a.prompt.yaml", 20, "night.txt:3"),
        ("b.prompt.yaml", None, "night.txt:4"),
    ]


def test_yaml():
    text = """
defaults: {count: 20, checkpoint: m.safetensors, seeds: 1-4}
runs:
  - {template: a.prompt.yaml, theme: gala, style: dark}
  - {template: b.prompt.yaml, seeds: 20#1000, count: null, on-existing: new}
  - c.prompt.yaml:pirates
"""
    with pytest.raises(SDGenError) as caught:
        read_yaml(text.encode(), "night.yaml")
    assert caught.value.code == "bad-batch" and str(caught.value.place) == "night.yaml:5:60"
    first, second, third = read_yaml(text.replace(", on-existing: new", "").encode(), "night.yaml")
    assert first == Run("a.prompt.yaml", "gala", "dark", 20, seeds="1-4", checkpoint="m.safetensors")
    assert second == Run("b.prompt.yaml", seeds="20#1000", checkpoint="m.safetensors")
    assert third == Run("c.prompt.yaml", "pirates", count=20, seeds="1-4", checkpoint="m.safetensors")
    for bad in (
        "runs: []",
        "just text",
        "runs: [{theme: x}]",
        "runs: [{template: a.yaml, count: many}]",
        "runs: [[a]]",
    ):
        with pytest.raises(SDGenError):
            read_yaml(bad.encode(), "night.yaml")


def test_a_run_is_counted(tmp_path: Path):
    text = "name: a\nprompt: '{A}'\nimports: {A: [x, y, z]}\ngeneration: {seed: 1}\n"
    (tmp_path / "a.prompt.yaml").write_text(text, encoding="utf-8")
    planned = plan_run(Run("a.prompt.yaml", seeds="1-4", count=10), tmp_path)
    assert (planned.plan.count, planned.order.count, planned.order.seeds) == (10, 10, "1-4")
    with pytest.raises(SDGenError) as caught:
        plan_run(Run("b.prompt.yaml"), tmp_path)
    assert caught.value.code == "missing-file"


def test_time_left_of_all_sessions():
    def status(left, **more):
        base = {"id": str(left), "state": "planned", "left": left, "eta_seconds": None, "seconds_per_image": None}
        return {**base, **more}

    running = status(10, state="running", eta_seconds=20)
    assert seconds_left([running, status(5), status(7, state="paused")]) == 30
    assert seconds_left([status(5)]) == 0
