"""What a vision-language model said: yes, no, neither, or that it will not say.

The probability is read from the tokens that could have stood where the answer begins, after VQAScore (Lin et al., "Evaluating
text-to-visual generation with image-to-text generation", 2024): it is a finer measure than the word itself. The format is that of the
chat completions API: ``choices[0].message.content`` and ``choices[0].logprobs.content[i].top_logprobs``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

#: Below this share of yes-like and no-like tokens together, the model was about to say something else.
LEAST_MASS = 0.2

_YES = frozenset({"y", "ye", "yes", "yeah", "yep", "yup", "ou", "oui", "ouais"})
_NO = frozenset({"n", "no", "nope", "non"})
_YES_WORDS, _NO_WORDS = _YES - {"y", "ye", "ou"}, _NO - {"n"}
_AROUND = " \t\r\n▁ĠĊ*_\"'`«»“”‘’.,:;!?()[]{}<>#-–—"

# A reasoning model thinks first: in marks of its own, which some servers take out of the text but not out of the tokens.
_THINKING = re.compile(r"<think(ing)?>|<reasoning>|\[THINK\]|◁think▷|<\|channel\|>analysis", re.IGNORECASE)
_THOUGHT = re.compile(r"</think(ing)?>|</reasoning>|\[/THINK\]|◁/think▷|<\|channel\|>final<\|message\|>", re.IGNORECASE)

_I_CANNOT = (
    r"\bI(?:\s+can(?:no|['’])t|\s+can\s+not|\s+won['’]t|\s+will\s+not|(?:\s+a|['’])m\s+(?:unable|not\s+able)\s+to)\s+"
)
_REFUSED = re.compile(
    _I_CANNOT
    + r"|\b(?:I['’]m|I\s+am)\s+(?:very\s+|really\s+)?sorry|^\W*sorry\b|\bas\s+an\s+AI\b|\b(?:content|usage|safety)\s+polic"
    r"|\bdésolée?\b|\bje\s+ne\s+peux\s+pas\b|\bje\s+ne\s+suis\s+pas\s+en\s+mesure\b",
    re.IGNORECASE,
)
# "No, I cannot see a hat" is an answer; "No, I can't help with that" is none.
_REFUSED_AFTER_NO = re.compile(
    _I_CANNOT + r"(?:assist|help|comply|fulfil|engage)|\bje\s+ne\s+peux\s+pas\s+(?:vous\s+|t['’])?aider", re.IGNORECASE
)
_AT_THE_END = re.compile(r"\b(?:answer|réponse)\b[^.\n]{0,24}?\b(yes|no|oui|non)\W*$", re.IGNORECASE)


@dataclass(frozen=True)
class Verdict:
    """``probability`` that the answer is yes; None when nothing was answered, then ``reason`` says why.

    ``basis``: "tokens" for token probabilities, "text" for the bare word. ``text``: the beginning of what was said.
    """

    probability: float | None
    basis: Literal["tokens", "text", ""] = ""
    reason: Literal["", "refused", "unclear", "unfinished"] = ""
    text: str = ""


def read(choice: dict[str, Any], text_confidence: float) -> Verdict:
    """The verdict of one ``choices`` entry. ``text_confidence``: the probability that a bare word is worth.

    Anything in the entry may be missing or of the wrong type; that is never an error, at worst the answer is unclear.
    """
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    if message.get("refusal") or choice.get("finish_reason") == "content_filter":
        return Verdict(None, "", "refused", str(message.get("refusal") or "")[:120])
    tokens = _tokens(choice)
    said = _content(message) or "".join(token for token, _ in tokens)
    answer = after_thinking(said)
    if not answer:
        cut = choice.get("finish_reason") == "length" or bool(_THINKING.search(said))
        return Verdict(None, "", "unfinished" if cut else "unclear", said[:120])
    word = _first_word(answer)
    if (_REFUSED_AFTER_NO if word is not None else _REFUSED).search(answer[:300]):
        return Verdict(None, "", "refused", answer[:120])
    yes, no = mass(_where_it_begins(tokens, answer))
    if yes + no >= LEAST_MASS:
        return Verdict(yes / (yes + no), "tokens", "", answer[:120])
    if word is None:
        word = _last_word(answer)
    if word is None:
        return Verdict(None, "", "unclear", answer[:120])
    return Verdict(text_confidence if word else 1 - text_confidence, "text", "", answer[:120])


def mass(top: Iterable[tuple[str, float]]) -> tuple[float, float]:
    """The probability of all yes-like and of all no-like tokens among (token, natural logarithm of its probability).

    Upper and lower case, English and French, with or without a space before: all are the same answer.
    """
    best: dict[str, float] = {}
    for token, logprob in top:
        if not math.isnan(logprob):
            best[token] = max(best.get(token, 0.0), math.exp(min(0.0, logprob)))
    yes = sum(p for token, p in best.items() if _bare(token) in _YES)
    no = sum(p for token, p in best.items() if _bare(token) in _NO)
    return yes, no


def after_thinking(text: str) -> str:
    """What is said after the thinking, without spaces around; empty when the thinking never ended."""
    ends = [found.end() for found in _THOUGHT.finditer(text)]
    rest = text[ends[-1] :] if ends else text
    opened = _THINKING.search(rest)
    return (rest[: opened.start()] if opened else rest).strip()


def _bare(token: str) -> str:
    return token.strip(_AROUND).casefold()


def _first_word(answer: str) -> bool | None:
    found = re.match(r"\W*(\w+)", answer)
    return _sense(found[1]) if found else None


def _last_word(answer: str) -> bool | None:
    found = _AT_THE_END.search(answer)
    return _sense(found[1]) if found else None


def _sense(word: str) -> bool | None:
    bare = word.strip("_").casefold()
    return True if bare in _YES_WORDS else False if bare in _NO_WORDS else None


def _content(message: dict[str, Any]) -> str:
    """The text, which may come as a string or as a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _tokens(choice: dict[str, Any]) -> list[tuple[str, list[tuple[str, float]]]]:
    """Every token that was said, with the likeliest ones in its place."""
    logprobs = choice.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    out = []
    for entry in content if isinstance(content, list) else ():
        said = _pair(entry)
        if said is None:
            continue
        top = entry.get("top_logprobs")
        pairs = [pair for other in (top if isinstance(top, list) else ()) if (pair := _pair(other))]
        out.append((said[0], pairs or _alone(said)))
    return out


def _alone(said: tuple[str, float]) -> list[tuple[str, float]]:
    """Without the other tokens, all that was not said counts for the opposite."""
    rest = math.log(max(1e-9, 1 - math.exp(min(0.0, said[1]))))
    bare = _bare(said[0])
    return [said, ("no", rest)] if bare in _YES else [said, ("yes", rest)] if bare in _NO else [said]


def _pair(entry: Any) -> tuple[str, float] | None:
    if not isinstance(entry, dict):
        return None
    token, logprob = entry.get("token"), entry.get("logprob")
    if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
        return None
    return token, float(logprob)


def _where_it_begins(tokens: list[tuple[str, list[tuple[str, float]]]], answer: str) -> list[tuple[str, float]]:
    """The candidates for the first token of the answer that is more than a space or a mark; none when it is not found."""
    start = "".join(token for token, _ in tokens).rfind(answer)
    if start < 0:
        return []
    at = 0
    for token, top in tokens:
        at += len(token)
        if at > start and _bare(token):
            return top
    return []
