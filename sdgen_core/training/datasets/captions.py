"""Captions of values or prompts: what an image shows, in words, and the trigger first."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from ...scoring.texts import cleaning
from ...templates.parameters import part_of
from .recipe import Captions


@functools.lru_cache(maxsize=4096)  # values are few, and images many
def cleaned(text: str) -> str:
    """A text without what no image shows, in the words of prompts: with those the LoRA will be used."""
    return cleaning.cleaned(text, spoken=False)


_COMMAS = re.compile(r"\s*,(?:\s*,)*\s*")


def caption(values: Mapping[str, str], prompt: str, recipe: Captions, learned: str | None = None) -> str:
    """One line for an image with these ``values`` (placeholder -> text; several parts are JSON) made from ``prompt``.

    ``learned``: the placeholder whose value is learned. What is named twice stands once. Empty when nothing is left to say.
    """
    if recipe.text == "prompt":
        return _of_prompt(values, prompt, recipe, learned)
    names = sorted((name for name in values if _stays(name, recipe, learned)), key=_place(values, prompt))
    return _joined([recipe.trigger, recipe.class_word, *(_said(values[name], recipe) for name in names)])


def _stays(name: str, recipe: Captions, learned: str | None) -> bool:
    """Whether the value of a placeholder is said. The one that is learned has a rule of its own."""
    if name == learned:
        return recipe.learned == "keep"
    return name not in recipe.drop and (not recipe.keep or name in recipe.keep)


def _place(values: Mapping[str, str], prompt: str) -> Callable[[str], tuple[int, str]]:
    """The order of values: that in which the prompt says them, for that is how a model reads prompts; then by name."""

    def place(name: str) -> tuple[int, str]:
        said = (prompt.find(text) for text in (main_part(values[name]), cleaned(values[name])) if text)
        return (next((at for at in said if at >= 0), len(prompt)), name)

    return place


def _said(text: str, recipe: Captions) -> str:
    return cleaned(text) if recipe.unseen == "drop" else main_part(text)


def main_part(text: str) -> str:
    """What stands in a prompt for a value: of several parts, which the catalog has as JSON, the main one."""
    if text.lstrip().startswith("{"):
        try:
            parts = json.loads(text)
        except ValueError:
            return text
        if isinstance(parts, dict) and all(isinstance(part, str) for part in parts.values()):
            return part_of(parts, None)
    return text


def _of_prompt(values: Mapping[str, str], prompt: str, recipe: Captions, learned: str | None) -> str:
    text = _said(prompt, recipe)
    trigger = [recipe.trigger]
    for name in sorted(values, key=lambda name: -len(values[name])):  # "red hair" before "red", which is in it
        said = _said(values[name], recipe)
        if not said or _stays(name, recipe, learned):
            continue
        found = re.compile(rf"(?<!\w){re.escape(said)}(?!\w)", re.IGNORECASE)
        if name == learned and recipe.learned == "replace" and found.search(text):
            text, trigger = found.sub(lambda _: recipe.trigger, text, count=1), []
        text = found.sub("", text)
    return _joined([*trigger, recipe.class_word, text])


def _joined(parts: Iterable[str]) -> str:
    """The parts on one line with commas between; each once, whatever its case."""
    said: dict[str, str] = {}
    for part in _pieces(parts):
        said.setdefault(part.casefold(), part)
    return ", ".join(said.values())


def _pieces(parts: Iterable[str]) -> Iterator[str]:
    for part in parts:
        for piece in _COMMAS.split(" ".join(part.split())):
            if piece:
                yield piece
