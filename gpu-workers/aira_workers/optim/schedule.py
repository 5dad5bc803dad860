"""Learning-rate schedules as pure functions of the position in the training."""

import math


def warmup_cosine(step: int, steps: int, warmup: int, floor: float) -> float:
    """Factor for 0-based `step`: linear up to 1 over `warmup` steps, then half a cosine down to `floor` at the end.

    The warm-up takes a tenth of the steps at most: a training cut short would else end at its highest rate, and its score be read
    off there.
    """
    warmup = min(warmup, steps // 10)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - 1 - warmup)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))


def cosine_per_epoch(epoch: int, epochs: int, lr: float, lr_min: float) -> float:
    """Learning rate of a 0-based epoch, half a cosine from `lr` towards `lr_min`, constant inside the epoch."""
    return lr_min + (lr - lr_min) * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
