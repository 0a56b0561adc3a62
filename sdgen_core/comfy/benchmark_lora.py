"""SDGen Benchmark LoRA: two sessions of the library, made without and with a LoRA, held against each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SDGenError
from . import host
from .score_session import ALL, chosen

if TYPE_CHECKING:
    from .scorer import Scorer


def benchmark(scorer: Scorer, without: str, with_lora: str, value: str, points: float) -> tuple[bool, float, str, str]:
    """Whether the LoRA is to be promoted, the change of its value's success (-1 to 1), the verdict in words and as JSON.

    ``points``: how many of 100 another value may fall. Raises ``bad-option`` for a session that is not named, and what ``hold`` raises.
    """
    # late: ComfyUI's start does not wait for it
    from ..scoring.estimates.calibration import Calibration
    from ..scoring.material import session_of
    from ..training.improve.compare import hold, told
    from ..training.improve.decide import PROMOTE
    from ..training.improve.judge import Judge

    engine = host.engine()
    catalog = engine.library.catalog
    for name, given in (("without", without), ("with_lora", with_lora)):
        if given.strip().casefold() in ("", ALL):
            raise SDGenError("bad-option", f"name a session in {name!r}", hint="The gallery shows their names.")
    folders = [Path(session_of(catalog, chosen(given)[0])[2]) for given in (without, with_lora)]
    settings = engine.scoring_settings()
    known = catalog.machine.calibrations(scorer.backend.identity)
    judge = Judge(
        scorer.backend,
        engine.scoring_folder,
        settings.thresholds.match,
        settings.wording,
        {name: Calibration(**said) for name, said in known.items()},
    )
    verdict = hold(folders[0], folders[1], value, judge, points / 100)
    change = verdict.target.difference if verdict.target.pairs else 0.0
    said = {**verdict.to_dict(), "judge": judge.name}
    return verdict.outcome == PROMOTE, change, told(verdict), json.dumps(said, ensure_ascii=False)
