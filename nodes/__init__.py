"""The nodes: thin V3 classes over ``sdgen_core``, one file a topic, each with its ``NODES``."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import batch, detail, encode, save, score, session, template, training


class SDGenExtension(ComfyExtension):
    """What ComfyUI asks the pack for."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        topics = (template, session, save, encode, detail, score, training, batch)
        return [node for topic in topics for node in topic.NODES]
