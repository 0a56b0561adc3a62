"""Where a vision-language model is, and what it is asked about a value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ...errors import SDGenError
from .address import base_url, is_near
from .http import VlmError, Wire

#: Tokens of an answer that needs no thinking.
FEW_TOKENS = 16

# By kind of placeholder (``kinds.KINDS``): "Does this image show sitting?" is no question.
_QUESTIONS = {
    "hair": "Does this image show a person with {value}?",
    "eyes": "Does this image show a person with {value}?",
    "face": "Does the face of the person in this image show this: {value}?",
    "clothing": "Does this image show a person wearing {value}?",
    "pose": "Does this image show this pose or action: {value}?",
    "place": "Does this image show this place: {value}?",
    "background": "Does this image have this background: {value}?",
    "style": "Does this image have this style: {value}?",
    "light": "Does this image have this light: {value}?",
    "framing": "Does this image have this framing or point of view: {value}?",
    "colour": "Does this image show something {value}?",
}
_QUESTION = "Does this image show {value}?"
_ASKED_FOR = " Answer yes or no."


class VlmSettings(BaseModel):
    """The model server. Unknown names are refused: a misspelt setting must not change where images go.

    ``url``: ``http://127.0.0.1:11434/v1`` and the like. ``model``: its name there; empty for the only one it has. ``remote``: it may be
    outside this machine and its private network. ``api_key_env``: the environment variable with the key. ``timeout_s`` for one answer;
    ``retries`` of one question; ``concurrency``: images asked about at once; ``image_side``: pixels of the longer side that is sent;
    ``thinking_tokens``: what a reasoning model may use; ``text_confidence``: the probability of a bare "yes" without token
    probabilities; ``questions``: by kind of placeholder, with ``{value}``.
    """

    model_config = ConfigDict(extra="forbid")

    url: str
    model: str = ""
    remote: bool = False
    api_key_env: str = ""
    timeout_s: float = Field(default=60.0, gt=0, le=3600)
    retries: int = Field(default=2, ge=0, le=10)
    concurrency: int = Field(default=4, ge=1, le=64)
    image_side: int = Field(default=768, ge=64, le=4096)
    thinking_tokens: int = Field(default=2048, ge=FEW_TOKENS, le=65536)
    text_confidence: float = Field(default=0.85, gt=0.5, lt=1)
    questions: dict[str, str] = {}

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        try:
            return base_url(value)
        except SDGenError as error:
            raise ValueError(error.message) from error

    @field_validator("questions")
    @classmethod
    def _ask_for_the_value(cls, value: dict[str, str]) -> dict[str, str]:
        for kind, text in value.items():
            if "{value}" not in text:
                raise ValueError(f"the question for {kind!r} has no {{value}}")
        return value

    def question(self, kind: str, value: str) -> str:
        """What is asked about a value of this kind of placeholder."""
        own = self.questions.get(kind)
        text = own if own is not None else _QUESTIONS.get(kind, _QUESTION) + _ASKED_FOR
        return text.replace("{value}", " ".join(value.split()))

    def wire(self, environment: Mapping[str, str] = os.environ) -> Wire:
        """How to reach the server. Raises ``vlm-no-key`` and, for a key that would travel unprotected, ``vlm-remote``."""
        key = ""
        if self.api_key_env:
            key = environment.get(self.api_key_env, "").strip()
            if not key or not key.isascii() or not key.isprintable():
                raise VlmError(
                    "vlm-no-key", f"the environment variable {self.api_key_env} holds no usable key", fatal=True
                )
        host = urlsplit(self.url).hostname or ""
        if key and self.remote and self.url.startswith("http:") and host != "localhost" and not is_near(host):
            raise SDGenError(
                "vlm-remote", f"the key is not sent to {host} unprotected", hint="Use an https:// address."
            )
        return Wire(self.url, self.remote, key, self.timeout_s, self.concurrency)
