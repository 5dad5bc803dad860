"""Candidates trained together on a GPU: seconds per paper-scale candidate for populations of 1 to 64.

    python3 gpu-workers/scripts/bench_population.py [--device cuda] [--sizes 1 2 4 8 16 32 64] [--profile paper]

Called by bench_evaluator.py where torch shows a CUDA device. Two short trainings of different length give the fixed cost
and the cost of an epoch, from which the whole training is reckoned; early stopping is off, so a real search is quicker. The
yardstick is the torch path, one candidate at a time, on the same device.
"""

import argparse
import random
import sys
import time
from pathlib import Path

import torch
import yaml

PACKAGE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PACKAGE))

SHORT, LONG = 2, 6  # epochs
NEVER = 2.0  # an accuracy that nothing reaches


def settings_of(profile: str, epochs: int):
    """The confirming rung of a profile, cut to a number of epochs, and how many it has."""
    from aira_workers.proxies import parse_settings

    metadata = yaml.safe_load((PACKAGE.parent / "tasks" / "compose-mad-3p" / "metadata.yaml").read_text())
    whole = metadata["profiles"][profile]["rungs"]["confirm"]["settings"]
    cut = {**whole, "epochs": epochs, "validate_every": epochs, "stop_at": NEVER}
    return parse_settings(cut), whole["epochs"]


def drawn(count: int) -> list:
    from aira_workers.proxies import Candidate

    rng = random.Random(1)
    return [Candidate(tuple(rng.choice(("M", "mA", "Mb")) for _ in range(16)), 1, "validation") for _ in range(count)]


def seconds(device: torch.device, profile: str, epochs: int, count: int, together: bool) -> float:
    from aira_workers.population.separate import measure_separate_together
    from aira_workers.proxies import TORCH, Hooks, measure

    settings, _ = settings_of(profile, epochs)
    candidates = drawn(count)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    begin = time.perf_counter()
    if together:
        # Not through the engine, which would divide a population that it thinks too large for the memory.
        measure_separate_together(candidates, settings, device, [Hooks()] * count)
    else:
        for candidate in candidates:
            measure(candidate, settings, device, engine=TORCH)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin


def per_candidate(device: torch.device, profile: str, count: int, together: bool) -> float:
    """Seconds of one whole candidate when `count` are trained together, or one after the other."""
    seconds(device, profile, SHORT, count, together)  # libraries and data warm up
    short = seconds(device, profile, SHORT, count, together)
    epoch = (seconds(device, profile, LONG, count, together) - short) / (LONG - SHORT)
    _, epochs = settings_of(profile, SHORT)
    return (short + epoch * (epochs - SHORT)) / count


def population_section(
    device: torch.device = torch.device("cuda"), sizes=(1, 2, 4, 8, 16, 32, 64), profile="paper"
) -> str:
    """Markdown: what was measured on which device."""
    from aira_workers.worker.device import open_device

    if device.type == "cuda":
        open_device(str(device))
        title = torch.cuda.get_device_properties(device).name
    else:
        title = "CPU"
    alone = per_candidate(device, profile, 1, together=False)
    lines = [
        f"{title}, torch {torch.__version__}, profile `{profile}`, random stacks of 16 layers; whole trainings reckoned from "
        f"{SHORT} and {LONG} epochs, early stopping off. One at a time on the torch path: {alone:.1f} s per candidate.",
        "",
        "| together | seconds per candidate | times as many as one at a time | peak memory, GB |",
        "| --- | --- | --- | --- |",
    ]
    for count in sizes:
        try:
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            each = per_candidate(device, profile, count, together=True)
            peak = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else float("nan")
            lines.append(f"| {count} | {each:.1f} | {alone / each:.1f} | {peak:.1f} |")
        except RuntimeError as error:
            if "out of memory" not in str(error).lower():
                raise
            lines.append(f"| {count} | does not fit | - | - |")
            break
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--profile", choices=("small", "paper"), default="paper")
    options = parser.parse_args()
    print(population_section(torch.device(options.device), options.sizes, options.profile))


if __name__ == "__main__":
    main()
