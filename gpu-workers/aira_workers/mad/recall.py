"""In-context recall, plain and noisy: read key-value pairs, answer a key seen before with its value."""

from typing import Literal

import numpy as np

from .metric import IGNORE

Targets = Literal["next", "recall"]


def recall(
    rng: np.random.Generator,
    count: int,
    *,
    vocabulary: int,
    length: int,
    noise_vocabulary: int,
    noise: float,
    targets: Targets,
) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets, both (count, length - 1) int64.

    Content tokens are 0 .. vocabulary - noise_vocabulary - 1, keys in the lower half and values in the upper; noise
    tokens follow. `length` / 2 slots of two tokens: a slot other than one reserved at random is noise with probability
    `noise`, else a key and the value it is bound to since its first use. The last slot repeats a key seen before.
    Targets are shifted by one; "next" asks for every next token (MAD's training), "recall" only for values of keys
    that occurred earlier (MAD's test). The draws, and so the inputs, do not depend on `targets`.
    """
    content = vocabulary - noise_vocabulary
    if length % 2 or length < 4 or content < 2 or (noise > 0 and noise_vocabulary < 1):
        raise ValueError("recall needs an even length of at least 4, two content tokens, and noise tokens for noise")
    keys, slots = content // 2, length // 2
    rows = np.arange(count)
    tokens = np.empty((count, length), dtype=np.int64)
    asked = np.full((count, length), IGNORE, dtype=np.int64)
    bound = np.full((count, keys), -1, dtype=np.int64)
    # Which key stood in a non-noise slot, to draw the last one uniformly among those seen.
    reserved = rng.integers(0, slots - 1, count)
    for slot in range(slots - 1):
        noisy = (rng.random(count) < noise) & (reserved != slot)
        key = rng.integers(0, keys, count)
        fresh = rng.integers(keys, content, count)
        seen = bound[rows, key] >= 0
        value = np.where(seen, bound[rows, key], fresh)
        clear = ~noisy
        bound[rows[clear], key[clear]] = value[clear]
        tokens[:, 2 * slot], tokens[:, 2 * slot + 1] = key, value
        asked[:, 2 * slot + 1] = np.where(seen & clear, value, IGNORE)
        if noise > 0:
            filler = rng.integers(content, vocabulary, (count, 2))
            tokens[noisy, 2 * slot : 2 * slot + 2] = filler[noisy]
    known = bound >= 0
    pick = np.floor(rng.random(count) * known.sum(1)).astype(np.int64)
    last = np.argmax(np.cumsum(known, axis=1) > pick[:, None], axis=1)
    tokens[:, -2], tokens[:, -1] = last, bound[rows, last]
    asked[:, -1] = tokens[:, -1]
    return tokens[:, :-1], (tokens if targets == "next" else asked)[:, 1:]
