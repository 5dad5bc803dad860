"""Parameters and FLOPs of a model, by formula.

Convention of every budget (Bae et al., arXiv 2510.04800, with the head included): training FLOPs of one sequence of L tokens are

    6 L x (weights of the dense matrices of layers and head)
    + per attention layer   12 h L (L + 1) / 2        h = heads x head_dim: only pairs that the causal mask lets through
    + per Mamba-2 layer     3 L (9 d_ssm d_state + 2 d_ssm)       the recurrence, whatever the chunk
    + per Mamba-2 layer     6 L x (weights of the convolution)
    + per own layer         3 L x (its formula of the forward pass; aira_primitives)

Biases, gains, norms, activations, the optimiser and the look-up in the embedding are not counted. The head is, because at small
sizes it is most of what a model computes; `TrainingFlops.head` says how much that is, for comparison with counts that leave it out.

`executed_forward` is another figure: the multiply-adds that the matrix products of this implementation carry out, for an own layer
those of its formula. It is tested against torch's own counter and never decides a budget.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from aira_primitives.own import own

from .shapes import PRIMITIVES, Family, Shape


@dataclass(frozen=True)
class Parameters:
    """`layers` includes the norms; `embedding` is counted once, also where the head shares it."""

    layers: int
    embedding: int

    @property
    def total(self) -> int:
        return self.layers + self.embedding


@dataclass(frozen=True)
class TrainingFlops:
    """Per token, averaged over a sequence."""

    layers: float
    head: float

    @property
    def total(self) -> float:
        return self.layers + self.head


def matrices(token: str, family: Family, shape: Shape) -> int:
    """Weights of the dense matrices of one built-in layer."""
    d = shape.width
    if token == "mA":
        return d * shape.head_dim * (2 * shape.heads + 2 * shape.kv_heads)
    if token == "M":
        return 3 * d * shape.ffn_inner if family == "llama" else 2 * d * shape.ungated_inner
    inward = 2 * shape.ssm_inner + 2 * shape.ssm_groups * shape.ssm_state + shape.ssm_heads
    return d * inward + shape.ssm_inner * d


def layer_parameters(token: str, family: Family, shape: Shape) -> int:
    """All parameters of one layer, its pre-norm included. Mamba-2 adds convolution with bias, A, dt bias, D and gated norm."""
    if token not in PRIMITIVES:
        return own(token).parameters(shape.widths()) + shape.width
    common = matrices(token, family, shape) + shape.width
    if token != "Mb":
        return common
    return common + shape.conv_channels * (shape.ssm_conv + 1) + 3 * shape.ssm_heads + shape.ssm_inner


def parameters(pattern: Sequence[str], family: Family, shape: Shape, vocabulary: int) -> Parameters:
    """Counts of a model whose head shares the embedding; the final norm counts among the layers."""
    layers = sum(layer_parameters(token, family, shape) for token in pattern) + shape.width
    return Parameters(layers, vocabulary * shape.width)


def training_flops(pattern: Sequence[str], family: Family, shape: Shape, vocabulary: int, length: int) -> TrainingFlops:
    """Training FLOPs per token of a sequence of `length` tokens, forward and backward, in the convention above."""
    layers = 0.0
    for token in pattern:
        if token not in PRIMITIVES:
            layers += 3 * own(token).flops(shape.widths(), length)
            continue
        layers += 6 * matrices(token, family, shape)
        if token == "mA":
            layers += 12 * shape.heads * shape.head_dim * (length + 1) / 2
        elif token == "Mb":
            layers += 3 * (9 * shape.ssm_inner * shape.ssm_state + 2 * shape.ssm_inner)
            layers += 6 * shape.conv_channels * shape.ssm_conv
    return TrainingFlops(layers, 6.0 * vocabulary * shape.width)


def executed_forward(pattern: Sequence[str], family: Family, shape: Shape, vocabulary: int, length: int) -> int:
    """FLOPs of all matrix products of one forward pass over one sequence, multiply-adds as two, masks ignored."""
    flops = 2 * length * vocabulary * shape.width
    chunk = min(length, shape.ssm_chunk)
    chunks = -(-length // chunk)
    padded = chunks * chunk
    for token in pattern:
        if token not in PRIMITIVES:
            flops += round(length * own(token).flops(shape.widths(), length))
            continue
        flops += 2 * length * matrices(token, family, shape)
        if token == "mA":
            flops += 4 * length * length * shape.heads * shape.head_dim
        elif token == "Mb":
            groups, state, inner = shape.ssm_groups, shape.ssm_state, shape.ssm_inner
            flops += 2 * padded * chunk * shape.ssm_heads  # running sums of the decays
            flops += 2 * padded * chunk * (groups * state + inner)  # c b^T, and its product with u
            if chunks > 1:
                flops += 4 * padded * state * inner  # what a chunk writes into the state, and what the next ones read
    return flops


def stored_values(pattern: Sequence[str], family: Family, shape: Shape) -> int:
    """Values per token that the layers store for the backward pass, fused attention assumed: an estimate for planning, tested to be
    within a third of what autograd stores."""
    total = 0
    for token in pattern:
        total += 3 * shape.width  # the residual stream, its float32 copy in the norm, the normed input
        if token == "mA":
            total += 3 * shape.head_dim * (shape.heads + shape.kv_heads) + shape.heads * shape.head_dim
        elif token == "M":
            total += 4 * shape.ffn_inner if family == "llama" else 2 * shape.ungated_inner
        else:
            inward = 2 * shape.ssm_inner + 2 * shape.ssm_groups * shape.ssm_state + shape.ssm_heads
            total += inward + 4 * shape.conv_channels + 7 * (shape.ssm_inner + shape.ssm_heads * shape.ssm_chunk)
    return total


def cache_bytes(pattern: Sequence[str], shape: Shape, length: int) -> int:
    """bfloat16 bytes that one sequence keeps during inference: keys and values, or state and convolution window."""
    total = 0
    for token in pattern:
        if token == "mA":
            total += 4 * shape.head_dim * shape.kv_heads * length
        elif token == "Mb":
            total += 2 * (shape.ssm_inner * shape.ssm_state + shape.ssm_conv * shape.conv_channels)
        elif token not in PRIMITIVES:
            total += 2 * own(token).cache(shape.widths(), length)
    return total
