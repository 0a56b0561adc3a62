"""Start and stop a real ComfyUI server: for the demo, for ``dev.py serve``, for the tests and for the benchmarks.

The server gets a *base folder* of its own (``--base-directory``): models, input, output, temp, user data, database
and custom nodes all live there, so that neither the ComfyUI checkout nor a person's own ComfyUI is written to, and
two servers of the same checkout do not meet. Models of other folders are added by an ``extra_model_paths.yaml``
written into the base.

Only the standard library is used, and ComfyUI is never imported: this module runs outside of ComfyUI.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from ..errors import SDGenError
from .client import ComfyClient
from .packlink import link_pack
from .processes import kill_tree, process_options, terminate_tree

LOG_TAIL_LINES = 40
"""How many closing lines of the server's log an error message carries."""

PACK_NAME = "sdgen"
"""The name of our folder among the custom nodes; it is in the addresses of the pack's web files."""

_POLL_SECONDS = 0.1
_PORT_TRIES = 3
_STATE_FILE = "server.json"


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def write_model_paths(target: Path, model_folders: Iterable[Path]) -> bool:
    """Write the ``extra_model_paths.yaml`` that adds every kind of model below ``model_folders``; False if there is
    none.

    Each of ``model_folders`` is a ComfyUI ``models`` folder (``checkpoints/``, ``loras/`` ... inside). Kinds that
    hold nothing but ComfyUI's ``put_..._here`` are left out. JSON is written, which is YAML too.
    """
    config: dict[str, dict[str, str]] = {}
    for number, folder in enumerate(model_folders):
        kinds = sorted(k.name for k in folder.iterdir() if k.is_dir() and _holds_models(k)) if folder.is_dir() else []
        if kinds:
            config[f"sdgen_{number}"] = {"base_path": str(folder.resolve()), **{kind: kind for kind in kinds}}
    if not config:
        target.unlink(missing_ok=True)
        return False
    target.write_text(json.dumps(config, indent=2), encoding="utf-8")
    return True


def _holds_models(folder: Path) -> bool:
    return any(not entry.name.startswith("put_") for entry in folder.iterdir())


class ComfyServer:
    """One ComfyUI server process with a base folder of its own.

    ``comfyui`` is the checkout (the folder of ``main.py``), ``base`` the folder that the server may write to,
    ``python`` the interpreter that has ComfyUI's requirements. ``pack`` is the folder of SDGen, linked into the
    base's custom nodes; None starts without it. ``models`` are further ComfyUI ``models`` folders; the
    checkout's own is always added. ``port`` 0 takes a free one anew at each start. ``frontend`` is a folder with
    another build of the frontend; ``packages`` one with Python packages that go before those of ``python`` (the
    versions that another ComfyUI pins).

    As a context manager it starts on entry and stops on exit. It may be started again after ``stop`` or ``kill``.
    Errors are ``SDGenError``: ``comfyui-not-found``, ``server-running``, ``port-in-use``, ``server-start-failed``,
    ``pack-link-failed``.
    """

    def __init__(
        self,
        comfyui: Path,
        base: Path,
        python: Path | None = None,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        cpu: bool = True,
        pack: Path | None = None,
        models: Iterable[Path] = (),
        frontend: Path | None = None,
        packages: Path | None = None,
        extra_args: Iterable[str] = (),
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
        start_timeout: float = 180.0,
    ) -> None:
        self.comfyui = comfyui.resolve()
        self.base = base.resolve()
        self.python = Path(sys.executable) if python is None else python
        self.wanted_port = port
        self.host = host
        self.cpu = cpu
        self.pack = pack
        self.models = tuple(models)
        self.frontend = frontend
        self.packages = packages
        self.extra_args = tuple(extra_args)
        self.env = dict(env or {})
        self.log = self.base / "server.log" if log is None else log
        self.start_timeout = start_timeout
        self.port = 0
        self.start_seconds = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._client: ComfyClient | None = None
        self._log_offset = 0

    # -- the life of the process ---------------------------------------------------------------------------------------

    def start(self, timeout: float | None = None) -> ComfyServer:
        """Start the server and wait until ``GET /system_stats`` answers; at most ``timeout`` seconds.

        Raises ``SDGenError`` with the closing lines of the log when the process ends or the time is over; nothing of
        it is left running then.
        """
        if self.running:
            raise SDGenError("server-running", f"This ComfyUI runs already: {self.url}")
        self._check_before_start()
        self._prepare_base()
        began = time.monotonic()
        deadline = began + (self.start_timeout if timeout is None else timeout)
        for attempt in range(_PORT_TRIES):
            self.port = self.wanted_port or free_port()
            self._launch()
            try:
                self._wait_until_up(deadline)
                break
            except SDGenError:
                self.kill()
                if self.wanted_port or not self._port_was_taken() or attempt == _PORT_TRIES - 1:
                    raise
        self._check_pack()
        self.start_seconds = time.monotonic() - began
        self._state_path.write_text(json.dumps({"url": self.url, "pid": self.pid}), encoding="utf-8")
        return self

    def stop(self, timeout: float = 15.0) -> None:
        """Ask the server to end, and after ``timeout`` seconds kill it with every process that it started."""
        self._end(lambda process: terminate_tree(process, timeout))

    def kill(self) -> None:
        """End the server and every process that it started at once, as a power cut would (SIGKILL,
        TerminateProcess)."""
        self._end(kill_tree)

    def __enter__(self) -> ComfyServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The server's process id; on Windows that of the virtual environment's launcher, the server's parent."""
        if self._process is None:
            raise SDGenError("server-not-running", "This ComfyUI was not started.")
        return self._process.pid

    @property
    def url(self) -> str:
        """The server's address without a closing slash, such as ``http://127.0.0.1:8188``."""
        host = "127.0.0.1" if self.host in ("", "0.0.0.0", "::") or "," in self.host else self.host
        return f"http://{host}:{self.port}"

    def wait(self) -> int:
        """Wait until the process ends by itself and return its exit status."""
        if self._process is None:
            raise SDGenError("server-not-running", "This ComfyUI was not started.")
        return self._process.wait()

    # -- talking to it -------------------------------------------------------------------------------------------------

    @property
    def client(self) -> ComfyClient:
        """A client of this start of the server."""
        if self._client is None:
            self._client = ComfyClient(self.url)
        return self._client

    def log_text(self) -> str:
        """What this start of the server has printed."""
        if not self.log.is_file():
            return ""
        with self.log.open("rb") as file:
            file.seek(self._log_offset)
            return file.read().decode("utf-8", errors="replace").replace("\r\n", "\n")

    def log_tail(self, lines: int = LOG_TAIL_LINES) -> str:
        """The last ``lines`` lines of the log of this start."""
        return "\n".join(self.log_text().rstrip().splitlines()[-lines:])

    # -- inside --------------------------------------------------------------------------------------------------------

    @property
    def _state_path(self) -> Path:
        return self.base / _STATE_FILE

    def command(self) -> list[str]:
        """The command line of the server, with the port last chosen."""
        out = [str(self.python), "main.py", "--listen", self.host, "--port", str(self.port)]
        out += ["--base-directory", str(self.base)]
        out += ["--database-url", f"sqlite:///{(self.base / 'user' / 'comfyui.db').as_posix()}"]
        out += ["--disable-auto-launch", "--disable-api-nodes"]
        if (self.base / "extra_model_paths.yaml").is_file():
            out += ["--extra-model-paths-config", str(self.base / "extra_model_paths.yaml")]
        if self.cpu:
            out.append("--cpu")
        if self.frontend is not None:
            out += ["--front-end-root", str(self.frontend.resolve())]
        return out + list(self.extra_args)

    def _check_before_start(self) -> None:
        if not (self.comfyui / "main.py").is_file():
            raise SDGenError("comfyui-not-found", f"There is no ComfyUI in {self.comfyui}: main.py is missing.")
        other = self._other_server()
        if other:
            raise SDGenError("server-running", f"A ComfyUI with the same base folder {self.base} runs already: {other}")
        if self.wanted_port:
            with socket.socket() as probe:
                probe.settimeout(2)
                if probe.connect_ex(("127.0.0.1", self.wanted_port)) == 0:
                    raise SDGenError("port-in-use", f"Port {self.wanted_port} is taken by another program.")

    def _other_server(self) -> str:
        """The address of a living server with our base folder that somebody else started, or nothing."""
        try:
            url = str(json.loads(self._state_path.read_text(encoding="utf-8"))["url"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""
        return url if self._answers(url) else ""

    def _answers(self, url: str) -> bool:
        """Whether a ComfyUI with our base folder answers at ``url``; its command line tells it from any other."""
        client = ComfyClient(url, timeout=5)
        try:
            return str(self.base) in client.get("/system_stats")["system"]["argv"]
        except (SDGenError, KeyError, TypeError):
            return False
        finally:
            client.close()

    def _prepare_base(self) -> None:
        for name in ("custom_nodes", "input", "output", "user", "models/checkpoints", "models/loras"):
            (self.base / name).mkdir(parents=True, exist_ok=True)
        write_model_paths(self.base / "extra_model_paths.yaml", [*self.models, self.comfyui / "models"])
        if self.pack is not None:
            link_pack(self.pack, self.base / "custom_nodes" / PACK_NAME)
        self.log.parent.mkdir(parents=True, exist_ok=True)

    def _environment(self) -> dict[str, str]:
        out = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8:replace"}
        if self.cpu:
            # torch's threads otherwise spin while they wait for each other: with another program on the same cores an
            # image of the demo took 1 to 18 s instead of 0.2 to 0.6 s
            out.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        if self.packages is not None:
            out["PYTHONPATH"] = os.pathsep.join(filter(None, [str(self.packages.resolve()), out.get("PYTHONPATH", "")]))
        return {**out, **self.env}

    def _launch(self) -> None:
        self._log_offset = self.log.stat().st_size if self.log.is_file() else 0
        output: IO[bytes]
        with self.log.open("ab") as output:
            try:
                self._process = subprocess.Popen(
                    self.command(),
                    cwd=self.comfyui,
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    **process_options(),
                )
            except OSError as error:
                raise SDGenError("server-start-failed", f"Cannot run {self.python}: {error}") from error
        atexit.register(self.kill)

    def _wait_until_up(self, deadline: float) -> None:
        assert self._process is not None
        while True:
            status = self._process.poll()
            if status is not None:
                raise self._start_error(f"ComfyUI ended with status {status} while it started.")
            if self._answers(self.url):
                return
            if time.monotonic() > deadline:
                raise self._start_error(f"ComfyUI did not answer at {self.url} in time.")
            time.sleep(_POLL_SECONDS)

    def _check_pack(self) -> None:
        """A ComfyUI whose start went well without SDGen would be found out only much later, by its unknown nodes."""
        failed = f"(IMPORT FAILED): {self.base / 'custom_nodes' / PACK_NAME}"
        if self.pack is not None and failed in self.log_text():
            error = self._start_error(f"ComfyUI started, but could not load SDGen from {self.pack}.")
            self.kill()
            raise error

    def _port_was_taken(self) -> bool:
        """Whether the server ended because somebody took its port between our choice and its start."""
        log = self.log_text().lower()
        return "address already in use" in log or "only one usage of each socket address" in log  # POSIX, Windows

    def _start_error(self, message: str) -> SDGenError:
        tail = self.log_tail() or "(it printed nothing)"
        return SDGenError("server-start-failed", f"{message} The end of its log, {self.log}:\n{tail}")

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        atexit.unregister(self.kill)
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._process is not None:
            how(self._process)
            self._state_path.unlink(missing_ok=True)
