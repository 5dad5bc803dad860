"""Candidates per core-hour: the native engine beside the torch path of the workers and an ordinary PyTorch program.

    python3 scripts/bench_engine.py [--rounds 3] [--steps 200] [--lanes 16] [--json]

Every measurement is a fresh single-threaded process; the methods take turns within a round, so that ratios are of runs
side by side. A figure is the processor time of one whole candidate (data, model, training) at equal loss, the median over
rounds; the share of peak counts FLOPs as proxies/flops.py does, over the training of the native engine, against the
multiply-adds per second that the same core reaches in registers.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
SCRIPTS = Path(__file__).resolve().parent
sys.path.insert(0, str(PACKAGE))

FAMILIES = {
    "mixed (random, best of 24)": "BBAAMABAMMMAMMAB",
    "2mA+5M+2mA+3M+1mA+3M": "AAMMMMMAAMMMAMMM",
    "(mA M) x8": "AM" * 8,
    "(3Mb mA 4Mb) x2": "BBBABBBB" * 2,
    "all M": "M" * 16,
    "all mA": "A" * 16,
    "all Mb": "B" * 16,
}
METHODS = ("plain", "torch", "native")
TOKENS = {"M": "M", "A": "mA", "B": "Mb"}


def train_once(method, letters, steps, lanes):
    """One candidate in this process: its processor seconds, mean loss and FLOPs."""
    import numpy as np
    import torch
    import yaml

    from aira_workers.native import NativeEngine
    from aira_workers.native.binding import load
    from aira_workers.native.build import VARIANTS, best_variant, cpu_flags, library
    from aira_workers.proxies import TORCH, Candidate, measure, parse_settings

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    metadata = yaml.safe_load((PACKAGE.parent / "tasks" / "compose-mad-3p" / "metadata.yaml").read_text())
    settings = parse_settings({**metadata["profiles"]["nano"]["rungs"]["screen"]["settings"], "steps": steps})
    candidate = Candidate(tuple(TOKENS[letter] for letter in letters), 1, "validation")
    if method == "plain":
        sys.path.insert(0, str(SCRIPTS))
        from plain_loop import train

        from aira_workers.model import StackModel
        from aira_workers.optim import warmup_cosine
        from aira_workers.proxies.joint import _training_batches

        begin = time.process_time()
        offsets = np.concatenate([[0], np.cumsum([task.vocabulary for task in vars(settings.tasks).values()])])
        start = StackModel(candidate.architecture, settings.model, int(offsets[-1]), 1, "learned-code", 32)
        batches = _training_batches(settings, 1, offsets, torch.device("cpu"))
        chosen = settings.optimiser
        losses = train(start, batches, settings, lambda n: warmup_cosine(n, steps, chosen.warmup, chosen.floor))
        return {"seconds": time.process_time() - begin, "loss": statistics.fmean(losses)}
    engine = TORCH
    if method == "native":
        variant = next((v for v in VARIANTS if v.lanes == lanes), None) or best_variant(cpu_flags())
        engine = NativeEngine(load(library(variant), variant.lanes), variant.lanes)
    begin = time.process_time()
    measured = measure(candidate, settings, torch.device("cpu"), engine=engine)
    seconds = time.process_time() - begin
    loss = statistics.fmean(task.loss for task in measured.tasks.values())
    return {"seconds": seconds, "loss": loss, "flops": measured.flops}


def child(method, letters, options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    if method != "plain":  # the workers' own tuning; the plain program knows nothing of it
        tuning = json.loads((PACKAGE / "worker-env.json").read_text())
        environment.update(tuning["cpu"])
        flags = Path("/proc/cpuinfo").read_text().split()
        level = next((one["value"] for one in tuning["atenCpuCapability"] if one["cpuFlag"] in flags), None)
        if level:
            environment["ATEN_CPU_CAPABILITY"] = level
    command = [sys.executable, __file__, "--one", method, letters, "--steps", str(options.steps)]
    command += ["--lanes", str(options.lanes)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def peak(lanes):
    """Multiply-adds of one core in FLOP/s, measured now."""
    from aira_workers.native.build import FLAGS, SOURCES, VARIANTS, best_variant, cpu_flags, find_compiler

    variant = next((v for v in VARIANTS if v.lanes == lanes), None) or best_variant(cpu_flags())
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder) / "peak")
        flags = [*FLAGS, f"-march={variant.march}", f"-DAIRA_LANES={variant.lanes}", f"-I{SOURCES}"]
        subprocess.run([find_compiler(), *flags, str(SCRIPTS / "peak.cpp"), "-o", program], check=True)
        return max(float(subprocess.run([program], capture_output=True, text=True, check=True).stdout) for _ in range(3))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--lanes", type=int, default=0, choices=(0, 8, 16), help="0: the widest of this machine")
    parser.add_argument("--families", type=int, default=len(FAMILIES), help="only the first so many")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs=2, metavar=("METHOD", "LETTERS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(train_once(*options.one, options.steps, options.lanes)))
        return
    rows = []
    for family, letters in list(FAMILIES.items())[: options.families]:
        found = {method: [] for method in METHODS}
        peaks = []
        for _ in range(options.rounds):
            peaks.append(peak(options.lanes))
            for method in METHODS:
                found[method].append(child(method, letters, options))
        seconds = {method: [one["seconds"] for one in found[method]] for method in METHODS}
        ratios = {
            method: sorted(a / b for a, b in zip(seconds[method], seconds["native"])) for method in ("plain", "torch")
        }
        native = found["native"][0]
        rows.append(
            {
                "family": family,
                "steps": options.steps,
                "seconds": {method: statistics.median(values) for method, values in seconds.items()},
                "candidatesPerCoreHour": round(3600 / statistics.median(seconds["native"])),
                "plainOverNative": ratios["plain"],
                "torchOverNative": ratios["torch"],
                "shareOfPeak": statistics.median(
                    native["flops"] / one / top for one, top in zip(seconds["native"], peaks)
                ),
                "peak": statistics.median(peaks),
                "loss": {method: found[method][0]["loss"] for method in METHODS},
            }
        )
        if not options.json:
            _show(rows[-1], first=len(rows) == 1)
    if options.json:
        print(json.dumps(rows, indent=1))


def _show(row, first):
    if first:
        print("| pattern | plain s | torch s | native s | candidates / core-hour | plain / native | torch / native |", end="")
        print(" share of peak | loss plain / torch / native |\n|---|---|---|---|---|---|---|---|---|")
    seconds, loss = row["seconds"], row["loss"]

    def span(values):
        return f"{statistics.median(values):.1f} ({values[0]:.1f}-{values[-1]:.1f})"

    cells = [row["family"], *(f"{seconds[method]:.2f}" for method in METHODS), f"{row['candidatesPerCoreHour']:,}"]
    cells += [span(row["plainOverNative"]), span(row["torchOverNative"])]
    cells += [f"{row['shareOfPeak']:.0%} of {row['peak'] / 1e9:.0f} GFLOP/s"]
    cells += [" / ".join(f"{loss[method]:.5f}" for method in METHODS)]
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
