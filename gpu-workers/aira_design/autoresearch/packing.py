"""From documents to rows of tokens: every row begins with BEGIN, and so does every document in it; nothing is padded.

`in-order` takes documents as they come and cuts the last one off. `best-fit` is the published loader's rule (karpathy/autoresearch,
prepare.py): of 1,000 waiting documents the longest that fits comes next, the one that has waited longest among equals; where none
fits, the shortest is cut off. It cuts fewer documents, and needs rows that are longer than most of them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator

import numpy as np
from aira_workers.text.tokenizers import BEGIN

WAITING = 1_000

Next = Callable[[int], "np.ndarray | None"]
"""From how many tokens a row has left to the document that comes next, without BEGIN, maybe too long; None when there are no more."""


class Packer:
    """Fills rows from `documents`, token ids without BEGIN."""

    def __init__(self, documents: Iterator[np.ndarray], packing: str) -> None:
        rules: dict[str, Callable[[Iterator[np.ndarray]], Next]] = {"in-order": _in_order, "best-fit": _best_fit}
        self._next = rules[packing](documents)

    def fill(self, row: np.ndarray) -> bool:
        """Fill `row` (width,) uint16; False where the documents end before it is full."""
        used = 0
        while used < len(row):
            document = self._next(len(row) - used - 1)
            if document is None:
                return False
            part = document[: len(row) - used - 1]
            row[used] = BEGIN
            row[used + 1 : used + 1 + len(part)] = part
            used += 1 + len(part)
        return True


def _in_order(documents: Iterator[np.ndarray]) -> Next:
    return lambda _: next(documents, None)


def _best_fit(documents: Iterator[np.ndarray]) -> Next:
    # Ascending by size; among equals the one that has waited longest is last.
    sizes: list[int] = []
    waiting: list[np.ndarray] = []

    def following(room: int) -> "np.ndarray | None":
        while len(sizes) < WAITING:
            one = next(documents, None)
            if one is None:
                break
            place = bisect_left(sizes, len(one))
            sizes.insert(place, len(one))
            waiting.insert(place, one)
        if not sizes:
            return None
        place = bisect_right(sizes, max(room, sizes[0])) - 1
        del sizes[place]
        return waiting.pop(place)

    return following
