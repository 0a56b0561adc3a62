"""What the score nodes show of what was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Values that are named on a node; the report has all.
_SHOWN = 8


def image_text(said: Mapping[str, Any]) -> str:
    """One image: ``87 % (success): Colour 96 %, Shape 78 %``; values that cannot be judged are named with the reason. Of one that
    could not be scored it is said why."""
    if "error" in said:
        return f"not scored, and saved all the same: {said['message']} [{said['error']}]"
    values = [
        f"{name} {_percent(one['probability'])}" if "probability" in one else f"{name} not judged ({one['reason']})"
        for name, one in said["values"].items()
    ]
    more = [f"{len(values) - _SHOWN} more"] if len(values) > _SHOWN else []
    head = "nothing to judge" if said["score"] is None else f"{_percent(said['score'])} ({said['class']})"
    return ": ".join(filter(None, (head, ", ".join([*values[:_SHOWN], *more]))))


def mean_score(said: Sequence[Mapping[str, Any]]) -> float:
    """The mean score of images, 0 when nothing is judged in any."""
    known = [float(one["score"]) for one in said if one["score"] is not None]
    return sum(known) / len(known) if known else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
