"""The tier of the user's own heads for a session: which of them are used, and why the others are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ...errors import SDGenError
from .classifier import ClassifierTier
from .heads import Head, HeadClassifier, HeadStore, tried, verdicts_about
from .rules import Tier

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...catalog.catalog import Catalog
    from ..backends.interface import Backend

    Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Own:
    """What is said of a placeholder's head: whether it is ``used``, else the ``reason``; ``labels`` it was trained with, how many images
    it was ``tried`` on, its ``accuracy`` there and that ``without`` it; ``more``: verdicts that were given since (fewer: below 0)."""

    placeholder: str
    used: bool
    reason: str = ""
    labels: int = 0
    tried: int = 0
    accuracy: float | None = None
    without: float | None = None
    features: str = ""
    more: int = 0

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def why_not(head: Head) -> str:
    """Why a head is not used; empty when it is better than what is said without it."""
    if head.better:
        return ""
    facts = head.facts
    return f"on {facts.tried} images that it had not learnt from it is not better than what is said without it"


def told(head: Head, catalog: Catalog, reason: str) -> Own:
    """What is said of a head that is not used for this ``reason``, or is."""
    facts = head.facts
    return Own(
        facts.placeholder,
        not reason,
        reason,
        facts.labels,
        facts.tried,
        facts.ours.accuracy,
        facts.theirs.accuracy,
        facts.features.name,
        verdicts_about(catalog, facts.placeholder) - facts.known,
    )


def own_tier(
    store: HeadStore,
    backend: Backend,
    placeholders: Sequence[str],
    catalog: Catalog,
    features: Callable[[Head], Mapping[str, Vectors]],
) -> tuple[list[Tier], list[Own]]:
    """The tier of the heads that are better, if there is one, and what is said of all heads of these placeholders.

    ``features``: what a head works on, by the images' keys; an ``SDGenError`` of it is why the head is not used.
    """
    heads: dict[str, Head] = {}
    vectors: dict[str, Mapping[str, Vectors]] = {}
    said = []
    for name in placeholders:
        try:
            head = store.load(backend.identity, name)
            if head is None:
                if others := store.others(backend.identity, name):
                    reason = f"it was trained for the scorer {others[0]}, and this is {backend.name}"
                    said.append(Own(name, False, reason))
                continue
            reason = why_not(head)
            if not reason:
                try:
                    vectors[name] = features(head)
                    heads[name] = head
                except SDGenError as error:
                    reason = str(error)
            said.append(told(head, catalog, reason))
        except SDGenError as error:
            said.append(Own(name, False, str(error)))
    if not heads:
        return [], said
    return [ClassifierTier(HeadClassifier(heads, vectors), tried(heads, "theirs"), tried(heads, "truth"))], said


def in_words(said: Mapping[str, Any]) -> str:
    """``Own.to_dict`` for people."""
    share = "" if said["accuracy"] is None else f"{said['accuracy']:.0%} right, {said['without']:.0%} without it"
    if said["used"]:
        text = f"your classifier, from {said['labels']:,} verdicts ({share})"
    else:
        text = f"your classifier is not used: {said['reason']}" + (f" ({share})" if share else "")
    if said["more"] > 0:
        text += f"; {said['more']:,} verdicts are newer: train it again with `sdgen classifier train`"
    elif said["more"] < 0:
        text += "; verdicts were taken back since: train it again with `sdgen classifier train`"
    return text
