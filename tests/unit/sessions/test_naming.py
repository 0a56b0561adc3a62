from __future__ import annotations

import errno
import os
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.naming import (
    FileNames,
    create_session_folder,
    folder_time,
    parse_image_name,
    safe_name,
    session_folder_name,
)
from sdgen_core.sessions.plan import PlanItem

WHEN = datetime(2025, 10, 29, 14, 30, 22, 999_999)
# Any text Python can hold, lone surrogates included.
TEXT = st.text(alphabet=st.characters(), max_size=200)
RESERVED = {"CON", "PRN", "AUX", "NUL", "COM1", "COM9", "LPT1", "LPT9", "COM\u00b9", "CONIN$"}


@given(TEXT, st.integers(8, 255))
@example("CON", 120)
@example("com1    zz", 8)
@example("nul .txt", 120)
@example("..", 120)
@example("é" * 200, 9)
@example("a\ud800", 120)
def test_safe_name_is_valid_everywhere(text: str, limit: int) -> None:
    name = safe_name(text, limit)
    assert 1 <= len(name.encode("utf-8")) <= limit
    assert not set(name) & set('<>:"/\\|?*')
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in name)
    assert name == name.rstrip(" .")
    assert name.split(".")[0].rstrip().upper() not in RESERVED
    assert safe_name(name, limit) == name


@pytest.mark.parametrize("text", ["My Session", "a-b_c", "Émilie", "日本語 の 絵", "v1.5 (final)", "ナ_x-1", " lead"])
def test_safe_name_keeps_ordinary_names(text: str) -> None:
    assert safe_name(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b\\c", "a_b_c"),
        ('what? <"x|y*:">', "what_ __x_y____"),
        ("tab\tnew\nline", "tab_new_line"),
        ("name. . ", "name"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("Lpt1 .x", "_Lpt1 .x"),
        ("console", "console"),
        ("", "_"),
        (" . ", "_"),
        ("a\u202egnp.exe", "a_gnp.exe"),
        ("\ud800x", "_x"),
        ("x\uffff", "x_"),
    ],
)
def test_safe_name_repairs(text: str, expected: str) -> None:
    assert safe_name(text) == expected


def test_safe_name_makes_files_that_can_be_created(tmp_path: Path) -> None:
    for text in ['<>:"/\\|?*', "é" * 500, "CON", "\0", "..", "日本" * 99]:
        path = tmp_path / safe_name(text, 255)
        path.write_text("x", encoding="utf-8")
        assert path in list(tmp_path.iterdir())


def test_folder_names_of_the_format_since_2025_10_29() -> None:
    assert session_folder_name(WHEN, "teasing", "cyberpunk", "cartoon") == "20251029_143022-teasing-cyberpunk-cartoon"
    assert session_folder_name(WHEN, "portrait", None, "default") == "20251029_143022-portrait"
    assert session_folder_name(WHEN, "portrait", None, None) == "20251029_143022-portrait"
    assert session_folder_name(WHEN, "portrait", None, "cartoon") == "20251029_143022-portrait-cartoon"
    assert session_folder_name(WHEN, "portrait", "forest", None) == "20251029_143022-portrait-forest-default"
    assert session_folder_name(WHEN, "My Session", "forest", "default") == "20251029_143022-My Session-forest-default"
    assert session_folder_name(WHEN, "a/b", "../x", "c:d") == "20251029_143022-a_b-.._x-c_d"
    assert len(session_folder_name(WHEN, "é" * 300, "é" * 300, "é" * 300).encode()) < 200


def test_folder_time_reads_every_format() -> None:
    moment = datetime(2025, 10, 14, 16, 38, 54)
    for name in ("20251014_163854-x", "2025-10-14_163854_portrait.prompt", "20251014_163854_anime_test_v2"):
        assert folder_time(name) == moment
    assert folder_time("portrait") is None
    assert folder_time("20251399_163854-x") is None


def test_folders_are_never_shared(tmp_path: Path) -> None:
    root = tmp_path / "output" / "sdgen"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: create_session_folder(root, "20251029_143022-x"), range(24)))
    assert len(set(made)) == 24
    assert {f.name for f in made} == {"20251029_143022-x"} | {f"20251029_143022-x-{n}" for n in range(2, 25)}


def test_a_root_that_is_a_file_is_an_error_with_path_and_reason(tmp_path: Path) -> None:
    root = tmp_path / "taken"
    root.write_text("", encoding="utf-8")
    with pytest.raises(SDGenError) as caught:
        create_session_folder(root, "x")
    assert caught.value.code == "unwritable-folder"
    assert "taken" in str(caught.value)
    with pytest.raises(SDGenError) as caught:
        create_session_folder(root / "below", "x")
    assert caught.value.code == "unwritable-folder"


@pytest.mark.skipif(os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="rights bind no root")
def test_a_folder_without_rights_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(SDGenError) as caught:
            create_session_folder(tmp_path, "x")
    finally:
        tmp_path.chmod(0o700)
    assert caught.value.code == "unwritable-folder"


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "disk-full"), (errno.EROFS, "unwritable-folder"), (errno.EACCES, "unwritable-folder")],
)
def test_system_errors_become_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str) -> None:
    def refuse(self: Path, *_: object, **options: object) -> None:
        if not options.get("exist_ok"):
            raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(SDGenError) as caught:
        create_session_folder(tmp_path, "x")
    assert caught.value.code == code
    assert os.strerror(number) in str(caught.value)


def item(requested: int, seed: int | None = None, keys: dict[str, str] | None = None, **values: str) -> PlanItem:
    keys = keys or {name: name.lower() for name in values}
    return PlanItem(0, "", "", requested, requested if seed is None else seed, keys, dict(values), {}, "")


def image_name(session: str, index: int, seed: int, batch: int = 0) -> str:
    return FileNames(session)(item(seed), index, batch)


def test_image_names() -> None:
    assert image_name("My Session", 7, 42) == "My Session_0007_seed-42.png"
    assert image_name("x", 0, -1) == "x_0000.png"
    assert image_name("x", 0, 0) == "x_0000_seed-0.png"
    assert image_name("x", 12_345, 1, 1) == "x_12345_seed-1-2.png"
    assert image_name("x", 3, -1, 2) == "x_0003-3.png"
    assert image_name("a/b", 3, -5) == "a_b_0003_seed--5.png"


@given(TEXT, st.integers(0, 99_999), st.integers(-9, 2**64), st.integers(0, 99))
def test_image_names_read_back(session: str, index: int, seed: int, batch: int) -> None:
    name = image_name(session, index, seed, batch)
    parsed = parse_image_name(name)
    assert len(name.encode()) < 150
    assert parsed is not None
    assert (parsed.index, parsed.batch_index) == (index, batch)
    assert parsed.seed == (None if seed == -1 else seed)
    assert name.startswith(parsed.session)


def test_values_in_file_names() -> None:
    names = FileNames("owls", keys=["Coat", "Gone"], known=["Coat", "Light"])
    made = item(42, Coat="red wool coat, <lora:coat:0.7>", Light="dawn")
    assert names(made, 3) == "owls_0003_Coat-redWoolCoat_seed-42.png"
    parsed = parse_image_name(names(made, 3, 1))
    assert parsed is not None and (parsed.index, parsed.seed, parsed.batch_index) == (3, 42, 1)
    assert names(item(-1, 99, Light="dawn"), 3) == "owls_0003.png"


def test_formats_of_file_names() -> None:
    def name(format: str, **options: object) -> str:
        names = FileNames("owls", format=format, theme="pi:rates", style="dark", known=["Coat"], **options)  # type: ignore[arg-type]
        return names(item(-1, 99, keys={"Coat": "R 1"}, Coat="red, coat"), 7)

    assert name("{Coat}") == "redCoat_0007.png"  # an index is always there
    assert name("{index:6}-{Coat:key}-{seed}") == "000007-R 1-99.png"
    assert name("{theme}/{style}/{session} {index:d}") == "pi_rates/dark/owls 0007.png"
    assert name("../{Coat}/../../{index}") == "_/redCoat/_/_/0007.png"
    assert name("{index}", per_folder=5) == "00005-00009/0007.png"
    for bad, near in (("{Cot}", "Coat"), ("{index:x}", "index"), ("{Coat:part}", "Coat"), ("{sed}", "seed")):
        with pytest.raises(SDGenError) as caught:
            name(bad)
        assert caught.value.code == "bad-file-name" and near in caught.value.nearest


@given(
    st.lists(
        st.sampled_from(["{A}", "{A:key}", "{B}", "{seed}", "{session}", "{index}", "{theme}", "/", "x", "."]),
        max_size=8,
    ),
    TEXT,
    TEXT,
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
def test_no_two_items_share_a_name(parts: list[str], a: str, b: str, first: int, second: int) -> None:
    names = FileNames("s" * 300, format="".join(parts), theme="t" * 99, known=["A", "B"], per_folder=100)
    made = [names(item(1, keys={"A": a, "B": b}, A=a, B=b * 9), i).casefold() for i in (first, second)]
    assert (made[0] == made[1]) == (first == second)
    for name in made:
        for part in name.split("/"):
            assert safe_name(part, 200) == part
            assert len(part.encode()) <= 200


def test_other_names_are_no_image_names() -> None:
    for name in ("x.png", "x_1.png", "x_0001_annotated.png", "thumbs.db", ""):
        assert parse_image_name(name) is None
