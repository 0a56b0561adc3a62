"""How far people and machines say the same about values: counts of both, and Cohen's kappa."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .query import Query
from .resolve import resolve
from .schema import KO, OK

if TYPE_CHECKING:
    from .snapshot import Snapshot


@dataclass(frozen=True)
class Agreement:
    """Values of one ``placeholder`` (None: of all) that a person said ok or ko to and a machine gave a probability.

    ``ok_seen``: a person said ok and the machine sees it; ``ko_seen``: a person said ko, and so on. Verdicts between the two say
    nothing that a machine could be held against.
    """

    placeholder: str | None
    ok_seen: int
    ok_unseen: int
    ko_seen: int
    ko_unseen: int

    @property
    def labels(self) -> int:
        """How many there are."""
        return self.ok_seen + self.ok_unseen + self.ko_seen + self.ko_unseen

    @property
    def agree(self) -> float | None:
        """The share on which both agree; None when there is nothing to compare."""
        return (self.ok_seen + self.ko_unseen) / self.labels if self.labels else None

    @property
    def kappa(self) -> float | None:
        """How much of the agreement that chance leaves open is reached: (observed - expected) / (1 - expected).

        J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20 (1960), 37-46;
        expected is what two would agree on who say each word as often as these, and by chance. 1 is always, 0 no more than chance,
        below 0 less. None when there is nothing to compare, or both always say one and the same word: then chance leaves nothing open.
        """
        n = self.labels
        if not n:
            return None
        people, machine = self.ok_seen + self.ok_unseen, self.ok_seen + self.ko_seen
        expected = people * machine + (n - people) * (n - machine)  # times n²
        if expected == n * n:
            return None
        return ((self.ok_seen + self.ko_unseen) * n - expected) / (n * n - expected)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "labels": self.labels, "agree": self.agree, "kappa": self.kappa}


def agreement(snapshot: Snapshot, query: Query, match: float) -> list[Agreement]:
    """All placeholders together, then each by itself by name, of what ``query`` finds; only those that have something to compare.

    A machine sees a value from the probability ``match`` on.
    """
    with snapshot.still():
        snapshot.refresh()
        mask = snapshot.mask(resolve(snapshot.store, query).conditions)
        names = dict(snapshot.store.rows("SELECT id, name FROM placeholder"))
        found = []
        for number, entries in snapshot.entries.items():
            if entries.scores is None:
                continue
            here = mask[entries.images] & (entries.scores == entries.scores)
            seen = entries.scores >= match
            counts = (
                int((here & (entries.verdicts == verdict) & (seen == sees)).sum())
                for verdict in (OK, KO)
                for sees in (True, False)
            )
            found.append(Agreement(names[number], *counts))
    found = sorted((one for one in found if one.labels), key=lambda one: str(one.placeholder))
    return [_together(found), *found]


def _together(parts: Sequence[Agreement]) -> Agreement:
    counts = [(one.ok_seen, one.ok_unseen, one.ko_seen, one.ko_unseen) for one in parts]
    return Agreement(None, *(map(sum, zip(*counts, strict=True)) if counts else (0, 0, 0, 0)))
