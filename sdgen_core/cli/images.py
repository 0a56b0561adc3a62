"""Images that a template names by path: put into ComfyUI's input folder before the session is ordered.

The files go into the sub-folder ``sdgen`` under a name made of their content, so each is sent once, whatever it is called, and
another picture under the old name makes another image. The template keeps its own names; it carries a list of what they are.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from ..errors import SDGenError, nearest_names, shown
from ..sessions.plan import Plan
from ..templates import ResolvedTemplate
from ..templates.library import ChosenTemplate
from ..templates.parameters import ParameterFiller, image_texts, parameter_names
from .graphs import ALPHA

FOLDER = "sdgen"
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_DATA = re.compile(r"data:image/(?P<kind>png|jpe?g|webp|bmp);base64,(?P<data>.+)", re.DOTALL)


class Input(Protocol):
    """ComfyUI's input folder."""

    def has_input(self, name: str) -> bool: ...

    def upload_image(self, name: str, data: bytes) -> str: ...


def with_images(chosen: ChosenTemplate, folder: Path, server: Input) -> ChosenTemplate:
    """The templates with every image they name in the input folder of ``server``. Names are paths relative to ``folder``, else
    names in the input folder. Raises ``missing-file``.
    """
    uploads = _Uploads(folder, server)
    return replace(chosen, templates=tuple(_with_images(t, uploads) for t in chosen.templates))


class _Uploads:
    def __init__(self, folder: Path, server: Input) -> None:
        self._folder = folder
        self._server = server
        self._names: dict[str, str] = {}

    def name(self, text: str, what: str) -> str:
        """The name in the input folder of what a template calls ``text``."""
        if text not in self._names:
            self._names[text] = self._placed(text, what)
        return self._names[text]

    def _placed(self, text: str, what: str) -> str:
        if found := _DATA.fullmatch(text.strip()):
            try:
                data = base64.b64decode(found["data"], validate=False)
            except binascii.Error as error:
                raise SDGenError("bad-parameter", f"{what}: this is no image in base64: {error}") from None
            return self._upload(data, f".{found['kind']}")
        path = self._folder / text
        try:
            local = path.is_file()
        except OSError:  # a name too long for a file
            local = False
        if local:
            try:
                return self._upload(path.read_bytes(), path.suffix.lower())
            except OSError as error:
                raise SDGenError("unreadable-file", f"{what}: {shown(path)} cannot be read: {error}") from None
        if self._server.has_input(text.replace("\\", "/")):
            return text
        near = [p.name for p in path.parent.glob("*") if p.suffix.lower() in _ENDINGS] if path.parent.is_dir() else []
        raise SDGenError(
            "missing-file",
            f"{what}: there is no image {shown(path)}, and none {text!r:.200} in ComfyUI's input folder",
            nearest=nearest_names(path.name, near),
            hint="Write the path relative to the template that is run.",
        )

    def _upload(self, data: bytes, ending: str) -> str:
        name = f"{FOLDER}/{hashlib.sha256(data).hexdigest()[:24]}{ending}"
        return name if self._server.has_input(name) else self._server.upload_image(name, data)


def _with_images(resolved: ResolvedTemplate, uploads: _Uploads) -> ResolvedTemplate:
    pools: Mapping[str, list[str]] | None = None
    images: dict[str, str] = {}
    for path, text in image_texts(resolved.parameters):
        if text.lower() == ALPHA:
            continue
        names = [name for name in parameter_names({"image": text}) if name in resolved.values]
        if names and pools is None:
            pools = Plan.build(resolved).pools
        fill = ParameterFiller({"image": text}, resolved.values, frozenset(resolved.removed))
        for keys in itertools.product(*((pools or {}).get(name, ()) for name in names)):
            choice = dict(zip(names, keys, strict=True))
            what = ", ".join(f"{name}[{key}]" for name, key in choice.items()) or ".".join(map(str, path))
            found = str(fill(choice)["image"]).strip()
            images[found] = uploads.name(found, what)
    return replace(resolved, images=images) if images else resolved
