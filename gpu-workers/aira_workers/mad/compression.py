"""Compression: pack a random sequence into the state at its last position, to be unpacked by a decoder."""

import numpy as np


def compression(rng: np.random.Generator, count: int, *, vocabulary: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets, both (count, length) int64: random tokens closed by the compression token.

    The target is the whole input, to be predicted by the decoder from the last position alone.
    """
    if length < 2 or vocabulary < 3:
        raise ValueError("compression needs a length of at least 2 and a vocabulary of at least 3")
    inputs = np.full((count, length), vocabulary - 1, dtype=np.int64)
    inputs[:, :-1] = rng.integers(0, vocabulary - 1, (count, length - 1))
    return inputs, inputs.copy()
