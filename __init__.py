"""SDGen for ComfyUI: template-driven image sessions. ComfyUI loads this file; the engine is in ``sdgen_core``."""

from pathlib import Path

WEB_DIRECTORY = "./web/dist"


async def comfy_entrypoint():  # type: ignore[no-untyped-def]
    """Start the engine and give ComfyUI the nodes. ``ComfyExtension.on_load`` is not called by ComfyUI before 0.12."""
    from .nodes import SDGenExtension
    from .sdgen_core.comfy import dispatch, host, workflow_files
    from .sdgen_core.server import routes

    host.start()
    host.add_prompt_handler(dispatch.on_prompt)
    routes.register(host.routes(), host.engine, origins=host.allowed_origins())
    workflow_files.register(host.routes(), Path(__file__).parent)  # unresolved on purpose: its name in custom_nodes
    return SDGenExtension()
