"""Only names come from a client: no name and no text leads out of the template folders."""

import sys
import time

import pytest

from sdgen_core.errors import SDGenError, shown
from sdgen_core.templates.library import TEXT_BELOW, Listings, TemplateLibrary, TemplateQuery

PROMPT = "name: a\nprompt: 'a {X}'\nimports: {X: %s}\ngeneration: {mode: combinatorial, seed: 1, seed_mode: fixed, max_images: -1}\n"


@pytest.fixture
def library(tmp_path):
    (tmp_path / "mine" / "deep").mkdir(parents=True)
    (tmp_path / "more").mkdir()
    (tmp_path / "secret.yaml").write_text("K: sk-123\n", encoding="utf-8")
    (tmp_path / "secret.prompt.yaml").write_text(PROMPT % "[x]", encoding="utf-8")
    (tmp_path / "mine" / "deep" / "a.prompt.yaml").write_text(PROMPT % "../vars.yaml", encoding="utf-8")
    (tmp_path / "mine" / "vars.yaml").write_text("K: value\n", encoding="utf-8")
    (tmp_path / "mine" / ".hidden").mkdir()
    (tmp_path / "mine" / ".hidden" / "b.prompt.yaml").write_text("x", encoding="utf-8")
    return TemplateLibrary({"mine": tmp_path / "mine", "more": tmp_path / "more", "gone": tmp_path / "gone"})


def test_names_are_listed_and_found(library, tmp_path):
    assert library.names() == ["mine/deep/a.prompt.yaml"]
    assert library.path("mine/deep/a.prompt.yaml") == tmp_path / "mine" / "deep" / "a.prompt.yaml"
    assert library.choose(TemplateQuery(file="mine/deep/a.prompt.yaml")).resolved.values == {"X": {"K": "value"}}


@pytest.mark.parametrize(
    "name",
    [
        "mine/../secret.prompt.yaml", "mine/deep/../../secret.prompt.yaml", "mine//etc/passwd", "mine/C:secret.prompt.yaml",
        "mine/..\\secret.prompt.yaml", "/etc/passwd", "mine", "mine/", "mine/vars.yaml", "nobody/a.prompt.yaml", "", "mine/\0.prompt.yaml",
    ],
)  # fmt: skip
def test_no_name_leads_out(library, name):
    with pytest.raises(SDGenError) as caught:
        library.path(name)
    assert caught.value.code == "unknown-template"


def test_a_misspelled_name_comes_with_the_nearest(library):
    with pytest.raises(SDGenError) as caught:
        library.path("mine/deep/b.prompt.yaml")
    assert caught.value.nearest == ["mine/deep/a.prompt.yaml"]


def test_a_typed_text_reads_the_template_folders_only(library):
    assert library.choose(TemplateQuery(text=PROMPT % "vars.yaml")).resolved.values == {"X": {"K": "value"}}
    for path in ("../secret.yaml", "../secrot.yaml", "deep/../../secret.yaml"):
        with pytest.raises(SDGenError) as caught:
            library.choose(TemplateQuery(text=PROMPT % path))
        assert caught.value.code == "outside-folders"
        assert "sk-123" not in str(caught.value) and not caught.value.nearest


@pytest.mark.parametrize("query", [TemplateQuery(), TemplateQuery(file=TEXT_BELOW, text="  ")])
def test_nothing_chosen_is_said(library, query):
    with pytest.raises(SDGenError) as caught:
        library.choose(query)
    assert caught.value.code == "no-template"


def test_the_nodes_mode_and_limit(library):
    chosen = library.choose(TemplateQuery(file="mine/deep/a.prompt.yaml", mode="random", limit=-1))
    assert chosen.limit == -1 and not chosen.resolved.generation.combinatorial
    assert library.choose(TemplateQuery(file="mine/deep/a.prompt.yaml")).limit is None
    with pytest.raises(SDGenError):
        library.choose(TemplateQuery(file="mine/deep/a.prompt.yaml", mode="sideways"))


def test_a_slow_disk_is_not_waited_for_twice(tmp_path):
    class Slow(TemplateLibrary):
        walks = 0

        def listing(self):
            self.walks += 1
            time.sleep(0.2)
            return super().listing()

    library = Slow({"mine": tmp_path})
    listings = Listings(library)
    assert listings.soon(0.01).names == ()  # the first one is waited for
    assert library.walks == 1
    (tmp_path / "a.prompt.yaml").write_text("x", encoding="utf-8")
    for _ in range(100):
        assert listings.soon(0.01).names == listings.current().names == ()  # a walk just ended: its answer counts
    assert library.walks == 1
    listings._due = 0.0  # some time later
    assert listings.soon(0.01).names == ()  # not waited for, but begun
    assert listings.current().names == ("mine/a.prompt.yaml",)
    assert library.walks == 2


def test_messages_name_files_as_the_list_does(tmp_path):
    library = TemplateLibrary({"mine": tmp_path / "a", "more": tmp_path / "b"})
    text = f"{shown(tmp_path / 'b')}/x.yaml:1: there is no {shown(tmp_path / 'a')}/y.yaml in {shown(tmp_path)}"
    assert library.named(text) == f"more/x.yaml:1: there is no mine/y.yaml in {shown(tmp_path)}"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_the_users_own(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "elsewhere.yaml").write_text(PROMPT % "[x]", encoding="utf-8")
    (tmp_path / "mine" / "linked.prompt.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    (tmp_path / "mine" / "broken.prompt.yaml").symlink_to(tmp_path / "nothing.yaml")
    (tmp_path / "mine" / "round").symlink_to(tmp_path / "mine")
    library = TemplateLibrary({"mine": tmp_path / "mine"})
    assert library.names() == ["mine/linked.prompt.yaml"]
    assert library.choose(TemplateQuery(file="mine/linked.prompt.yaml")).resolved.values == {"X": {"9dd4e461": "x"}}
