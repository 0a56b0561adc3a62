"""Linking the pack into a custom_nodes folder: kinds of link, repair of a stale one, never a stranger's folder."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from sdgen_core.comfy.packlink import link_pack, write_loader
from sdgen_core.errors import SDGenError

PACK = """
from .inner import ANSWER
WEB_DIRECTORY = "./web/dist"
async def comfy_entrypoint():
    return ANSWER
"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "a pack's folder"
    folder.mkdir()
    (folder / "__init__.py").write_text(PACK, encoding="utf-8")
    (folder / "inner.py").write_text("ANSWER = 42\n", encoding="utf-8")
    return folder


def load_as_comfyui(folder: Path) -> ModuleType:
    """Import a custom node folder in ComfyUI's way: by its path, under a name that is no package's."""
    name = str(folder).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, folder / "__init__.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_link_and_again(pack: Path, tmp_path: Path) -> None:
    link = tmp_path / "custom_nodes" / "sdgen"
    assert link_pack(pack, link) in ("symlink", "junction", "loader")
    assert link_pack(pack, link) == "there"
    assert asyncio.run(load_as_comfyui(link).comfy_entrypoint()) == 42


def test_a_link_to_elsewhere_is_made_anew(pack: Path, tmp_path: Path) -> None:
    link = tmp_path / "sdgen"
    other = tmp_path / "other"
    other.mkdir()
    (other / "__init__.py").write_text("NODE_CLASS_MAPPINGS = {}", encoding="utf-8")
    link_pack(other, link)
    assert link_pack(pack, link) != "there"
    assert link.resolve() == pack.resolve() or (link / "__init__.py").is_file()
    assert (other / "__init__.py").is_file(), "what the old link led to is left alone"


def test_a_broken_link_is_made_anew(pack: Path, tmp_path: Path) -> None:
    link = tmp_path / "sdgen"
    link.symlink_to(tmp_path / "gone", target_is_directory=True)
    link_pack(pack, link)
    assert (link / "inner.py").is_file()


def test_the_loader_works_without_links(pack: Path, tmp_path: Path) -> None:
    link = tmp_path / "custom_nodes" / "sdgen"
    write_loader(pack, link)
    module = load_as_comfyui(link)
    assert asyncio.run(module.comfy_entrypoint()) == 42
    assert (Path(module.WEB_DIRECTORY)).resolve() == (pack / "web" / "dist").resolve()
    assert not hasattr(module, "NODE_CLASS_MAPPINGS"), "ComfyUI would look no further for V3 nodes"
    assert link_pack(pack, link) == "there"
    moved = pack.rename(tmp_path / "moved")
    assert link_pack(moved, link) != "there"
    assert (link / "__init__.py").is_file()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_somebody_else_put_there_stays(pack: Path, tmp_path: Path, kind: str) -> None:
    link = tmp_path / "sdgen"
    if kind == "folder":
        link.mkdir()
        (link / "mine.txt").write_text("precious", encoding="utf-8")
    else:
        link.write_text("precious", encoding="utf-8")
    with pytest.raises(SDGenError) as error:
        link_pack(pack, link)
    assert error.value.code == "pack-link-failed"
    assert (link / "mine.txt" if kind == "folder" else link).read_text(encoding="utf-8") == "precious"


def test_a_folder_that_is_no_pack(tmp_path: Path) -> None:
    with pytest.raises(SDGenError) as error:
        link_pack(tmp_path, tmp_path / "link")
    assert error.value.code == "pack-link-failed"
