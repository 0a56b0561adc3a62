"""The template engine against its peers: one JSON line per measurement, CPU seconds and peak memory of this process.

Peers: the naive product (itertools, a list, one regular expression per prompt) and, when it is installed, ``dynamicprompts``.
Run: ``python3 dev.py bench templates``.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sdgen_core.sessions.plan import Plan
from sdgen_core.templates import Renderer, Space, load_template, load_text, one_line
from sdgen_core.templates.load import Options

N = 100_000
SIZES = [10, 20, 30, 40, 50]


def report(name: str, **figures: Any) -> None:
    print(json.dumps({"bench": "templates", "name": name, **figures}), flush=True)


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def yaml_text(sizes: list[int], mode: str, maximum: int, filler: str = "") -> str:
    imports = "".join(
        f"  P{i}: {{{', '.join(f'k{j}: value {j} of {i}' for j in range(n))}}}\n" for i, n in enumerate(sizes)
    )
    text = ", ".join(f"words before {{P{i}}}{filler}" for i in range(len(sizes)))
    return f"imports:\n{imports}prompt: |\n  {text}\ngeneration: {{mode: {mode}, seed: 5, max_images: {maximum}}}\n"


def ours(mode: str) -> float:
    resolved = load_text(yaml_text(SIZES, mode, N))

    def work() -> int:
        space, renderer = Space(resolved, 5), Renderer(resolved)
        return sum(len(renderer.render(space.choice(i)).prompt) for i in range(N))

    def in_bulk() -> int:
        return sum(len(r.prompt) for r in Renderer(resolved).render_many(Space(resolved, 5), 0, N))

    one_by_one, total = cpu(work)
    seconds, again = cpu(in_bulk)
    assert total == again
    report(f"{N} prompts, {mode}, one by one", cpu_s=round(one_by_one, 3))
    tracemalloc.start()
    space = Space(resolved, 5)
    space.choice(N - 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    report(f"{N} prompts, {mode}", cpu_s=round(seconds, 3), space_peak_mib=round(peak / 2**20, 1))
    return seconds


def plan_items() -> None:
    plan = Plan.build(load_text(yaml_text(SIZES, "combinatorial", N)))
    seconds, _ = cpu(lambda: sum(1 for _ in plan.items()))
    report(f"{N} plan items with seeds and identities", cpu_s=round(seconds, 3))
    seconds, _ = cpu(lambda: plan.used(40_000))
    report("values used by 40000 items", cpu_s=round(seconds, 4))


def naive() -> float:
    pools = {f"P{i}": [f"value {j} of {i}" for j in range(n)] for i, n in enumerate(SIZES)}
    text = ", ".join(f"words before {{P{i}}}" for i in range(len(SIZES)))

    def work() -> int:
        combos = list(itertools.islice(itertools.product(*pools.values()), N))
        total = 0
        for combo in combos:
            choice = dict(zip(pools, combo, strict=True))
            total += len(re.sub(r"\{(\w+)\}", lambda m: choice[m[1]], text))  # noqa: B023
        return total

    seconds, _ = cpu(work)
    report(f"{N} prompts, naive product without cleaning (peer)", cpu_s=round(seconds, 3))
    return seconds


def dynamicprompts(mode: str, mine: float) -> None:
    try:
        from dynamicprompts.generators import CombinatorialPromptGenerator, RandomPromptGenerator
    except ImportError:
        report(f"dynamicprompts, {mode} (peer)", skipped="not installed")
        return
    text = ", ".join(
        "words before {" + "|".join(f"value {j} of {i}" for j in range(n)) + "}" for i, n in enumerate(SIZES)
    )
    n = N // 50  # a sample: it is slow
    generator = CombinatorialPromptGenerator() if mode == "combinatorial" else RandomPromptGenerator(seed=1)
    seconds, found = cpu(lambda: list(generator.generate(text, n)))
    per = seconds / max(1, len(found))
    report(f"dynamicprompts, {mode} (peer)", us_per_prompt=round(per * 1e6, 1), times_slower=round(per / (mine / N), 1))


def long_prompt() -> None:
    resolved = load_text(yaml_text(SIZES, "combinatorial", -1, ", (some long:1.2) text here, more words" * 7))
    space, renderer = Space(resolved, 5), Renderer(resolved)
    choices = [space.choice(i) for i in range(20_000)]
    seconds, _ = cpu(lambda: [renderer.render(c) for c in choices])
    text = renderer.render(choices[0]).prompt
    report("rendering", characters=len(text), us_per_prompt=round(seconds / len(choices) * 1e6, 2))
    seconds, _ = cpu(lambda: [one_line(text) for _ in range(2000)])
    report("one-line form", characters=len(text), us_per_prompt=round(seconds / 2000 * 1e6, 1))


def far_items() -> None:
    resolved = load_text(yaml_text([50] * 6, "combinatorial", -1))
    seconds, _ = cpu(lambda: Space(resolved, 5).choice(10**9))
    report("item 10^9 of 50^6, parsing included", ms=round(seconds * 1e3, 3))
    space = Space(load_text(yaml_text([1000] * 5, "random", -1)), 5)
    generator = random.Random(1)
    at = [generator.randrange(space.size) for _ in range(5000)]
    seconds, found = cpu(lambda: {tuple(space.choice(i).values()) for i in at})
    report("random without repeats over 10^15", us_per_item=round(seconds / len(at) * 1e6, 1), different=len(found))


def theme() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "th").mkdir()
        for i in range(50):
            lines = "".join(f"  Key{j}: some value number {j}, with a few words\n" for j in range(200))
            (folder / f"th/f{i}.yaml").write_text(f"type: variations\nname: F\nvariations:\n{lines}", encoding="utf-8")
        imports = "".join(f"  P{i}: th/f{i}.yaml\n" for i in range(50))
        (folder / "th/theme.yaml").write_text(f"type: theme_config\nimports:\n{imports}", encoding="utf-8")
        text = ", ".join(f"{{P{i}}}" for i in range(50))
        leaf = folder / "main.prompt.yaml"
        block = "generation: {mode: random, seed: 1, max_images: 100}\nthemes: {explicit: {th: th/theme.yaml}}\n"
        leaf.write_text(f"name: M\nprompt: '{text}'\n{block}", encoding="utf-8")
        for label in ("first", "second"):
            seconds, _ = cpu(lambda: load_template(leaf, Options(theme="th")))
            report(f"theme of 50 files with 200 values, {label} load", ms=round(seconds * 1e3, 1))
        command = [sys.executable, "-m", "sdgen_core", "expand", str(leaf), "--theme", "th", "--count", "10", "--jsonl"]
        best = 1e9
        for _ in range(5):
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            best = min(best, time.perf_counter() - started)
        report("sdgen expand --count 10 of it, whole process, best of 5", wall_s=round(best, 3))


def main() -> None:
    combinatorial = ours("combinatorial")
    drawn = ours("random")
    naive()
    dynamicprompts("combinatorial", combinatorial)
    dynamicprompts("random", drawn)
    plan_items()
    long_prompt()
    far_items()
    theme()


if __name__ == "__main__":
    main()
