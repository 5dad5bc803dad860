"""Training FLOPs by formula, so that equal work has an equal number on every device.

A multiply-add counts as two. Per token each primitive states its own forward count (attention and state-space squares
in full, element-wise work ignored); head and decoder are counted at the rows where they run. Training is three times
the forward pass: the backward pass computes two products for each forward one. Scoring passes are not counted.
"""

from collections.abc import Sequence

from ..primitives import PRIMITIVES, Sizes


def trunk_flops(architecture: Sequence[str], sizes: Sizes, length: int, tokens: int) -> float:
    """Forward FLOPs of the layers over `tokens` tokens in sequences of `length`."""
    return tokens * sum(PRIMITIVES[token].layer.forward_flops(sizes, length) for token in architecture)


def head_flops(sizes: Sizes, vocabulary: int, rows: int) -> float:
    """Forward FLOPs of the head at `rows` positions."""
    return 2.0 * rows * sizes.width * vocabulary


def decoder_flops(sizes: Sizes, hidden: int, rows: int) -> float:
    """Forward FLOPs of the compression decoder (two matrices, width x hidden and hidden x width) at `rows` rows."""
    return 2.0 * rows * 2 * sizes.width * hidden


def training_flops(forward: float) -> int:
    return round(3 * forward)
