"""How training rows are divided."""

TRAIN_SHARE = 0.7
"""Of the training rows; the others are set apart for the score of a rehearsal."""


def divided_at(total: int) -> int:
    """How many of `total` rows a rehearsal trains on. Raises ValueError where there is nothing to divide."""
    first = int(total * TRAIN_SHARE)
    if not 0 < first < total:
        raise ValueError(f"{total} training rows cannot be divided")
    return first
