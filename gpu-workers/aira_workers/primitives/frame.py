"""What all layers of a model share for one sequence length: tables and masks, computed once per training."""

import math
from dataclasses import dataclass

import torch

from .sizes import Sizes


@dataclass(frozen=True)
class Frame:
    """Constants for sequences of `length` tokens; layers see tokens as (batch x length, width)."""

    length: int
    rotary_cos: torch.Tensor  # (2, length, head): row 0 for queries, with 1/sqrt(head) folded in, row 1 for keys
    rotary_sin: torch.Tensor  # same shape; the first half of the head carries the minus of the rotation
    causal: torch.Tensor  # (length, length) additive attention mask
    chunk: int
    chunk_causal: torch.Tensor  # (chunk, chunk), 0 on and below the diagonal, -inf above
    chunk_sum: torch.Tensor  # (chunk, chunk) upper triangle of ones: a @ chunk_sum is the running sum of a
    projection_dtype: torch.dtype | None  # None: as the activations; else the dtype of the dense projections


def make_frame(
    length: int, sizes: Sizes, device: torch.device, projection_dtype: torch.dtype | None = None, dtype=torch.float32
) -> Frame:
    """Build the tables for `length` tokens; angles are computed in float64 and rounded once."""
    head = sizes.width // sizes.attention_heads
    frequency = sizes.rotary_base ** (-torch.arange(0, head, 2, dtype=torch.float64) / head)
    angle = torch.arange(length, dtype=torch.float64)[:, None] * frequency
    cos = torch.cat([angle.cos(), angle.cos()], dim=1)
    sin = torch.cat([-angle.sin(), angle.sin()], dim=1)
    query_scale = torch.tensor([1 / math.sqrt(head), 1.0], dtype=torch.float64)[:, None, None]
    chunk = min(length, sizes.ssm_chunk)

    def above(size: int, value: float) -> torch.Tensor:
        return torch.full((size, size), value, dtype=dtype, device=device).triu(1)

    return Frame(
        length=length,
        rotary_cos=(query_scale * cos).to(device, dtype),
        rotary_sin=(query_scale * sin).to(device, dtype),
        causal=above(length, -1e9),
        chunk=chunk,
        chunk_causal=above(chunk, -math.inf),
        chunk_sum=torch.ones(chunk, chunk, dtype=dtype, device=device).triu(),
        projection_dtype=projection_dtype,
    )
