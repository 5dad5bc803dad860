"""The six tasks by name: their sizes, and one call that draws a data set for any of them.

Data sets are cached per process by everything they depend on, because a population trains on the same ones.
"""

from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Literal, NamedTuple, Union

import numpy as np

from ..errors import InvalidCandidate
from .compression import compression
from .fuzzy_recall import fuzzy_recall
from .memorization import memorization
from .noisy_recall import noisy_recall
from .recall import Targets, recall
from .selective_copying import selective_copying


@dataclass(frozen=True)
class RecallSizes:
    vocabulary: int
    length: int


@dataclass(frozen=True)
class NoisyRecallSizes:
    vocabulary: int
    length: int
    noise_vocabulary: int
    noise: float


@dataclass(frozen=True)
class FuzzyRecallSizes:
    vocabulary: int
    length: int
    motif: int


@dataclass(frozen=True)
class MemorizationSizes:
    vocabulary: int
    length: int


@dataclass(frozen=True)
class CompressionSizes:
    vocabulary: int
    length: int


@dataclass(frozen=True)
class SelectiveCopyingSizes:
    vocabulary: int
    length: int
    copies: int


OneTask = Union[
    RecallSizes, NoisyRecallSizes, FuzzyRecallSizes, MemorizationSizes, CompressionSizes, SelectiveCopyingSizes
]


@dataclass(frozen=True)
class TaskSizes:
    """Sizes of the six tasks, in the order in which results list them."""

    recall: RecallSizes
    noisy_recall: NoisyRecallSizes
    fuzzy_recall: FuzzyRecallSizes
    memorization: MemorizationSizes
    compression: CompressionSizes
    selective_copying: SelectiveCopyingSizes


TASK_NAMES = tuple(field.name for field in fields(TaskSizes))

Split = Literal["train", "test"]
_STREAM = {"train": 0, "test": 1}


class TaskSet(NamedTuple):
    """inputs and targets, (count, tokens) int64; targets are IGNORE where nothing is asked."""

    inputs: np.ndarray
    targets: np.ndarray


@lru_cache(maxsize=96)
def generate(name: str, sizes: OneTask, seed: int, split: Split, count: int, targets: Targets) -> TaskSet:
    """Draw `count` sequences of task `name`; train and test come from separate random streams of `seed`.

    `targets` matters for the three recall tasks only. The arrays are shared between callers and read-only. Raises
    InvalidCandidate when the sizes leave no room for the task.
    """
    rng = np.random.default_rng(np.random.SeedSequence((_STREAM[split], seed, TASK_NAMES.index(name))))
    try:
        data = _draw(rng, sizes, split, count, targets)
    except ValueError as error:
        raise InvalidCandidate(f"settings.tasks.{name}: {error}") from error
    for array in data:
        array.setflags(write=False)
    return TaskSet(*data)


def _draw(
    rng: np.random.Generator, sizes: OneTask, split: Split, count: int, targets: Targets
) -> tuple[np.ndarray, np.ndarray]:
    own = asdict(sizes)
    if isinstance(sizes, RecallSizes):
        return recall(rng, count, noise_vocabulary=0, noise=0.0, targets=targets, **own)
    if isinstance(sizes, NoisyRecallSizes):
        return noisy_recall(rng, count, targets=targets, **own)
    if isinstance(sizes, FuzzyRecallSizes):
        return fuzzy_recall(rng, count, test=split == "test", targets=targets, **own)
    if isinstance(sizes, MemorizationSizes):
        return memorization(rng, count, **own)
    if isinstance(sizes, CompressionSizes):
        return compression(rng, count, **own)
    return selective_copying(rng, count, **own)
