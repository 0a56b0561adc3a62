"""Loads `examples/demo` as a package: it is not installed, and its modules import one another."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo"


def demo_module(name: str) -> ModuleType:
    """`examples/demo/NAME.py` as the module `sdgen_demo.NAME`."""
    if "sdgen_demo" not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            "sdgen_demo", DEMO / "__init__.py", submodule_search_locations=[str(DEMO)]
        )
        assert spec is not None and spec.loader is not None
        package = importlib.util.module_from_spec(spec)
        sys.modules["sdgen_demo"] = package
        spec.loader.exec_module(package)
    return importlib.import_module(f"sdgen_demo.{name}")


@pytest.fixture(scope="session")
def demo_folder() -> Path:
    return DEMO


@pytest.fixture(scope="session")
def shapes() -> ModuleType:
    return demo_module("shapes")


@pytest.fixture(scope="session")
def reader() -> ModuleType:
    return demo_module("reader")


@pytest.fixture(scope="session")
def build() -> ModuleType:
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    return demo_module("build")
