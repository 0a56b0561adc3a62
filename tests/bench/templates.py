"""The template engine against its peers, all in one run: one JSON line a measurement, CPU seconds of this process.

    python3 dev.py bench templates

Peers: ``dynamicprompts`` (combinatorial and random sampler; a development dependency) and the naive product (itertools, a
list, one regular expression a prompt, no cleaning). Each makes the same 100,000 prompts. Lines with ``bars`` say what a
figure has to be, and ``met`` whether it is. Memory is measured in processes of their own.
"""

from __future__ import annotations

import itertools
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import yaml
from _report import Reporter

from sdgen_core.sessions.plan import Plan
from sdgen_core.templates import Renderer, ResolvedTemplate, Space, load_template, load_text, one_line
from sdgen_core.templates.load import Options

N = 100_000
SIZES = [10, 20, 30, 40, 50]
WORDS = "words before"
MODES = ("combinatorial", "random")
PEER_ROUNDS = 3
FASTER = {"combinatorial": 50, "random": 150}


report = Reporter("templates")


def cpu(work: Callable[[], Any], times: int = 1) -> float:
    """The median CPU time of ``work`` in seconds."""
    out = []
    for _ in range(times):
        started = time.process_time()
        work()
        out.append(time.process_time() - started)
    return statistics.median(out)


def consume(prompts: Iterable[Any]) -> None:
    deque(prompts, maxlen=0)


# ---- ours ------------------------------------------------------------------------------------------------------------


def yaml_text(sizes: list[int], mode: str, maximum: int, filler: str = "") -> str:
    imports = "".join(
        f"  P{i}: {{{', '.join(f'k{j}: value {j} of {i}' for j in range(n))}}}\n" for i, n in enumerate(sizes)
    )
    text = ", ".join(f"{WORDS} {{P{i}}}{filler}" for i in range(len(sizes)))
    return f"imports:\n{imports}prompt: |\n  {text}\ngeneration: {{mode: {mode}, seed: 5, max_images: {maximum}}}\n"


def template(mode: str) -> ResolvedTemplate:
    return load_text(yaml_text(SIZES, mode, N))


def bulk(resolved: ResolvedTemplate, seeds: Iterator[int] = itertools.count(5)) -> Iterable[tuple[str, str]]:  # noqa: B008
    """Each call with a seed of its own: nothing is known from the call before."""
    return Renderer(resolved).render_many(Space(resolved, next(seeds)), 0, N)


def one_by_one(resolved: ResolvedTemplate) -> Iterable[tuple[str, str]]:
    space, renderer = Space(resolved, 5), Renderer(resolved)
    return (renderer.render(space.choice(i)) for i in range(N))


# ---- peers -----------------------------------------------------------------------------------------------------------


def dynamicprompts(mode: str, count: int = N) -> list[str]:
    from dynamicprompts.generators import CombinatorialPromptGenerator, RandomPromptGenerator

    text = ", ".join(WORDS + " {" + "|".join(f"value {j} of {i}" for j in range(n)) + "}" for i, n in enumerate(SIZES))
    generator = CombinatorialPromptGenerator() if mode == "combinatorial" else RandomPromptGenerator(seed=1)
    return generator.generate(text, count)


def naive() -> list[str]:
    pools = {f"P{i}": [f"value {j} of {i}" for j in range(n)] for i, n in enumerate(SIZES)}
    text = ", ".join(f"{WORDS} {{P{i}}}" for i in range(len(SIZES)))
    out = []
    for combo in list(itertools.islice(itertools.product(*pools.values()), N)):
        choice = dict(zip(pools, combo, strict=True))
        out.append(re.sub(r"\{(\w+)\}", lambda m: choice[m[1]], text))  # noqa: B023
    return out


# ---- measurements ----------------------------------------------------------------------------------------------------


def prompts() -> None:
    report(f"{N} prompts, naive product (peer)", cpu_s=cpu(naive))
    for mode in MODES:
        ours = template(mode)
        assert list(bulk(ours, iter([5]))) == list(one_by_one(ours))
        report(f"{N} prompts, {mode}, one by one", cpu_s=cpu(lambda ours=ours: consume(one_by_one(ours)), 3))
        assert len(dynamicprompts(mode, 10)) == 10  # its imports are not counted
        # in turn, for a shared machine is not equally fast at all times
        rounds = [
            (cpu(lambda mode=mode: dynamicprompts(mode)), cpu(lambda ours=ours: consume(bulk(ours)), 5))
            for _ in range(PEER_ROUNDS)
        ]
        peer, seconds = (statistics.median(column) for column in zip(*rounds, strict=True))
        report(f"{N} prompts, {mode}, dynamicprompts (peer)", cpu_s=peer)
        report(
            f"{N} prompts, {mode}",
            cpu_s=seconds,
            us_per_prompt=seconds / N * 1e6,
            times_faster_than_dynamicprompts=statistics.median(theirs / own for theirs, own in rounds),
            at_most={"cpu_s": 1.0},
            at_least={"times_faster_than_dynamicprompts": FASTER[mode]},
        )


def memory(what: str) -> None:
    """The peaks of a process of its own that keeps all prompts in a list: of the process, and of Python's objects."""
    figures = {}
    for kind in ("rss", "objects"):
        done = subprocess.run([sys.executable, __file__, what, kind], check=True, capture_output=True, text=True)
        figures[f"{kind}_peak_mib"] = int(done.stdout) / 2**20
    bars = {"rss_peak_mib": 150.0} if what in MODES else None
    report(f"memory for a list of {N} prompts, {what}", at_most=bars, **figures)


def memory_child(what: str, kind: str) -> None:
    if kind == "objects":
        tracemalloc.start()
    kept = [prompt for prompt, _ in bulk(template(what))] if what in MODES else dynamicprompts(what.split()[-1])
    assert len(kept) == N
    print(tracemalloc.get_traced_memory()[1] if kind == "objects" else peak_rss())


def peak_rss() -> int:
    """This process's largest resident size in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def plan_items() -> None:
    for mode in MODES:
        plan = Plan.build(template(mode))
        report(
            f"{N} plan items with seeds and identities, {mode}", cpu_s=cpu(lambda plan=plan: consume(plan.items()), 3)
        )
        report(
            f"{N} identities one by one, {mode}",
            cpu_s=cpu(lambda plan=plan: consume(map(plan.identity, range(N))), 3),
        )
    plan = Plan.build(template("combinatorial"))
    report("values used by 40000 items", cpu_s=cpu(lambda: plan.used(40_000), 3))


def long_prompt() -> None:
    resolved = load_text(yaml_text(SIZES, "combinatorial", -1, ", (some long:1.2) text here,\n  more words" * 7))
    space, renderer = Space(resolved, 5), Renderer(resolved)
    choices = [space.choice(i) for i in range(20_000)]
    text = renderer.render(choices[0]).prompt
    seconds = cpu(lambda: [renderer.render(c) for c in choices], 3)
    us = seconds / len(choices) * 1e6
    report("rendering one by one", characters=len(text), us_per_prompt=us, at_most={"us_per_prompt": 20})
    seconds = cpu(lambda: consume(renderer.render_many(space, 0, 20_000)), 3)
    report("rendering in bulk", characters=len(text), us_per_prompt=seconds / 20_000 * 1e6)
    seconds = cpu(lambda: [one_line(text) for _ in range(2000)], 3)
    report("one-line form", characters=len(text), line_breaks=text.count("\n"), us_per_prompt=seconds / 2000 * 1e6)


def far_items() -> None:
    resolved = load_text(yaml_text([50] * 6, "combinatorial", -1))
    ms = cpu(lambda: Space(resolved, 5).choice(10**9), 5) * 1e3
    report("item 10^9 of 50^6, all preparation included", ms=ms, at_most={"ms": 1})
    space = Space(load_text(yaml_text([1000] * 5, "random", -1)), 5)
    generator = random.Random(1)
    at = [generator.randrange(space.size) for _ in range(20_000)]
    different = {tuple(space.choice(i).values()) for i in at}
    us = cpu(lambda: [space.choice(i) for i in at]) / len(at) * 1e6
    repeated = len(set(at)) - len(different)
    report("random without repeats over 10^15", us_per_item=us, items=len(at), repeats=repeated, at_most={"repeats": 0})


def theme() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "th").mkdir()
        for i in range(50):
            lines = "".join(f"  Key{j}: some value number {j} of {i}, with a few words\n" for j in range(200))
            (folder / f"th/f{i}.yaml").write_text(f"type: variations\nname: F\nvariations:\n{lines}", encoding="utf-8")
        imports = "".join(f"  P{i}: th/f{i}.yaml\n" for i in range(50))
        (folder / "th/theme.yaml").write_text(f"type: theme_config\nimports:\n{imports}", encoding="utf-8")
        text = ", ".join(f"{{P{i}}}" for i in range(50))
        leaf = folder / "main.prompt.yaml"
        block = "generation: {mode: random, seed: 1, max_images: 100}\nthemes: {explicit: {th: th/theme.yaml}}\n"
        leaf.write_text(f"name: M\nprompt: '{text}'\n{block}", encoding="utf-8")
        of = "theme of 50 files with 200 values"
        ms, parsed = counted(lambda: load_template(leaf, Options(theme="th")))
        assert len(parsed) == 52
        most = max(parsed.values())
        report(f"{of}, first load", ms=ms, files=len(parsed), most_parsings=most, at_most={"most_parsings": 1})
        ms, parsed = counted(lambda: load_template(leaf, Options(theme="th")), 5)
        report(f"{of}, second load", ms=ms, parsed=len(parsed), at_most={"ms": 20, "parsed": 0})
        command = [sys.executable, "-m", "sdgen_core", "expand", str(leaf), "--theme", "th", "--count", "10", "--jsonl"]
        walls = []
        for _ in range(7):
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            walls.append(time.perf_counter() - started)
        median = statistics.median(walls)
        name = f"sdgen expand --count 10 of the {of}, whole process"
        report(name, wall_s=median, wall_best_s=min(walls), at_most={"wall_s": 0.6})


def counted(load: Callable[[], Any], times: int = 1) -> tuple[float, Counter[str]]:
    """(CPU milliseconds, how often each text was parsed)."""
    parse, parsed = yaml.parse, Counter[str]()

    def counting(text: str, *args: Any, **options: Any) -> Any:
        parsed[text] += 1
        return parse(text, *args, **options)

    yaml.parse = counting
    try:
        return cpu(load, times) * 1e3, parsed
    finally:
        yaml.parse = parse


def main() -> None:
    if len(sys.argv) > 2:
        memory_child(*sys.argv[1:])
        return
    for what in (*MODES, "dynamicprompts combinatorial", "dynamicprompts random"):
        memory(what)
    plan_items()
    long_prompt()
    far_items()
    theme()
    prompts()


if __name__ == "__main__":
    main()
