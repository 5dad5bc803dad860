"""The evaluator's benchmark: writes its section of BENCHMARKS.md (`npm run bench:evaluator`).

    python3 gpu-workers/scripts/bench_evaluator.py [--seconds 270] [--page BENCHMARKS.md]

Every figure comes from a fresh single-threaded process (bench_candidate.py); the methods take turns within a round, so
that ratios are of runs side by side. Rounds are repeated while the time lasts; the first is always finished. The peak is
what the same core reaches with multiply-adds in registers, measured in every round. Only what stands between the two
marker lines of the page is rewritten.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
PACKAGE = SCRIPTS.parent
sys.path[:0] = [str(PACKAGE), str(SCRIPTS)]

from bench_parts import Peak, parts_table

BEGIN, END = "<!-- evaluator: begin -->", "<!-- evaluator: end -->"
FAMILIES = {
    "mixed, BBAAMABAMMMAMMAB": "BBAAMABAMMMAMMAB",
    "Composer, 2mA+5M+2mA+3M+1mA+3M": "AAMMMMMAAMMMAMMM",
    "Llama, (mA M) x8": "AM" * 8,
    "hybrid, (3Mb mA 4Mb) x2": "BBBABBBB" * 2,
    "all M": "M" * 16,
    "all mA": "A" * 16,
    "all Mb": "B" * 16,
}
WIDE = ("mixed, BBAAMABAMMMAMMAB", "Composer, 2mA+5M+2mA+3M+1mA+3M", "all M", "all Mb")
NANO_STEPS, WIDE_STEPS = 100, 3
# Tokens of one validation training of the `small` screening: 560 sequences x 20 epochs x the lengths of the six tasks.
SMALL_TOKENS = 560 * 20 * (128 + 128 + 128 + 32 + 32 + 256)
WIDE_TOKENS = 30 * 128


def worker_environment() -> dict:
    """The workers' own tuning (worker-env.json) on top of this process's environment."""
    tuning = json.loads((PACKAGE / "worker-env.json").read_text())
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else []
    level = next((one["value"] for one in tuning["atenCpuCapability"] if one["cpuFlag"] in flags), None)
    return {**os.environ, **tuning["cpu"], **({"ATEN_CPU_CAPABILITY": level} if level else {})}


def run(method: str, scale: str, letters: str) -> dict:
    """One candidate in a process of its own. The plain loop gets one thread and no tuning."""
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    environment = {**os.environ, **single} if method == "plain" else worker_environment()
    steps = NANO_STEPS if scale == "nano" else WIDE_STEPS
    command = [sys.executable, str(SCRIPTS / "bench_candidate.py"), method, scale, letters, str(steps)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def engines() -> list:
    """The compiled engines of this machine, best first; none where there is no compiler."""
    from aira_workers.native import Unavailable, open_engine

    found = []
    for rounds_operands in (False, True):
        try:
            found.append(open_engine(rounds=rounds_operands).name)
        except Unavailable as error:
            print(f"native{'-bf16' * rounds_operands}: {error}", file=sys.stderr)
    return found


def rounds(plan: list, methods: list, seconds: float, peak) -> tuple:
    """{(scale, family, method): runs}, {(scale, family): peaks}: whole rounds of `plan`, as many as fit into the time."""
    begin, found, peaks = time.monotonic(), {}, {}
    while True:
        start = time.monotonic()
        for scale, family in plan:
            if peak:
                peaks.setdefault((scale, family), []).append(peak())
            for method in methods:
                found.setdefault((scale, family, method), []).append(run(method, scale, FAMILIES[family]))
                print(f"{scale} {family} {method} {found[scale, family, method][-1]['seconds']:.2f} s", file=sys.stderr)
        now = time.monotonic()
        if now - begin + (now - start) > seconds:
            return found, peaks


def table(scale: str, names, methods: list, found: dict, peaks: dict) -> list:
    native = methods[2:]
    heads = ["pattern", *(f"{method}, s" for method in methods)]
    heads += [f"candidates / core-hour, {method}" for method in ("plain", *native)]
    heads += [f"plain / {engine}" for engine in native] + [f"torch / {engine}" for engine in native]
    heads += ["share of peak", "loss " + " / ".join(methods)]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for family in names:
        runs = {method: found[scale, family, method] for method in methods}
        seconds = {method: [one["seconds"] for one in runs[method]] for method in methods}

        def per_hour(method):
            # A figure for a whole candidate: 240 steps at nano scale, the tokens of `small` at width 128.
            once = statistics.median(one["trainingSeconds"] for one in runs[method])
            whole = once * (240 / NANO_STEPS if scale == "nano" else SMALL_TOKENS / (WIDE_TOKENS * WIDE_STEPS))
            return f"{3600 / whole:,.{0 if scale == 'nano' else 2}f}"

        def ratio(of, to):
            values = sorted(a / b for a, b in zip(seconds[of], seconds[to]))
            spread = f" ({values[0]:.1f}-{values[-1]:.1f})" if len(values) > 1 else ""
            return f"{statistics.median(values):.1f}{spread}"

        cells = [family, *(f"{statistics.median(seconds[method]):.2f}" for method in methods)]
        cells += [per_hour(method) for method in ("plain", *native)]
        cells += [ratio("plain", engine) for engine in native] + [ratio("torch", engine) for engine in native]
        shares = [
            one["flops"] / one["trainingSeconds"] / top
            for one, top in zip(runs[native[0]] if native else [], peaks.get((scale, family), []))
        ]
        top = peaks.get((scale, family), [0])
        cells.append(f"{statistics.median(shares):.0%} of {statistics.median(top) / 1e9:.0f}" if shares else "-")
        cells.append(" / ".join(f"{runs[method][0]['loss']:.5f}" for method in methods))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def section(found: dict, peaks: dict, methods: list, count: int, where: str) -> str:
    import torch

    load = os.getloadavg()[0]
    parts = [
        f"{datetime.date.today().isoformat()}, {cpu_name()}, one core, torch {torch.__version__}, {count} interleaved "
        f"rounds, load average of the machine {load:.1f} at the end. Processor seconds of whole candidates (data, model, "
        "training); medians, with the range over rounds in brackets. *plain* is an ordinary PyTorch program "
        "(`gpu-workers/scripts/plain_loop.py`), *torch* the workers' own torch path, *native* the compiled engine, *native-bf16* the same with dense products "
        "of operands rounded to bfloat16. All "
        "start from the same weights and see the same batches; the losses are means over the steps shown. Peak: float32 "
        "multiply-adds of the same core in registers, GFLOP/s, and the share that *native* reaches; squares of attention and state space are counted in full, "
        "although the engine skips most of what the mask hides.",
        f"**Nano** (width 32, 24 sequences of 32 tokens, {NANO_STEPS} steps; candidates per core-hour at the screening's 240 "
        "steps):",
        "\n".join(table("nano", FAMILIES, methods, found, peaks)),
        f"**Width 128** (sizes of the profiles `small` and `paper`, 30 sequences of 128 tokens, {WIDE_STEPS} steps; candidates per "
        "core-hour at the tokens of a `small` screening):",
        "\n".join(table("wide", WIDE, methods, found, peaks)),
    ]
    parts += ["**Where the time of a nano step goes** (width 32, 24 sequences of 32 tokens):", where]
    parts += ["### Populations on a GPU", population_table()]
    return "\n\n".join(parts)


def population_table() -> str:
    import torch

    if not torch.cuda.is_available():
        return "Not measured: this machine shows torch no CUDA device."
    from bench_population import population_section

    return population_section()


def write(page: Path, text: str) -> None:
    """Replace what stands between the markers of `page`; append them where they are missing."""
    old = page.read_text(encoding="utf-8") if page.exists() else "# Benchmarks\n"
    if BEGIN not in old:
        old = f"{old.rstrip()}\n\n## Evaluator\n\n{BEGIN}\n{END}\n"
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=270, help="rounds are repeated while they fit into this time")
    parser.add_argument("--page", type=Path, default=PACKAGE.parent / "BENCHMARKS.md")
    options = parser.parse_args()
    plan = [("nano", family) for family in FAMILIES] + [("wide", family) for family in WIDE]
    native = engines()
    methods = ["plain", "torch", *native]
    with tempfile.TemporaryDirectory() as folder:
        found, peaks = rounds(plan, methods, options.seconds, Peak(folder) if native else None)
        parts = parts_table(folder) if native else "Not measured: there is no compiled engine here."
    count = len(next(iter(found.values())))
    write(options.page, section(found, peaks, methods, count, parts))
    print(f"wrote the evaluator's section of {options.page}")


if __name__ == "__main__":
    main()
