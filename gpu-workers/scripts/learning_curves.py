"""Train pools of architectures under changed nano settings and keep the learning curve of every task.

    python3 gpu-workers/scripts/learning_curves.py --pool 2p --seeds 4 --set steps=2400 --set optimiser.floor=1.0 \
        --out build/long.npz

One file holds accuracy and loss per architecture, seed, task and bin of steps, so that prefixes, task weights and windows
can be compared without training again (`read_curves.py`). With a constant rate (`optimiser.floor=1.0`) a prefix
of a long training is exactly the shorter training. Experiments only: the evaluator reads none of this.
"""

import argparse
import json
import multiprocessing
import os
import random
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import yaml

SCRIPTS = Path(__file__).resolve().parent
REPOSITORY = SCRIPTS.parents[1]
sys.path[:0] = [str(SCRIPTS), str(SCRIPTS.parent)]

BIN = 20
_ENGINE = None


def changed_settings(rung: str, changes: list) -> dict:
    """The settings of a nano rung with `path=value` changes applied."""
    metadata = yaml.safe_load((REPOSITORY / "tasks" / "compose-mad-3p" / "metadata.yaml").read_text())
    settings = json.loads(json.dumps(metadata["profiles"]["nano"]["rungs"][rung]["settings"]))
    for change in changes:
        path, _, value = change.partition("=")
        *parents, last = path.split(".")
        place = settings
        for parent in parents:
            place = place[parent]
        if last not in place:
            raise SystemExit(f"there is no setting {path}")
        place[last] = type(place[last])(json.loads(value))
    return settings


def curve(job: tuple) -> tuple:
    """(letters, seed, settings) -> accuracy and loss (tasks, bins), and the processor seconds of the training."""
    global _ENGINE
    import torch
    from aira_workers.mad import TASK_NAMES
    from aira_workers.model import StackModel
    from aira_workers.native import open_engine
    from aira_workers.optim import warmup_cosine
    from aira_workers.primitives import make_frame
    from aira_workers.proxies import parse_settings
    from aira_workers.proxies.joint import _training_batches
    from aira_workers.proxies.learner import MuonRule, Rule

    if _ENGINE is None:
        os.nice(19)
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        _ENGINE = open_engine()
    letters, seed, raw = job
    begin = time.process_time()
    settings = parse_settings(raw)
    architecture = tuple({"M": "M", "A": "mA", "B": "Mb"}[letter] for letter in letters)
    cpu, sizes, length = torch.device("cpu"), settings.model, settings.tasks.recall.length
    offsets = np.concatenate([[0], np.cumsum([task.vocabulary for task in vars(settings.tasks).values()])])
    model = StackModel(architecture, sizes, int(offsets[-1]), seed, "learned-code", length)
    o = settings.optimiser
    rule = Rule(o.clip, MuonRule(o.matrix_lr, o.momentum, o.newton_schulz_steps), o.lr, o.beta1, o.beta2, o.eps, 0.0)
    sequences = len(TASK_NAMES) * settings.sequences_per_task
    learner = _ENGINE.learner(model, make_frame(length, sizes, cpu), sizes, rule, sequences)
    found = np.zeros((2, settings.steps, len(TASK_NAMES)), dtype=np.float32)
    for step, batch in enumerate(_training_batches(settings, seed, offsets, cpu)):
        losses, hits = learner.gradients(batch.question)
        found[0, step], found[1, step] = batch.share @ hits, batch.share @ losses
        learner.update(warmup_cosine(step, settings.steps, o.warmup, o.floor))
    bins = settings.steps // BIN
    binned = found[:, : bins * BIN].reshape(2, bins, BIN, -1).mean(2).transpose(0, 2, 1)
    return letters, seed, binned, time.process_time() - begin


def drawn(pool: str) -> list:
    """`random:60:60:MAB`: sixty different stacks of 16 layers drawn with seed 60; else the letters as they stand."""
    if not pool.startswith("random:"):
        return pool.split(",")
    _, seed, count, primitives = pool.split(":")
    rng, found = random.Random(int(seed)), {}
    while len(found) < int(count):
        found["".join(rng.choice(primitives) for _ in range(16))] = None
    return list(found)


def save(options, pool: dict, curves: np.ndarray, seconds: np.ndarray, settings: dict) -> None:
    options.out.parent.mkdir(parents=True, exist_ok=True)
    retained = {
        "names": list(pool),
        "letters": list(pool.values()),
        "changes": options.set,
        "settings": json.dumps(settings),
    }
    np.savez_compressed(options.out, curves=curves, seconds=seconds, **retained)


def main() -> None:
    from nano_signal import POOLS

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--pool", default="2p", help=f"{', '.join(POOLS)}, random:SEED:COUNT:PRIMITIVES, or letters separated by commas"
    )
    parser.add_argument("--rung", choices=("screen", "confirm"), default="screen", help="whose settings are changed")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="for example steps=1200")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    pool = POOLS.get(options.pool) or {letters: letters for letters in drawn(options.pool)}
    settings = changed_settings(options.rung, options.set)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    jobs = [(letters, seed, settings) for seed in seeds for letters in pool.values()]
    place = {letters: index for index, letters in enumerate(pool.values())}
    curves, seconds = None, np.zeros((len(pool), len(seeds)))
    with multiprocessing.get_context("spawn").Pool(options.processes) if options.processes > 1 else _Here() as workers:
        for done, (letters, seed, found, took) in enumerate(workers.imap_unordered(curve, jobs), start=1):
            if curves is None:
                curves = np.full((len(pool), len(seeds), *found.shape), np.nan, dtype=np.float32)
            at = place[letters], seed - options.first_seed
            curves[at], seconds[at] = found, took
            print(f"{done}/{len(jobs)} {letters}#{seed} {found[0].mean():.4f} {took:.1f} s", file=sys.stderr)
            if done % 10 == 0 or done == len(jobs):
                save(options, pool, curves, seconds, settings)


class _Here:
    """A pool of one: this process."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    imap_unordered = staticmethod(map)


if __name__ == "__main__":
    main()
