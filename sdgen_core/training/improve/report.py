"""What a loop has done, as one HTML page that needs nothing else: figures with their intervals, and pictures without and with the LoRA."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ...errors import SDGenError, shown
from ...scoring.page import percent, points, table, whole
from ...sessions.service import duration
from .decide import PROMOTE, REST, ROLL_BACK
from .making import Shot, shots
from .statistics import HOLDS, UNDECIDED

#: Pairs of pictures shown of the target, and of the value that fared worst.
SHOWN, WORST = 12, 6
_SIDE = 128  # px
_WORDS = {PROMOTE: "promoted", ROLL_BACK: "rolled back", UNDECIDED: "not promoted", "": "not finished"}
_STATES = {HOLDS: "holds", UNDECIDED: "undecided"}


def page(name: str, cycles: Sequence[Mapping[str, Any]], texts: Mapping[str, Mapping[str, str]]) -> str:
    """The page of a loop on the session ``name``: its cycles as ``Cycle.to_dict`` gives them; ``texts``: placeholder -> key -> text."""
    parts = [f"<h1>{escape(name)}</h1>", _summary(cycles)]
    for cycle in cycles:
        parts += _cycle(cycle, texts)
    return whole(escape(f"{name}: improvement"), parts)


def _summary(cycles: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for cycle in cycles:
        aim, verdict = cycle["done"].get("aim"), _verdict(cycle)
        risen = verdict["target"] if verdict else None
        rows.append(
            [
                (str(cycle["number"]), True),
                (escape(f"{aim['placeholder']}: {aim['text']}") if aim else "", False),
                (_rise(risen), True),
                (_interval(risen), True),
                (escape(_outcome(cycle)), False),
                (duration(sum(cycle["seconds"].values())), True),
            ]
        )
    return _wide(table(["cycle", "value", "success", "95 % interval", "outcome", "time"], rows)) if rows else ""


def _cycle(cycle: Mapping[str, Any], texts: Mapping[str, Mapping[str, str]]) -> list[str]:
    done, verdict = cycle["done"], _verdict(cycle)
    aim = done.get("aim")
    if aim is None:
        return []
    parts = [
        f"<h2>{cycle['number']}. {escape(aim['placeholder'])}: {escape(aim['text'])}, {escape(_outcome(cycle))}</h2>"
    ]
    chosen = [said for step, said in done.items() if step.startswith("choose ")]
    if chosen and not chosen[-1]["folder"]:
        parts.append(f"<p>{escape(chosen[-1]['why'])}</p>")
    elif chosen:
        parts.append(f"<p>trained on {chosen[-1]['images']:,} images</p>")
    end = done.get("end", {})
    parts += [f"<p>{escape(line.strip())}</p>" for line in end.get("advice", ())]
    if "file" in end:
        parts.append(f"<p>the LoRA: {escape(shown(Path(end['file'])))}</p>")
    waiting = [said for step, said in done.items() if step.startswith("sample ") and f"judge {step[7:]}" not in done]
    parts += [f"<p>to be judged: session {escape(one['slug'])} in {escape(one['folder'])}</p>" for one in waiting]
    if not verdict:
        return parts
    risen = verdict["target"]
    parts.append(f"<p>{escape('; '.join(verdict['reasons']))}</p>")
    parts += [f"<p><b>{escape(remark)}</b></p>" for remark in verdict["remarks"]]
    scorers = f"chosen by {verdict['chooser']}, judged by {verdict['judge']}"
    said = f"strength {verdict['strength']:g}; {scorers}; benchmark {verdict['benchmark']}"
    parts.append(f'<p class="dim">{escape(said)}, look {verdict["look"]}</p>')
    rows = [_row(f"{aim['placeholder']}: {aim['text']}", risen, "target", None)]
    for guard in verdict["guards"]:
        key = guard["key"]
        text = "values with few images" if key == REST else texts.get(guard["placeholder"], {}).get(key, key)
        state = _STATES.get(guard["state"], "falls")
        rows.append(_row(f"{guard['placeholder']}: {text}", guard, state, guard["needs"]))
    headings = ["value", "pairs", "without", "with", "change", "interval", "", "more images"]
    parts.append(_wide(table(headings, rows)))
    level, margin = f"{100 * (1 - risen['level']):.1f} %", round(100 * verdict["margin"])
    parts.append(
        f'<p class="dim">Pairs are of the same seed and prompt. The target\'s interval: {level}, so that all looks together have 95 %;'
        f" that of another value is one-sided, against a fall of {margin} points. Bootstrap over seeds.</p>"
    )
    for found, whose in ((verdict["diversity"], "other values"), (verdict["own_diversity"], "the target")):
        if found["ratio"] is not None:
            interval = f"{percent(found['low'])} to {percent(found['high'])}"
            parts.append(
                f"<p>diversity of {whose}: {percent(found['ratio'])} of what is usual without it ({interval})</p>"
            )
    return parts + _pictures(verdict, aim, texts)


def _wide(html: str) -> str:
    """A table that scrolls by itself where the screen is narrow."""
    return f'<div style="overflow-x:auto">{html}</div>'


def _row(name: str, change: Mapping[str, Any], state: str, needs: int | None) -> list[tuple[str, bool]]:
    return [
        (escape(name), False),
        (f"{change['pairs']:,}", True),
        (percent(change["before"]), True),
        (percent(change["after"]), True),
        ("–" if change["difference"] is None else points(change["difference"]), True),
        (_interval(change), True),
        (escape(state), False),
        (f"{needs:,}" if needs else "", True),
    ]


def _pictures(verdict: Mapping[str, Any], aim: Mapping[str, Any], texts: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Pairs of the target, and of the value that fared worst; a word in their place where images are gone or damaged."""
    try:
        return _shown(verdict, aim, texts)
    except (SDGenError, OSError, ValueError):
        return ["<p>The images of the benchmark are gone.</p>"]


def _shown(verdict: Mapping[str, Any], aim: Mapping[str, Any], texts: Mapping[str, Mapping[str, str]]) -> list[str]:
    sides = [(shots(Path(side["base"])), shots(Path(side["lora"]))) for side in verdict["sides"]]
    wanted = [(aim["placeholder"], aim["key"], SHOWN)]
    worst = next((guard for guard in verdict["guards"] if guard["key"] != REST), None)
    if worst:
        wanted.append((worst["placeholder"], worst["key"], WORST))
    parts = []
    for placeholder, key, most in wanted:
        pairs = [
            pair
            for base, lora in sides
            for pair in zip(base, lora, strict=True)
            if pair[0].values.get(placeholder) == key
        ]
        step = max(1, len(pairs) // most)
        figures = "".join(_figure(one, other, texts) for one, other in pairs[::step][:most])
        text = texts.get(placeholder, {}).get(key, key)
        parts.append(f"<h3>{escape(placeholder)}: {escape(text)}, without and with the LoRA</h3>")
        parts.append(f'<div class="images">{figures}</div>')
    return parts


def _figure(base: Shot, lora: Shot, texts: Mapping[str, Mapping[str, str]]) -> str:
    values = (texts.get(name, {}).get(key, key) for name, key in base.values.items())
    said = escape(f"seed {base.seed}: " + ", ".join(values))
    images = "".join(
        f'<img style="display:inline-block;height:{_SIDE}px" alt="{which}, {said}" src="data:image/webp;base64,{_webp(shot.file)}">'
        for which, shot in (("without", base), ("with", lora))
    )
    caption = f'<figcaption style="max-width:{2 * _SIDE}px" title="{said}">{said}</figcaption>'
    return f'<figure><div style="white-space:nowrap">{images}</div>{caption}</figure>'


def _webp(file: Path) -> str:
    """A small picture as text, bytes of WebP in Base64."""
    from PIL import Image

    from ...scoring.embedding.decoding import decode

    image = decode(file)
    image.thumbnail((2 * _SIDE, _SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=80)
    return base64.b64encode(out.getvalue()).decode("ascii")


def _verdict(cycle: Mapping[str, Any]) -> Mapping[str, Any] | None:
    looks = [said for step, said in cycle["done"].items() if step.startswith("judge ")]
    return looks[-1] if looks else None


def _outcome(cycle: Mapping[str, Any]) -> str:
    done = cycle["done"]
    outcome = str(done.get("end", {}).get("outcome", ""))
    if not outcome and any(step.startswith("sample ") and f"judge {step[7:]}" not in done for step in done):
        return "waits for verdicts"
    return _WORDS.get(outcome, outcome)


def _rise(change: Mapping[str, Any] | None) -> str:
    return "" if change is None else f"{percent(change['before'])} → {percent(change['after'])}"


def _interval(change: Mapping[str, Any] | None) -> str:
    return "" if change is None else f"{points(change['low'])} to {points(change['high'])}"
