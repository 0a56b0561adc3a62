"""Choosing on a real terminal: `sdgen expand` and `sdgen generate` without a file, or with --interactive."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sdgen_core.cli import build_app
from sdgen_core.cli.choosing import Choice, command_words, label, one_line, taken
from sdgen_core.templates import load_text

HEAD = "version: '2.0'\nname: {}\n"
FILES = {
    "base.template.yaml": HEAD.format("Base")
    + "imports: {Coat: coat.yaml, Place: [a street, a park], Hat: hat.yaml}\n"
    + "themes: {enable_autodiscovery: true, search_paths: [themes]}\n"
    + "style_sensitive_placeholders: [Hat]\n"
    + "template: '{prompt}, {Coat}, {Place}, {Hat}'\n",
    "coat.yaml": "Red: red coat\nBlue: blue coat\n'Green, dark': dark green coat\nÉcru: ecru coat\n",
    "hat.yaml": "Cap: cap\n",
    "hat.party.yaml": "Crown: paper crown\nCone: party hat\n",
    "man.prompt.yaml": HEAD.format("Man") + "implements: base.template.yaml\nprompt: a man\ngeneration: {seed: 1}\n",
    "plain.prompt.yaml": HEAD.format("Plain") + "prompt: just this\ngeneration: {seed: 1}\n",
    "broken.prompt.yaml": HEAD.format("Broken") + "prompt: '{Nothing}'\ngeneration: {seed: 1}\n",
    "few.prompt.yaml": HEAD.format("Few")
    + "imports: {Coat: coat.yaml}\nprompt: 'a {Coat[Blue,Red;$5]}'\ngeneration: {seed: 1}\n",
    "themes/forest/theme.yaml": "tags: [green]\nimports:\n  Coat: coat_f.yaml\n  Place: place_f.yaml\n  Hat: hat.yaml\n"
    "  Coat.winter: fur_f.yaml\n",
    "themes/forest/coat_f.yaml": "Cloak: green cloak\nCape: brown cape\n",
    "themes/forest/fur_f.yaml": "Fur: fur coat\nWool: wool coat\n",
    "themes/forest/place_f.yaml": "Pine: pine forest\n",
    "themes/city/theme.yaml": "imports: {Place: themes/forest/place_f.yaml}\n",
}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


# ---- without a terminal


@pytest.mark.parametrize("command", ["expand", "generate"])
def test_nobody_to_ask(command):
    result = CliRunner().invoke(build_app(command), [command])
    assert result.exit_code == 2 and "FILE" in result.output and "missing" in result.output
    result = CliRunner().invoke(build_app(command), [command, "x.prompt.yaml", "-i"])
    assert result.exit_code == 2 and "terminal" in result.output


# ---- parts


@pytest.mark.parametrize(
    ("argv", "file", "choice", "wanted"),
    [
        (["expand"], "a.yaml", Choice(None, None, None), ["expand", "a.yaml"]),
        (["expand", "-n", "3"], "a b.yaml", Choice(None, "t", None), ["expand", "a b.yaml", "-n", "3", "--theme", "t"]),
        (
            ["expand", "x.yaml", "-i"],
            None,
            Choice(None, "t", "s"),
            ["expand", "x.yaml", "--theme", "t", "--style", "s"],
        ),
        (
            [
                "generate",
                "--interactive",
                "x.yaml",
                "--theme",
                "old",
                "--style=old",
                "--choose",
                "A[x]",
                "--count",
                "2",
            ],
            None,
            Choice(None, None, None, {"A": "y,z", "B": "#0"}),
            ["generate", "x.yaml", "--count", "2", "--choose", "A[y,z]; B[#0]"],
        ),
        (
            ["expand", "-t", "old", "-s", "old", "--theme-file", "f"],
            "a",
            Choice(None, None, None),
            ["expand", "a", "--theme-file", "f"],
        ),
    ],
)
def test_the_command_that_does_the_same(argv, file, choice, wanted):
    assert command_words(argv, Path(file) if file else None, choice) == ["sdgen", *wanted]


def test_values_as_people_know_them():
    assert label("Red", "red coat") == "Red"
    assert label("deadbeef", "red\ncoat") == "red coat"
    assert one_line({"light": "x", "main": "y"}) == "y"
    assert one_line({"b": "x", "a": "y"}) == "y"
    assert one_line({}) == ""


@pytest.mark.parametrize(
    ("selector", "wanted"),
    [
        ("", (["A", "B", "C"], None)),
        ("[B,A,B]", (["B", "A"], None)),
        ("[2]", (["A", "B", "C"], 2)),
        ("[A,C;limit:1]", (["A", "C"], 1)),
        ("[#1-9]", (["B", "C"], None)),
        ("[0]", ([], None)),
        ("[c]", (["C"], None)),
    ],
)
def test_what_a_selector_takes(selector, wanted):
    resolved = load_text(f"prompt: '{{X{selector}}}'\nimports: {{X: {{A: a, B: b, C: c}}}}\n")
    assert taken(resolved, "X") == wanted


# ---- on a terminal

pexpect = pytest.importorskip("pexpect", reason="needs a pseudo-terminal") if os.name != "nt" else None
on_a_terminal = pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")

DOWN, ENTER, ESCAPE, CTRL_A, CTRL_C, CTRL_U = "\x1b[B", "\r", "\x1b", "\x01", "\x03", "\x15"


class Terminal:
    """A command on a terminal of 80 x 24, and what its screen shows."""

    def __init__(self, folder: Path, *args: str) -> None:
        import pyte

        self._screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self._screen)
        env = {**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        command = ["-m", "sdgen_core", *args]
        self._child = pexpect.spawn(sys.executable, command, cwd=str(folder), env=env, dimensions=(24, 80), timeout=60)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display).strip()

    def _read(self) -> bool:
        try:
            self._stream.feed(self._child.read_nonblocking(65536, timeout=0.05))
        except pexpect.TIMEOUT:
            pass
        except pexpect.EOF:
            return False
        return True

    def wait(self, *words: str) -> str:
        """The screen, once it shows all these."""
        end = time.monotonic() + 60
        while not all(w in self.text for w in words):
            if not self._read() or time.monotonic() > end:
                raise AssertionError(f"{words} did not appear:\n{self.text}")
        return self.text

    def type(self, keys: str, *words: str) -> str:
        self._child.send(keys)
        return self.wait(*words) if words else self.text

    def end(self) -> int:
        """The exit code, once the command has ended."""
        end = time.monotonic() + 60
        while self._read():
            assert time.monotonic() < end, self.text
        self._child.close()
        return self._child.exitstatus


@pytest.fixture
def terminal(library):
    opened: list[Terminal] = []

    def start(*args: str) -> Terminal:
        opened.append(Terminal(library, *args))
        return opened[-1]

    yield start
    for one in opened:
        one._child.close(force=True)


def said_command(text: str) -> list[str]:
    """The words of the command that the screen shows."""
    lines = text.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("  sdgen "))
    rest = []
    for line in lines[at:]:
        if not line.strip():
            break
        rest.append(line)
    return shlex.split("".join(rest))


@on_a_terminal
def test_from_nothing_to_a_plan(terminal, library):
    t = terminal("expand", "--jsonl")
    t.wait("Which template?", "> broken.prompt.yaml", "plain.prompt.yaml")
    t.type("man", "> man.prompt.yaml", "1 of 4")
    shown = t.type(ENTER, "Which theme?", "> (none)")
    assert "forest  #green" in shown and "misses Coat, Hat" in shown
    t.type("for", "> forest")
    t.type(ENTER, "man.prompt.yaml  >  forest", "Which style?", "> default", "winter")
    t.type(DOWN, "> winter")
    t.type(ENTER, "Choose values", "> go on with 2 images", "Coat  2 of 2", "Fur, Wool")
    t.type("coat", "> Coat")
    t.type(ENTER, "Which values of Coat?  2 of 2 chosen", "> [x] Fur", "wool coat")
    t.type(" ", "> [ ] Fur", "1 of 2 chosen")
    t.type(ENTER, "> go on with 1 image", "Coat  1 of 2 (chosen)")
    t.type(ENTER, "Man: 1 image.", "wool coat, pine forest, cap")
    words = said_command(t.text)
    assert words == [
        "sdgen",
        "expand",
        "man.prompt.yaml",
        "--jsonl",
        "--theme",
        "forest",
        "--style",
        "winter",
        "--choose",
        "Coat[Wool]",
    ]
    assert t.end() == 0
    again = subprocess.run(
        [sys.executable, "-m", "sdgen_core", *words[1:]],
        cwd=library,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert again.stdout.strip() in "".join(t.text.splitlines())


@on_a_terminal
def test_values_with_search_and_all_of_what_was_found(terminal):
    t = terminal("expand", "few.prompt.yaml", "-i", "-n", "1")
    t.wait("> go on with 1 image", "Coat  2 of 4", "Blue, Red")
    t.type(DOWN + ENTER, "[x] Red", "[x] Blue", "[ ] Green, dark", "2 of 4 chosen")
    t.type("ecru", "> [ ] Écru", "1 of 4")  # accents need not be typed
    t.type(" ", "> [x] Écru", "3 of 4 chosen")
    t.type(CTRL_U + "green", "> [ ] Green, dark")
    t.type(CTRL_A, "> [x] Green, dark", "4 of 4 chosen")
    t.type(ESCAPE, "[x] Red", "search: _")  # the first Escape ends the search
    t.type(ENTER, "Coat  4 of 4 (chosen)")
    t.type(DOWN + ENTER, "4 of 4 chosen")
    t.type("coat", "search: coat_", "4 of 4 chosen")
    t.type(CTRL_A, "0 of 4 chosen")
    t.type(CTRL_U + "e", "search: e_")
    t.type(CTRL_A, "4 of 4 chosen")
    t.type(CTRL_U + " ", "[ ] Red", "3 of 4 chosen")
    t.type(ENTER, "Coat  3 of 4 (chosen)")
    t.type(ENTER, "Few: 1 image.")
    assert said_command(t.text)[-1] == "Coat[#1-3]"  # a key with a comma cannot be written
    assert t.end() == 0


@on_a_terminal
def test_what_the_template_says_itself_is_no_choice(terminal):
    t = terminal("expand", "few.prompt.yaml", "-i")
    t.wait("> go on with 2 images")
    t.type(DOWN + ENTER, "> [x] Red")
    t.type(" ", "1 of 4 chosen")
    t.type(ENTER, "> go on with 1 image", "(chosen)")
    t.type(DOWN + ENTER, "> [ ] Red")
    t.type(" ", "2 of 4 chosen")
    t.type(ENTER, "> go on with 2 images", "Coat  2 of 4  ")
    t.type(ENTER, "Few: 2 images.")
    assert said_command(t.text) == ["sdgen", "expand", "few.prompt.yaml"]
    assert t.end() == 0


@on_a_terminal
def test_the_way_back(terminal):
    t = terminal("generate", "--dry-run", "--seeds", "1-3")
    t.wait("Which template?")
    t.type("man" + ENTER, "Which theme?", "man.prompt.yaml")
    t.type("forest" + ENTER, "Which style?")
    t.type(ENTER, "> go on with 6 images")
    t.type(DOWN + ENTER, "Which values of Coat?", "> [x] Cloak")
    t.type(" ", "1 of 2 chosen")
    t.type(ESCAPE, "> go on with 6 images")  # nothing was changed
    t.type(ESCAPE, "Which style?")
    t.type(ESCAPE, "Which theme?", "> forest")
    t.type(ESCAPE, "Which template?", "> man.prompt.yaml")
    t.type("plain" + ENTER, "Plain: 3 images", "just this")
    assert said_command(t.text) == ["sdgen", "generate", "plain.prompt.yaml", "--dry-run", "--seeds", "1-3"]
    assert t.end() == 0


@on_a_terminal
@pytest.mark.parametrize("key", [CTRL_C, ESCAPE])
@pytest.mark.parametrize("command", ["expand", "generate"])
def test_giving_up(terminal, command, key):
    t = terminal(command)
    t.wait("Which template?", "esc: back")
    t.type(key)
    assert t.end() == 130
    assert "Traceback" not in t.text


@on_a_terminal
def test_mistakes_lead_back(terminal):
    t = terminal("expand")
    t.wait("Which template?", "esc: back")
    t.type("broken" + ENTER, "error[unresolved-placeholder]", "Which template?")
    t.type("man" + ENTER, "Which theme?")
    t.type("city" + ENTER, "does not name it", "Which theme?", "> city    misses Coat, Hat")
    t.type(CTRL_C)
    assert t.end() == 130


@on_a_terminal
def test_style_files_without_a_theme(terminal):
    t = terminal("expand", "man.prompt.yaml", "-i", "-n", "1")
    t.wait("Which theme?", "esc: back")
    t.type(ENTER, "Which style?", "> default", "party")
    t.type("party" + ENTER, "Hat  2 of 2", "Crown, Cone")
    t.type(ENTER, "--style party")
    assert t.end() == 0


@on_a_terminal
def test_what_was_given_is_not_asked(terminal):
    t = terminal("expand", "man.prompt.yaml", "-i", "--theme", "forest", "--style", "winter", "--choose", "Coat[Wool]")
    t.wait("> go on with 1 image", "Coat  1 of 2 (chosen)")
    t.type(ENTER, "Man: 1 image.")
    assert said_command(t.text)[2:] == [
        "man.prompt.yaml",
        "--theme",
        "forest",
        "--style",
        "winter",
        "--choose",
        "Coat[Wool]",
    ]
    assert t.end() == 0


@on_a_terminal
def test_a_folder_without_templates(terminal, library):
    (library / "empty").mkdir()
    t = Terminal(library / "empty", "generate")
    t.wait("there is no *.prompt.yaml")
    assert t.end() == 1
