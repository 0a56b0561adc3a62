"""The command line, ``sdgen``: one file a command group, imported only when its command is used.

Exit codes: 0 done, 1 failed items or an error, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

#: command -> (module of this package, attribute: a function or a Typer app, one line for the list of commands)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "expand": ("expand", "expand", "Show what a template makes, without a ComfyUI."),
    "generate": ("generate", "generate", "Make a session of images from a template."),
    "list": ("listing", "list_prompts", "Show which prompts can be run, and what they make."),
    "validate": ("validate", "validate", "Find mistakes in templates and their files."),
    "themes": ("themes", "app", "Find, check and create themes."),
    "migrate": ("migrate", "migrate", "Turn files of earlier versions into current ones."),
    "schema": ("schema", "app", "Export what every kind of file may contain, for editors and people."),
    "batch": ("batch", "batch", "Queue many sessions: templates, themes, counts."),
    "sessions": ("sessions", "app", "Look at sessions and steer them."),
    "gallery": ("gallery", "gallery", "Serve sessions and images to a browser, without ComfyUI."),
    "catalog": ("catalog", "app", "Find, import and check all sessions and images."),
    "score": ("score", "score", "Say how sure it is that images show the values they were made with."),
    "lora": ("lora", "app", "Look into LoRA files, merge, stack and resize them."),
    "report": ("score", "report", "Show what was said of a scored session."),
    "classifier": ("classifier", "app", "Train your own classifier on your verdicts, in seconds."),
    "train": ("train", "app", "Train LoRAs: start, look, stop, go on."),
    "dataset": ("dataset", "app", "Make data sets for LoRA training of judged and scored images."),
    "improve": ("improve", "improve", "Repair a value that fails by a LoRA, and measure whether it did."),
}


def build_app(wanted: str | None) -> Any:
    """The Typer app. Only the ``wanted`` command is imported; the others are names in the help text."""
    import typer

    app = typer.Typer(name="sdgen", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

    @app.callback()
    def sdgen() -> None:
        """SDGen: one template with placeholders becomes a session of hundreds of images."""

    for name, (module, attribute, help_line) in COMMANDS.items():
        if name == wanted:
            target = getattr(importlib.import_module(f".{module}", __name__), attribute)
            if isinstance(target, typer.Typer):
                app.add_typer(target, name=name, help=help_line)
            else:
                app.command(name)(target)
        else:

            def later() -> None:
                raise AssertionError("unreachable: the wanted command is imported")

            app.command(name, help=help_line)(later)
    return app


def main() -> None:
    """Entry point of the ``sdgen`` command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    # other packages' pydantic plugins are of no use here, and looking for them costs a walk over all installed packages
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    wanted = next((a for a in sys.argv[1:] if not a.startswith("-")), None)
    try:
        build_app(wanted)()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader (head, less) has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
