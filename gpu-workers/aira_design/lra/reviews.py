"""A stand-in for the IMDb reviews of the Text task: byte texts of this project's own making, two classes.

It is not IMDb, and scores on it say nothing about IMDb. It asks for the same steps at a smaller scale: read words from
bytes, notice that a negation turns the word after it, and sum evidence over the whole text. The class is whether more
was praised than blamed; neutral clauses in between carry no evidence.
"""

from typing import List, Tuple

import numpy as np

_PRAISE = (
    "warm", "sharp", "moving", "clever", "graceful", "honest", "funny", "tender", "bold", "vivid", "fresh", "superb",
)  # fmt: skip
_BLAME = (
    "dull", "clumsy", "hollow", "tired", "noisy", "shallow", "dreary", "stale", "muddled", "wooden", "bland", "awful",
)  # fmt: skip
_PARTS = ("plot", "cast", "music", "script", "pacing", "ending", "camera", "dialogue", "humour", "lead", "mood", "sets")
_NEUTRAL = (
    "it runs for two hours", "we saw it on a friday", "the story starts in a harbour", "it was shot in autumn",
    "there is a train in it", "the sequel is announced", "a river crosses the town", "the poster is blue",
)  # fmt: skip
_NEGATIONS = ("not", "never", "hardly")
_NEGATED, _NEUTRAL_SHARE = 0.3, 0.25


def review(rng: np.random.Generator, length: int) -> Tuple[Tuple[bytes], int]:
    """Return ((text,), class) with at most `length` bytes, cut at the end of a clause; 1 is praise."""
    label = int(rng.integers(2))
    while True:
        clauses: List[str] = []
        room, balance = int(rng.integers(length // 2, length + 1)), 0
        while True:
            clause, weight = _clause(rng, label)
            if room < len(clause) + 2:
                break
            clauses.append(clause)
            room -= len(clause) + 2
            balance += weight
        if balance != 0:
            return (". ".join(clauses).encode(),), int(balance > 0)


def _clause(rng: np.random.Generator, label: int) -> Tuple[str, int]:
    """One clause and its evidence; two of three that have any speak for `label`."""
    if rng.random() < _NEUTRAL_SHARE:
        return str(rng.choice(_NEUTRAL)), 0
    praises = (rng.random() < 2 / 3) == (label == 1)
    negated = rng.random() < _NEGATED
    word = str(rng.choice(_PRAISE if praises != negated else _BLAME))
    verb = f"is {rng.choice(_NEGATIONS)}" if negated else "is"
    return f"the {rng.choice(_PARTS)} {verb} {word}", 1 if praises else -1
