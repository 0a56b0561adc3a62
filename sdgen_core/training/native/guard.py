"""Runs ComfyUI's ``main.py`` and ends with its parent: ``python guard.py MAIN ARGUMENT…``, run by its path, standard library only.

The parent holds the other end of stdin and never writes. When it is gone, killed by whomever, the pipe ends, on every system.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
from pathlib import Path


def _end_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, name="guard", daemon=True).start()
    main = sys.argv[1]
    sys.argv = sys.argv[1:]
    if sys.path[0] == str(Path(__file__).parent):  # not so where Python itself says where modules are
        sys.path[0] = str(Path(main).parent)
    runpy.run_path(main, run_name="__main__")
