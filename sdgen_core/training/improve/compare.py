"""Two sessions that are there, one made without a LoRA and one with it: what is decided of a loop's benchmark is decided of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import SDGenError
from . import decide
from .benchmark import check_model
from .judge import Judge
from .making import Shot, Source, shots


def hold(without: Path, with_lora: Path, value: str, judge: Judge, margin: float = decide.MARGIN) -> decide.Verdict:
    """The verdict on the LoRA that the session in ``with_lora`` was made with, against the one in ``without``, by the images of equal seeds
    and values. ``value`` is Placeholder=Key.

    Raises ``no-manifest``, ``unknown-value``, ``not-comparable`` where there are no pairs, ``benchmark-changed`` for different checkpoints,
    and what judging raises.
    """
    source = Source.read(without)
    target = source.value(value)
    first, second = paired(shots(without), shots(with_lora))
    if not first:
        message = f"{without.name} and {with_lora.name} have no images of the same seed and values"
        raise SDGenError("not-comparable", message, hint="Make both from one template with the same seeds.")
    values = source.values(every=True)
    name = target[0]
    if len(values[name]) > 1 and len({shot.values.get(name) for shot in first}) < 2:
        message = f"all of these images were asked for the same {name}: what a scorer says of them has nothing to be measured by"
        raise SDGenError("not-comparable", message, hint=f"Make both sessions with some other values of {name} too.")
    check_model(first, second)
    judged = judge({"without": first, "with": second}, values, source.template)
    names = decide.names_of(values)
    return decide.decide(target, [(judged["without"], judged["with"])], 1.0, looks=1, margin=margin, names=names)


def paired(first: Sequence[Shot], second: Sequence[Shot]) -> tuple[list[Shot], list[Shot]]:
    """The images of both that have the other's seed and values, in the order of the first."""
    waiting: dict[object, list[Shot]] = {}
    for shot in second:
        waiting.setdefault(_pair(shot), []).append(shot)
    found = [(shot, waiting[_pair(shot)].pop(0)) for shot in first if waiting.get(_pair(shot))]
    return [one for one, _ in found], [other for _, other in found]


def told(verdict: decide.Verdict, names: dict[tuple[str, str], str] | None = None) -> str:
    """A verdict for people: what becomes of the LoRA and why, and what values fall or are in doubt."""
    risen = verdict.target
    head = {decide.PROMOTE: "promote", decide.ROLL_BACK: "roll back"}.get(verdict.outcome, "undecided")
    lines = [f"{head}: {'; '.join(verdict.reasons)}"]
    if risen.pairs:
        change = f"{100 * risen.before:.0f} % -> {100 * risen.after:.0f} %"
        lines.append(f"{change}, {100 * risen.low:+.0f} to {100 * risen.high:+.0f} points, {risen.pairs:,} pairs")
    for (placeholder, key), count in verdict.needs.items():
        what = (names or {}).get((placeholder, key), f"{placeholder}={key}" if key else placeholder)
        lines.append(f"about {count:,} more pairs of {what} would tell")
    return "\n".join(lines)


def _pair(shot: Shot) -> object:
    return shot.seed, tuple(sorted(shot.values.items()))
