"""Plans are byte-identical on every Python: stored plans anywhere, templates where PyYAML and pydantic are installed.

The Pythons 3.10 and later on PATH and of pyenv are tried beside the one that runs the tests; ``SDGEN_TEST_PYTHONS``
names more, separated as in PATH.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from sdgen_core.sessions.plan import Plan
from sdgen_core.templates import load_text

ROOT = Path(__file__).parents[3]
ITEMS = 3000
RECORDED = {
    1: "718b2a5da5c338126640fb79b0d115b03d5e163e871fa2fb52034a745b031b97",
    2: "a11303d689a093b18a7cd4d9aaceb8266b77b8b8a2eace145a81f3f8efea774f",
}
CHILD = """
import json, sys
sys.path.insert(0, sys.argv[1])
from sdgen_core.sessions.plan import Plan

given = json.load(sys.stdin)
lines = []
plans = [Plan.from_json(plan) for plan in given["plans"]]
try:
    from sdgen_core.templates import load_text
    plans += [Plan.build(load_text(text), variation_seed=11) for text in given["texts"]]
except ImportError:
    pass
assert "numpy" not in sys.modules
for plan in plans:
    items = [repr((i.index, i.prompt, i.negative, i.seed, i.keys, i.identity)) for i in plan.items(0, given["items"])]
    lines.append([json.dumps(plan.to_json(), sort_keys=True), plan.fingerprint(), items])
sys.stdout.buffer.write(json.dumps([sys.version_info[:2], lines]).encode())
"""


def texts() -> list[str]:
    text = "imports:\n" + "".join(f"  P{i}: {{{', '.join(f'k{j}: v{j}' for j in range(20 + i))}}}\n" for i in range(4))
    text += "prompt: '{P0} {P1[7]}, {P2[$0]}, {P3[$5;limit:9]}'\n"
    return [
        f"{text}generation: {{mode: {mode}, seed: 7, seed_mode: random, max_images: {maximum}}}\n"
        for mode, maximum in (("combinatorial", 300), ("random", 3000), ("random", -1))
    ]


def plans() -> list[Plan]:
    return [Plan.build(load_text(text), variation_seed=11) for text in texts()]


@pytest.mark.parametrize("algorithm", RECORDED)
def test_plans_are_what_they_always_were(algorithm):
    """A change of this number changes what stored variation seeds mean: raise ``streams.ALGORITHM`` with it."""
    digest = hashlib.sha256()
    for plan in plans():
        stored = {**plan.to_json(), "algorithm": algorithm}
        digest.update(json.dumps(stored, sort_keys=True).encode())
        for item in Plan.from_json(stored).items(0, ITEMS):
            digest.update(f"{item.prompt}|{item.seed}|{item.identity}\n".encode())
    assert digest.hexdigest() == RECORDED[algorithm]


def test_stored_plans_go_on_with_their_algorithm():
    for plan in plans():
        old = Plan.from_json({**plan.to_json(), "algorithm": 1})
        assert old.fingerprint() == plan.fingerprint()  # the same request, asked again, finds its session
        if plan.resolved.generation.max_images > 0:  # all of a space in random order is a permutation, always the same
            assert [i.keys for i in old.items(0, 200)] != [i.keys for i in plan.items(0, 200)]
        for again in (Plan.from_json(old.to_json()), old.longer(5), old.cut(200), plan.drawn_as(old)):
            assert again.algorithm == 1
            assert list(again.items(0, 200)) == list(old.items(0, 200))


def found_pythons() -> dict[str, str]:
    """Version -> program: this Python, and one for every other version that is there."""
    named = os.environ.get("SDGEN_TEST_PYTHONS", "").split(os.pathsep)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    programs = "python.exe" if sys.platform == "win32" else "bin/python"
    candidates = [*named, *map(str, sorted(pyenv.glob(f"versions/3.*/{programs}")))]
    candidates += [found for minor in range(10, 20) if (found := shutil.which(f"python3.{minor}"))]
    out = {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}
    for program in filter(None, candidates):
        try:
            asked = [program, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            version = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
        except OSError:
            continue
        if re.fullmatch(r"3\.1\d", version):  # a shim of pyenv without its Python prints nothing
            out.setdefault(version, program)
    return out


@cache
def expected() -> str:
    lines = []
    for plan in (*plans(), *plans()):
        items = [repr((i.index, i.prompt, i.negative, i.seed, i.keys, i.identity)) for i in plan.items(0, ITEMS)]
        lines.append([json.dumps(plan.to_json(), sort_keys=True), plan.fingerprint(), items])
    return json.dumps(lines)


PYTHONS = found_pythons()


@pytest.mark.parametrize("program", PYTHONS.values(), ids=PYTHONS)
def test_plans_are_the_same_on_every_python(program):
    given = json.dumps({"plans": [plan.to_json() for plan in plans()], "texts": texts(), "items": ITEMS})
    command = [program, "-B", "-c", CHILD, str(ROOT)]
    done = subprocess.run(command, input=given.encode(), capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    _, lines = json.loads(done.stdout)
    wanted = json.loads(expected())
    assert len(lines) in (3, 6)
    assert lines == wanted[: len(lines)]
    if program == sys.executable:
        assert len(lines) == 6
