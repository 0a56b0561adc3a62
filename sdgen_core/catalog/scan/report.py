"""What an import tells of itself: how far it is, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import SDGenError, shown


@dataclass
class Progress:
    """How far an import is. ``sessions`` of ``total`` that have to be read; ``unchanged`` need not; ``seconds`` since the start."""

    total: int = 0
    sessions: int = 0
    unchanged: int = 0
    images: int = 0
    written: int = 0
    seconds: float = 0.0
    folder: str = ""

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.images / self.seconds if self.seconds > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "seconds": round(self.seconds, 3), "images_per_second": round(self.rate, 1)}


@dataclass
class Report:
    """What an import did. ``missing`` sessions were flagged; ``errors`` are ``{"code", "message", "folder"}``."""

    progress: Progress = field(default_factory=Progress)
    missing: int = 0
    cancelled: bool = False
    errors: list[dict[str, str]] = field(default_factory=list)

    def add(self, error: SDGenError, folder: Path) -> None:
        self.errors.append({"code": error.code, "message": error.message, "folder": shown(folder)})

    def to_dict(self) -> dict[str, Any]:
        done = {**self.progress.to_dict(), "missing": self.missing, "cancelled": self.cancelled, "errors": self.errors}
        del done["folder"]
        return done
