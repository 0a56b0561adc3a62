"""A session's report as one HTML page that needs nothing else: figures, intervals, and the images that fail."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from .cascade.own import in_words

#: Weakest values that are shown with images.
SHOWN = 10

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --good: #2f9e44; --soso: #e08a00; --bad: #d6336c; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; padding: 24px; max-width: 70rem; }
h1 { font-size: 22px; margin: 0; } h2 { font-size: 17px; margin: 32px 0 8px; } p { margin: 4px 0; } .dim { opacity: .7; }
.bar { display: flex; height: 14px; border-radius: 7px; overflow: hidden; margin: 12px 0 4px; background: var(--line); }
.bar i { display: block; } .success { background: var(--good); } .partial { background: var(--soso); } .failed { background: var(--bad); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
td { max-width: 20rem; }
.n { text-align: right; } td.n { white-space: nowrap; font-variant-numeric: tabular-nums; }
.interval { position: relative; height: 14px; min-width: 8rem; }
.interval { background: linear-gradient(var(--line), var(--line)) center / 100% 1px no-repeat; }
.interval b { position: absolute; top: 4px; height: 6px; border-radius: 3px; background: #8889; }
.interval i { position: absolute; top: 1px; width: 4px; height: 12px; margin-left: -2px; border-radius: 2px; background: currentColor; }
.images { display: flex; flex-wrap: wrap; gap: 8px; margin: 8px 0 16px; } figure { margin: 0; }
img { display: block; height: 160px; border-radius: 4px; }
figcaption { font-size: 12px; opacity: .8; max-width: 160px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
@media (max-width: 600px) { body { padding: 12px; } img { height: 110px; } .interval { min-width: 4rem; } }
"""


@dataclass(frozen=True)
class Picture:
    """An image that fails: its thumbnail (WebP), its file's name, and its score, 0 to 1."""

    webp: bytes
    name: str
    score: float


def page(report: dict[str, Any], pictures: Callable[[str, str], Sequence[Picture]]) -> str:
    """The page of a report (see ``Scoring.report``); ``pictures``: placeholder, key -> some images that fail to show the value."""
    name = escape(report["name"])
    parts = [
        f"<h1>{name}</h1>",
        f'<p class="dim">{report["images"]:,} images, scored by {escape(report["scorer"])}</p>',
        _classes(report),
        _pleasing(report["aesthetic"]),
        _values(report["rates"]),
        _weakest(report["failing"][:SHOWN], pictures),
        _placeholders(report["placeholders"], report.get("classifier", ())),
        _agreement(report["agreement"]),
        _failures(report["failures"]),
    ]
    return whole(name, parts)


def against_page(found: dict[str, Any]) -> str:
    """The page of two sessions held against each other (see ``against.against``)."""
    first, second, overall = found["first"], found["second"], found["overall"]
    name = escape(f"{second['name']} against {first['name']}")
    paired = ", ".join(["seed", *found["paired_by"]])
    rows = [_pairs_row("images", "", overall, overall["p"])]
    rows += [_pairs_row(row["placeholder"], compared(row), row, row["p_adjusted"]) for row in found["values"]]
    headings = ["", "value", "pairs", first["name"], second["name"], "only first", "only second"]
    parts = [
        f"<h1>{name}</h1>",
        f'<p class="dim">scored by {escape(found["scorer"])}; {overall["pairs"]:,} pairs by {escape(paired)}</p>',
        table([*headings, "difference", "95 % interval", "p", ""], rows),
        "<p class=\"dim\">p: McNemar's exact test of pairs in which just one is a success; of values after Holm's correction for their"
        " number.</p>",
        "".join(f"<p>{escape(remark)}</p>" for remark in found["remarks"]),
    ]
    return whole(name, parts)


def compared(row: dict[str, Any]) -> str:
    """A value of two sessions in words: its text, or both texts, or that it stands for all values of a placeholder."""
    if row["key"] is None:
        return "all values"
    texts = dict.fromkeys((row["first_text"], row["second_text"]))
    return " / ".join(texts)


def points(share: float) -> str:
    """A difference of shares in points of a hundred, with its sign."""
    return f"{round(100 * share):+d}"


def _pairs_row(what: str, value: str, row: dict[str, Any], p: float) -> list[tuple[str, bool]]:
    return [
        (escape(what), False),
        (escape(value), False),
        (f"{row['pairs']:,}", True),
        (percent(row["first_rate"]), True),
        (percent(row["second_rate"]), True),
        (f"{row['only_first']:,}", True),
        (f"{row['only_second']:,}", True),
        ("–" if row["difference"] is None else points(row["difference"]), True),
        (f"{points(row['low'])} to {points(row['high'])}", True),
        (f"{p:.2g}", True),
        (row["change"] or "", False),
    ]


def whole(name: str, parts: Sequence[str]) -> str:
    """A page of parts; ``name`` is HTML."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
    head += f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{name}</title><style>{_STYLE}</style>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n'
        + "\n".join(filter(None, parts))
        + "\n</body></html>\n"
    )


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}\u202f%"


def _classes(report: dict[str, Any]) -> str:
    counts, known = report["classes"], sum(n for name, n in report["classes"].items() if name != "none")
    bars = "".join(
        f'<i class="{name}" style="width:{100 * counts[name] / known:.2f}%"></i>'
        for name in ("success", "partial", "failed")
        if known and counts[name]
    )
    words = ", ".join(f"{n:,} {name}" for name, n in counts.items() if n)
    done = "complete" if report["complete"] else "not complete"
    return (
        f'<div class="bar" role="img" aria-label="{escape(words)}">{bars}</div>'
        f"<p>{escape(words)}; {report['flagged']:,} flagged; mean {percent(report['mean'])}, {done}</p>"
    )


def _pleasing(said: dict[str, Any] | None) -> str:
    if said is None:
        return ""
    numbers = f"mean {said['mean']:.2f} ({said['lowest']:.2f} to {said['highest']:.2f})"
    return f"<p>aesthetic score: {numbers}, by {escape(said['head'])}</p>"


def _interval(rate: dict[str, Any]) -> str:
    low, high, at = (100 * rate[part] for part in ("low", "high", "rate"))
    return f'<div class="interval"><b style="left:{low:.1f}%;width:{high - low:.1f}%"></b><i style="left:{at:.1f}%"></i></div>'


def table(headings: Sequence[str], rows: Sequence[Sequence[tuple[str, bool]]]) -> str:
    """``rows`` of cells: HTML, and whether it is a number."""

    def line(tag: str, cells: Sequence[tuple[str, bool]]) -> str:
        return (
            "<tr>" + "".join(f"<{tag}{' class=n' if number else ''}>{html}</{tag}>" for html, number in cells) + "</tr>"
        )

    numbers = [number for _, number in rows[0]] if rows else [False] * len(headings)
    head = line("th", [(escape(text), number) for text, number in zip(headings, numbers, strict=True)])
    body = "".join(line("td", row) for row in rows)
    return f"<table>{head}{body}</table>"


def _values(rates: Sequence[dict[str, Any]]) -> str:
    rows = [
        [
            (escape(rate["placeholder"]), False),
            (escape(rate["text"]), False),
            (f"{rate['matching']:,} of {rate['images']:,}", True),
            (percent(rate["rate"]), True),
            (_interval(rate), False),
        ]
        for rate in rates
    ]
    return "<h2>Values</h2>" + table(["placeholder", "value", "shown in", "", "95 % interval"], rows) if rows else ""


def _weakest(rates: Sequence[dict[str, Any]], pictures: Callable[[str, str], Sequence[Picture]]) -> str:
    if not rates:
        return ""
    parts = ["<h2>Weakest values</h2>"]
    for rate in rates:
        interval = f"{percent(rate['low'])} to {percent(rate['high'])}"
        what = f"<b>{escape(rate['placeholder'])}: {escape(rate['text'])}</b>"
        parts.append(f"<p>{what} shown in {rate['matching']:,} of {rate['images']:,} ({interval})</p>")
        figures = "".join(map(_figure, pictures(rate["placeholder"], rate["key"])))
        parts.append(f'<div class="images">{figures}</div>')
    return "\n".join(parts)


def _figure(one: Picture) -> str:
    data = base64.b64encode(one.webp).decode("ascii")
    caption = escape(f"{percent(one.score)} {one.name}")
    return f'<figure><img src="data:image/webp;base64,{data}" alt="{caption}"><figcaption title="{caption}">{caption}</figcaption></figure>'


def _placeholders(summaries: Sequence[dict[str, Any]], heads: Sequence[dict[str, Any]]) -> str:
    own = {said["placeholder"]: in_words(said) for said in heads}
    rows = []
    for each in summaries:
        basis = f"{each['labels']:,} verdicts, ECE {each['error']:.3f}" if each["calibrated"] else "uncalibrated"
        if each["placeholder"] in own:
            basis += f"; {own[each['placeholder']]}"
        alike = "; ".join(" = ".join(group["texts"]) for group in each["alike"])
        rows.append(
            [
                (escape(each["placeholder"]), False),
                (escape(each["reason"] or basis), False),
                (percent(each["separation"]), True),
                (escape(alike), False),
            ]
        )
    return "<h2>Placeholders</h2>" + table(["placeholder", "basis", "told apart", "not told apart"], rows)


def _agreement(rows: Sequence[dict[str, Any]]) -> str:
    known = [one for one in rows if one["labels"]]
    if not known:
        return ""
    cells = [
        [
            (escape(one["placeholder"] or "all"), False),
            (f"{one['labels']:,}", True),
            (percent(one["agree"]), True),
            ("–" if one["kappa"] is None else f"{one['kappa']:.2f}", True),
        ]
        for one in known
    ]
    return "<h2>People and model</h2>" + table(["placeholder", "verdicts", "agree", "kappa"], cells)


def _failures(failures: Sequence[dict[str, Any]]) -> str:
    if not failures:
        return ""
    rows = [[(escape(one["file"]), False), (escape(one["message"]), False)] for one in failures]
    return "<h2>Not scored</h2>" + table(["file", "why"], rows)
