"""In-context recall with noise slots between the pairs; the reader must pass over tokens that bind nothing."""

import numpy as np

from .recall import Targets, recall


def noisy_recall(
    rng: np.random.Generator,
    count: int,
    *,
    vocabulary: int,
    length: int,
    noise_vocabulary: int,
    noise: float,
    targets: Targets,
) -> tuple[np.ndarray, np.ndarray]:
    """As `recall`, with noise required. Returns inputs and targets, both (count, length - 1) int64."""
    if not (0 < noise < 1 and noise_vocabulary > 0):
        raise ValueError("noisy recall needs a noise share between 0 and 1 and at least one noise token")
    return recall(
        rng,
        count,
        vocabulary=vocabulary,
        length=length,
        noise_vocabulary=noise_vocabulary,
        noise=noise,
        targets=targets,
    )
