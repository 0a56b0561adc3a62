"""The ComfyUI this process is: the only file that imports ComfyUI's own modules.

Everything else gets what it needs from here, so that a change in ComfyUI is met in one place. The engine starts once a process,
when ComfyUI loads the pack; a failure to start is kept and reported by the nodes that need the engine, it never breaks ComfyUI.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog.library import Library
from ..errors import SDGenError, shown
from ..scoring import QUEUE, waits
from ..sessions.items import Host
from ..sessions.ledger import Ledger
from ..sessions.parameters import files_called
from ..sessions.service import Sessions, duration, status_text
from ..sessions.upkeep import recover
from ..templates.library import Listings, TemplateLibrary
from .client import ComfyClient
from .feeder import Feeder
from .lora_files import files_trained_as
from .settings import Settings

if TYPE_CHECKING:
    from ..scoring.jobs import Jobs
    from ..scoring.live import LiveScoring
    from ..scoring.settings import ScoringSettings
    from ..training.desk import Desk
    from ..training.runs.service import Runs

log = logging.getLogger("sdgen")

#: Seconds after a prompt's end until the page has put away what it showed of it.
_AFTER_PROMPT = 0.5

#: Seconds that models are waited for which leave the accelerator's memory.
_UNLOADED_WITHIN = 10.0
#: Seconds until the catalog looks into the folders, and sessions are scored that wait: ComfyUI starts first.
_LIBRARY_DELAY = 5.0

PACK = Path(__file__).resolve().parents[2]


class Engine:
    """Sessions, feeder and settings of this ComfyUI."""

    def __init__(self, user_dir: Path) -> None:
        self.user_dir = user_dir
        self.settings = Settings.load(user_dir / "settings.json")
        self.templates = Listings(TemplateLibrary(self.settings.template_roots(user_dir, PACK)))
        self._claim = _claim(user_dir)
        self._jobs: Jobs | None = None
        self._runs: Runs | None = None
        self._desk: Desk | None = None
        self._making = threading.Lock()
        self.sessions = Sessions(
            Ledger(user_dir / "ledger.db"),
            self.settings.output_folder(output_directory()),
            Host(
                samplers,
                schedulers,
                checkpoint_path,
                version(),
                metadata=not _args().disable_metadata,
                files=model_files,
                lora_path=lora_path,
            ),
            user_dir=user_dir,
            places=self.settings.places(),
        )
        self.feeder = Feeder(self.sessions, own_server, window=self.settings.window)
        self.sessions.changed.append(StatusLine(self.sessions).changed)
        self.library = Library(
            self.settings.catalog_folder(user_dir),
            [self.sessions.root, *self.settings.libraries()],
            busy=rendering,
            max_thumbs=int(self.settings.thumbnails_gb * (1 << 30)),
        )
        self.library.heard.append(lambda kind, data: _prompt_server().send_sync(f"sdgen.{kind}", data, None))
        self.library.follow(self.sessions)

    @property
    def scoring(self) -> Jobs:
        """The scoring of sessions behind, made when it is first asked for, in whatever thread: ComfyUI's start does not wait for it."""
        from ..scoring.jobs import Jobs

        with self._making:
            if self._jobs is None:
                folders = self.scorer_folders()
                self._jobs = Jobs(
                    self.library,
                    self.scoring_folder,
                    folders,
                    busy=rendering,
                    make_room=unload_models,
                    settings=self.scoring_settings,
                )
            return self._jobs

    @property
    def training(self) -> Runs:
        """The training runs, made when they are first asked for, and looked after from then on."""
        from .train import runs_of

        with self._making:
            if self._runs is None:
                self._runs = runs_of(self)
                self._runs.follow()
            return self._runs

    @property
    def desk(self) -> Desk:
        """The training as people see it at a page."""
        from .train import desk_of

        runs = self.training
        with self._making:
            if self._desk is None:
                self._desk = desk_of(self, runs)
            return self._desk

    @property
    def training_folder(self) -> Path:
        """Where data sets and training runs are."""
        return self.settings.training_folder(self.user_dir)

    @functools.cached_property
    def live(self) -> LiveScoring:
        """The scoring of images as they are made."""
        from ..scoring.live import LiveScoring

        def whole(session: str, scorer: str) -> None:
            self.scoring.order([session], scorer)

        live = LiveScoring(self.library, self.scoring_folder, self.scoring_settings, whole)
        self.sessions.scores_of = live.scores_of
        self.library.arrived.append(live.arrived)
        return live

    def scorer_folders(self) -> list[Path]:
        """Where models for scoring are, those of the settings first."""
        folders = self.settings.folders_of_scorers()
        return [*folders, *map(Path, _folder_paths().get_folder_paths("clip_vision"))]

    def scoring_settings(self) -> ScoringSettings:
        """Raises ``bad-settings``."""
        from ..scoring.settings import ScoringSettings

        return ScoringSettings.read(self.settings.scoring, "settings.json")

    @property
    def scoring_folder(self) -> Path:
        """Where embeddings, reports and the queue of scoring are."""
        return self.library.folder / "scoring"

    @property
    def token(self) -> str | None:
        """What other machines have to say to change anything; None: they cannot."""
        return self.settings.gallery_token or None

    def start(self) -> None:
        """Settle what the last run left, by the setting ``resume_on_start``, and begin feeding."""
        for row in recover(self.sessions):
            mode = self.settings.resume_on_start
            if mode == "auto":
                log.info("SDGen: session %s goes on: %d of %d images are done", row.name, row.done, row.total)
            else:
                reason = "ComfyUI was restarted" if mode == "off" else "ComfyUI was restarted; press Resume to go on"
                self.sessions.pause(row.id, reason)
                log.info(
                    "SDGen: session %s waits (%d of %d images): sdgen sessions resume %s",
                    row.name,
                    row.done,
                    row.total,
                    row.id,
                )
        self.feeder.start()
        with contextlib.suppress(OSError):  # the catalog looks into it, and there may be no session yet
            self.sessions.root.mkdir(parents=True, exist_ok=True)
        self.library.start(_LIBRARY_DELAY)
        self._score_later()
        self._train_later()

    def stop(self) -> None:
        """At ComfyUI's end: write the manifests that are behind. Nothing depends on it; a kill loses nothing."""
        self.feeder.stop()
        self.sessions.close()
        self._end_scoring()
        self._end_training()
        self.library.stop()

    def _score_later(self) -> None:
        """Go on with the scoring that waits, if there is any, when ComfyUI has started."""
        self._later = threading.Timer(_LIBRARY_DELAY, lambda: self.scoring.start())
        self._later.daemon = True
        if waits(self.scoring_folder / QUEUE):
            self._later.start()

    def _train_later(self) -> None:
        """Look after the training runs of before when ComfyUI has started; what they make is offered by the loaders of LoRAs."""
        _folder_paths().add_model_folder_path("loras", str(self.training_folder / "loras"))
        self._train = threading.Timer(_LIBRARY_DELAY, lambda: self.training)
        self._train.daemon = True
        if (self.training_folder / "runs.db").is_file():
            self._train.start()

    def _end_training(self) -> None:
        """Runs go on; the next ComfyUI looks after them again."""
        self._train.cancel()
        if self._desk is not None:
            self._desk.close()
        if self._runs is not None:
            self._runs.close()

    def _end_scoring(self) -> None:
        self._later.cancel()
        if self._jobs is not None:
            self._jobs.stop()


class StatusLine:
    """Shows each session's progress on its planner node, at most four times a second, and tells the panel."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._shown: dict[str, tuple[float, str]] = {}

    def changed(self, session_id: str) -> None:
        row = self._sessions.ledger.session(session_id)
        at, state = self._shown.get(session_id, (0.0, ""))
        now = time.monotonic()
        if row.state == state == "running" and now - at < 0.25 and row.left:
            return
        self._shown[session_id] = (now, row.state)
        status = self._sessions.status(row)
        server = _prompt_server()
        server.send_sync("sdgen.session", status, None)
        server.send_progress_text(status_text(status), row.planner, row.client)


# ---- the engine of this process ------------------------------------------------------------------------------------------

_lock = threading.Lock()
_engine: Engine | SDGenError | None = None


def start() -> None:
    """Start the engine; called when ComfyUI loads the pack. A second call does nothing."""
    global _engine
    with _lock:
        if _engine is not None:
            return
        try:
            engine = Engine(user_directory())
            engine.start()
            atexit.register(engine.stop)
            _engine = engine
        except SDGenError as error:
            log.error("SDGen cannot work: %s", error)
            _engine = error
        except Exception as error:
            log.exception("SDGen cannot work")
            _engine = SDGenError("internal-error", f"SDGen could not start: {type(error).__name__}: {error}")


def engine() -> Engine:
    """The running engine. Raises why it could not be started."""
    if _engine is None:
        start()
    if isinstance(_engine, SDGenError):
        raise _engine
    assert _engine is not None
    return _engine


def _claim(user_dir: Path) -> sqlite3.Connection:
    """Take the user folder for this process. SQLite's lock is used because every system releases it when a process dies."""
    user_dir.mkdir(parents=True, exist_ok=True)
    path = user_dir / "feeder.lock"
    try:
        claim = sqlite3.connect(path, timeout=2, check_same_thread=False, isolation_level=None)
        claim.execute("PRAGMA journal_mode=MEMORY")
        claim.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise SDGenError("ledger-locked", f"another ComfyUI is already working in {shown(user_dir)}") from error
        raise SDGenError("ledger-unusable", f"{shown(path)} cannot be written: {error}") from error
    return claim


# ---- ComfyUI's modules ---------------------------------------------------------------------------------------------------


def _folder_paths() -> Any:
    import folder_paths

    return folder_paths


def _args() -> Any:
    from comfy.cli_args import args

    return args


def _prompt_server() -> Any:
    from server import PromptServer

    return PromptServer.instance


def output_directory() -> Path:
    """ComfyUI's output folder."""
    return Path(_folder_paths().get_output_directory())


def user_directory() -> Path:
    """SDGen's folder in ComfyUI's user folder."""
    return Path(_folder_paths().get_user_directory()) / "sdgen"


def samplers() -> list[str]:
    """The sampler names this ComfyUI knows, those of other packs included."""
    import comfy.samplers

    return list(comfy.samplers.KSampler.SAMPLERS)


def schedulers() -> list[str]:
    """The scheduler names this ComfyUI knows, those of other packs included."""
    import comfy.samplers

    return list(comfy.samplers.KSampler.SCHEDULERS)


def checkpoint_path(name: str) -> Path | None:
    """The file of a model that a graph names, wherever the user keeps it."""
    return next(
        (path for kind in ("checkpoints", "diffusion_models", "unet") if (path := model_path(kind, name))), None
    )


def model_path(kind: str, name: str) -> Path | None:
    """The file of a name that :func:`model_files` gives; None when it is not there (any more)."""
    try:
        found = _folder_paths().get_full_path(kind, name)
    except KeyError:
        return None
    return Path(found) if found else None


def model_folder(kind: str) -> Path:
    """The folder that new files of a kind go into: ComfyUI's first."""
    return Path(_folder_paths().get_folder_paths(kind)[0])


def model_files(kind: str) -> list[str]:
    """The names of a kind of files as the loaders offer them; ``input`` are the images of the input folder."""
    paths = _folder_paths()
    if kind != "input":
        return list(paths.get_filename_list(kind))
    root = Path(paths.get_input_directory())
    names = (p.relative_to(root).as_posix() for p in root.rglob("*") if p.suffix.lower() in _IMAGES)
    return sorted(name for name in names if not name.startswith("."))


_IMAGES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})


def lora_path(name: str) -> Path | None:
    """The one LoRA that a file name or a prompt's tag means; None when there is none or may be several."""
    known = model_files("loras")
    found = files_called(name, known) or files_trained_as(name, known, lambda file: model_path("loras", file))
    return model_path("loras", found[0]) if len(found) == 1 else None


def version() -> str:
    """ComfyUI's version."""
    import comfyui_version

    return str(comfyui_version.__version__)


# ---- models and text encoders --------------------------------------------------------------------------------------------


def read_weights(path: Path) -> dict[str, Any]:
    """The tensors of a model file, by their names."""
    import comfy.utils

    weights: dict[str, Any] = comfy.utils.load_torch_file(str(path), safe_load=True)
    return weights


def with_lora(
    model: Any, clip: Any, weights: dict[str, Any], model_strength: float, clip_strength: float
) -> tuple[Any, Any]:
    """Copies of model and text encoder with a LoRA applied; the weights themselves are shared and patched when they run."""
    import comfy.sd

    patched: tuple[Any, Any] = comfy.sd.load_lora_for_models(model, clip, weights, model_strength, clip_strength)
    return patched


def read_embedding(tokenizer: Any, file: str) -> Any:
    """The vectors of an embedding file for one of a text encoder's tokenizers; None when it has none that fit."""
    from comfy.sd1_clip import load_embed

    return load_embed(file, tokenizer.embedding_directory, tokenizer.embedding_size, tokenizer.embedding_key)


def joined(tensors: list[Any]) -> Any:
    """Tensors [batch, tokens, …] joined along their tokens."""
    import torch

    return torch.cat(tensors, dim=1)


def stacked(tensors: list[Any]) -> Any:
    """Tensors of equal shape joined along their first dimension, the images of a batch."""
    import torch

    return torch.cat(tensors)


def equal(one: Any, other: Any) -> bool:
    """Whether two values are equal tensors."""
    import torch

    return isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor) and torch.equal(one, other)


def noise(samples: Any, seed: int, batch_index: list[int] | None) -> Any:
    """The noise that ComfyUI's samplers begin with, for latents [images, …]."""
    import comfy.sample

    return comfy.sample.prepare_noise(samples, seed, batch_index)


def has_cross_attention(model: Any) -> bool:
    """Whether a model reads its text by cross-attention alone (SD 1, SD 2, SDXL), so that a repeated text changes nothing: ComfyUI's
    base class joins texts of different lengths for those, and every model that cannot be served so has a method of its own."""
    import comfy.model_base

    return getattr(type(model.model), "extra_conds", None) is comfy.model_base.BaseModel.extra_conds


def sampled(model: Any, seed: int, latent: dict[str, Any], noise_of: Callable[[Any], Any], **settings: Any) -> Any:
    """What core's KSampler nodes do, but with the noise ``noise_of(latents)`` in place of the seed's. ``settings`` are the arguments
    of their common function; noise that these turn off stays off.

    The noise goes in by a wrapper that ComfyUI calls around every sampling. The model has it for this one call: a copy of the
    model would count as another one and be loaded anew.
    """
    from comfy.patcher_extension import WrappersMP

    def sample(executor: Any, noise: Any, latents: Any, *rest: Any, **named: Any) -> Any:
        return executor(noise if settings["disable_noise"] else noise_of(latents), latents, *rest, **named)

    nodes = importlib.import_module("nodes")  # ComfyUI's; for type checkers the name is our own folder
    model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "sdgen", sample)
    try:
        (out,) = nodes.common_ksampler(model, seed, latent=latent, **settings)
    finally:
        model.remove_wrappers_with_key(WrappersMP.OUTER_SAMPLE, "sdgen")
    return out


def inpainted(model: Any, vae: Any, pixels: Any, mask: Any, seed: int, **settings: Any) -> Any:
    """Core's VAE Encode, Set Latent Noise Mask, KSampler and VAE Decode: images [n, h, w, 3] painted where ``mask`` [1, h, w] is.
    ``settings`` are the other arguments of the KSampler nodes' common function."""
    nodes = importlib.import_module("nodes")
    latent = {"samples": vae.encode(pixels[..., :3]), "noise_mask": mask[:, None]}
    (out,) = nodes.common_ksampler(model, seed, latent=latent, **settings)
    return vae.decode(out["samples"])


def in_its_memory(model: Any, *, cpu: bool) -> tuple[Any, Callable[[], None]]:
    """A torch module, on the CPU, in the care of ComfyUI's memory management: the device that it will run on, and what takes it there.

    ComfyUI takes it away again when it needs the memory, so it has to be taken there before each use, in the thread of the prompt.
    Nothing but what is given back holds the model.
    """
    import torch
    from comfy import model_management, model_patcher

    away = torch.device("cpu")
    # Of this module ComfyUI can leave nothing behind and cast it piece by piece, as it does with its own when there is no memory at all.
    slow = cpu or model_management.vram_state == model_management.VRAMState.NO_VRAM
    device = away if slow else model_management.get_torch_device()
    patcher = model_patcher.ModelPatcher(model, load_device=device, offload_device=away)
    return device, lambda: model_management.load_models_gpu([patcher], force_full_load=True)


def half_precision(*, cpu: bool) -> bool:
    """Whether models run in half precision on ComfyUI's device."""
    from comfy import model_management

    return not cpu and bool(model_management.should_use_fp16(model_management.get_torch_device()))


class Progress:
    """A node's progress bar and its line of text; also says whether the user has cancelled the prompt."""

    def __init__(self, node: str) -> None:
        import comfy.utils

        self._bar = comfy.utils.ProgressBar(1000)
        self._node, self._text = node, ""

    def show(self, share: float, text: str) -> None:
        """``share`` of the work is done, 0 to 1."""
        self._bar.update_absolute(round(1000 * share), 1000)
        if text != self._text:
            self._text = text
            tell(self._node, text)


def check_cancelled() -> None:
    """Raise ComfyUI's exception when the user has cancelled the prompt."""
    from comfy import model_management

    model_management.throw_exception_if_processing_interrupted()


def tell(node: str, text: str, client: str | None = None) -> None:
    """Show a text on a node, in the page (``client``) whose prompt is being executed or another one."""
    _prompt_server().send_progress_text(text, node, client or current_client())


def tell_for_good(node: str, text: str) -> None:
    """Show a text on a node, and again when its prompt has ended: newer pages take such texts away then."""
    server, client = _prompt_server(), current_client()
    prompt = getattr(server, "last_prompt_id", None)
    tell(node, text)

    def again() -> None:
        while any(item[1] == prompt for item in list(server.prompt_queue.currently_running.values())):
            time.sleep(0.2)
        time.sleep(_AFTER_PROMPT)
        server.send_progress_text(text, node, client)

    threading.Thread(target=again, name="sdgen-text", daemon=True).start()


def warn(node: str, texts: list[str]) -> None:
    """Tell the user something about a node: in the log once, and on the node in the browser."""
    if len(_warned) > 1000:
        _warned.clear()
    for text in texts:
        if text not in _warned:
            log.warning("SDGen: %s", text)
    _warned.update(texts)
    if texts:
        tell(node, "\n".join(texts))


_warned: set[str] = set()


# ---- ComfyUI's server ----------------------------------------------------------------------------------------------------


def own_server() -> ComfyClient | None:
    """A client for this process's own server; None until it listens."""
    server = _prompt_server()
    port = getattr(server, "port", None)
    if port is None:
        return None
    address = str(getattr(server, "address", "127.0.0.1"))
    if address in ("", "0.0.0.0"):
        address = "127.0.0.1"
    elif address == "::":
        address = "::1"
    scheme = "https" if _args().tls_keyfile and _args().tls_certfile else "http"
    host = f"[{address}]" if ":" in address else address
    # Its own certificate need not name the loopback address, and nobody stands between a server and itself.
    return ComfyClient(f"{scheme}://{host}:{port}", verify=False)


def rendering() -> bool:
    """Whether ComfyUI executes a prompt, or is about to: between two of a queue it tidies up, and is not free."""
    return bool(_prompt_server().prompt_queue.get_tasks_remaining())


def unload_models() -> None:
    """Have ComfyUI's models leave the accelerator's memory, and wait for it; they stay in main memory.

    ComfyUI does it in the thread that executes prompts, as nobody else may; so a prompt that begins now comes first, and is not waited for.
    """
    from comfy import model_management

    _prompt_server().prompt_queue.set_flag("unload_models", True)
    until = time.monotonic() + _UNLOADED_WITHIN
    while model_management.current_loaded_models and not rendering() and time.monotonic() < until:
        time.sleep(0.05)


def free_models() -> None:
    """Have ComfyUI unload its models and give back their memory when it executes no prompt, as its route /free does."""
    queue = _prompt_server().prompt_queue
    queue.set_flag("unload_models", True)
    queue.set_flag("free_memory", True)


def free_models_now() -> None:
    """The same at once: for a node, in the thread that executes prompts."""
    from comfy import model_management

    model_management.unload_all_models()
    model_management.soft_empty_cache()


def comfyui_folder() -> Path:
    """The folder of ComfyUI's ``main.py``."""
    import comfyui_version

    return Path(comfyui_version.__file__).parent


def add_prompt_handler(handler: Any) -> None:
    """Let ``handler(json_data) -> json_data`` see every posted prompt before it is validated."""
    _prompt_server().add_on_prompt_handler(handler)


def routes() -> Any:
    """ComfyUI's route table; every route gets an ``/api`` twin when the server starts."""
    return _prompt_server().routes


def allowed_origins() -> list[str]:
    """The pages that ComfyUI's ``--enable-cors-header`` lets in; ``*`` for all of them."""
    origin = _args().enable_cors_header
    return [str(origin)] if origin else []


def current_client() -> str | None:
    """The browser tab (or program) whose prompt is being executed."""
    client = _prompt_server().client_id
    return str(client) if client else None


def template_names() -> list[str]:
    """The templates a node offers. ComfyUI asks on its event loop, so a slow disk is not waited for."""
    return list(_engine.templates.soon().names) if isinstance(_engine, Engine) else []


def check_template(name: str) -> None:
    """Raise ``unknown-template`` unless there is such a file. Asked on ComfyUI's event loop: the nearest names come from the last
    listing."""
    library = engine().templates.library
    library.path(name, known=template_names)


def saved_result(path: Path) -> dict[str, str]:
    """A saved file as ComfyUI's ``/view`` route finds it; a file outside the output folder is named only."""
    try:
        inside = path.relative_to(output_directory())
    except ValueError:
        return {"filename": path.name, "subfolder": "", "type": "output"}
    return {"filename": inside.name, "subfolder": shown(inside.parent), "type": "output"}


def _cost(report: dict[str, Any]) -> str:
    parts = [f"{report['model_loads']} model loads"] if report.get("model_loads", 1) > 1 else []
    if report.get("seconds"):
        parts.append(f"about {duration(report['seconds'])} by session {report['like']}")
    return f" ({', '.join(parts)})" if parts else ""


def submitted_text(report: dict[str, Any]) -> str:
    """What a press did, for the planner node."""
    doing = {
        "created": f"{report['planned']:,} images planned{_cost(report)}",
        "resumed": f"goes on: {report['done']:,} of {report['planned']:,} are there",
        "extended": f"{report['added']:,} images added to {report['planned'] - report['added']:,}",
        "complete": f"all {report['planned']:,} images are there; set 'on existing' to new for another session",
    }[report["action"]]
    return "\n".join([f"{report['name']}: {doing}", *report["warnings"]])
