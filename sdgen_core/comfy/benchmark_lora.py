"""SDGen Benchmark LoRA: two sessions of the library, made without and with a LoRA, held against each other.

Of a LoRA alone the node has both sessions made first. Their images have to wait until the node's own prompt has ended, for ComfyUI executes
one at a time. So that prompt ends with a word of what is being made, and another one follows when it is there: of the node, with the two
sessions, and of what reads it.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError, nearest_names
from ..sessions.compile import Prompt, descendants, is_link
from . import host
from .score_session import ALL, chosen

if TYPE_CHECKING:
    from .scorer import Scorer

log = logging.getLogger("sdgen")

_PATIENCE = 60.0  # s


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


def begin(
    node: str,
    prompt: Prompt,
    workflow: Mapping[str, Any] | None,
    *,
    without: str,
    value: str,
    margin: float,
    lora: str,
    strength: float,
    images: int,
) -> tuple[str, dict[str, Any]]:
    """Have the sessions of a LoRA's benchmark made, without and with it, and the node executed again when they are there.

    They are of the template and workflow of the session ``without``, about ``images`` of each value, on seeds that it has not. Gives what
    there is to say, and the same for programs: ``prompt``, the id that the second prompt will have.

    Raises ``missing-file`` for a LoRA that is not there, and what reading the session and freezing a benchmark raise.
    """
    from ..scoring.material import session_of
    from ..sessions.files import sha256_file
    from ..sessions.session_file import read_session_file
    from ..training.improve.benchmark import JUDGING, Arm, Benchmark
    from ..training.improve.making import Source, Wish, make

    engine, client = host.engine(), host.own_server()
    file = host.model_path("loras", lora)
    if file is None:
        near = nearest_names(lora, host.model_files("loras"))
        raise SDGenError("missing-file", f"ComfyUI has no LoRA {lora!r}", nearest=near)
    if client is None:
        raise SDGenError("no-server", "this ComfyUI has no server that could make images")
    folder = Path(session_of(engine.library.catalog, chosen(without)[0])[2])
    source = Source.read(folder)
    frozen = Benchmark.freeze(source, source.value(value), images)
    frozen.save(engine.training_folder / "improve" / "benchmarks" / frozen.hash)
    arms = (Arm(), Arm(lora, strength, sha256_file(file)))
    names = [f"benchmark {frozen.hash[:8]} whole {arm.name}" for arm in arms]
    browser, following = host.current_client(), uuid.uuid4().hex

    def told(text: str) -> None:
        host.tell(node, text, browser)

    def work() -> None:
        made = []
        try:
            for name, arm in zip(names, arms, strict=True):
                first, *more = [Wish(name, wish.values, wish.images, wish.seed) for wish in frozen.wishes(JUDGING)]
                made.append(
                    make(
                        client,
                        frozen.source(),
                        first,
                        *more,
                        lora=arm.lora,
                        strength=arm.strength,
                        progress=lambda done, total: told(f"{name}: {done:,} of {total:,} images"),  # noqa: B023
                    )
                )
            ids = [read_session_file(folder).id for folder in made]
            _wait_for(ids)
            inputs = {"without": ids[0], "with_lora": ids[1], "value": "=".join(frozen.target), "margin": margin}
            body: dict[str, Any] = {
                "prompt": after(prompt, node, {**inputs, "lora": ""}),
                "prompt_id": following,
                "extra_data": {"extra_pnginfo": {"workflow": workflow}} if workflow else {},
            }
            client.queue_prompt({**body, "client_id": browser} if browser else body)
        except Exception as error:  # a thread has nobody else to tell
            log.warning("SDGen: the benchmark of %s was not made: %s", lora, error)
            told(f"the benchmark was not made: {error}")

    threading.Thread(target=work, name="sdgen-benchmark", daemon=True).start()
    count = sum(wish.images for wish in frozen.wishes(JUDGING))
    text = f"about {count:,} images are made without {lora} and as many with it, on new seeds; the verdict follows here"
    return text, {"prompt": following, "sessions": names, "benchmark": frozen.hash}


def _wait_for(sessions: list[str]) -> None:
    """Give the catalog time to learn of sessions that have just been made."""
    rows = host.engine().library.catalog.index.store.rows
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        known = rows("SELECT slug FROM session WHERE slug IN (SELECT value FROM json_each(?))", (json.dumps(sessions),))
        if len(known) == len(set(sessions)):
            return
        time.sleep(0.2)


def after(prompt: Prompt, node: str, inputs: Mapping[str, Any]) -> Prompt:
    """The graph of a node with these inputs, of what its other ones come from, and of all that reads nothing else."""
    out: Prompt = {node: {**prompt[node], "inputs": {**prompt[node]["inputs"], **inputs}}}

    def sources(name: str) -> set[str]:
        return {str(value[0]) for value in (out.get(name) or prompt[name])["inputs"].values() if is_link(value)}

    todo = sources(node)
    while todo:
        name = todo.pop()
        out[name] = prompt[name]
        todo |= sources(name) - set(out)
    behind = descendants(prompt, node)
    while ready := [name for name in behind if name not in out and sources(name) <= set(out)]:
        out |= {name: prompt[name] for name in ready}
    return {name: {key: said for key, said in one.items() if key != "is_changed"} for name, one in out.items()}
