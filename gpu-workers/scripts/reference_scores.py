"""Print what a known pattern scores on the hidden test set of a task: the figure under `sota` in its metadata.

    python3 gpu-workers/scripts/reference_scores.py --pattern 2mA+5M+2mA+3M+mA+3M --seeds 2001 2002 tasks/compose-mad-2p

One line per task: mean over the seeds, on the final rung of the nano profile, which is what a search trains references on.
"""

import argparse
import os
import re
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aira_workers.native import Unavailable, open_engine
from aira_workers.proxies import Candidate, measure, parse_settings
from aira_workers.proxies.learner import TORCH, Engine


def layers(pattern: str) -> "tuple[str, ...]":
    """`2mA+M` -> ("mA", "mA", "M"). Raises SystemExit for what is no run of a layer."""
    found: list[str] = []
    for run in pattern.split("+"):
        match = re.fullmatch(r"(\d*)(mA|Mb|M)", run)
        if match is None:
            raise SystemExit(f"{run!r} is no run of layers such as 5M")
        found += [match[2]] * int(match[1] or 1)
    return tuple(found)


def engine() -> Engine:
    try:
        return open_engine()
    except Unavailable:
        return TORCH


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pattern", required=True, type=layers, help="run-length form")
    parser.add_argument("--seeds", type=int, nargs="+", default=[2001, 2002], help="of the final rung: 2001 and on")
    parser.add_argument("tasks", type=Path, nargs="+", metavar="task", help="a task directory")
    given = parser.parse_args()
    torch.set_num_threads(1)
    chosen = engine()
    for task in given.tasks:
        metadata = yaml.safe_load((task / "metadata.yaml").read_text())
        settings = parse_settings(metadata["profiles"]["nano"]["rungs"]["final"]["settings"])
        scores = []
        for seed in given.seeds:
            found = measure(Candidate(given.pattern, seed, "test"), settings, torch.device("cpu"), engine=chosen)
            assert found.test is not None
            scores.append(found.test)
        each = ", ".join(f"{score:.4f}" for score in scores)
        print(f"{task.name}: {sum(scores) / len(scores):.4f} ({each}), engine {chosen.name}", flush=True)


if __name__ == "__main__":
    main()
