"""SDGen's settings: one JSON file in ComfyUI's user folder. A missing key has its default, an unknown one is kept.

``template_folders``: more folders with templates, beside ``<user>/sdgen/templates`` and the pack's ``examples``.
``session_folders``: further folders that sessions can be moved to, known by their last part.
``output_folder``: where session folders are made; the default is ``sdgen`` in ComfyUI's output folder.
``resume_on_start``: ``auto`` goes on by itself, ``ask`` waits for the user, ``off`` leaves unfinished sessions paused.
``window``: items kept in ComfyUI's queue, 1 to 8.
``library_folders``: further folders with sessions that the catalog shows, such as the output of the predecessor.
``catalog_folder``: where the catalog and its thumbnails are; the default is ``<user>/sdgen/catalog``.
``thumbnails_gb``: what all thumbnails may take; beyond it those go that nobody has looked at for longest.
``scoring``: see ``scoring.settings``; read when something is scored.
``scorer_folders``: folders with models for scoring, beside ``models/clip_vision`` of ComfyUI.
``kohya_folder``, ``kohya_python``: the user's checkout of kohya's sd-scripts, and its Python; the default is the one in the checkout's
``venv`` or ``.venv``.
``training_folder``: where data sets and training runs are; the default is ``<user>/sdgen/training``.
``gallery_token``: what programs on other machines need to say to change anything (see README); without it they cannot.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import Place, SDGenError, shown


class Settings(BaseModel):
    """See the module's text for what each setting means."""

    model_config = ConfigDict(extra="allow")

    template_folders: list[str] = []
    session_folders: list[str] = []
    output_folder_path: str = Field(default="", alias="output_folder")
    resume_on_start: Literal["auto", "ask", "off"] = "auto"
    window: int = Field(default=4, ge=1, le=8)
    library_folders: list[str] = []
    catalog_folder_path: str = Field(default="", alias="catalog_folder")
    thumbnails_gb: float = Field(default=10.0, gt=0)
    scoring: dict[str, Any] = {}
    scorer_folders: list[str] = []
    kohya_folder: str = ""
    kohya_python: str = ""
    training_folder_path: str = Field(default="", alias="training_folder")
    gallery_token: str = ""

    @classmethod
    def load(cls, path: Path) -> Settings:
        """Read ``path``; defaults when it is not there. Raises ``bad-settings`` with the place."""
        try:
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            return cls()
        except (OSError, UnicodeDecodeError) as error:
            raise SDGenError(
                "bad-settings", f"the settings cannot be read: {error}", place=Place(shown(path))
            ) from error
        try:
            return cls.model_validate(json.loads(text))
        except json.JSONDecodeError as error:
            place = Place(shown(path), error.lineno, error.colno)
            raise SDGenError("bad-settings", f"the settings are no JSON: {error.msg}", place=place) from error
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise SDGenError("bad-settings", f"setting {name!r}: {first['msg']}", place=Place(shown(path))) from error

    def output_folder(self, comfy_output: Path) -> Path:
        """Where session folders are made."""
        return Path(self.output_folder_path).expanduser() if self.output_folder_path else comfy_output / "sdgen"

    def places(self) -> dict[str, Path]:
        """Name → folder of the places that sessions can be moved to, beside the output folder."""
        return _named(self.session_folders, {})

    def libraries(self) -> list[Path]:
        """The folders with sessions, beside the output folder."""
        return [Path(text).expanduser() for text in (*self.session_folders, *self.library_folders)]

    def folders_of_scorers(self) -> list[Path]:
        """The folders with models for scoring."""
        return [Path(text).expanduser() for text in self.scorer_folders]

    def catalog_folder(self, user_dir: Path) -> Path:
        """Where the catalog is."""
        return Path(self.catalog_folder_path).expanduser() if self.catalog_folder_path else user_dir / "catalog"

    def training_folder(self, user_dir: Path) -> Path:
        """Where data sets and training runs are."""
        return Path(self.training_folder_path).expanduser() if self.training_folder_path else user_dir / "training"

    def template_roots(self, user_dir: Path, pack: Path) -> dict[str, Path]:
        """Name → folder of every template root, the user's own first."""
        roots = _named(self.template_folders, {"templates": user_dir / "templates"})
        roots["examples"] = pack / "examples"
        return roots


def _named(folders: list[str], taken: dict[str, Path]) -> dict[str, Path]:
    """The folders by the last part of their path, made different where two are alike."""
    out = dict(taken)
    for text in folders:
        path = Path(text).expanduser()
        name = path.name or "folder"
        while name in out:
            name += "_"
        out[name] = path
    return out
