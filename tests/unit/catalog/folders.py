"""Session folders for the importer's tests: real small images, records of any version."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from sdgen_core.catalog.index import Index
from sdgen_core.catalog.scan.importer import Importer, Report
from sdgen_core.catalog.user import UserStore
from sdgen_core.sessions.metadata import encode_png, sdgen_chunk, sdgen_record

SESSIONS = Path(__file__).parents[2] / "data" / "sessions"
A1111 = (
    "a red coat\nNegative prompt: lowres\nSteps: 9, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 5.5, Seed: 77,"
)
A1111 += " Size: 8x16, Model: other_v2"


class Catalog:
    """Both databases in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = UserStore(folder / "user.db")
        self.index = Index(folder / "index.db", self.user)

    def close(self) -> None:
        self.index.close()
        self.user.close()

    def run(self, *roots: Path, every: bool = False, **options: Any) -> Report:
        return Importer(self.index, **options).run(roots, every=every)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.index.store.rows(sql, values)

    def session(self, columns: str, folder: str | None = None) -> tuple[Any, ...]:
        """Columns of the only session, or of that in the folder of this name."""
        found = self.rows(f"SELECT {columns}, folder FROM session")
        (row,) = [row for row in found if folder is None or Path(row[-1]).name == folder]
        return row[:-1]

    def images(self, columns: str) -> list[tuple[Any, ...]]:
        return self.rows(
            f"SELECT {columns} FROM image_and_said LEFT JOIN term m ON m.id=model LEFT JOIN term s ON s.id=sampler"
            " LEFT JOIN term c ON c.id=scheduler LEFT JOIN prompt p ON p.id=prompt ORDER BY session, number, batch, file"
        )

    def values(self) -> list[tuple[Any, ...]]:
        return self.rows(
            "SELECT file, name, key, text FROM image_value JOIN image ON image.id=image JOIN value ON value.id=value"
            " JOIN placeholder ON placeholder.id=placeholder ORDER BY 1, 2"
        )


def png(
    path: Path, chunks: Mapping[str, str] | None = None, *, colour: int = 0, size: tuple[int, int] = (8, 16)
) -> str:
    """Write a small image; gives the SHA-256 of its file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = encode_png(Image.new("RGB", size, (colour % 256, colour // 256, 7)), chunks or {})
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def record_of(session: str, index: int, **more: Any) -> str:
    """The ``sdgen`` chunk of an image."""
    values: dict[str, Any] = {
        "session": session,
        "session_name": "mine",
        "index": index,
        "keys": {"Hair": "Red"},
        "values": {"Hair": "red hair"},
        "seed": 40 + index,
        "requested_seed": 40 + index,
        "prompt": "red hair",
        "negative": "blurry",
        "checkpoint_name": "mine_v1.safetensors",
        "checkpoint_hash": None,
        "extra": {
            "parameters": {
                "steps": 11,
                "cfg": 4.5,
                "sampler_name": "euler",
                "scheduler": "karras",
                "width": 8,
                "height": 16,
            }
        },
    }
    return sdgen_chunk(sdgen_record(**{**values, **more}))


def own_session(
    folder: Path, images: int = 3, *, session: str = "abcdefghjk", status: str | None = "completed", **generation: Any
) -> None:
    """A session of ours: images with records, a journal and no manifest."""
    snapshot = {
        "version": "2.0",
        "timestamp": "2026-01-02T03:04:05.000006",
        "runtime_info": {"sd_model_checkpoint": "mine_v1.safetensors"},
        "resolved_template": {"prompt": "{Hair}", "negative": "blurry"},
        "generation_params": {"mode": "random", "seed_mode": "progressive", "base_seed": 40, "num_images": images, **generation},
        "api_params": {},
        "variations": {"Hair": {"available": ["red hair", "blue hair"], "used": ["red hair"], "count": 2}},
        "theme_name": None,
        "style": "default",
        "sdgen": {"session": session, "template": {"name": "portraits"}},
    }  # fmt: skip
    lines: list[dict[str, Any]] = [{"type": "start", "snapshot": snapshot}]
    for n in range(images):
        name = f"mine_{n:04d}_seed-{40 + n}.png"
        sha256 = png(folder / name, {"sdgen": record_of(session, n)}, colour=n)
        entry = {
            "filename": name,
            "seed": 40 + n,
            "prompt": "red hair",
            "negative_prompt": "blurry",
            "applied_variations": {"Hair": "red hair"},
            "sdgen": {"index": n, "keys": {"Hair": "Red"}, "sha256": sha256},
        }
        lines.append({"type": "image", "entry": entry})
    if status:
        lines.append({"type": "status", "status": status})
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def old_session(folder: Path, name: str = "20261122_142121-Plain_Run_One", *, to: str | None = None) -> Path:
    """A copy of one of the predecessor's sessions."""
    target = folder / (to or name)
    shutil.copytree(SESSIONS / name, target)
    return target


def edit_manifest(folder: Path, change: Any) -> None:
    """``change`` is called with the manifest's map."""
    path = folder / "manifest.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    write_json(path, data)


def tree_hash(folder: Path) -> str:
    """Names, contents and times of everything in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        digest.update(repr((str(path.relative_to(folder)), stat.st_mtime_ns, stat.st_mode)).encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()
