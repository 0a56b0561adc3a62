"""The order of names as people read lists, the same in Python and in SQL."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sdgen_core.catalog.index import Index
from sdgen_core.catalog.naming import sort_key
from sdgen_core.catalog.user import UserStore


def test_accents_case_and_the_length_of_numbers_do_not_count():
    wanted = ["", "2 dogs", "10 cats", "A", "a b", "À côté", "a9", "a10", "éa", "Eb", "Œuf", "of", "Östlich", "straße"]
    wanted += ["Strassen", "v1.9", "v1.10", "v02", "z", "Ω"]
    for names in (wanted, wanted[::-1]):
        assert sorted(names, key=sort_key) == wanted


@given(st.lists(st.text(max_size=20), max_size=20, unique=True))
@settings(deadline=None, max_examples=50)
def test_sql_sorts_as_python_does(tmp_path_factory, names):
    folder: Path = tmp_path_factory.mktemp("naming")
    user = UserStore(folder / "user.db")
    index = Index(folder / "index.db", user)
    texts = [name.replace("\0", "") for name in names]
    marks = ",".join("(?)" for _ in texts) or "(NULL)"
    rows = index.store.rows(
        f"SELECT column1 FROM (VALUES {marks}) WHERE column1 IS NOT NULL ORDER BY sdgen_sort_key(column1)", texts
    )
    assert [row[0] for row in rows] == sorted(texts, key=sort_key)
    assert len({sort_key(text) for text in texts}) == len(set(texts))
    index.close()
    user.close()
