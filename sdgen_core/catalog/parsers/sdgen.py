"""SDGen's own record: the ``sdgen`` chunk (see ``sessions.metadata.sdgen_record``)."""

from __future__ import annotations

from collections.abc import Mapping

from .facts import (
    ImageFacts,
    as_int,
    as_map,
    as_number,
    as_pixels,
    as_steps,
    as_text,
    file_title,
    json_map,
    sampler_names,
    short_hash,
)


def parse_sdgen(chunks: Mapping[str, str]) -> ImageFacts | None:
    """The facts of an SDGen image; None when there is no record of a session."""
    record = json_map(chunks.get("sdgen"))
    session = as_text(record.get("session"))
    if session is None or as_int(record.get("version"), 1) is None:
        return None
    parameters, checkpoint = as_map(record.get("parameters")), as_map(record.get("checkpoint"))
    sampler, scheduler = sampler_names(as_text(parameters.get("sampler_name")), as_text(parameters.get("scheduler")))
    lora = file_title(parameters.get("lora"))
    return ImageFacts(
        source="sdgen",
        prompt=as_text(record.get("prompt")),
        negative=as_text(record.get("negative")),
        seed=as_int(record.get("seed")),
        steps=as_steps(parameters.get("steps")),
        sampler=sampler,
        scheduler=scheduler,
        cfg=as_number(parameters.get("cfg")),
        denoise=as_number(parameters.get("denoise")),
        width=as_pixels(parameters.get("width")),
        height=as_pixels(parameters.get("height")),
        model=file_title(checkpoint.get("name")),
        model_hash=short_hash(checkpoint.get("hash")),
        vae=file_title(parameters.get("vae")),
        loras=((lora, as_number(parameters.get("lora_strength"))),) if lora else (),
        session=session,
        session_name=as_text(record.get("session_name")),
        index=as_int(record.get("index"), 0, 2**63 - 1),
        batch_index=as_int(record.get("batch_index"), 0, 2**31),
        keys={name: key for name, key in as_map(record.get("keys")).items() if isinstance(key, str)},
        values=as_map(record.get("values")),
    )
