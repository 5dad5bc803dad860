"""The difficulty ladders of MAD: each task's baseline, and what makes it harder, one thing at a time.

Source: Poli et al. 2024 (arXiv 2403.17844) and the task configurations of athms/mad-lab. All values of all ladders and the six
baselines are 66 settings. mad-lab also trains each with six settings of rate and weight decay and takes the best; here is one.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from .tasks import OneTask, TaskSizes

_RECALL = {"vocabulary": (32, 64, 128), "length": (256, 512, 1024)}
# Each ladder from the easiest value to the hardest. noisy_recall's vocabulary has 16 tokens of noise in it.
_LADDERS: dict[str, dict[str, tuple]] = {
    "recall": _RECALL,
    "noisy_recall": {**_RECALL, "vocabulary": (48, 80, 144), "noise": (0.4, 0.6, 0.8)},
    "fuzzy_recall": _RECALL,
    "memorization": {"vocabulary": (512, 1024, 2048, 4096, 8192)},
    "compression": {"vocabulary": (32, 64, 128), "length": (64, 128, 256)},
    "selective_copying": {"vocabulary": (32, 64, 128), "length": (512, 1024), "copies": (32, 64, 96)},
}
_HALVINGS = 4  # of the training sequences: 12,800 to 800 as published
_MEMORIZED = 256  # training sequences of memorization, which has no ladder of them


class Setting(NamedTuple):
    """One training of a task: `name` says what differs from the baseline, `samples` is the number of sequences."""

    task: str
    name: str
    sizes: OneTask
    samples: int


def settings_of(tasks: TaskSizes, samples: int, depth: int) -> Iterator[Setting]:
    """The baselines in `tasks` at `samples` sequences, and the first `depth` values of each ladder, easiest first."""
    for task, ladders in _LADDERS.items():
        sizes = getattr(tasks, task)
        base = _MEMORIZED if task == "memorization" else samples
        yield Setting(task, "baseline", sizes, base)
        for key, values in ladders.items():
            for value in values[:depth]:
                yield Setting(task, f"{key} {value}", replace(sizes, **{key: value}), base)
        if task != "memorization":
            for halving in range(1, min(depth, _HALVINGS) + 1):
                yield Setting(task, f"samples {samples >> halving}", sizes, samples >> halving)
