"""Options are found by following the calls of a script's own source, and nothing of it runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.training.kohya.probe import probe, training_scripts

from .recorded_options import BASE, COUNTS, recorded

SCRIPT = """
import argparse
from library import arguments, missing
import library.more as more
from library.names import KINDS, Loss
from somewhere_else import strange
open(__file__ + ".ran", "w").write("this must not happen")


def setup_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    arguments.add_data_arguments(parser, True, False)
    more.add_optimizer_arguments(parser, rate=2.0e-6)
    strange(parser)
    group = parser.add_argument_group("Saving")
    group.add_argument("--save_every", "-s", type=int, default=None, help="steps " + "between saves / 保存")
    for name in ("a", "b"):
        parser.add_argument(f"--lr_{name}", type=float, default=-1.0)
    parser.add_argument("--kind", choices=KINDS, default=KINDS[0])
    parser.add_argument("--loss", choices=[one.value for one in Loss], default=compute())
    parser.add_argument("--pair", nargs=2, type=lambda text: int(text))
    parser.add_argument("--both", choices=list({"x": 1, "y": 2}.keys()), dest="renamed")
    parser.add_argument("--" + input())
    parser.add_argument("--switch", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--off", action="store_false")
    parser.set_defaults(save_every=7)
    return parser


if __name__ == "__main__":
    parser = setup_parser()
"""
ARGUMENTS = """
from .deeper import helpers


def add_data_arguments(parser, with_captions, with_masks):
    def int_or_float(value):
        return int(value)

    parser.add_argument("--data", type=str, required=True)
    if with_captions:
        parser.add_argument("--captions", action="store_true")
    if with_masks:
        parser.add_argument("--masks", action="store_true")
    if sys.platform == "darwin":
        parser.add_argument("--only_there")
    try:
        import exotic
        parser.add_argument("--exotic")
    except ImportError:
        parser.add_argument("--plain_instead")
    parser.add_argument("--warmup", type=int_or_float, default=0)
    helpers.add_deep(parser=parser)
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    def put(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    put("train_network.py", SCRIPT)
    put("flux_train_network.py", "import train_network as base\n\ndef setup_parser():\n    parser = base.setup_parser()\n"
        "    parser.add_argument('--blocks', type=int)\n    return parser\n")  # fmt: skip
    put("old_train_network.py", "import argparse\n\nif __name__ == '__main__':\n    parser = argparse.ArgumentParser()\n"
        "    parser.add_argument('--old')\n    args = parser.parse_args()\n")  # fmt: skip
    put("library/__init__.py", "")
    put("library/arguments.py", ARGUMENTS)
    put(
        "library/more.py",
        "def add_optimizer_arguments(parser, *, rate=1.0):\n    parser.add_argument('--rate', type=float, default=rate)\n",
    )
    put("library/names.py", "KINDS = ['one', 'two'] + ['three']\n")
    put("library/deeper/__init__.py", "")
    put(
        "library/deeper/helpers.py",
        "def add_deep(parser):\n    parser.add_argument('--deep', type=int)\n    add_deep(parser)\n",
    )
    return tmp_path


def test_constructs_of_real_scripts_are_followed_without_running_any(written: Path) -> None:
    found = probe(written, "train_network.py").options
    assert list(found)[:7] == ["data", "captions", "only_there", "exotic", "plain_instead", "warmup", "deep"]
    assert found["data"].required and found["data"].group == "data"
    assert "masks" not in found
    assert (found["warmup"].type, found["warmup"].default) == ("int_or_float", 0)
    assert (found["rate"].default, found["rate"].group) == (2e-6, "optimizer")
    saving = found["save_every"]
    assert (saving.group, saving.default, saving.flags, saving.help) == (
        "Saving",
        7,
        ("--save_every", "-s"),
        "steps between saves / 保存",
    )
    assert (found["lr_a"].default, found["lr_b"].type) == (-1.0, "float")
    assert (found["kind"].choices, found["kind"].default) == (("one", "two", "three"), "one")
    assert found["loss"].choices is None and found["loss"].computed == ("choices", "default")
    assert (found["pair"].nargs, found["pair"].computed) == (2, ("type",))
    assert found["renamed"].choices == ("x", "y")
    assert found["switch"].action == "BooleanOptionalAction"
    assert (found["off"].is_flag, found["off"].default) == (True, True)
    assert [path.name for path in written.iterdir() if path.name.endswith(".ran")] == []


def test_what_cannot_be_followed_is_noted(written: Path) -> None:
    notes = probe(written, "train_network.py").notes
    assert any("strange cannot be followed" in note for note in notes)
    assert any("without a plain name" in note for note in notes)


def test_a_script_that_builds_on_another_one_has_the_options_of_both(written: Path) -> None:
    found = probe(written, "flux_train_network.py").options
    assert "deep" in found and list(found)[-1] == "blocks"
    assert training_scripts(written) == ["flux_train_network.py", "old_train_network.py", "train_network.py"]


def test_a_parser_made_where_a_script_starts(written: Path) -> None:
    assert list(probe(written, "old_train_network.py").options) == ["old"]


def test_a_changed_helper_is_read_again(written: Path) -> None:
    assert probe(written, "train_network.py") is probe(written, "train_network.py")
    path = written / "library" / "more.py"
    path.write_text(path.read_text(encoding="utf-8").replace("'--rate'", "'--speed'"), encoding="utf-8")
    os.utime(path, (1, 1))
    assert "speed" in probe(written, "train_network.py").options


@pytest.mark.parametrize("text", [None, "def setup_parser(:\n", "\0"])
def test_a_script_that_is_missing_or_no_python_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "train_network.py").write_text(text, encoding="utf-8")
    with pytest.raises(SDGenError) as caught:
        probe(tmp_path, "train_network.py")
    assert caught.value.code == "kohya-not-found"


_PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-99, 99), st.text(max_size=8))
_CALLS = st.lists(
    st.tuples(
        st.from_regex(r"[a-z][a-z_]{0,8}[a-z]", fullmatch=True),
        st.fixed_dictionaries(
            {},
            optional={
                "type": st.sampled_from(["int", "float", "str", "Path"]),
                "default": _PLAIN,
                "choices": st.lists(_PLAIN, min_size=1, max_size=3),
                "nargs": st.sampled_from(["*", "+", "?", 2]),
                "help": st.text(st.characters(exclude_characters="%", exclude_categories=["Cs"]), max_size=20),
                "required": st.booleans(),
            },
        ),
        st.booleans(),
    ),
    max_size=6,
    unique_by=lambda one: one[0],
).filter(lambda calls: all(name not in ("help", "h") for name, _, _ in calls))


@given(calls=_CALLS)
@settings(max_examples=60, deadline=None)
def test_options_are_found_as_argparse_takes_them(tmp_path_factory: pytest.TempPathFactory, calls: list[Any]) -> None:
    lines = [
        "import argparse",
        "from pathlib import Path",
        "def setup_parser():",
        "    parser = argparse.ArgumentParser()",
    ]
    for name, said, flag in calls:
        words = [f"{key}={value if key == 'type' else repr(value)}" for key, value in said.items()]
        words = ["action='store_true'"] if flag else words
        lines.append(f"    parser.add_argument({', '.join([repr('--' + name), *words])})")
    source = "\n".join([*lines, "    return parser", ""])
    folder = tmp_path_factory.mktemp("checkout")
    (folder / BASE).write_text(source, encoding="utf-8", errors="surrogatepass")
    space: dict[str, Any] = {}
    exec(source, space)
    found = probe(folder, BASE)
    wanted = {one.dest: one for one in space["setup_parser"]()._actions if one.dest != "help"}
    assert list(found.options) == list(wanted) and not found.notes
    for name, one in found.options.items():
        real = wanted[name]
        assert one.flags == tuple(real.option_strings) and one.is_flag == (real.nargs == 0)
        assert (one.default, one.required, one.help) == (real.default, real.required, real.help or "")
        assert one.is_flag or (one.nargs, one.choices and list(one.choices)) == (real.nargs, real.choices)
        assert one.type == (real.type.__name__ if real.type else "")


def _compare(checkout: Path, script: str) -> None:
    want, found = recorded(script), probe(checkout, script).options
    assert set(found) == set(want) and len(found) == COUNTS[script]
    for name, said in want.items():
        one = found[name]
        assert one.is_flag == said.get("flag", False), name
        if not one.is_flag:
            choices = list(one.choices) if one.choices is not None else None
            got = (one.type or None, one.default, choices, one.nargs)
            assert got == tuple(said.get(key) for key in ("type", "default", "choices", "nargs")), name


@pytest.mark.parametrize("script", COUNTS)
def test_declarations_like_those_of_v0_10_1(checkout: Path, script: str) -> None:
    _compare(checkout, script)


@pytest.mark.skipif(not os.environ.get("SDGEN_KOHYA_DIR"), reason="SDGEN_KOHYA_DIR names no sd-scripts checkout")
@pytest.mark.parametrize("script", COUNTS)
def test_every_option_of_a_real_checkout_is_found(script: str) -> None:
    """193, 196, 215 and 218 options, with types, defaults and choices as argparse has them (of v0.10.1)."""
    _compare(Path(os.environ["SDGEN_KOHYA_DIR"]), script)
