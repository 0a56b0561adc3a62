"""SDGen Session Save: writes an item's image into its session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from comfy_api.latest import io, ui

from ..sdgen_core.comfy import host
from .schema import CATEGORY, reporting, schema


class SessionSave(io.ComfyNode):
    """Writes the PNG with its metadata, then journal and ledger; works on batches."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SDGenSessionSave",
            display_name="SDGen Session Save",
            category=CATEGORY,
            description="Saves the images of a session with prompt, workflow, A1111 parameters and placeholder values in the file.",
            search_aliases=["save image", "session"],
            is_output_node=True,
            not_idempotent=True,
            is_input_list=True,  # a node before it may give a list of images: they are one item's batch
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            inputs=[
                io.Image.Input("images", tooltip="The image, or a batch: further images get -2, -3 … behind the name."),
                io.String.Input(
                    "file_name",
                    force_input=True,
                    tooltip="The planner's file_name. A session names its files by itself.",
                ),
                io.String.Input(
                    "item",
                    default="",
                    optional=True,
                    dynamic_prompts=False,
                    tooltip="Set by the planner. Leave it empty.",
                ),
            ],
            outputs=[],
        )

    @classmethod
    @reporting
    def execute(cls, images: list[Any], file_name: list[str], item: list[str] | None = None) -> io.NodeOutput:
        token = item[0] if item else ""
        if not token:
            # A planner set to one item: an image beside the session, saved as core's Save Image would.
            prefix = f"sdgen/{Path(file_name[0]).stem}"
            every = [image for batch in images for image in batch]
            return io.NodeOutput(ui=ui.ImageSaveHelper.get_save_images_ui(every, filename_prefix=prefix, cls=cls))
        pictures = [picture for batch in images for picture in to_pictures(batch)]
        files = host.engine().sessions.save(token, pictures, cls.hidden.prompt, cls.hidden.extra_pnginfo or {})
        return io.NodeOutput(ui=ui.SavedImages([host.saved_result(path) for path in files]))


def to_pictures(images: Any) -> list[Any]:
    """Images as ComfyUI passes them, a float tensor [batch, height, width, channels] in 0…1, as Pillow images."""
    import numpy
    from PIL import Image

    pictures = []
    for image in images:
        pixels = numpy.clip(255.0 * image.cpu().numpy(), 0, 255).astype(numpy.uint8)
        pictures.append(Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels))
    return pictures


NODES = [SessionSave]
