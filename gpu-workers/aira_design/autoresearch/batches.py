"""Training batches, made in the trusted process that serves them."""

from collections.abc import Iterator

import numpy as np

from .packing import Packer


class TrainingText:
    """All training documents in an order that the seed decides, without end.

    tokens (n,) uint16 holds the documents one after the other; `starts` where each begins, and the end of the last.
    """

    def __init__(self, tokens: np.ndarray, starts: np.ndarray, seed: int, packing: str) -> None:
        shuffled = _shuffled(np.random.default_rng(seed), len(starts) - 1)
        self._packer = Packer((tokens[starts[one] : starts[one + 1]] for one in shuffled), packing)

    def rows(self, count: int, width: int) -> np.ndarray:
        """(count, width) uint16."""
        rows = np.zeros((count, width), dtype=np.uint16)
        for row in rows:
            self._packer.fill(row)
        return rows


def _shuffled(rng: np.random.Generator, count: int) -> Iterator[int]:
    while True:
        yield from rng.permutation(count)
