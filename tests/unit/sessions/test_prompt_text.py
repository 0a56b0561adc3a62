"""Prompts as A1111 reads them: weights, chunks, parts, tags, and what is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.embedding_names import SPACE, EmbeddingNames
from sdgen_core.sessions.prompt_text import comfy_text, parse_prompt_text


def chunks(text):
    (part,) = parse_prompt_text(text).parts
    return part.chunks


def runs(text):
    (chunk,) = chunks(text)
    return [(run.text, round(run.weight, 6)) for run in chunk]


def written(text):
    return [comfy_text(chunk) for chunk in chunks(text)]


def refusal(text):
    with pytest.raises(SDGenError) as caught:
        parse_prompt_text(text)
    return caught.value


# ---- weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("normal text", [("normal text", 1)]),
        ("", []),
        ("an (important) word", [("an ", 1), ("important", 1.1), (" word", 1)]),
        ("((x))", [("x", 1.21)]),
        ("[x]", [("x", 0.909091)]),
        ("[[x]]", [("x", 0.826446)]),
        ("([x])", [("x", 1)]),
        ("(x:1.3)", [("x", 1.3)]),
        ("(x: 1.3 )", [("x", 1.3)]),
        ("(x:-.5)", [("x", -0.5)]),
        # numbers of nested brackets multiply; in ComfyUI the inner one would replace the outer
        ("((x:1.2):1.5)", [("x", 1.8)]),
        ("((x:1.3))", [("x", 1.43)]),
        ("a ((b (c:0.5)) [d]) e", [("a ", 1), ("b ", 1.21), ("c", 0.605), (" ", 1.1), ("d e", 1)]),
        ("(a)(b)", [("ab", 1.1)]),
        # never closed: to the end
        ("a (b c", [("a ", 1), ("b c", 1.1)]),
        ("a [b", [("a ", 1), ("b", 0.909091)]),
        ("a) b]", [("a) b]", 1)]),
        ("a:1.2) b", [("a:1.2) b", 1)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("(a:)", [("a:", 1.1)]),
        ("(16:9:1.2)", [("16:9", 1.2)]),
        (r"\(a\) \[b\] \\ c\d", [("(a) [b] \\ cd", 1)]),
        (r"(a\):1.2)", [("a)", 1.2)]),
        # brackets of the two kinds need not be nested
        ("(a [b) c]", [("a ", 1.1), ("b", 1), (" c", 0.909091)]),
    ],
)  # fmt: skip
def test_weights_are_those_of_a1111(text, wanted):
    assert runs(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a cat, (red:1.2) hat", "a cat, (red:1.2) hat"),
        ("((x))", "(x:1.2100000000000002)"),
        ("[x]", "(x:0.9090909090909091)"),
        ("((x:1.2):1.5)", "(x:1.7999999999999998)"),
        (r"\(x\) (y\)z)", r"\(x\) (y\)z:1.1)"),
        ("[x", "(x:0.9090909090909091)"),
        (r"a\\(b)", "a\\ (b:1.1)"),
        ("{a|b}, a [b, c] [d: e] [f:g:h] <3 a<b", "{a|b}, a (b, c:0.9090909090909091) (d: e:0.9090909090909091)"
         " (f:g:h:0.9090909090909091) <3 a<b"),
    ],
)  # fmt: skip
def test_a_chunk_is_written_as_comfyui_reads_it(text, wanted):
    assert written(text) == [wanted]


PLAIN = st.text(st.characters(exclude_characters="()[]\\<", codec="utf-8"), max_size=60)


@given(PLAIN.filter(lambda text: not re.search(r"\b(AND|BREAK)\b", text)))
def test_plain_text_stays_as_it_is(text):
    assert written(text) == [text]


PIECES = [
    "(",
    ")",
    "[",
    "]",
    ":",
    "|",
    "\\",
    "<",
    ">",
    "lora",
    "<lora:",
    " AND ",
    " BREAK ",
    "a",
    "1.2",
    ":0.5",
    "\n",
    ",",
    "é",
]


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=30).map("".join)))
def test_any_text_is_read_or_refused_with_a_place(text):
    try:
        prompt = parse_prompt_text(text)
    except SDGenError as error:
        assert error.place is not None and error.code.split("-")[0] in ("bad", "prompt")
        lines = text.split("\n")
        if error.place.line:
            assert 0 < error.place.column <= len(lines[error.place.line - 1])
        return
    assert prompt.parts and all(part.chunks for part in prompt.parts)
    assert all(run.text for part in prompt.parts for chunk in part.chunks for run in chunk)


# ---- BREAK and AND ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a BREAK b", ["a", "b"]),
        ("a\nBREAK\nb", ["a", "b"]),
        ("BREAK a", ["", "a"]),
        ("a BREAK BREAK b", ["a", "", "b"]),
        ("a BREAK ", ["a"]),
        ("BREAK", [""]),
        ("(a BREAK b:1.2) c", ["(a:1.2)", "(b:1.2) c"]),
        ("a break BREAKFAST", ["a break BREAKFAST"]),
    ],
)
def test_break_makes_chunks(text, wanted):
    assert written(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a cat AND a dog", [("a cat", 1), ("a dog", 1)]),
        ("a cat :1.2 AND (a:1.3) dog : .5 AND c:2.", [("a cat", 1.2), ("(a:1.3) dog", 0.5), ("c", 2)]),
        ("a\n:1.5\nAND b:0", [("a", 1.5)]),
        ("a cat:1.2", [("a cat:1.2", 1)]),
        ("SAND AND\tb", [("SAND", 1), ("b", 1)]),
        ("a and b", [("a and b", 1)]),
    ],
)
def test_and_makes_parts(text, wanted):
    assert [(comfy_text(p.chunks[0]), p.weight) for p in parse_prompt_text(text).parts] == wanted


@pytest.mark.parametrize("text", ["a AND b:-1", "a:0 AND b:0", "(a:1.2.3)", "(" + "9" * 400 + ":" + "9" * 400 + ")"])
def test_weights_that_cannot_be(text):
    assert refusal(text).code == "bad-prompt-weight"


# ---- tags ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "wanted"),
    [
        ("<lora:name>", ("name", 1, 1)),
        ("<lora:name:0.8>", ("name", 0.8, 0.8)),
        # A1111's order: text encoder first
        ("<lora:name:0.8:0.6>", ("name", 0.6, 0.8)),
        ("<lora:name:0.8:unet=0.6>", ("name", 0.6, 0.8)),
        ("<lora:name:te=0.5:unet=-1>", ("name", -1, 0.5)),
        ("<lora:name:1:0.5:te=0>", ("name", 0.5, 0)),
        ("<lyco:sub/my name v1.5:.7>", ("sub/my name v1.5", 0.7, 0.7)),
        ("<LoRA: name : 1 >", ("name", 1, 1)),
    ],
)
def test_lora_tags(tag, wanted):
    prompt = parse_prompt_text(f"a, {tag} b {tag}")
    assert [(t.name, t.model, t.text_encoder) for t in prompt.loras] == [wanted, wanted]
    assert comfy_text(prompt.parts[0].chunks[0]) == "a,  b"
    assert (prompt.loras[0].place.line, prompt.loras[0].place.column, prompt.loras[0].place.text) == (1, 4, tag)


def test_what_only_extensions_know_is_told():
    (tag,) = parse_prompt_text("<lora:x:1:0.5:8:lbw=IN04:stop=10:dyn=4>").loras
    assert (tag.model, tag.text_encoder, tag.unused) == (0.5, 1, ("8", "lbw=IN04", "stop=10", "dyn=4"))
    (tag,) = parse_prompt_text("<lora:x:0.7:1,0,0,0,1>").loras
    assert (tag.model, tag.text_encoder, tag.unused) == (0.7, 0.7, ("1,0,0,0,1",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a <hypernet:style:0.5>", "hypernetwork"),
        ("a\n <loar:x:1>", "lora"),
        ("a <lora:x:strong>", "'strong'"),
        ("a <lora::1>", "no file"),
        ("a <lora:x:1 b", "never closed"),
        ("a <lora:x:te=>", "no strength"),
        ("a <lora:x:nan>", "no strength"),
    ],
)
def test_tags_that_cannot_be(text, words):
    error = refusal(text)
    assert error.code == "bad-prompt-tag" and words in str(error)
    assert error.place.column == 3 - text.count("\n")


# ---- alternation and scheduling --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("a [cow|horse] b", "[cow|horse]"),
        ("a [cow|horse|] b", "[cow|horse|]"),
        ("[from:to:0.5]", "[from:to:0.5]"),
        ("a [x:10]", "[x:10]"),
        ("a [x::10]", "[x::10]"),
        ("a [(x:1.2):y: .5 ]", "[(x:1.2):y: .5 ]"),
        ("a (b [c|d]:1.2)", "[c|d]"),
        ("a [[b|c] d]", "[b|c]"),
        ("a [b:[c|d]:3]", "[c|d]"),
        ("( [a|b]", "[a|b]"),
        (r"\[ [a|b] \]", "[a|b]"),
        ("a <lora:x:1>[b|c]", "[b|c]"),
        ("a AND\n [b:1e-1]", "[b:1e-1]"),
    ],
)
def test_alternation_and_scheduling_are_refused_where_they_stand(text, at):
    error = refusal(text)
    assert (error.code, error.place.text) == ("prompt-scheduling", at)
    line = text.split("\n")[error.place.line - 1]
    assert line[error.place.column - 1 :].startswith(at)
    assert "prompt-control" in error.hint.lower()


@pytest.mark.parametrize(
    "text",
    [
        "[a, b]",
        "{a|b}",
        "a|b",
        r"\[a|b\]",
        "[a (b|c)]",
        "[a:b]",
        "[a:b:c]",
        "[a:b:c:1]",
        "[a|b",
        "(a:1.2)",
        "[a:1",
        "[a {x:1}]",
    ],
)
def test_what_only_looks_alike_is_not_refused(text):
    assert parse_prompt_text(text).parts


# ---- textual inversion -----------------------------------------------------------------------------------------------

FILES = ["EasyNegative.safetensors", "bad.pt", "bad-hands-5.pt", "bad-hands-5.safetensors", "By bad artist -neg.pt", "deep/ng_v1.5.pt",
         "a/twin.pt", "b\\twin.pt", "root.pt", "a/root.pt", "a/one.pt", "a/one.bin", "smile (2).pt", "---.pt"]  # fmt: skip
NAMES = EmbeddingNames(FILES)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("easynegative", "embedding:EasyNegative.safetensors"),
        ("x, EASYNEGATIVE, y", "x, embedding:EasyNegative.safetensors , y"),
        ("a,easynegative.", "a, embedding:EasyNegative.safetensors ."),
        ("a\neasynegative\n", "a\nembedding:EasyNegative.safetensors\n"),
        ("bad hands", "embedding:bad.pt hands"),
        ("bad-hands-5", "embedding:bad-hands-5.safetensors"),
        ("bad-hands-55", "embedding:bad.pt -hands-55"),
        ("badger, so_bad, bad_so, too-easynegatives", "badger, so_bad, bad_so, too-easynegatives"),
        ("ng_v1.5", "embedding:deep/ng_v1.5.pt"),
        ("by bad artist -neg!", f"embedding:By{SPACE}bad{SPACE}artist{SPACE}-neg.pt !"),
        ("smile (2)", f"embedding:smile{SPACE}(2).pt"),
        ("embedding:deep/ng_v1.5, b", "embedding:deep/ng_v1.5.pt , b"),
        ("embedding:By bad artist -neg", f"embedding:By{SPACE}bad{SPACE}artist{SPACE}-neg.pt"),
        ("Embedding:bad.pt b", "embedding:bad.pt b"),
        ("embedding:a/twin", "embedding:a/twin.pt"),
        ("embedding:b/twin", "embedding:b\\twin.pt"),
        ("root one", "embedding:root.pt embedding:a/one.pt"),
        ("---", "---"),
        ("nothing here", "nothing here"),
    ],
)
def test_names_of_embeddings_are_marked(text, wanted):
    marked = NAMES.mark(text)
    assert (marked.text, marked.missing) == (wanted, ())
    assert len(marked.files) == wanted.count("embedding:")


def test_an_embedding_that_is_not_there_is_told():
    marked = NAMES.mark("a embedding:easynegativ, bad")
    assert (marked.text, marked.missing) == ("a embedding:easynegativ, embedding:bad.pt", ("easynegativ",))
    assert "easynegative" in NAMES.known


def test_an_embedding_of_two_folders_is_ambiguous():
    with pytest.raises(SDGenError, match="twin") as caught:
        NAMES.mark("a Twin", "one, a Twin")
    assert (caught.value.code, caught.value.place.column) == ("ambiguous-file", 8)


@given(st.text(), st.lists(st.text(min_size=1), max_size=5))
def test_marking_takes_nothing_away(text, files):
    try:
        marked = EmbeddingNames(files).mark(text)
    except SDGenError:
        return
    if not marked.files:
        assert marked.text == text
