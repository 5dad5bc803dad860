"""mA: causal grouped-query attention, with rotary positions (llama) or none (nemotron)."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from ..shapes import Family, Shape
from .linear import linear

Rotary = tuple[torch.Tensor, torch.Tensor]


def rotary_tables(length: int, head_dim: int, base: float, device: torch.device, dtype: torch.dtype) -> Rotary:
    """cos and sin, each (length, head_dim), the two halves of the head equal; angles in float64, rounded once."""
    frequency = base ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    angle = torch.arange(length, dtype=torch.float64)[:, None] * frequency
    angle = torch.cat((angle, angle), dim=1)
    return angle.cos().to(device, dtype), angle.sin().to(device, dtype)


def rotate(x: torch.Tensor, rotary: Rotary) -> torch.Tensor:
    """x (batch, heads, length, head_dim): turn pairs (i, i + head_dim / 2) by position x frequency (arXiv 2104.09864)."""
    cos, sin = rotary
    first, second = x.chunk(2, dim=-1)
    return (x * cos + torch.cat((-second, first), dim=-1) * sin).to(x.dtype)


class Attention(nn.Module):
    """Query, key, value and output matrices without biases; heads contiguous inside each."""

    def __init__(self, family: Family, shape: Shape, device: str) -> None:
        super().__init__()
        self.shape = shape
        self.rotates = family == "llama"
        inner, shared = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        self.q_proj = linear(shape.width, inner, device)
        self.k_proj = linear(shape.width, shared, device)
        self.v_proj = linear(shape.width, shared, device)
        self.o_proj = linear(inner, shape.width, device)

    def forward(self, h: torch.Tensor, rotary: Rotary) -> torch.Tensor:
        """h (batch, length, width) -> the same shape."""
        batch, length, _ = h.shape
        q = self.q_proj(h).view(batch, length, self.shape.heads, -1).transpose(1, 2)
        k = self.k_proj(h).view(batch, length, self.shape.kv_heads, -1).transpose(1, 2)
        v = self.v_proj(h).view(batch, length, self.shape.kv_heads, -1).transpose(1, 2)
        if self.rotates:
            q, k = rotate(q, rotary), rotate(k, rotary)
        repeats = self.shape.heads // self.shape.kv_heads
        if repeats > 1:
            k, v = k.repeat_interleave(repeats, dim=1), v.repeat_interleave(repeats, dim=1)
        mixed = _fused(q, k, v) if hasattr(F, "scaled_dot_product_attention") else plain_attention(q, k, v)
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, length, -1))


def _fused(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def plain_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """q, k, v (batch, heads, length, head_dim) -> the same; the definition, and what torch below 2.0 runs."""
    length = q.shape[2]
    if mask is None:
        mask = torch.full((length, length), -math.inf, device=q.device, dtype=q.dtype).triu(1)
    return (q @ k.transpose(2, 3) / math.sqrt(q.shape[3]) + mask).softmax(-1) @ v
