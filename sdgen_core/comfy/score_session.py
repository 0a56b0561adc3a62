"""SDGen Score Session: sessions go through the queue of scoring, before all others, while the node waits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError
from . import host

if TYPE_CHECKING:
    from .scorer import Scorer

#: What means the newest session, and the whole library.
NEWEST, ALL = "", "all"
_THERE = "FROM session WHERE missing=0 AND images>gone"
#: Values that fail, over all sessions; failures that are named.
_FAILING, _NAMED = 10, 3
#: Of one session among several: what is said of it, its values that fail, and characters of a value's text.
_BRIEF = ("session", "name", "images", "embedded", "classes", "mean", "complete", "flagged")
_WORST, _TEXT = 3, 60


def chosen(given: str) -> list[str]:
    """The slugs of the sessions that are meant, by name, title or id. Raises ``unknown-session`` with the nearest names, and
    ``nothing-to-score`` when the library is empty."""
    from ..scoring.material import slug_of

    catalog, given = host.engine().library.catalog, given.strip()
    if given in (NEWEST, ALL) or given.casefold() == ALL:
        rows = catalog.index.store.rows(f"SELECT slug {_THERE} ORDER BY started DESC, id DESC")
        found = [slug for (slug,) in rows]
        if not found:
            raise SDGenError("nothing-to-score", "there is no session with images yet", hint="Make one first.")
        return found if given else found[:1]
    return [slug_of(catalog, given, "The gallery shows their names.")]


def score_sessions(scorer: Scorer, slugs: Sequence[str], node: str, *, wait: bool, whole: bool) -> dict[str, Any]:
    """Have sessions scored: ``{"sessions": [reports], "failed": [{"session", "name", "error", "message", "hint"}],
    "cancelled": [slugs], "ordered": [slugs]}``. With ``wait`` only the first three have something in them, else only the last.

    Of one session, unless the ``whole`` library is meant, what is wrong with it is raised.
    """
    jobs = host.engine().scoring
    if not wait:
        jobs.order(slugs, scorer.name)
        return {"sessions": [], "failed": [], "cancelled": [], "ordered": list(slugs)}
    sizes = _sizes(slugs)
    bar = host.Progress(node)

    def look(state: Mapping[str, Any], left: int) -> bool:
        host.check_cancelled()
        bar.show(*_progress(slugs, sizes, state, left))
        return True

    found = jobs.attend(slugs, scorer.name, scorer.backend, look)
    report: dict[str, Any] = {"sessions": [], "failed": [], "cancelled": [], "ordered": []}
    for slug, said in found.items():
        if said is None:
            report["cancelled"].append(slug)
        elif isinstance(said, dict):
            report["sessions"].append(said)
        else:
            report["failed"].append(vars(said))
    if not whole:
        _raise(report)
    return report


def _sizes(slugs: Sequence[str]) -> list[tuple[str, int]]:
    """Name and number of images of each session."""
    rows = host.engine().library.catalog.index.store.rows(
        "SELECT slug, coalesce(title, name), images FROM session WHERE slug IN (SELECT value FROM json_each(?))",
        (json.dumps(list(slugs)),),
    )
    known = {slug: (str(name), int(images)) for slug, name, images in rows}
    return [known.get(slug, (slug, 0)) for slug in slugs]


def _progress(
    slugs: Sequence[str], sizes: Sequence[tuple[str, int]], state: Mapping[str, Any], left: int
) -> tuple[float, str]:
    """Which share of the work is done, and that in words. Sessions are done in their order."""
    at = len(slugs) - left
    every = sum(images for _, images in sizes) or 1
    before = sum(images for _, images in sizes[:at])
    if state["running"] not in slugs:
        return before / every, "waits for another session"
    name, images = sizes[at]
    part = state["done"] / state["total"] if state["total"] else 0.0
    which = f"session {at + 1:,} of {len(slugs):,}, " if len(slugs) > 1 else ""
    speed = f", {state['per_second']:.0f} a second" if state["per_second"] else ""
    return (before + part * images) / every, f"{which}{name}: {state['done']:,} of {state['total']:,} new images{speed}"


def _raise(report: Mapping[str, Any]) -> None:
    """What is wrong with the one session that is meant."""
    for failed in report["failed"]:
        raise SDGenError(failed["error"], failed["message"], hint=failed["hint"])
    for said in report["sessions"]:
        failures = said["failures"]
        if failures and len(failures) >= said["images"]:
            first = failures[0]
            raise SDGenError(
                first["error"],
                f"none of {said['images']:,} images can be scored, first: {first['message']}",
                hint=first["hint"],
            )
        if not said["placeholders"]:
            raise SDGenError(
                "nothing-to-score",
                f"session {said['name']} has no placeholders: its images were held against their prompts only",
                hint="Score sessions that were made from a template with placeholders.",
            )


def figures(report: Mapping[str, Any]) -> tuple[float, float, str]:
    """Over all sessions: the share of images that are a success, the mean of their scores, and that in words."""
    if report["ordered"]:
        return 0.0, 0.0, f"ordered: {_counted(len(report['ordered']), 'session')}; scored whenever nothing renders"
    counts: dict[str, int] = {}
    points, images, failures = 0.0, 0, []
    for said in report["sessions"]:
        known = sum(n for name, n in said["classes"].items() if name != "none")
        points += known * (said["mean"] or 0.0)
        images += said["images"]
        failures += said["failures"]
        for name, n in said["classes"].items():
            counts[name] = counts.get(name, 0) + n
    judged = sum(n for name, n in counts.items() if name != "none")
    success, mean = (counts["success"] / judged, points / judged) if judged else (0.0, 0.0)
    classes = ", ".join(f"{n:,} {name}" for name, n in counts.items() if n)
    share = f"success {100 * success:.0f} %, mean {100 * mean:.0f} %" if judged else "nothing could be judged"
    lines = [f"{_counted(images, 'image')}: {classes}; {share}"] if images else []
    lines += [f"not scored: {one['message']}" for one in failures[:_NAMED]]
    lines += [f"and {len(failures) - _NAMED:,} more files"] if len(failures) > _NAMED else []
    lines += [f"{one['name']}: {one['message']}" for one in report["failed"][:_NAMED]]
    lines += [f"and {len(report['failed']) - _NAMED:,} more sessions"] if len(report["failed"]) > _NAMED else []
    lines += [f"cancelled: {_counted(len(report['cancelled']), 'session')}"] if report["cancelled"] else []
    return success, mean, "\n".join(lines)


def failing_text(report: Mapping[str, Any]) -> str:
    """The values that most surely fail, of all sessions: ``Colour: red (3 of 20 images, 5 to 36 %)``, one a line."""
    rates = [(rate, said["name"]) for said in report["sessions"] for rate in said["failing"]]
    rates.sort(key=lambda one: (one[0]["high"], one[0]["mean"], -one[0]["images"]))
    several = len(report["sessions"]) > 1
    return "\n".join(
        f"{name + ', ' if several else ''}{rate['placeholder']}: {_short(rate['text'])}"
        f" ({rate['matching']:,} of {rate['images']:,} images, {100 * rate['low']:.0f} to {100 * rate['high']:.0f} %)"
        for rate, name in rates[:_FAILING]
    )


def brief(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the node gives on: the report of one session whole, of several what is most important, for thousands of whole ones would go to
    the browser and stay in ComfyUI's history. ``failed_files``: how many could not be read."""
    if len(report["sessions"]) <= 1:
        return dict(report)
    sessions = [
        {name: said[name] for name in _BRIEF}
        | {"failing": said["failing"][:_WORST], "failed_files": len(said["failures"])}
        for said in report["sessions"]
    ]
    return {**report, "sessions": sessions}


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TEXT else line[: _TEXT - 1].rstrip() + "…"


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"
