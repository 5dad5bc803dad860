"""Memorization: answer each key with the value it is always paired with; nothing in the context helps."""

import numpy as np

from .metric import IGNORE

_PAIRS_SEED = 12345  # MAD's: the pairs are a property of the task, the same in every data set


def memorization_pairs(vocabulary: int) -> np.ndarray:
    """Value of each key, (keys,) int64: keys in the lower half of the content tokens, values in the upper."""
    content = vocabulary - 1
    rng = np.random.default_rng(_PAIRS_SEED)
    keys, values = np.arange(content // 2), np.arange(content // 2, content)
    rng.shuffle(keys)
    rng.shuffle(values)
    pairs = np.empty(len(keys), dtype=np.int64)
    pairs[keys] = values[: len(keys)]
    return pairs


def memorization(
    rng: np.random.Generator, count: int, *, vocabulary: int, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets, both (count, length) int64: key, insert token, key, insert token, ...

    The target at an insert token is the value of the key before it; keys have no target, and no shift is applied.
    """
    if length % 2 or vocabulary < 4:
        raise ValueError("memorization needs an even length and a vocabulary of at least 4")
    pairs = memorization_pairs(vocabulary)
    keys = rng.integers(0, len(pairs), (count, length // 2))
    inputs = np.full((count, length), vocabulary - 1, dtype=np.int64)
    inputs[:, 0::2] = keys
    targets = np.full((count, length), IGNORE, dtype=np.int64)
    targets[:, 1::2] = pairs[keys]
    return inputs, targets
