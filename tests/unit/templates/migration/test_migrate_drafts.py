"""Migration of YAML drafts: point edits that keep comments and layout, and what the edited files make."""

from __future__ import annotations

import itertools

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.templates import load_template
from sdgen_core.templates.migrate import migrate
from sdgen_core.templates.migrate.draft_texts import Rules, Unclear, substitutions, today_selector
from sdgen_core.templates.migrate.editor import Editor

from .tools import legacy, migrated, prompts, put, tree

GENERATION = "generation: {mode: combinatorial, seed: 1, seed_mode: fixed, max_images: -1}\n"


def test_the_sample_project(tmp_path):
    root = legacy("drafts", tmp_path)
    before = tree(root)
    plan = migrated(root)
    assert plan.problems == []
    after = tree(root)
    changed = {c.path.relative_to(root).as_posix() for c in plan.changes if c.old is not None}
    assert len(changed) == 9 and "prompts/current.prompt.yaml" not in changed
    for name, data in before.items():
        if name in changed:
            assert after[f"{name}.bak"] == data, "what was there lies beside it"
        else:
            assert after[name] == data

    coats = prompts(root / "prompts/coats.prompt.yaml")
    text = "a {} coat, {}, # this line is text, not a comment, {}"
    loops = (
        ["grey wool", "rain, yellow", "long, leather,"],  # #0,2,3; the block ends its last line
        ["dawn light", "noon light", "moonlight"],  # of both combined files
        list(dict.fromkeys(p.rsplit(", ", 1)[1] for p in coats)),  # two at random
    )
    assert len(loops[2]) == 2 and set(loops[2]) < {"rain", "fog", "a storm"}
    assert coats == [text.format(*row) for row in itertools.product(*loops)]

    assert prompts(root / "prompts/hero.prompt.yaml") == [  # index_base 1: MOODS[1] is the first
        "Ada, very tall person, long hair, smiling, on a hill",
        "Ada, small person, short hair, smiling, on a hill",
    ]
    assert prompts(root / "prompts/rider.prompt.yaml") == [
        "a rider, 30 years old, on a bay horse, evening",
        "a rider, 30 years old, on a grey horse, evening",
    ]
    assert prompts(root / "prompts/framed.prompt.yaml") == [
        "best quality, an owl, red coat",
        "best quality, an owl, blue coat",
    ]


def test_comments_stay(tmp_path):
    root = legacy("drafts", tmp_path)
    migrated(root)
    coats = (root / "variations/coats.yaml").read_text(encoding="utf-8")
    assert coats == (
        'type: variations\nname: Coats\nversion: "1.0"\n\nvariations:\n  # warm ones\n'
        '  - wool: "grey wool"   # the best\n\n  - # from a farm\n    fur: brown fur\n'
        "  - {'True': 'rain, yellow'}\n  - leather: |\n      long\n      leather\n"
    )
    prompt = (root / "prompts/coats.prompt.yaml").read_text(encoding="utf-8")
    assert prompt.startswith(
        '# Coats of the autumn collection\ntype: prompt\nversion: 2.0\nname: "Autumn coats"   # shown in the session name\n\n'
        "prompt: |\n  a {Coat[#0,2,3]} coat, {Light},\n"
    )
    assert "  Coat: ../variations/coats.yaml        # all of them\n" in prompt
    assert "# selector_config:\n#   index_base: 0\n" in prompt
    template = (root / "base/person_template.chunk.yaml").read_text(encoding="utf-8")
    assert "# who, body, face\ntemplate: |\n" in template
    assert '  # the face\n  face_mood: "calm"\n' in template
    assert template.endswith("# metadata:\n#   author: me\n")


def test_line_breaks_of_windows_stay(tmp_path):
    lines = ["name: X", "base_path: .", "# a comment", "template: |", "  a {A[range:0-1]},", "  owl"]
    text = "".join(f"{line}\r\n" for line in [*lines, "variations:", "  A: {a: one, b: two}"])
    put(tmp_path, {"x.prompt.yaml": text + GENERATION.replace("\n", "\r\n")})
    migrated(tmp_path)
    data = (tmp_path / "x.prompt.yaml").read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n") and b"# a comment\r\nprompt: |\r\n  a {A[#0-1]},\r\n" in data
    assert prompts(tmp_path / "x.prompt.yaml") == ["a one, owl", "a two, owl"]


def test_current_files_are_not_touched(tmp_path):
    """Numbers in a current file mean "so many at random", also where a base_path was left behind."""
    current = f"type: prompt\nname: X\nimports: {{A: [a, b, c]}}\nprompt: '{{A[2]}}'\n{GENERATION}"
    put(tmp_path, {"x.prompt.yaml": current, "theme.yaml": "imports:\n  A: a.yaml\nvariations: [A]\n"})
    put(
        tmp_path, {"other.yaml": "services: {web: {image: x}}\n", "a.yaml": "a: one\n", "f.chunk.yaml": "template: x\n"}
    )
    put(tmp_path, {"k8s.yaml": "a: !Ref x\n", "half.yaml": "a: [\n"})
    plan = migrate(tmp_path)
    assert (plan.changes, plan.problems, plan.remarks) == ([], [], [])
    put(tmp_path, {"x.prompt.yaml": current + "base_path: .\n"})
    plan = migrate(tmp_path)
    assert [p.code for p in plan.problems] == ["not-carried-over"] and "{A[2]}" in plan.problems[0].message
    assert plan.changes[0].new == current


@pytest.mark.parametrize(
    ("base", "path"),
    [(".", "v/a.yaml"), ("..", "p/v/a.yaml"), ("../p", "v/a.yaml"), ("../nowhere", "v/a.yaml"), ("", "v/a.yaml")],
)
def test_base_path(tmp_path, base, path):
    put(
        tmp_path,
        {
            "p/v/a.yaml": "a: one\n",
            "p/x.prompt.yaml": f"name: X\nbase_path: '{base}'\nimports:\n  A: {path}\nprompt: '{{A}}'\n{GENERATION}",
        },
    )
    migrated(tmp_path)
    text = (tmp_path / "p/x.prompt.yaml").read_text(encoding="utf-8")
    assert "base_path" not in text and "  A: v/a.yaml\n" in text
    assert prompts(tmp_path / "p/x.prompt.yaml") == ["one"]


def test_a_path_that_leads_nowhere_keeps_its_meaning(tmp_path):
    put(
        tmp_path,
        {"p/x.prompt.yaml": f"name: X\nbase_path: ../lib\nimports:\n  A: a.yaml\nprompt: '{{A}}'\n{GENERATION}"},
    )
    plan = migrate(tmp_path)
    assert "  A: ../lib/a.yaml\n" in plan.changes[0].new
    assert [p.code for p in plan.problems] == ["missing-file"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a,b", "a,b"), ("all", ""), ("3", "#3"), ("1,5,8", "#1,5,8"), ("range:1-4", "#1-4"), ("range: 1 - 4", "#1-4"),
        ("range:1-2,7,1", "#1,2,7"), ("random:5", "random:5"), ("limit:5", "limit:5"), ("a", "a"), ("#1,2", "#1,2"),
        ("2;$5", "2;$5"), ("range:0-1;$5", "#0-1;$5"), ("$3", "$3"), ("a1,2b", "a1,2b"),
    ],
)  # fmt: skip
def test_selectors_of_drafts(old, new):
    assert today_selector(old, Rules(digits=True)) == new


@pytest.mark.parametrize("old", ["a,1", "range:1-2,a", "random:2,a", "1,random:2", "range:0-5000,7", "all,a"])
def test_mixtures_are_told(old):
    with pytest.raises(Unclear):
        today_selector(old, Rules(digits=True))


def test_selectors_of_current_files():
    rules = Rules()
    assert [today_selector(s, rules) for s in ("3", "1,5", "all", "range:1-4", "a,random:2")] == [
        "3", "1,5", "all", "#1-4", "a,random:2",
    ]  # fmt: skip
    assert today_selector("range:1-4,2", Rules(digits=True, index_base=1)) == "#0,1,2,3"


CHARACTER = {
    "look": Rules(
        chunks={"HERO": ["body_height", "body_hair", "mood"]},
        parts={"LOOKS": ["body_height", "body_hair"]},
        digits=True,
    )
}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{HERO}", "@HERO"),
        ("{HERO}s", "{@HERO}s"),
        ("{HERO with mood=MOODS}", "@{HERO with mood:{MOODS}}"),
        ("{HERO with mood=MOODS[a,b]}", "@{HERO with mood:{MOODS[a,b]}}"),
        ("{HERO with mood=MOODS[2]}", "@{HERO with mood:{MOODS[#2]}}"),
        ("{HERO with\n  mood=MOODS,\n  height=TALL}", "@{HERO with mood:{MOODS}, body_height:{TALL}}"),
        ("{HERO with body.hair=HAIR}", "@{HERO with body_hair:{HAIR}}"),
        ('{HERO with mood="calm, cold"}', '@{HERO with mood:"calm, cold"}'),
        ("{HERO with any=LOOKS}", "@{HERO with body_height:{LOOKS:body_height}, body_hair:{LOOKS:body_hair}}"),
        ("{HERO with any=LOOKS[a]}", "@{HERO with body_height:{LOOKS:body_height}, body_hair:{LOOKS[a]}}"),
        ("@{HERO with mood:{MOODS[a]}}", None),
        ("@HERO, {@HERO} {OTHER} {HEROES}", None),
    ],
)
def test_characters_in_texts(old, new):
    found = substitutions(old, CHARACTER["look"])
    assert [(s.old, s.new, s.unclear) for s in found] == ([(old.rstrip("s"), new.removesuffix("s"), "")] if new else [])


@pytest.mark.parametrize(
    "old", ["{HERO with nose=NOSES}", "{HERO with mood}", "{HERO with body=X}", "{HERO with mood=A-B}"]
)
def test_unclear_characters_stay(old):
    (found,) = substitutions(old, CHARACTER["look"])
    assert found.new == old and found.unclear


def test_two_characters_of_one_template_are_told(tmp_path):
    root = legacy("drafts", tmp_path)
    other = (root / "characters/hero.char.yaml").read_text(encoding="utf-8").replace("Ada", "Bob")
    put(root, {"characters/bob.char.yaml": other})
    path = root / "prompts/hero.prompt.yaml"
    text = (
        path.read_text(encoding="utf-8")
        .replace("  on a hill", "  and {BOB}")
        .replace("imports:", "imports:\n  BOB: characters/bob.char.yaml")
    )
    path.write_text(text, encoding="utf-8")
    problems = migrate(root).problems
    assert [p.code for p in problems] == ["not-carried-over"] and "identity_name" in problems[0].message


def test_both_spellings_at_once(tmp_path):
    text = (
        f"name: X\nprompt: new {{A}}\ntemplate: old {{A}}\nimports: {{A: [a]}}\nvariations:\n  A: b.yaml\n{GENERATION}"
    )
    put(tmp_path, {"x.prompt.yaml": text})
    plan = migrated(tmp_path)
    assert [p.code for p in plan.problems] == ["not-carried-over"] * 2
    assert "# template: old {A}\n" in plan.changes[0].new and "# variations:\n#   A: b.yaml\n" in plan.changes[0].new
    assert prompts(tmp_path / "x.prompt.yaml") == ["new a"]


def test_extends_is_kept_as_a_comment_and_told(tmp_path):
    put(tmp_path, {"x.prompt.yaml": f"name: X\nextends: base.prompt.yaml  # mine\nprompt: an owl\n{GENERATION}"})
    (problem,) = migrated(tmp_path).problems
    assert (problem.code, problem.place.line) == ("not-carried-over", 2)
    assert "# extends: base.prompt.yaml  # mine\n" in (tmp_path / "x.prompt.yaml").read_text(encoding="utf-8")


def test_quoted_and_folded_texts(tmp_path):
    files = {
        "double.prompt.yaml": 'prompt: "a \\u007bA[range:0-1]}\\n b"',
        "folded.prompt.yaml": "prompt: >-\n  a {A[range:0-1]}\n  b",
        "plain.prompt.yaml": "prompt: a {A[range:0-1]}\n  b",
        "single.prompt.yaml": "prompt: 'it''s {A[range:0-1]} {A[range:0-1]}'",
        "broken.prompt.yaml": "prompt: >\n  {HERO with\n  mood=A[range:0-1]}\n  b",
    }
    files = {
        n: f"name: X\nimports: {{A: [one, two, three], HERO: h.chunk.yaml}}\n{t}\n{GENERATION}"
        for n, t in files.items()
    }
    put(tmp_path, {**files, "h.chunk.yaml": "type: chunk\ntemplate: a {mood} hero\n"})
    assert migrated(tmp_path).problems == []
    assert prompts(tmp_path / "double.prompt.yaml") == ["a one, b", "a two, b"]
    assert prompts(tmp_path / "folded.prompt.yaml") == ["a one b", "a two b"]
    assert prompts(tmp_path / "plain.prompt.yaml") == ["a one b", "a two b"]
    assert prompts(tmp_path / "single.prompt.yaml") == ["it's one one", "it's two two"]
    assert prompts(tmp_path / "broken.prompt.yaml") == ["a one hero b", "a two hero b"]


@pytest.mark.parametrize(
    "text",
    [
        "{name: X, template: 'a {A}', variations: {A: [a]}}",  # everything in braces
        "base: &b {A: [one]}\nname: X\ntemplate: a {A}\nvariations: *b\n" + "base_path: .\nbase_path: .\n",
    ],
)
def test_what_cannot_be_edited_safely_stays(tmp_path, text):
    put(tmp_path, {"x.prompt.yaml": text})
    plan = migrate(tmp_path)
    assert [p.code for p in plan.problems] == ["unsafe-edit"] and plan.changes == []


def test_an_alias_is_not_edited(tmp_path):
    text = "list: &l\n  - key: a\n    value: one\nvariations: *l\n"
    put(tmp_path, {"v.yaml": text})
    assert [p.code for p in migrate(tmp_path).problems] == ["unsafe-edit"]


def test_broken_drafts_are_told(tmp_path):
    put(
        tmp_path,
        {
            "x.prompt.yaml": "name: X\ntemplate: {A\n",
            "v.yaml": "variations:\n  a: [\n",
            "w.yaml": b"variations:\n  a: \x81\x8d\x00",
        },
    )
    problems = migrate(tmp_path).problems
    assert sorted(p.code for p in problems) == ["unreadable-file", "yaml-syntax", "yaml-syntax"]
    assert all(p.place for p in problems)


def test_yaml_in_cp1252_becomes_utf8(tmp_path):
    put(tmp_path, {"v.yaml": "variations:\n  a: forêt\n".encode("cp1252")})
    plan = migrated(tmp_path)
    assert (tmp_path / "v.yaml").read_bytes() == "variations:\n  a: forêt\n".encode()
    assert (tmp_path / "v.yaml.bak").read_bytes() == "variations:\n  a: forêt\n".encode("cp1252")
    assert any("cp1252" in r for r in plan.remarks)


# ---- the editor ------------------------------------------------------------------------------------------------------


KEYS = st.text("abc", min_size=1, max_size=3)
TREES = st.recursive(
    st.one_of(st.integers(-5, 5), st.booleans(), st.none(), st.text("ab #:'\"\n{}[],é", max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=10,
)


@given(st.dictionaries(KEYS, TREES, min_size=1, max_size=4), st.booleans(), st.data())
def test_an_edit_means_what_was_intended_or_is_refused(data, flow, draw):
    text = yaml.safe_dump(data, allow_unicode=True, sort_keys=False, default_flow_style=flow)
    text = "".join(
        f"{line}\n# after line {n}\n"
        if draw.draw(st.booleans()) and "'" not in text and '"' not in text and "|" not in text
        else f"{line}\n"
        for n, line in enumerate(text.splitlines())
    )
    editor = Editor(text, "x.yaml")
    key = draw.draw(st.sampled_from(list(data)))
    action = draw.draw(st.sampled_from(["rename", "remove", "comment", "set", "insert", "append"]))
    try:
        if action == "rename":
            editor.rename((key,), "new name: x")
            wanted = {("new name: x" if k == key else k): v for k, v in data.items()}
        elif action == "set":
            editor.set((key,), "it's", "'it''s'")
            wanted = {k: ("it's" if k == key else v) for k, v in data.items()}
        elif action == "insert":
            editor.insert_first({"zz": "1"})
            wanted = {"zz": "1", **data}
        elif action == "append":
            editor.append("zz", 1, "1")
            wanted = {**data, "zz": 1}
        else:
            (editor.remove if action == "remove" else editor.comment_out)((key,))
            wanted = {k: v for k, v in data.items() if k != key}
        result = editor.result()
    except SDGenError as error:
        assert error.code == "unsafe-edit"
        return
    loaded = yaml.safe_load(result)
    assert loaded == wanted and list(loaded) == list(wanted)
    assert result.count("# after line") == text.count("# after line") or action in ("remove", "set")


def test_comments_between_edits_are_never_lost(tmp_path):
    text = (
        "name: X\n# one\nbase_path: .   # two\n# three\ntemplate: a {A}  # four\n# five\nvariations:  # six\n  # seven\n"
        "  A: [a]  # eight\n# nine\ngeneration:\n  index_base: 0  # ten\n  seed: 1\n"
    )
    put(tmp_path, {"x.prompt.yaml": text})
    migrated(tmp_path)
    new = (tmp_path / "x.prompt.yaml").read_text(encoding="utf-8")
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    assert [w for w in words if f"# {w}" not in new] == []
    assert load_template(tmp_path / "x.prompt.yaml").generation.seed == 1


def test_files_that_name_each_other_in_a_circle(tmp_path):
    combined = "type: multi-field\nsources: [{}.yaml, v.yaml]\n"
    put(tmp_path, {"a.yaml": combined.format("b"), "b.yaml": combined.format("a"), "v.yaml": "x: one\n"})
    character = "type: character\nimplements: {}.char.yaml\nfields: \n  a:\n    b: c\n"
    put(tmp_path, {"c.char.yaml": character.format("d"), "d.char.yaml": character.format("c")})
    put(tmp_path, {"x.prompt.yaml": f"name: X\ntemplate: '{{A}}'\nvariations:\n  A: a.yaml\n{GENERATION}"})
    put(
        tmp_path, {"y.prompt.yaml": f"name: Y\ntemplate: '{{C with b=v}}'\nvariations:\n  C: c.char.yaml\n{GENERATION}"}
    )
    problems = migrate(tmp_path).problems
    assert [p.code for p in problems] == ["not-carried-over", "cycle"]
    assert next(c.new for c in migrate(tmp_path / "x.prompt.yaml").changes).count("v.yaml") == 2


def test_one_file_after_the_other(tmp_path):
    """What a prompt needs is migrated with it, and a later prompt reads it in its new form."""
    root = legacy("drafts", tmp_path)
    other = (root / "prompts/hero.prompt.yaml").read_text(encoding="utf-8")
    put(root, {"prompts/other.prompt.yaml": other})
    plan = migrated(root / "prompts/hero.prompt.yaml")
    assert sorted(c.path.name for c in plan.changes) == [
        "hero.chunk.yaml",
        "hero.prompt.yaml",
        "looks.yaml",
        "moods.yaml",
        "person_template.chunk.yaml",
    ]
    assert [c.path.name for c in migrated(root / "prompts/other.prompt.yaml").changes] == ["other.prompt.yaml"]
    new = tree(root)
    assert new["prompts/other.prompt.yaml"] == new["prompts/hero.prompt.yaml"]


def test_a_generation_block_of_nothing_else(tmp_path):
    put(tmp_path, {"x.prompt.yaml": "name: X\ntemplate: an owl\ngeneration:\n  index_base: 0\n"})
    migrated(tmp_path)
    assert prompts(tmp_path / "x.prompt.yaml") == ["an owl"]


def test_what_lies_outside_of_the_folder_counts(tmp_path):
    files = {
        "p/x.prompt.yaml": f"name: X\nimplements: ../t/t.template.yaml\ntemplate: '{{A}}'\nvariations:\n  A: ../v/a.yaml\n{GENERATION}",
        "t/t.template.yaml": "name: T\nimplements: ../top.template.yaml\ntemplate: 'a, {prompt}'\n",
        "top.template.yaml": "name: Top\ntemplate: 'b, {prompt}, {B}'\nimports: {B: ../v/b.yaml}\n",
        "v/a.yaml": "a: one\n",
        "v/b.yaml": "b: two\n",
    }
    put(tmp_path, files)
    assert migrated(tmp_path / "p").problems == []
    assert prompts(tmp_path / "p/x.prompt.yaml") == ["b, a, one, two"]
