"""Training batches, made in the trusted process that serves them."""

from typing import Iterator

import numpy as np

from aira_workers.text.tokenizers import BEGIN


class TrainingText:
    """All training documents in an order that the seed decides, without end.

    tokens (n,) uint16 holds the documents one after the other; `starts` where each begins, and the end of the last.
    """

    def __init__(self, tokens: np.ndarray, starts: np.ndarray, seed: int) -> None:
        self._tokens, self._starts = tokens, starts
        self._queue = _shuffled(np.random.default_rng(seed), len(starts) - 1)

    def rows(self, count: int, width: int) -> np.ndarray:
        """(count, width) uint16. Rows are filled with whole documents, each behind BEGIN; the last one is cut off."""
        rows = np.zeros((count, width), dtype=np.uint16)
        for row in rows:
            used = 0
            while used < width:
                document = next(self._queue)
                part = self._tokens[self._starts[document] : self._starts[document + 1]][: width - used - 1]
                row[used] = BEGIN
                row[used + 1 : used + 1 + len(part)] = part
                used += 1 + len(part)
        return rows


def _shuffled(rng: np.random.Generator, count: int) -> Iterator[int]:
    while True:
        yield from rng.permutation(count)
