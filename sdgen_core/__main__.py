"""``python -m sdgen_core``: the same as the ``sdgen`` command."""

from .cli import main

main()
