"""Put SDGen's folder into a ComfyUI ``custom_nodes`` folder without copying it.

A symbolic link where the system lets us make one; on Windows, where that needs a privilege, a directory junction; and
where neither can be made (a network or FAT drive) a folder with a few lines of Python that load the pack from where
it is: the nodes and the panel work, only ComfyUI's template browser and translations, which look for files, do not
see the pack then. ComfyUI looks into a pack's folder only at fixed places (``workflows/*.json``, ``locales/``,
``subgraphs/``, the web folder), so that a ``.venv`` or ``.comfyui`` inside the linked folder is never walked through.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

from ..errors import SDGenError

_LOADER = "__init__.py"
_LOADER_MARK = "# SDGen: loads the pack from another folder"


def link_pack(pack: Path, link: Path) -> str:
    """Make ``link`` lead to the folder ``pack``; returns how: "there", "symlink", "junction" or "loader".

    A link of ours that leads elsewhere is made anew. Raises ``SDGenError`` ``pack-link-failed`` when a real folder or
    file of somebody else is in the way, or nothing can be written.
    """
    pack = pack.resolve()
    if not (pack / "__init__.py").is_file():
        raise SDGenError("pack-link-failed", f"{pack} is not a custom node pack: it has no __init__.py.")
    if _leads_to(link, pack):
        return "there"
    try:
        _remove_link(link)
        link.parent.mkdir(parents=True, exist_ok=True)
        return _make_link(pack, link)
    except OSError as error:
        raise SDGenError("pack-link-failed", f"Cannot link {link} to {pack}: {error}") from error


def _leads_to(link: Path, pack: Path) -> bool:
    if _is_loader(link):
        return (link / _LOADER).read_text(encoding="utf-8") == _loader_text(pack)
    return link.is_dir() and link.resolve() == pack


def _make_link(pack: Path, link: Path) -> str:
    with contextlib.suppress(OSError, NotImplementedError):
        link.symlink_to(pack, target_is_directory=True)
        return "symlink"
    if sys.platform == "win32":
        made = subprocess.run(["cmd", "/c", "mklink", "/J", str(link), str(pack)], capture_output=True, check=False)
        if made.returncode == 0:
            return "junction"
    write_loader(pack, link)
    return "loader"


def write_loader(pack: Path, link: Path) -> None:
    """Make ``link`` a folder whose ``__init__.py`` loads the pack in ``pack``, web folder included."""
    link.mkdir(parents=True, exist_ok=True)
    (link / _LOADER).write_text(_loader_text(pack), encoding="utf-8")


def _loader_text(pack: Path) -> str:
    return f"""{_LOADER_MARK}
import importlib.util
import os
import sys

_pack = {str(pack)!r}
_name = __name__ + "_pack"
_spec = importlib.util.spec_from_file_location(
    _name, os.path.join(_pack, "__init__.py"), submodule_search_locations=[_pack]
)
_module = importlib.util.module_from_spec(_spec)
sys.modules[_name] = _module
_spec.loader.exec_module(_module)
if hasattr(_module, "comfy_entrypoint"):
    comfy_entrypoint = _module.comfy_entrypoint
if hasattr(_module, "NODE_CLASS_MAPPINGS"):
    NODE_CLASS_MAPPINGS = _module.NODE_CLASS_MAPPINGS
if getattr(_module, "WEB_DIRECTORY", None):
    WEB_DIRECTORY = os.path.join(_pack, _module.WEB_DIRECTORY)
"""


def _is_loader(link: Path) -> bool:
    file = link / _LOADER
    if link.is_symlink() or not file.is_file():
        return False
    return file.read_text(encoding="utf-8", errors="replace").startswith(_LOADER_MARK)


def _is_junction(link: Path) -> bool:
    if sys.platform != "win32":
        return False
    with contextlib.suppress(OSError):
        link.readlink()  # works for symbolic links and junctions, fails for real folders
        return True
    return False


def _remove_link(link: Path) -> None:
    """Remove a link of ours; never anything that somebody else may have put there."""
    if _is_junction(link):
        link.rmdir()
    elif link.is_symlink():
        link.unlink()
    elif _is_loader(link):
        (link / _LOADER).unlink()
        cache = link / "__pycache__"
        if cache.is_dir():
            for file in cache.iterdir():
                file.unlink()
            cache.rmdir()
        link.rmdir()
    elif link.exists():
        raise FileExistsError(f"{link} is a real folder or file")
