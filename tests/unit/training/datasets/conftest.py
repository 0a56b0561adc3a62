"""A library to choose from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .made import Made


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    made = Made(tmp_path)
    yield made
    made.close()
