"""Every page of the documentation is tried: its YAML loads and renders, its commands exist, its output is the real one.

``SDGEN_UPDATE_DOCS=1`` writes the real output into the pages instead of failing; read the difference before you commit it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from sdgen_core.errors import CODES

from .page_run import ROOT, PageRun, check_command, every_option
from .pages import PageError, prose

PAGES = sorted(
    p.relative_to(ROOT).as_posix()
    for p in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *ROOT.glob("web/docs/**/*.md"),
        *ROOT.glob("examples/**/*.md"),
    ]
)
GUIDE = "web/docs/guide"
#: The modules of ``sdgen_core.templates`` that read what users write.
LOADING = (
    "chunks",
    "documents",
    "imports",
    "inherit",
    "load",
    "presets",
    "run",
    "seeds",
    "syntax",
    "themes",
    "validate",
)


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def walked(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> PageRun:
    (folder / "page").mkdir()
    run = PageRun(folder / "page", monkeypatch)
    run.walk(text)
    return run


@pytest.mark.parametrize("page", PAGES)
def test_page(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = walked(read(page), tmp_path, monkeypatch)
    if run.corrections and os.environ.get("SDGEN_UPDATE_DOCS"):
        lines = read(page).splitlines()
        for first, end, new in reversed(run.corrections):
            lines[first : end - 1] = new
        (ROOT / page).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        return
    shown = "\n".join(f"{page}:{first + 1}: really printed:\n" + "\n".join(new) for first, _, new in run.corrections)
    assert not run.corrections, shown


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_the_text_exist(page: str) -> None:
    known = every_option()
    own_script = (ROOT / "dev.py").read_text(encoding="utf-8")
    for span in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose(read(page))):
        if span.startswith("sdgen "):
            check_command(span)
        elif (option := re.match(r"--[a-z][\w-]*", span)) and option[0] not in known and option[0] not in own_script:
            raise PageError(f"{page}: there is no option {option[0]}")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", prose(read(page))):
        file, _, anchor = target.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        assert path.exists(), f"{page}: {target}"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{page}: {target}"


def anchors(text: str) -> set[str]:
    """The names GitHub gives to headings."""
    headings = re.findall(r"^#+ (.*?)\s*$", prose(text), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_every_error_of_the_language_is_explained() -> None:
    explained = set(re.findall(r"`([a-z-]+)`(?=[^|]*\| [A-Z`])", read(f"{GUIDE}/language.md").split("## Errors")[1]))
    assert explained <= set(CODES)
    raised: set[str] = set()
    for name in LOADING:
        source = (ROOT / "sdgen_core" / "templates" / f"{name}.py").read_text(encoding="utf-8")
        raised.update(re.findall(r'SDGenError\(\s*"([a-z-]+)"', source))
    assert raised - explained <= {"bad-option", "bad-plan"}


def test_the_guide_is_there() -> None:
    for page in ("tutorial", "language", "coming-from-local-sd-generator"):
        assert f"{GUIDE}/{page}.md" in PAGES
        assert f"{GUIDE}/{page}.md" in read("README.md")


# ---- the tests test


OWL = """\
```yaml
# owls.prompt.yaml
type: prompt
name: owls
prompt: a {Colour} owl
imports: {Colour: [white, brown]}
generation: {}
```
"""


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (OWL.replace("{Colour}", "{Color}"), "has no import"),
        (OWL.replace("type: prompt\n", "type: chunk\n"), "type"),
        (OWL.replace("owls.prompt.yaml", "owls.prompt.yaml (with a mistake)"), "is called a mistake"),
        ("```yaml\nColour: red\n```\n", "needs a name"),
        (OWL + "```yaml\n# part of owls.prompt.yaml\nimports: {}\n```\n", "has no import"),
        ("```json\n{a: 1}\n```\n", "line 2"),
        ("```console\n$ sdgen expnd x\n```\n", "no command: sdgen expnd"),
        ("```console\n$ sdgen expand x --jsnl\n```\n", "no option --jsnl"),
        ("```\nsdgen sessions lst\n```\n", "no command: sdgen sessions lst"),
        ("```console\n$ sdgen expand nosuch.prompt.yaml\n```\n", "ends with 1"),
        ("```yaml\n", "not closed"),
        (OWL + "| prompt | makes |\n|---|---|\n| `{Colour}` | `white` · `red` |\n", "`white` · `brown`"),
        (OWL + "| prompt | makes |\n|---|---|\n| `{Colour}` | `white` · `brown` · … |\n", "makes no more"),
        (OWL + "| selector | takes |\n|---|---|\n| `{Colour[#0]}` | brown |\n", "takes"),
        (OWL + "| import | makes |\n|---|---|\n| `Hat: [a, b]` | `a` |\n", "makes `a` · `b`"),
        (OWL + "<!-- new folder -->\n```console\n$ sdgen expand owls.prompt.yaml\n```\n", "ends with 1"),
    ],
)
def test_untrue_pages_are_found(page: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PageError, match=message):
        walked(page, tmp_path, monkeypatch)


def test_a_block_without_a_name_is_a_text_for_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert walked(OWL.replace("# owls.prompt.yaml\n", ""), tmp_path, monkeypatch).count == 1


def test_untrue_output_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = OWL + "```console\n$ sdgen expand owls.prompt.yaml --jsonl --count 1 --use-fixed Colour:white\nwhite\n```\n"
    run = walked(page, tmp_path, monkeypatch)
    ((first, end, printed),) = run.corrections
    assert (first, end) == (10, 12)
    assert printed[0].startswith('{"index": 0, "prompt": "a white owl"')


def test_options_in_the_text_are_found() -> None:
    with pytest.raises(PageError, match="no option --them"):
        check_command("sdgen expand FILE --them T")
    check_command("sdgen sessions resume NAME")
    check_command("sdgen sessions …")
