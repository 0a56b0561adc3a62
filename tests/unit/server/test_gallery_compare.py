"""The routes that show a session side by side and have its missing images made; and the statistics' numbers against what a query
finds, as the panel's links have it."""

from __future__ import annotations

import pytest

from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.errors import SDGenError
from sdgen_core.server.app import Alone

from ..catalog.library import image, session
from ..sessions.conftest import TEMPLATE, make_item, request
from ..sessions.conftest import make as make  # the fixture
from .gallery import HAIR, Gallery

TWO = TEMPLATE.replace("{Colour} cat", "{Colour} {Size} cat").replace(
    "w: white}}", "w: white}, Size: {s: small, l: large}}"
)


class WithOrders(Alone):
    """A server that has a ledger, too."""

    def __init__(self, library, sessions):
        super().__init__(library, None)
        self.orders = sessions

    @property
    def sessions(self):
        return self.orders


@pytest.fixture
def gallery(tmp_path):
    made = Gallery(tmp_path)
    yield made
    made.close()


def refused(gallery, *asked, **more):
    with pytest.raises(SDGenError) as caught:
        gallery.ask(*asked, **more)
    return caught.value


def grid(made):
    """Per row its cells: "there", or what can be done."""
    return {row["key"]: ["there" if cell["images"] else cell["plan"] for cell in row["cells"]] for row in made["rows"]}


def test_a_session_without_a_ledger(gallery):
    number = gallery.catalog.index.put_session(session(gallery.root, "one"))
    pairs = [(hair, coat, seed) for hair in HAIR for coat in ("Fur", "Wool") for seed in (1, 2**64 - 2)]
    records = [image("one", n, {"Hair": h, "Coat": c}, seed=s) for n, (h, c, s) in enumerate(pairs)]
    ids = list(gallery.catalog.index.put_images(number, records[:-1]))
    gallery.catalog.judge(ids[:1], "value/Hair", "partial")
    made = gallery.ask("GET", "/sdgen/compare", session="one", pivot="Hair", lock=["Coat:Wool", "gone:x"])
    assert (made["rows_by"], made["locks"], made["makes"]) == (
        "seed",
        [{"name": "Coat", "key": "Wool"}],
        "needs-comfyui",
    )
    assert grid(made) == {"1": ["there"] * 3, str(2**64 - 2): ["there", "there", None]}
    assert {card["id"] for card in made["cards"]} == {
        i["id"] for r in made["rows"] for c in r["cells"] for i in c["images"]
    }
    assert made["columns"][0] == {"key": "Red", "text": "a Red", "images": 4, "ok": 0, "partial": 1, "ko": 0}
    anything = gallery.ask("GET", "/sdgen/compare", session="one", pivot="Hair", any=["Coat"], limit=1)
    assert (anything["total"], [len(c["images"]) for c in anything["rows"][0]["cells"]]) == (2, [2, 2, 2])
    assert refused(gallery, "GET", "/sdgen/compare", session="one", lock=["Coat"]).code == "bad-request"
    assert refused(gallery, "GET", "/sdgen/compare", session="ones").code == "unknown-session"
    body = {"session": "one", "values": {"Hair": "Green", "Coat": "Wool"}, "seed": "1"}
    assert refused(gallery, "POST", "/sdgen/compare/queue", body).code == "needs-comfyui"


def test_missing_images_are_queued_one_by_one(gallery, make, tmp_path):
    sessions = make()
    gallery.engine = WithOrders(gallery.library, sessions)
    # red small and red large on 7 and 8; of green only one: the rest failed, was left out, or was never planned
    row = sessions.submit(request(TWO % 3, name="cats")).session
    make_item(sessions, row.id, 0)
    make_item(sessions, row.id, 1)
    sessions.ledger.mark_queued(row.id, {2: "p"})
    sessions.item_failed(row.id, 2, "node-error", "it broke")
    sessions.finish_if_done(row.id)
    Importer(gallery.catalog.index).run([sessions.root])
    ((slug,),) = gallery.catalog.index.store.rows("SELECT slug FROM session")

    def look():
        return gallery.ask("GET", "/sdgen/compare", session=slug, pivot="Size", rows="seed")

    made = look()
    assert (made["makes"], [value["text"] for value in made["columns"]]) == ("yes", ["small", "large"])
    assert grid(made) == {"7": ["there", "possible"], "8": ["possible", "there"]}

    def queue(size, seed, colour="r"):
        body = {"session": slug, "values": {"Size": size, "Colour": colour}, "seed": str(seed)}
        return gallery.ask("POST", "/sdgen/compare/queue", body)

    assert queue("l", 7) == {"index": 3, "item": "todo", "session": "running", "waiting": False}
    assert grid(look())["7"] == ["there", "todo"]
    assert queue("s", 9, "g")["index"] == 2  # the one that failed
    assert queue("s", 9, "g") == {"index": 2, "item": "todo", "session": "running", "waiting": False}
    for item in sessions.ledger.items(row.id, "todo"):
        make_item(sessions, row.id, item.idx)
    assert sessions.finish_if_done(row.id).done == 4
    Importer(gallery.catalog.index).run([sessions.root])
    made = gallery.ask("GET", "/sdgen/compare", session=slug, pivot="Size", rows="seed", lock=["Colour:r"])
    assert grid(made) == {"7": ["there", "there"], "8": ["possible", "there"]}
    assert (
        refused(gallery, "POST", "/sdgen/compare/queue", {"session": slug, "values": {}, "seed": None}).code
        == "bad-request"
    )
    assert gallery.ask("GET", "/sdgen/compare", session=slug, pivot="Size", any=["Colour"])["makes"] == "any"


def test_sessions_of_another_ledger_say_so(gallery, make):
    gallery.engine = WithOrders(gallery.library, make())
    gallery.put(6)
    assert gallery.ask("GET", "/sdgen/compare", session="one", pivot="Hair", any=["Coat"])["makes"] == "not-ours"
    body = {"session": "one", "values": {"Hair": "Red"}, "seed": "1"}
    assert refused(gallery, "POST", "/sdgen/compare/queue", body).code == "unknown-session"


def test_numbers_of_the_statistics_are_what_their_queries_find(gallery):
    """The same queries as of the panel's links."""
    ids = gallery.put(40)
    gallery.catalog.judge(ids[:9], "value/Hair", "ko")
    gallery.catalog.judge(ids[:9], "value/Coat", "ko")
    gallery.catalog.judge(ids[9:20], "value/Hair", "ok")
    gallery.catalog.judge(ids[9:30], "value/Coat", "ok")
    gallery.catalog.judge(ids[30:33], "value/Hair", "partial")
    gallery.catalog.judge(ids[3:6], "mark", "trash")
    gallery.catalog.judge(ids[6:8], "mark", "favourite")
    gallery.catalog.index.set_missing(ids[7:12], True)

    def found(q):
        return gallery.ask("GET", "/sdgen/images/ids", q=q, form="json")["total"]

    every = "is:trash,missing,broken,landscape,portrait,square"
    for scope in ("", "session:one "):
        for row in gallery.ask("GET", "/sdgen/statistics/values", q=scope.strip())["rows"]:
            value = f"{scope}@{row['placeholder']}:{row['key']}"
            assert found(f"{value} {every}") == row["images"]
            verdicts = {
                name: row[name.replace("-", "_")] for name in ("ok", "partial", "ko", "no-effect", "unintended")
            }
            for name, count in {**verdicts, "ok,partial,ko": row["judged"]}.items():
                assert found(f"{value} verdict:{row['placeholder']}={name} is:judged,trash,missing") == count, (
                    row,
                    name,
                )
        (sums,) = gallery.ask("GET", "/sdgen/statistics/totals", q=scope.strip())["rows"]
        assert found(f"{scope}{every} -is:missing") == sums["images"] == 35
        assert found(f"{scope}is:missing is:missing,trash") == sums["gone"] == 5
        for flag, name in (("judged", "judged"), ("favourite", "favourites"), ("trash", "trash"), ("failed", "failed")):
            assert found(f"{scope}is:{flag} is:{flag},trash,missing") == sums[name]
        for pair in gallery.ask("GET", "/sdgen/statistics/pairs", q=scope.strip())["rows"]:
            both = [f"@{pair[f'{n}_placeholder']}:{pair[f'{n}_key']}" for n in ("first", "second")]
            ko = [f"verdict:{pair[f'{n}_placeholder']}=ko" for n in ("first", "second")]
            assert found(f"{scope}{' '.join(both + ko)} is:judged,trash,missing") == pair["both_ko"]
