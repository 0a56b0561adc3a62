"""The fuzzer of the template language; its corpus is replayed by the unit tests.

    python -m tests.unit.templates.fuzz.run [--seconds 600] [--seed N] [--keep FOLDER] [--corpus]

Real files (the conformance cases, ``examples/``, the corpus) are changed at random and given to everything that reads
templates. On Python 3.12 and later an input that reaches a line of ours for the first time is kept and changed further.
Crashes and slow inputs are made small and written to ``--keep``; ``--corpus`` renews the corpus: a small set of inputs that
reaches what all of them reach.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import pairwise
from pathlib import Path

from .inputs import MAX_BYTES, SECONDS, WORKS, Case, Slow, decode, examine
from .mutate import mutate

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
CORPUS = HERE / "corpus"
CORPUS_BYTES = 280 * 1024


class Lines:
    """The lines of ours that were reached, by ``sys.monitoring``: a line costs nothing once it is known."""

    def __init__(self) -> None:
        self.new: set[tuple[str, int]] = set()
        self.monitoring = getattr(sys, "monitoring", None)
        if self.monitoring is not None:
            self.monitoring.use_tool_id(self.monitoring.COVERAGE_ID, "fuzz")
            self.monitoring.register_callback(self.monitoring.COVERAGE_ID, self.monitoring.events.LINE, self._line)
            self.monitoring.set_events(self.monitoring.COVERAGE_ID, self.monitoring.events.LINE)

    def _line(self, code: object, line: int) -> object:
        file = code.co_filename  # type: ignore[attr-defined]
        if "sdgen_core" in file:
            self.new.add((file, line))
        return self.monitoring.DISABLE  # type: ignore[union-attr]

    def take(self) -> set[tuple[str, int]]:
        """What is new since the last call."""
        out, self.new = self.new, set()
        return out

    def again(self) -> None:
        """Count every line as unknown."""
        if self.monitoring is not None:
            self.monitoring.restart_events()
        self.new = set()


def seeds(corpus: bool = True) -> Iterator[Case]:
    """Real files as inputs."""
    for path in sorted(CORPUS.glob("*.txt")) if corpus else []:
        yield decode(path.read_bytes())
    cases = ROOT / "tests" / "conformance" / "cases"
    for folder in sorted(p for p in cases.iterdir() if p.is_dir()):
        case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        args = [str(a) for a in case.get("args", [])]
        options = {a[2:]: b for a, b in pairwise(args) if a[:2] == "--" and b[:1] != "-"}
        yield Case(options, _files(folder))
    for folder in (ROOT / "examples" / "portrait", ROOT / "examples" / "demo", ROOT / "tests" / "data" / "legacy"):
        if folder.is_dir():
            files = _files(folder)
            prompts = [n for n in files if n.endswith(".prompt.yaml")] or [""]
            for name in prompts:
                yield Case({"main": name}, files)


def _files(folder: Path) -> dict[str, bytes]:
    paths = [p for p in sorted(folder.rglob("*")) if p.suffix in (".yaml", ".yml", ".json", ".txt") and p.is_file()]
    paths = [p for p in paths if p.name != "case.json" and p.stat().st_size < MAX_BYTES // 2]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths}


def outcome(case: Case, folder: Path, works: Collection[str] = WORKS) -> tuple[str, str]:
    """("", the codes), or the mark of a crash and its traceback."""
    try:
        return "", " ".join(sorted(examine(case, folder, works)))
    except Slow as e:
        return "slow", str(e)
    except KeyboardInterrupt:
        raise
    except BaseException as e:
        frames = [f for f in traceback.extract_tb(e.__traceback__) if "sdgen_core" in f.filename]
        where = f"{Path(frames[-1].filename).stem}-{frames[-1].name}" if frames else "check"
        return f"{type(e).__name__}-{where}", traceback.format_exc()


def smaller(case: Case, folder: Path, mark: str, works: Collection[str], seconds: float = 60.0) -> Case:
    """A smaller case with the same outcome: files, options, then lines are left out."""
    until = time.monotonic() + seconds

    def same(candidate: Case) -> bool:
        return time.monotonic() < until and outcome(candidate, folder, works)[0] == mark

    for name in list(case.options):
        fewer = Case({k: v for k, v in case.options.items() if k != name}, case.files)
        case = fewer if same(fewer) else case
    for name in list(case.files):
        fewer = Case(case.options, {k: v for k, v in case.files.items() if k != name})
        case = fewer if same(fewer) else case
    for name in list(case.files):
        size = max(1, len(case.files[name].split(b"\n")) // 2)
        while size:
            at = 0
            while at < len(lines := case.files[name].split(b"\n")) and time.monotonic() < until:
                fewer = Case(case.options, {**case.files, name: b"\n".join(lines[:at] + lines[at + size :])})
                if same(fewer):
                    case = fewer
                else:
                    at += size
            size //= 2
    return case


def fuzz(seconds: float, seed: int, keep: Path, folder: Path, lines: Lines) -> list[Case]:
    """Run for ``seconds``; returns the inputs that reached something new."""
    rng = random.Random(seed)
    pool = list(seeds())
    found: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    reached, done, interesting = 0, 0, len(pool)
    until = time.monotonic() + seconds
    told = time.monotonic()
    originals = iter(list(pool))
    while time.monotonic() < until:
        case = next(originals, None)
        original = case is not None
        if case is None:
            recent = pool[interesting:] if rng.random() < 0.5 else []
            case = decode(mutate(rng.choice(recent or pool), pool, rng).encode())
        works = WORKS if original else ("load", *rng.sample(WORKS[1:], 2))  # all of them would be few inputs a second
        began = time.process_time()
        mark, text = outcome(case, folder, works)
        took = time.process_time() - began
        done += 1
        codes.update(text.split() if not mark else ())
        if mark:
            found[mark] += 1
            if found[mark] == 1:
                small = smaller(case, folder, mark, works)
                name = f"{mark}-{hashlib.sha256(small.encode()).hexdigest()[:8]}".replace("<", "").replace(">", "")
                (keep / f"{name}.txt").write_bytes(small.encode())
                text = f"{' '.join(works)}\n{text}"
                (keep / f"{name}.log").write_text(text, encoding="utf-8", errors="replace")
                print(f"CRASH {mark}: {keep / name}.txt", flush=True)
        new = lines.take()
        reached += len(new)
        if new and not original and not mark and took < SECONDS / 20:
            pool.append(case)
        if time.monotonic() - told > 30:
            told = time.monotonic()
            left = until - told
            print(f"{done} inputs, {len(pool)} kept, {reached} lines, {dict(found)}, {left:.0f} s left", flush=True)
    print(f"{done} inputs, {len(pool)} kept, {reached} lines, crashes {dict(found)}\ncodes {dict(codes)}", flush=True)
    return pool


def select(pool: list[Case], folder: Path, lines: Lines) -> list[Case]:
    """A small set that reaches every line that ``pool`` reaches and the conformance cases and examples, which have tests
    of their own, do not: the input with the most lines for its size and time first.
    """
    lines.again()
    for case in seeds(corpus=False):
        outcome(case, folder)
    known = lines.take()
    reached: dict[int, set[tuple[str, int]]] = {}
    cost: dict[int, float] = {}
    for n, case in enumerate(pool):
        lines.again()
        began = time.process_time()
        if outcome(case, folder)[0] == "":
            reached[n] = lines.take() - known
            cost[n] = 500 + len(case.encode()) + 50_000 * (time.process_time() - began)
    chosen: list[Case] = []
    left = set().union(*reached.values())
    size = 0
    while left:
        best = max(reached, key=lambda n: len(reached[n] & left) / cost[n])
        size += len(pool[best].encode())
        if size > CORPUS_BYTES:
            break
        left -= reached.pop(best)
        chosen.append(pool[best])
    return chosen


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "sdgen-fuzz")
    parser.add_argument("--corpus", action="store_true")
    options = parser.parse_args(argv)
    options.keep.mkdir(parents=True, exist_ok=True)
    print(f"seed {options.seed}, Python {sys.version.split()[0]}, crashes to {options.keep}", flush=True)
    with tempfile.TemporaryDirectory(prefix="sdgen-fuzz-") as name:
        folder, lines = Path(name) / "files", Lines()
        pool = fuzz(options.seconds, options.seed, options.keep, folder, lines)
        if options.corpus:
            chosen = select(pool, folder, lines)
            for old in CORPUS.glob("[0-9]*.txt"):  # those of crashes have names and stay
                old.unlink()
            for case in chosen:
                data = case.encode()
                (CORPUS / f"0{hashlib.sha256(data).hexdigest()[:12]}.txt").write_bytes(data)
    return 1 if any(options.keep.glob("*.txt")) else 0


if __name__ == "__main__":
    sys.exit(main())
