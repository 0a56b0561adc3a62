"""`sdgen gallery`: sessions and images served alone, without ComfyUI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from ..errors import SDGenError, shown
from .output import print_json, reporting
from .score import SettingsOption, scoring_of, settings_of

if TYPE_CHECKING:
    from ..catalog.library import Library
    from ..comfy.settings import Settings
    from ..training.desk import Desk

_SHORTEST = 8  # characters of a token


@reporting
def gallery(
    root: Annotated[
        list[Path], typer.Option("--root", help="A folder with sessions in it, at any depth; may be repeated.")
    ],
    catalog: Annotated[
        Path | None,
        typer.Option(
            "--catalog",
            help="Folder of the catalog: that of ComfyUI's panel is sdgen/catalog in ComfyUI's user folder."
            " Else one among your own application data.",
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes any that is free.")] = 8199,
    host: Annotated[
        str, typer.Option(help="Address to listen at; another than this machine's own needs a token.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(envvar="SDGEN_GALLERY_TOKEN", help="Answer only those who have this token."),
    ] = None,
    scan: Annotated[
        bool, typer.Option("--scan/--no-scan", help="Read the folders now and watch them, or serve what is known.")
    ] = True,
    scorers: Annotated[
        list[Path] | None, typer.Option("--scorers", help="Folder with models for scoring. May be repeated.")
    ] = None,
    comfyui: Annotated[
        Path | None,
        typer.Option(
            "--comfyui",
            help="Folder of a ComfyUI, to train LoRAs with it and its models; else SDGEN_COMFYUI.",
            metavar="DIR",
        ),
    ] = None,
    settings: SettingsOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print the address as JSON.")] = False,
) -> None:
    """Serve the sessions below folders to a browser, until Ctrl-C. Nothing in the folders is changed but by emptying the trash."""
    from ..catalog.library import Library
    from ..catalog.scan.importer import default_catalog
    from ..catalog.store import Damaged
    from ..server.app import create_app, listen, serve
    from ..server.guard import is_loopback
    from ..training.lora.child import find_comfyui

    missing = next((folder for folder in root if not folder.is_dir()), None)
    if missing is not None:
        raise SDGenError("missing-file", f"there is no folder {shown(missing)}", hint="Name folders that are there.")
    if token is not None and len(token) < _SHORTEST:
        raise SDGenError("bad-option", f"a token has {_SHORTEST} characters or more")
    if token is None and not is_loopback(host):
        raise SDGenError(
            "bad-option",
            f"{host} can be reached from other machines, and there is no --token",
            hint="Give a --token that only you know, or listen at 127.0.0.1.",
        )
    if comfyui is not None:
        find_comfyui(comfyui)
    library = Library(catalog or default_catalog(), [folder.resolve() for folder in root])
    try:
        remarks = library.catalog.remarks
    except Damaged as error:
        raise SDGenError("catalog-damaged", f"{shown(library.folder)}: {error}") from error
    try:
        wanted = settings_of(library.folder, settings)
        folders = [*(scorers or []), *wanted.folders_of_scorers()]
        listener = listen(host, port)
        name = f"[{host}]" if ":" in host else host
        url = f"http://{name}:{listener.getsockname()[1]}/"
        link = f"{url}?token={quote(token, safe='')}" if token else url
        if json:
            print_json({"url": url, "link": link, "remarks": remarks})
        else:
            for said in remarks:
                print(f"warning: {said}")
            print(f"SDGen's gallery: {link}\nCtrl-C ends it.", flush=True)
        if scan:
            library.start()
        serve(
            create_app(
                library,
                token,
                scorers=folders,
                scoring=lambda: scoring_of(library.folder, settings),
                training=lambda library: _desk(library, wanted, comfyui),
            ),
            listener,
        )
    finally:
        library.stop()


def _desk(library: Library, settings: Settings, comfyui: Path | None) -> Desk:
    """Training as the page shows it: with a ComfyUI runs can be started, without one they are only shown."""
    from ..comfy.client import ComfyClient
    from ..training.desk import Desk, model_file, model_files
    from ..training.lora.child import find_comfyui
    from ..training.native.installation import Installation
    from ..training.runs.service import Runs
    from ..training.runs.sharing import remote
    from ..training.runs.trainers import installation_at, trainers
    from .connection import server_url

    made = trainers(
        lambda: Installation(find_comfyui(comfyui)),
        lambda: installation_at(find_comfyui(comfyui)),
        kohya_folder=settings.kohya_folder,
        kohya_python=settings.kohya_python,
    )
    folder = settings.training_folder(library.folder.parent)
    try:
        models = find_comfyui(comfyui) / "models"
    except SDGenError as error:
        return Desk(library, Runs(folder, made, starts=False), problem=error.message, follows=True)
    return Desk(
        library,
        Runs(folder, made, host=remote(ComfyClient(server_url(None)))),
        files=lambda kind: model_files(models, kind),
        file=lambda kind, name: model_file(models, kind, name),
        follows=True,
    )
