"""How a benchmark says what it measured: one JSON line a measurement, with the bars that a figure has to keep to."""

from __future__ import annotations

import json
from typing import Any


class Reporter:
    """Prints the lines of the benchmark ``bench``; ``always`` stands in each of them."""

    def __init__(self, bench: str, **always: Any) -> None:
        self._always = {"bench": bench, **always}

    def __call__(
        self,
        name: str,
        *,
        at_most: dict[str, float] | None = None,
        at_least: dict[str, float] | None = None,
        **figures: Any,
    ) -> None:
        """Print a line; ``at_most`` and ``at_least`` are the bars of the figures they name."""
        high, low = at_most or {}, at_least or {}
        bars = {k: f"<= {v:g}" for k, v in high.items()} | {k: f">= {v:g}" for k, v in low.items()}
        met = all(figures[k] <= v for k, v in high.items()) and all(figures[k] >= v for k, v in low.items())
        rounded = {k: round(v, 3 if v < 10 else 1) if isinstance(v, float) else v for k, v in figures.items()}
        line = {**self._always, "name": name, **rounded, **({"bars": bars, "met": met} if bars else {})}
        print(json.dumps(line), flush=True)
