"""The list to pick from, driven by keys through prompt_toolkit's own pipe (on every system)."""

from __future__ import annotations

import time

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from sdgen_core.cli.picker import Row, _List, pick_many, pick_one

UP, DOWN, HOME, END, PAGE_DOWN = "\x1b[A", "\x1b[B", "\x1b[H", "\x1b[F", "\x1b[6~"
ENTER, BACKSPACE, CTRL_A, CTRL_C, CTRL_U, ESCAPE = "\r", "\x7f", "\x01", "\x03", "\x15", "\x1b"
FRUIT = [
    Row("Apple", "red"),
    Row("Pêche", "a peach"),
    Row("Plum"),
    Row("Blackberry", "black"),
    Row("blueberry", "", "sour"),
]


class Small(DummyOutput):
    def get_size(self) -> Size:
        return Size(rows=24, columns=80)


@pytest.fixture
def typing():
    """What a picker gives for these keys. A lone Escape is one only after a pause, so several are sent apart."""

    def run(pick, *keys):
        with create_pipe_input() as pipe, create_app_session(input=pipe, output=Small()):
            for key in keys:
                pipe.send_text(key)
            return pick()

    return run


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        (ENTER, 0),
        (DOWN + DOWN + ENTER, 2),
        (DOWN + UP + UP + ENTER, 0),
        (END + ENTER, 4),
        (END + DOWN + HOME + DOWN + ENTER, 1),
        (PAGE_DOWN + ENTER, 4),
        ("berry" + ENTER, 3),
        ("BERRY" + DOWN + ENTER, 4),
        ("berry blue" + ENTER, 4),
        ("peche" + ENTER, 1),
        ("PÊCHE" + ENTER, 1),
        ("sour" + ENTER, 4),
        ("zzz" + ENTER + BACKSPACE * 3 + DOWN + ENTER, 1),
        ("plum" + CTRL_U + ENTER, 2),  # stays where it was when the search is cleared
        ("plum" + DOWN * 5 + ENTER, 2),
    ],
)
def test_one(typing, keys, wanted):
    assert typing(lambda: pick_one("Which?", FRUIT), keys) == wanted


def test_it_begins_where_it_is_told(typing):
    assert typing(lambda: pick_one("Which?", FRUIT, 3), ENTER) == 3


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        (ENTER, [1]),
        (" " + ENTER, [0, 1]),
        (" " + DOWN + " " + ENTER, [0]),
        (CTRL_A + ENTER, [0, 1, 2, 3, 4]),
        (CTRL_A + CTRL_A + ENTER, []),
        ("berry" + CTRL_A + ENTER, [1, 3, 4]),
        ("berry" + CTRL_A + CTRL_A + ENTER, [1]),
        ("berry" + " " + CTRL_U + HOME + " " + ENTER, [0, 1, 3]),
        ("zzz" + " " + CTRL_A + CTRL_U + ENTER, [1]),
    ],
)
def test_many(typing, keys, wanted):
    assert typing(lambda: pick_many("Which?", FRUIT, {1}), keys) == wanted


def test_escape_alone(typing):
    assert typing(lambda: pick_one("Which?", FRUIT), ESCAPE) is None
    assert typing(lambda: pick_many("Which?", FRUIT, {1}), " ", ESCAPE) is None


def test_ctrl_c(typing):
    with pytest.raises(KeyboardInterrupt):
        typing(lambda: pick_one("Which?", FRUIT), CTRL_C)


def test_pasted_text_is_searched(typing):
    assert typing(lambda: pick_one("Which?", FRUIT), "\x1b[200~plum\n\x1b[201~" + ENTER) == 2


def test_twenty_thousand_rows_are_no_burden(typing):
    rows = [Row(f"Key{i}", f"value number {i}") for i in range(20_000)]
    begun = time.process_time()
    keys = "19999 " + CTRL_U + "19998" + CTRL_A + ENTER
    assert typing(lambda: pick_many("Which?", rows, range(20_000)), keys) == list(range(19_998))
    assert time.process_time() - begun < 5


def test_only_what_fits_is_drawn(typing):
    rows = [Row(f"Key{i}", "x" * 500) for i in range(1000)]
    picker = _List("Which?", rows, None, 700, "above")
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=Small()):
        drawn = "".join(text for _, text in picker._lines())
    assert drawn.count("\n") < 24 and "> Key700" in drawn and "Key699" in drawn and "Key600" not in drawn
