"""Seeds and prompts that no image of a data set has, for a benchmark that shows what was learned and not what was remembered.

Which ones is told by hashes, so it does not depend on the machine, the order of images or who asks. Of a data set made later the file of
the first one is given on (``Apart.file``): what was set aside once stays so.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...errors import Place, SDGenError, shown
from .recipe import Apart

FORM = 1
FILE = "held_out.json"
#: New seeds are below 2**32: every sampler and program takes those.
_SEEDS = 32
#: Prompts among which those are looked for that show most values.
_LOOKED = 1000


@dataclass(frozen=True)
class Prompt:
    """A prompt of the benchmark and what its images were made with (None: unknown). ``values``: placeholder -> ``{"key", "text"}``.

    ``learned``: it has the value that is learned. ``apart``: no image of the data set has it; the others are seen with other seeds.
    ``session``: the name of the folder of a session that has it.
    """

    prompt: str
    negative: str
    values: Mapping[str, Mapping[str, str]]
    learned: bool
    apart: bool
    session: str
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    cfg: float | None = None
    sampler: str | None = None
    scheduler: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class HeldOut:
    """``seeds`` of the benchmark, none of which is in the data; ``apart``: those of them that images have which were set aside.

    ``learned``: ``{"placeholder", "keys", "text"}`` of the value that is learned, None where there is none.
    """

    seeds: Sequence[int] = ()
    apart: Sequence[int] = ()
    prompts: Sequence[Prompt] = ()
    learned: Mapping[str, Any] | None = None
    _prompts: frozenset[str] = field(init=False, repr=False, compare=False)
    _seeds: frozenset[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_prompts", frozenset(one.prompt for one in self.prompts if one.apart))
        object.__setattr__(self, "_seeds", frozenset(self.seeds))

    def has(self, seed: int | None, prompt: str) -> bool:
        """Whether an image with this seed and prompt is set aside."""
        return seed in self._seeds or prompt in self._prompts

    def to_json(self) -> dict[str, Any]:
        """What stands in the file."""
        prompts = [asdict(one) for one in self.prompts]
        return {
            "form": FORM,
            "learned": self.learned,
            "seeds": list(self.seeds),
            "apart": list(self.apart),
            "prompts": prompts,
        }

    @classmethod
    def read(cls, path: Path) -> HeldOut:
        """What ``to_json`` gave. Raises ``missing-file`` and ``bad-structure``."""
        place = Place(shown(path))
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if value["form"] != FORM:
                raise SDGenError(
                    "bad-structure", f"form {value['form']!r} is not known: another version wrote it", place=place
                )
            prompts = [Prompt(**one) for one in value["prompts"]]
            return cls([int(n) for n in value["seeds"]], [int(n) for n in value["apart"]], prompts, value["learned"])
        except FileNotFoundError as error:
            raise SDGenError("missing-file", f"there is no file {shown(path)}") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SDGenError("bad-structure", f"it is no {FILE}: {error}", place=place) from error


def ranked(text: str) -> bytes:
    """What things are put in order by that have none: the same on every machine."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=b"sdgen held out").digest()


def set_aside(prompts: Iterable[Prompt], seeds: Iterable[int | None], wanted: Apart) -> HeldOut:
    """Seeds and prompts for a benchmark, of these different ``prompts`` and of the ``seeds`` that images have."""
    known = sorted({seed for seed in seeds if seed is not None}, key=lambda seed: ranked(str(seed)))
    apart = known[: min(wanted.seeds, int(wanted.share * len(known)))]
    fresh = _fresh(set(known), wanted.seeds - len(apart))
    prompts = sorted(prompts, key=lambda one: ranked(one.prompt))
    learned, others = [one for one in prompts if one.learned], [one for one in prompts if not one.learned]
    count = min(wanted.prompts, len(prompts))
    half = max(count - len(others), min(len(learned), (count + 1) // 2))
    chosen = []
    for group, most in ((learned, half), (others, count - half)):
        room = int(wanted.share * len(group))
        for n, one in enumerate(_covering(group, most)):
            chosen.append(Prompt(**{**vars(one), "apart": n < room}))
    return HeldOut([*apart, *fresh], apart, chosen)


def _fresh(known: set[int], count: int) -> list[int]:
    """So many seeds that no image has."""
    out: list[int] = []
    n = 0
    while len(out) < count:
        seed = int.from_bytes(ranked(f"seed {n}"), "big") >> (64 - _SEEDS)
        if seed not in known:
            known.add(seed)
            out.append(seed)
        n += 1
    return out


def _covering(prompts: Sequence[Prompt], count: int) -> list[Prompt]:
    """``count`` of the prompts that together show as many values as often as can be, in the order of their need; of very many the first.

    Prompts with other placeholders are of another template: as many of each.
    """
    used: Counter[tuple[str, str]] = Counter()
    of_template: Counter[tuple[str, ...]] = Counter()

    def need(one: Prompt) -> tuple[int, list[int]]:
        return of_template[tuple(one.values)], sorted(used[name, value["key"]] for name, value in one.values.items())

    left = list(prompts[: max(_LOOKED, 2 * count)])
    out: list[Prompt] = []
    while left and len(out) < count:
        best = min(left, key=need)
        left.remove(best)
        of_template[tuple(best.values)] += 1
        out.append(best)
        used.update((name, value["key"]) for name, value in best.values.items())
    return out
