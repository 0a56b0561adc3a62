"""What people who are new to the language write, and whether the answer tells them what to do."""

from __future__ import annotations

import pytest

from .conftest import Project, prompt_file


@pytest.mark.parametrize(
    ("entry", "prompts"),
    [
        ("[hair.yaml]", ["the chunk's hair"]),
        ("[hair.yaml, a wig]", ["the chunk's hair", "a wig"]),
        ("{natural: hair.yaml}", ["the chunk's hair"]),
        ("{source: hair.yaml, weight: 2}", ["the chunk's hair"]),
        ("{source: [hair.yaml]}", ["the chunk's hair"]),
    ],
)
def test_files_of_a_chunk_lie_beside_the_chunk(project: Project, entry: str, prompts: list[str]) -> None:
    project.put(
        {
            "main.prompt.yaml": prompt_file("@Head", chunks="{Head: parts/head.chunk.yaml}"),
            "parts/head.chunk.yaml": f"type: chunk\ntemplate: '{{Hair}}'\nimports: {{Hair: {entry}}}\n",
            "hair.yaml": "Own: the prompt's hair\n",
            "parts/hair.yaml": "Own: the chunk's hair\n",
        }
    )
    assert project.prompts() == prompts
