"""``python -m sdgen_core.cli`` is the ``sdgen`` command."""

from . import main

if __name__ == "__main__":
    main()
