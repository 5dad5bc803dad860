"""A stand-in for the IMDb reviews of the Text task: byte texts of this project's own making, two classes.

It is not IMDb, and scores on it say nothing about IMDb. A review is clauses, one of which praises (`cast +`) and one of which blames
(`plot -`); the class is whether it turns to praise, which is whether praise comes after blame. All other clauses are neutral, and
the first and the last clause are. So every review holds the same evidence, and what counts is an order over a distance:

- no bag of bytes or words, and no clause alone, says more than chance;
- where windows are shuffled, nothing is left but pairs that happen to share a window.
"""

from collections.abc import Sequence

import numpy as np

_PARTS = ("plot", "cast", "music", "script", "pacing", "ending", "camera", "humour", "lead", "mood", "sets")
_NEUTRAL = (
    "it rains", "we left", "a long day", "by a river", "it is late", "we saw it on a friday", "it was shot in autumn",
    "there is a train in it", "the poster is blue", "it runs for two hours",
)  # fmt: skip
_LEAST_LENGTH = 48
_LEAST_NEUTRAL = 3  # one in front, one behind, one more to stand between


def review(rng: np.random.Generator, length: int) -> tuple[tuple[bytes], int]:
    """Return ((text,), class) with at most `length` bytes, at least 48, cut at the end of a clause; 1 turns to praise."""
    if length < _LEAST_LENGTH:
        raise ValueError(f"a review needs {_LEAST_LENGTH} bytes; it may have {length}")
    label = int(rng.integers(2))
    while True:
        room = int(rng.integers(length // 2, length + 1))
        verdicts = [f"{_pick(rng, _PARTS)} {mark}" for mark in ("-+" if label else "+-")]
        clauses: list[str] = []
        size = sum(map(len, verdicts)) + 2
        while True:
            clause = _pick(rng, _NEUTRAL)
            size += len(clause) + 2
            if size > room:
                break
            clauses.append(clause)
        if len(clauses) >= _LEAST_NEUTRAL:
            first, second = sorted(rng.integers(1, len(clauses), 2).tolist())
            clauses.insert(second, verdicts[1])
            clauses.insert(first, verdicts[0])
            return (". ".join(clauses).encode(),), label


def _pick(rng: np.random.Generator, among: Sequence[str]) -> str:
    return among[int(rng.integers(len(among)))]
