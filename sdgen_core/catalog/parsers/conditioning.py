"""The prompt behind a sampler's conditioning, traced through ComfyUI's graph.

Conditionings that are combined are written as A1111 would have it: ``AND`` between parts that guide together, ``BREAK`` between chunks
of one. Encoders with several texts (SDXL, Flux, SD3) have them each once, the same text is not said twice.
"""

from __future__ import annotations

from .facts import as_number
from .graph import Graph, Node

#: Texts of encoders that take one for each of their models.
_SPLIT_TEXTS = ("text_g", "text_l", "clip_g", "clip_l", "t5xxl", "llama", "bert", "mt5xl")
#: Inputs that carry models, pipes or a node's whole state: a loader with texts in it may stand there.
_PIPES = ("pipe", "basic_pipe", "context", "base_ctx", "ctx", "any", "*")
_DEPTH = 80


class PromptTrace:
    """One walk for one prompt; ``role`` is ``positive`` or ``negative``. ``guidance`` is the distilled guidance set on the way,
    ``encoder`` the first node met that encodes a text.
    """

    def __init__(self, graph: Graph, role: str) -> None:
        self._graph = graph
        self._role = role
        self._seen: set[tuple[str, int]] = set()
        self.guidance: float | None = None
        self.encoder: Node | None = None

    def text(self, value: object, depth: int = 0) -> str | None:
        """The prompt that a conditioning (or a text) comes from; None when it cannot be known."""
        if isinstance(value, str):
            return value
        link = self._graph.link(value)
        if link is None or depth > _DEPTH or (link.id, link.slot) in self._seen:
            return None
        self._seen.add((link.id, link.slot))
        node, inputs = link.node, link.node.inputs
        if self.guidance is None and "guidance" in inputs:
            self.guidance = as_number(self._graph.value(inputs["guidance"], "guidance"))
        if node.kind == "ConditioningZeroOut":
            return ""
        if (chosen := self._graph.chosen(node)) is not None:
            return self.text(chosen, depth + 1)
        if (both := self._of_pair(node, link.slot, depth)) is not None:
            return both
        sources = [v for name, v in inputs.items() if name.lower().startswith("cond") and self._graph.link(v)]
        if sources:
            if node.kind == "ConditioningConcat":  # what is added comes after what it is added to
                sources = [inputs.get("conditioning_to"), inputs.get("conditioning_from")]
                return self._joined(sources, " BREAK ", depth)
            return self._joined(sources, " AND ", depth)
        if (own := self._encoded(value, node)) is not None:
            self.encoder = self.encoder or node
            return own
        onward = self._graph.onward(node, (self._role, *_PIPES))
        return self.text(onward, depth + 1)

    def _of_pair(self, node: Node, slot: int, depth: int) -> str | None:
        """Through a node with a positive and a negative side, which has them as its first two outputs as well; a loader with texts
        has them anywhere."""
        inputs = node.inputs
        role = self._role
        if "negative" in inputs and "positive" in inputs and slot < 2 and self._graph.link(inputs["negative"]):
            role = ("positive", "negative")[slot]
        value = inputs.get(role)
        if isinstance(value, str):
            self.encoder = self.encoder or node
        return self.text(value, depth + 1) if value is not None else None

    def _joined(self, sources: list[object], between: str, depth: int) -> str | None:
        texts = [text for source in sources if (text := self.text(source, depth + 1)) is not None]
        if not texts:
            return None
        return between.join(dict.fromkeys(text for text in texts if text.strip()))

    def _encoded(self, value: object, node: Node) -> str | None:
        texts = [self._graph.text(node.inputs[name]) for name in _SPLIT_TEXTS if name in node.inputs]
        found = [text for text in texts if text is not None]
        if not found:
            return self._graph.text(value)
        return ", ".join(dict.fromkeys(text for text in found if text.strip()))
