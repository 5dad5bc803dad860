"""The offline default: generated documents with structure at several ranges. Figures on it say nothing about any corpus.

Each document is one of three kinds, so that what an architecture can and cannot do shows in its loss:

    story    (half)     text/stories.py of the workers: spelling, grammar, agreement, names that come back
    ledger   (a third)  entries `name = number`, then questions in another order: recall by key, what attention and state differ in
    count    (a sixth)  a walk that adds or subtracts a small step each line: state that is carried, not looked up
"""

from collections.abc import Iterator

import numpy as np
from aira_workers.text.stories import document as story

_KEYS = (
    "amber", "birch", "coral", "delta", "ember", "flint", "grove", "heath", "ivory", "joule", "karst", "lotus",
    "maple", "north", "onyx", "pearl", "quartz", "ridge", "slate", "thorn", "umber", "vault", "wharf", "zephyr",
)  # fmt: skip
_STREAM = 32


def documents(seed: int) -> Iterator[str]:
    """Yield documents of 200 to 800 characters without end; the same seed gives the same documents."""
    rng = np.random.default_rng(np.random.SeedSequence((_STREAM, seed)))
    while True:
        kind = rng.random()
        if kind < 1 / 2:
            yield story(rng, int(rng.integers(200, 801)))
        else:
            yield ledger(rng) if kind < 5 / 6 else count(rng)


def ledger(rng: np.random.Generator) -> str:
    """6 to 12 entries, then as many questions with their answers."""
    entries = int(rng.integers(6, 13))
    keys = [str(key) for key in rng.choice(_KEYS, entries, replace=False)]
    values = rng.integers(100, 1000, entries)
    lines = [f"{key} = {value}" for key, value in zip(keys, values)]
    lines += [f"{keys[place]}? {values[place]}" for place in rng.permutation(entries)]
    return "\n".join(lines)


def count(rng: np.random.Generator) -> str:
    """15 to 40 lines `+ step > total`; totals stay in 0..99."""
    total = int(rng.integers(0, 100))
    lines = [f"start {total}"]
    for _ in range(int(rng.integers(15, 41))):
        step = int(rng.integers(1, 10))
        sign = 1 if (rng.random() < 0.5 or total - step < 0) and total + step < 100 else -1
        total += sign * step
        lines.append(f"{'+' if sign > 0 else '-'} {step} > {total}")
    return "\n".join(lines)
