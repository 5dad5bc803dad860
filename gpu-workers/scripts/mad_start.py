"""Does MAD's start matter? Held-out macro accuracy of one task from each of the three starts of primitives/initial.py.

    python3 gpu-workers/scripts/mad_start.py [--task compression] [--profile small] [--rung screen] [--seeds 1] [PATTERN ...]

Patterns are letters, M feed-forward, A attention, B Mamba-2; nothing given: Llama of 16 layers. Trains with the native engine
where the machine can, else with torch. One line of JSON per training on standard output.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
import yaml

PACKAGE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PACKAGE))

from aira_workers.native.engine import Unavailable, open_engine
from aira_workers.proxies import (
    TORCH,
    Candidate,
    Hooks,
    parse_settings,
    separate,
)

_TOKENS = {"M": "M", "A": "mA", "B": "Mb"}
_STARTS = ("fan-in", "linear", "small")


def held_out_accuracy(task: str, pattern: str, seed: int, settings, engine, start: str) -> float:
    """Macro accuracy on the held-out sequences after all epochs of `settings`, from another start than the proxy's own."""
    own = separate.start_of
    separate.start_of = lambda name: start
    try:
        candidate = Candidate(tuple(_TOKENS[letter] for letter in pattern), seed, "validation")
        training = separate.TaskTraining(task, candidate, settings, torch.device("cpu"), engine)
        for epoch in range(settings.epochs):
            training.run_epoch(epoch, Hooks())
        return training.score
    finally:
        separate.start_of = own


def main() -> None:
    options = _parse()
    metadata = yaml.safe_load((PACKAGE.parent / "tasks" / "compose-mad-3p" / "metadata.yaml").read_text())
    settings = parse_settings(metadata["profiles"][options.profile]["rungs"][options.rung]["settings"])
    try:
        engine = open_engine()
    except Unavailable:
        engine = TORCH
    for pattern in options.patterns or ["AM" * 8]:
        for seed in range(options.seeds):
            for start in options.starts:
                found = held_out_accuracy(options.task, pattern, seed, settings, engine, start)
                record = {
                    "task": options.task,
                    "epochs": settings.epochs,
                    "pattern": pattern,
                    "seed": seed,
                    "start": start,
                }
                print(json.dumps({**record, "accuracy": round(found, 4)}), flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    parser.add_argument("--task", default="compression")
    parser.add_argument("--profile", default="small", choices=("small", "paper"))
    parser.add_argument("--rung", default="screen", choices=("screen", "confirm"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--starts", nargs="+", default=_STARTS, choices=_STARTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
