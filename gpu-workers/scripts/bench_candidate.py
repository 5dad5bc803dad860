"""One candidate's training in this process: what a benchmark starts afresh for every figure.

    python3 gpu-workers/scripts/bench_candidate.py METHOD SCALE LETTERS STEPS

METHOD is plain (an ordinary PyTorch loop), torch (the workers' torch path) or an engine's name; SCALE nano or wide; LETTERS
the layers, M for M, A for mA, B for Mb. Prints {"seconds", "trainingSeconds", "loss", "flops", "tokens"}: processor seconds
of the whole candidate and of its training steps alone, and the mean loss in nats.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
import yaml

PACKAGE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PACKAGE), str(PACKAGE / "scripts")]

TOKENS = {"M": "M", "A": "mA", "B": "Mb"}
# The sizes of the profiles `small` and `paper` but for gains and biases, which the plain loop does not have.
_WIDE_TASKS = {
    "recall": {"vocabulary": 16, "length": 128},
    "noisy_recall": {"vocabulary": 32, "length": 128, "noise_vocabulary": 16, "noise": 0.2},
    "fuzzy_recall": {"vocabulary": 16, "length": 128, "motif": 3},
    "memorization": {"vocabulary": 256, "length": 128},
    "compression": {"vocabulary": 16, "length": 128},
    "selective_copying": {"vocabulary": 16, "length": 128, "copies": 16},
}


def settings_of(scale: str, steps: int):
    """The screening of the nano profile, `steps` long; `wide`: the same training with width 128 and 128 tokens."""
    from aira_workers.proxies import parse_settings

    profiles = yaml.safe_load((PACKAGE.parent / "tasks" / "compose-mad-3p" / "metadata.yaml").read_text())["profiles"]
    settings = {**profiles["nano"]["rungs"]["screen"]["settings"], "steps": steps}
    if scale == "wide":
        model = {**profiles["small"]["rungs"]["screen"]["settings"]["model"], "norm_gain": False}
        model.update(attention_bias=False, embedding_std=0.5, depth_scaled_outputs=True)
        settings = {**settings, "model": model, "tasks": _WIDE_TASKS, "sequences_per_task": 5}
    return parse_settings(settings)


class Timed:
    """An engine whose learners add up the processor time of their steps."""

    def __init__(self, engine) -> None:
        self.name, self.seconds, self._engine = engine.name, 0.0, engine

    def learner(self, *arguments):
        learner = self._engine.learner(*arguments)
        for name in ("gradients", "update"):
            setattr(learner, name, self._timed(getattr(learner, name)))
        return learner

    def _timed(self, call):
        def timed(*arguments):
            begin = time.process_time()
            answer = call(*arguments)
            self.seconds += time.process_time() - begin
            return answer

        return timed


def train(method: str, scale: str, letters: str, steps: int) -> dict:
    from aira_workers.proxies import TORCH, Candidate, measure

    settings = settings_of(scale, steps)
    candidate = Candidate(tuple(TOKENS[letter] for letter in letters), 1, "validation")
    if method == "plain":
        return plain(candidate, settings)
    engine = Timed(TORCH if method == "torch" else compiled(method))
    begin = time.process_time()
    measured = measure(candidate, settings, torch.device("cpu"), engine=engine)
    seconds = time.process_time() - begin
    loss = statistics.fmean(task.loss for task in measured.tasks.values())
    return {"seconds": seconds, "trainingSeconds": engine.seconds, "loss": loss, "flops": measured.flops}


def compiled(name: str):
    from aira_workers.native import open_engine

    engine = open_engine(rounds=name == "native-bf16")
    if engine.name != name:
        raise SystemExit(f"there is no engine {name}")
    return engine


def plain(candidate, settings) -> dict:
    from aira_workers.model import StackModel
    from aira_workers.optim import warmup_cosine
    from aira_workers.proxies.joint import _training_batches
    from plain_loop import train as train_plainly

    begin = time.process_time()
    offsets = np.concatenate([[0], np.cumsum([task.vocabulary for task in vars(settings.tasks).values()])])
    length, chosen = settings.tasks.recall.length, settings.optimiser
    start = StackModel(candidate.architecture, settings.model, int(offsets[-1]), candidate.seed, "learned-code", length)
    batches = _training_batches(settings, candidate.seed, offsets, torch.device("cpu"))
    before = time.process_time()
    schedule = [warmup_cosine(step, settings.steps, chosen.warmup, chosen.floor) for step in range(settings.steps)]
    losses = train_plainly(start, batches, settings, schedule.__getitem__)
    end = time.process_time()
    return {"seconds": end - begin, "trainingSeconds": end - before, "loss": statistics.fmean(losses), "flops": None}


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    method, scale, letters, steps = sys.argv[1:]
    print(json.dumps(train(method, scale, letters, int(steps))))
