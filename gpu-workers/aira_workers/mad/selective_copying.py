"""Selective copying: remember the content tokens scattered among blanks and repeat them in order."""

import numpy as np

from .metric import IGNORE


def selective_copying(
    rng: np.random.Generator, count: int, *, vocabulary: int, length: int, copies: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets, both (count, length) int64.

    `copies` random content tokens 0 .. vocabulary - 3, length - 2 x copies - 1 blanks (vocabulary - 2) put before
    content tokens at random, the copy token (vocabulary - 1), then `copies` blanks whose targets are the content in
    order. No other position has a target, and no shift is applied.
    """
    blanks = length - 2 * copies - 1
    if copies < 1 or blanks < 0 or vocabulary < 4:
        raise ValueError("selective copying needs length >= 2 x copies + 1 and a vocabulary of at least 4")
    content = rng.integers(0, vocabulary - 2, (count, copies))
    # Each blank independently picks the content token it stands before; ties keep blanks before their token.
    before = np.sort(rng.integers(0, copies, (count, blanks)), axis=1)
    place = np.arange(copies) + (before[:, None, :] <= np.arange(copies)[None, :, None]).sum(2)
    inputs = np.full((count, length), vocabulary - 2, dtype=np.int64)
    np.put_along_axis(inputs, place, content, axis=1)
    inputs[:, blanks + copies] = vocabulary - 1
    targets = np.full((count, length), IGNORE, dtype=np.int64)
    targets[:, -copies:] = content
    return inputs, targets
