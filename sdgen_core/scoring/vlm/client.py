"""A conversation with a model server, which learns what the server takes."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import SDGenError, nearest_names
from .answers import Verdict, read
from .http import VlmError, exchange
from .settings import FEW_TOKENS, VlmSettings

if TYPE_CHECKING:
    import aiohttp

_BACK_OFF = 0.5  # s before the first repetition, doubled each time
_LONGEST_WAIT = 60.0  # s that a server may ask us to wait


class VlmClient:
    """A conversation with one server, inside an event loop: ``async with VlmClient(settings) as client``.

    It learns what the server does not take (token probabilities, an option's name) and how much a reasoning model needs.
    """

    def __init__(self, settings: VlmSettings, environment: Mapping[str, str] = os.environ) -> None:
        self._settings = settings
        self._wire = settings.wire(environment)
        self._session: aiohttp.ClientSession | None = None
        self._options: dict[str, Any] = {
            "temperature": 0,
            "max_tokens": FEW_TOKENS,
            "logprobs": True,
            "top_logprobs": 20,
        }
        self.model = settings.model

    async def __aenter__(self) -> VlmClient:
        self._session = self._wire.session()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def models(self) -> list[str]:
        """The names of the server's models."""
        answer = await self._exchange("GET", "/models", None)
        data = answer.get("data")
        entries = data if isinstance(data, list) else []
        return [entry["id"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]

    async def choose(self) -> str:
        """The name of the model to ask: the one in the settings, or the only one there is. Raises ``vlm-unknown-model``."""
        if not self.model:
            names = await self.models()
            if len(names) != 1:
                raise self._no_model("the settings name no model", names)
            self.model = names[0]
        return self.model

    async def ask(self, image: str, question: str) -> Verdict:
        """``image``: a data URL. Raises ``VlmError`` after the repetitions that the settings allow."""
        for attempt in range(self._settings.retries + 1):
            try:
                return await self._ask(image, question)
            except VlmError as error:
                if error.code == "vlm-filtered":
                    return Verdict(None, "", "refused", error.message)
                if error.code in ("vlm-unknown-model", "vlm-no-api"):
                    raise await self._named(error) from error
                if not error.again or attempt == self._settings.retries or error.wait > _LONGEST_WAIT:
                    raise
                wait = max(error.wait, _BACK_OFF * 2**attempt)
            await asyncio.sleep(wait * random.uniform(1.0, 1.25))  # so that parallel questions do not come back at once
        raise AssertionError("unreachable")

    async def _ask(self, image: str, question: str) -> Verdict:
        """One question, asked anew when the server has no such option, or when the thinking was cut off."""
        while True:
            sent = dict(self._options)
            try:
                answer = await self._exchange("POST", "/chat/completions", self._body(image, question, sent))
            except VlmError as error:
                if error.code != "vlm-bad-request" or not self._learnt(error.reason, sent):
                    raise
                continue
            choices = answer.get("choices")
            if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
                raise VlmError("vlm-nonsense", f"the answer of {self._wire.url} has no choices")
            verdict = read(choices[0], self._settings.text_confidence)
            name = "max_tokens" if "max_tokens" in sent else "max_completion_tokens"
            if verdict.reason != "unfinished" or sent[name] >= self._settings.thinking_tokens:
                return verdict
            self._options[name] = self._settings.thinking_tokens

    def _body(self, image: str, question: str, options: Mapping[str, Any]) -> dict[str, Any]:
        content = [{"type": "image_url", "image_url": {"url": image}}, {"type": "text", "text": question}]
        return {"model": self.model, "messages": [{"role": "user", "content": content}], "stream": False, **options}

    def _learnt(self, said: str, sent: Mapping[str, Any]) -> bool:
        """Change the option that the server complains about; whether there was one. Every change is made once."""
        options = self._options
        if options != sent:  # a question asked at the same time has learnt it already
            return True
        if "logprob" in said.lower() and "logprobs" in options:
            if "top_logprobs" in said and options["top_logprobs"] > 5:
                options["top_logprobs"] = 5
            else:
                del options["logprobs"], options["top_logprobs"]
        elif "max_completion_tokens" in said and "max_tokens" in options:
            options["max_completion_tokens"] = options.pop("max_tokens")
        elif "temperature" in said and "temperature" in options:
            del options["temperature"]
        else:
            return False
        return True

    async def _named(self, error: VlmError) -> VlmError:
        """The error with the models that there are, when the server can say."""
        try:
            names = await self.models()
        except SDGenError:
            return error
        return error if self.model in names else self._no_model(error.message, names)

    def _no_model(self, message: str, names: list[str]) -> VlmError:
        more = f"; it has {', '.join(names[:8])}{' and others' if len(names) > 8 else ''}" if names else "; it has none"
        out = VlmError("vlm-unknown-model", f"{message}{more}", fatal=True)
        wanted = self.model.casefold()
        near = [name for name in names if wanted and (wanted in name.casefold() or name.casefold() in wanted)]
        out.nearest = (near or nearest_names(self.model, names))[:3]
        return out

    async def _exchange(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        if self._session is None:
            raise RuntimeError("VlmClient is used inside 'async with'")
        return await exchange(self._session, self._wire, method, path, body)
