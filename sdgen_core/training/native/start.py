"""Starts the worker: ``python start.py PLAN``, run by its path.

``-m`` will not do: the Python of ComfyUI's portable form for Windows looks for modules only where a file of its own says, not in the
folder that it is started in. So the package is loaded from where it lies.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    package = Path(__file__).resolve().parents[2]
    spec = importlib.util.spec_from_file_location(
        package.name, package / "__init__.py", submodule_search_locations=[str(package)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[package.name] = module
    spec.loader.exec_module(module)
    code: int = importlib.import_module(f"{package.name}.training.native.worker").main(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
