"""XMP sidecars: in the form of the specification, friendly to other programs' files, and hard against hostile ones."""

from __future__ import annotations

import os
import time
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgen_core.catalog.catalog import Catalog
from sdgen_core.catalog.counters import recount
from sdgen_core.catalog.fields import MARKS, RATINGS, VERDICTS
from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.catalog.sidecars import read_sidecars, write_sidecars
from sdgen_core.catalog.xmp import DC, RDF, SDGEN, XMP, Said, Sidecar
from sdgen_core.errors import SDGenError

from .folders import own_session, tree_hash

X = "{adobe:ns:meta/}"
R, P, D, S = (f"{{{uri}}}" for uri in (RDF, XMP, DC, SDGEN))
FULL = Said(
    "favourite",
    "4",
    True,
    'two\nlines <&> "ü" 😀',
    frozenset({"poster", "a & b"}),
    {"Hair": "ko", "Co at": "no-effect"},
)

#: As darktable writes it: properties as attributes, its own history, comments.
DARKTABLE = b"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:darktable="http://darktable.sf.net/"
    xmlns:dc="http://purl.org/dc/elements/1.1/" xmp:Rating="3" darktable:params="a&#10;b&#9;c&quot;" darktable:xmp_version="5">
   <!-- mine -->
   <darktable:history><rdf:Seq><rdf:li darktable:num="0" darktable:operation="exposure"/></rdf:Seq></darktable:history>
   <dc:subject><rdf:Bag><rdf:li>beach</rdf:li></rdf:Bag></dc:subject>
   <dc:creator><![CDATA[<me>]]></dc:creator>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>"""

#: Other prefixes, a packet around it, two descriptions.
STRANGE = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><meta xmlns="adobe:ns:meta/"><r:RDF xmlns:r="' + RDF + '">'
    '<r:Description r:about=""/><r:Description r:about="" xmlns:xmp="urn:other#"><xmp:Rating>no rating</xmp:Rating>'
    '<q:Rating xmlns:q="' + XMP + '">2</q:Rating></r:Description></r:RDF></meta><?xpacket end="w"?>'
).encode()


def test_the_form_is_that_of_the_specification():
    sidecar = Sidecar()
    assert sidecar.write(FULL, 5.0) == []
    root = ET.fromstring(sidecar.to_bytes())
    assert root.tag == f"{X}xmpmeta" and [child.tag for child in root] == [f"{R}RDF"]
    (description,) = root[0]
    assert description.tag == f"{R}Description" and description.attrib == {f"{R}about": ""}
    assert description.findtext(f"{P}Rating") == "4"
    assert [li.text for li in description.findall(f"{D}subject/{R}Bag/{R}li")] == ["a & b", "poster"]
    (note,) = description.findall(f"{D}description/{R}Alt/{R}li")
    assert note.text == FULL.note
    assert note.attrib == {"{http://www.w3.org/XML/1998/namespace}lang": "x-default"}
    verdicts = description.findall(f"{S}verdicts/{R}Bag/{R}li")
    assert [v.attrib for v in verdicts] == [{f"{R}parseType": "Resource"}] * 2
    assert {v.findtext(f"{S}placeholder"): v.findtext(f"{S}verdict") for v in verdicts} == FULL.verdicts
    assert sidecar.to_bytes().startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<x:xmpmeta')


@pytest.mark.parametrize(
    ("said", "stars"),
    [
        (Said("trash", "5"), "-1"),
        (Said("favourite"), "5"),
        (Said("favourite", "2"), "2"),
        (Said("interesting"), None),
        (Said(rating="1"), "1"),
    ],
)
def test_ratings(said, stars):
    sidecar = Sidecar()
    sidecar.write(said, 1.0)
    assert ET.fromstring(sidecar.to_bytes()).findtext(f".//{P}Rating") == stars
    assert Sidecar(sidecar.to_bytes()).read().fields(9.0) == {
        name: (value, 1.0) for name, value in said.fields().items()
    }


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=20)
_TAG = st.from_regex(r"[^\s,\x00-\x1f]{1,20}", fullmatch=True).filter(
    lambda tag: tag == " ".join(tag.split()) and tag.isprintable()
)
_SAID = st.builds(
    Said,
    mark=st.sampled_from([None, *MARKS]),
    rating=st.sampled_from([None, *RATINGS]),
    failed=st.booleans(),
    note=st.one_of(st.none(), _TEXT),
    tags=st.frozensets(_TAG, max_size=3),
    verdicts=st.dictionaries(_TEXT, st.sampled_from(VERDICTS), max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([None, DARKTABLE, STRANGE]), _SAID, _SAID)
def test_what_is_written_is_read_and_others_things_stay(start, first, second):
    sidecar = Sidecar(start)
    others = _others(sidecar.to_bytes())
    for at, said in ((1.0, first), (2.0, second)):
        sidecar.write(said, at)
        sidecar = Sidecar(sidecar.to_bytes())
        read = sidecar.read()
        assert (read.written, read.at) == (said, at)
        assert said.tags <= read.tags
        if start is None:
            assert (read.stars, read.tags, read.note) == (said.stars, said.tags, said.note)
    assert _others(sidecar.to_bytes()) == others


def _others(data: bytes) -> list[tuple]:
    """Everything that is not for SDGen to write."""
    own = (f"{P}Rating", f"{D}subject", f"{D}description")
    found = []

    def walk(node, path):
        if node.tag in own or str(node.tag).startswith(S):
            return
        attributes = {name: value for name, value in node.attrib.items() if name not in own}
        if node.tag != f"{R}Description" or attributes != {f"{R}about": ""}:
            found.append((path, node.tag, attributes, (node.text or "").strip()))
        for child in node:
            walk(child, (*path, node.tag))

    walk(ET.fromstring(data), ())
    return found


def test_another_programs_file_keeps_what_is_not_ours():
    sidecar = Sidecar(DARKTABLE)
    assert sidecar.read().fields(7.0) == {"rating": ("3", 7.0), "tag/beach": ("yes", 7.0)}
    assert sidecar.write(Said("favourite", note="x", tags=frozenset({"poster"})), 1.0) == ["the rating is 3"]
    text = sidecar.to_bytes().decode()
    for kept in (
        "<!-- mine -->",
        'darktable:params="a&#10;b&#9;c&quot;"',
        'x:xmptk="XMP Core 4.4.0-Exiv2"',
        "<![CDATA[<me>]]>",
        'xmp:Rating="3"',
    ):
        assert kept in text
    assert sidecar.read().tags == {"beach", "poster"}
    sidecar.write(Said(), 2.0)
    assert sidecar.read().tags == {"beach"} and sidecar.read().note is None
    strange = Sidecar(STRANGE)
    assert strange.read().stars == "2"
    strange.write(FULL, 1.0)
    assert strange.to_bytes().count(b"<?xpacket") == 2 and b"no rating" in strange.to_bytes()


def test_what_another_program_changed_counts_from_then():
    sidecar = Sidecar()
    sidecar.write(Said("favourite", "4", note="n", tags=frozenset({"a", "b"}), verdicts={"Hair": "ok"}), 5.0)
    text = sidecar.to_bytes().decode()
    changed = text.replace(
        '<xmp:Rating xmlns:xmp="http://ns.adobe.com/xap/1.0/">4<',
        '<xmp:Rating xmlns:xmp="http://ns.adobe.com/xap/1.0/">-1<',
    )
    assert changed != text
    bag = changed.index("dc:subject")
    changed = changed[:bag] + changed[bag:].replace("<rdf:li>a</rdf:li>", "<rdf:li>c</rdf:li>", 1)
    assert Sidecar(changed.encode()).read().fields(9.0) == {
        "mark": ("trash", 9.0), "rating": ("4", 5.0), "note": ("n", 5.0), "value/Hair": ("ok", 5.0),
        "tag/a": (None, 9.0), "tag/b": ("yes", 5.0), "tag/c": ("yes", 9.0),
    }  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe\x00",
        b"<a/>",
        b"<x:xmpmeta/>",
        b'<?xml version="1.0" encoding="klingon"?><a/>',
        DARKTABLE[:-20],
        DARKTABLE.replace(b"<x:xmpmeta", b'<!DOCTYPE x [<!ENTITY a "b">]><x:xmpmeta', 1),
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        b"<a>" * 100 + b"</a>" * 100,
        b"<a>" + b" " * (5 << 20) + b"</a>",
        STRANGE.replace(b"<q:Rating", b"<zz:Rating").replace(b"</q:Rating", b"</zz:Rating"),
        DARKTABLE.replace(b"</x:xmpmeta>", b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'),
    ],
)  # fmt: skip
def test_files_that_are_none(data):
    with pytest.raises(SDGenError) as caught:
        Sidecar(data)
    assert caught.value.code == "bad-sidecar"


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(DARKTABLE) - 1), st.binary(max_size=3))
def test_any_change_of_a_file_is_read_or_refused(at, junk):
    try:
        sidecar = Sidecar(DARKTABLE[:at] + junk + DARKTABLE[at + 1 :])
    except SDGenError as error:
        assert error.code == "bad-sidecar"
        return
    sidecar.write(FULL, 1.0)
    assert Sidecar(sidecar.to_bytes()).read().written == FULL


# ---- the catalog ---------------------------------------------------------------------------------------------------------


class Made:
    def __init__(self, folder):
        self.root = folder / "root"
        self.own = self.root / "20260102_030405-mine"
        own_session(self.own, 3)
        self.catalog = Catalog(folder / "catalog")
        Importer(self.catalog.index).run([self.root])
        self.ids = [i for (i,) in self.catalog.index.store.rows("SELECT id FROM image ORDER BY number")]
        self.files = [path.with_name(path.name + ".xmp") for path in sorted(self.own.glob("*.png"))]

    def said(self, image):
        row = self.catalog.index.store.rows("SELECT subject FROM image_and_said WHERE id=?", (image,))[0][0]
        return self.catalog.user.facts([row]).get(row, {})


@pytest.fixture
def made(tmp_path):
    found = Made(tmp_path)
    yield found
    found.catalog.close()


def test_only_what_has_changed_is_written(made):
    judge = made.catalog.judge
    judge(made.ids[:2], "mark", "favourite")
    judge(made.ids[:1], "value/Hair", "ko")
    done = write_sidecars(made.catalog, made.ids)
    assert (done.changed, done.unchanged, done.problems, done.kept) == (2, 0, [], [])
    assert [path.exists() for path in made.files] == [True, True, False]
    before = tree_hash(made.own)
    done = write_sidecars(made.catalog, made.ids)
    assert (done.changed, done.unchanged) == (0, 2) and tree_hash(made.own) == before
    judge(made.ids[:1], "mark", None)
    assert write_sidecars(made.catalog, made.ids).changed == 1
    assert Sidecar(made.files[0].read_bytes()).read().stars is None
    # reading back says nothing new, and nothing that was said since is lost
    judge(made.ids[:1], "rating", "2")
    judge(made.ids[1:2], "mark", None)
    assert read_sidecars(made.catalog, made.ids).changed == 0
    assert (made.said(made.ids[0]), made.said(made.ids[1])) == ({"value/Hair": "ko", "rating": "2"}, {})


def test_a_folder_of_its_own_leaves_the_images_folder_as_it_is(made, tmp_path):
    made.catalog.judge(made.ids, "rating", "3")
    before = tree_hash(made.root)
    done = write_sidecars(made.catalog, made.ids, tmp_path / "side")
    assert done.changed == 3 and tree_hash(made.root) == before
    assert (tmp_path / "side" / "abcdefghjk" / made.files[0].name).is_file()
    other = Catalog(tmp_path / "other")
    try:
        Importer(other.index).run([made.root])
        ids = [i for (i,) in other.index.store.rows("SELECT id FROM image")]
        assert read_sidecars(other, ids, tmp_path / "side").changed == 3
        assert other.index.store.rows("SELECT DISTINCT rating FROM image_and_said") == [(3,)]
        assert recount(other.index, repair=False) == []
        assert other.undo().label == "sidecars: 3 judgements"
        assert other.index.store.rows("SELECT DISTINCT rating FROM image_and_said") == [(0,)]
    finally:
        other.close()


def test_what_another_program_says_is_taken_over_when_it_is_newer(made):
    made.catalog.judge(made.ids, "rating", "5")
    for path, when in ((made.files[0], time.time() + 60), (made.files[1], time.time() - 3600)):
        path.write_bytes(DARKTABLE)
        os.utime(path, (when, when))
    done = read_sidecars(made.catalog, made.ids)
    assert done.changed == 3  # the newer rating, and two tags
    assert made.said(made.ids[0]) == {"rating": "3", "tag/beach": "yes"}
    assert made.said(made.ids[1]) == {"rating": "5", "tag/beach": "yes"}
    times = [path.stat().st_mtime_ns for path in made.files[:2]]
    done = write_sidecars(made.catalog, made.ids)
    assert len(done.kept) == 1 and "the rating is 3" in done.kept[0]
    assert made.files[1].stat().st_mtime_ns == times[1]  # it still says what was said then
    assert read_sidecars(made.catalog, made.ids).changed == 0
    assert made.said(made.ids[1])["rating"] == "5"


def test_what_cannot_be_used_is_told_and_left_as_it_is(made):
    made.catalog.judge(made.ids, "rating", "5")
    made.files[0].write_bytes(b"<broken")
    made.files[1].write_bytes(DARKTABLE.replace(b"beach", b"x" * 100))
    done = write_sidecars(made.catalog, made.ids)
    assert done.changed == 2 and len(done.problems) == 1 and "is no XML" in done.problems[0]
    assert made.files[0].read_bytes() == b"<broken"
    done = read_sidecars(made.catalog, [*made.ids, 999])
    assert len(done.problems) == 2 and "is no tag" in done.problems[1]


def test_no_sidecar_beside_a_file_that_is_gone(made):
    made.catalog.judge(made.ids, "rating", "5")
    made.files[0].with_suffix("").unlink()
    assert write_sidecars(made.catalog, made.ids).changed == 2
    assert not made.files[0].exists()
