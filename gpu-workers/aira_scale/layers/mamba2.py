"""Mb: Mamba-2 (arXiv 2405.21060) with grouped B and C, chunked SSD and a gated norm over each group.

The state space runs in float32 also where the projections are bfloat16: its decays are exponentials of sums.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from aira_workers.primitives.ssd import ssd
from torch import nn

from ..shapes import Shape
from .linear import linear
from .norm import GatedGroupNorm


@dataclass(frozen=True)
class Chunks:
    """The tables that `ssd` reads from its frame: chunk length, causal mask of a chunk, and the matrix of running sums."""

    chunk: int
    chunk_causal: torch.Tensor
    chunk_sum: torch.Tensor


def make_chunks(length: int, chunk: int, device: torch.device, dtype: torch.dtype) -> Chunks:
    """Tables for sequences of `length` tokens."""
    q = min(length, chunk)
    ones = torch.ones(q, q, device=device, dtype=dtype).triu()
    return Chunks(q, torch.full((q, q), -torch.inf, device=device, dtype=dtype).triu(1), ones)


class ConvWeights(nn.Module):
    """Depthwise causal convolution: weight (channels, 1, taps), bias (channels)."""

    def __init__(self, channels: int, taps: int, device: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 1, taps, device=device))
        self.bias = nn.Parameter(torch.empty(channels, device=device))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (batch, length, channels) -> y_t = bias + sum over j of weight_j x_{t - taps + 1 + j}."""
        taps, length = self.weight.shape[2], x.shape[1]
        padded = F.pad(x, (0, 0, taps - 1, 0))
        y = self.bias.to(x.dtype)
        for tap in range(taps):
            y = y + padded[:, tap : tap + length] * self.weight[:, 0, tap].to(x.dtype)
        return y


class Mamba2(nn.Module):
    """Rows of `in_proj`: z, x, B, C, dt, as mamba_ssm has them. dt = softplus(. + dt_bias), A = -exp(A_log), skip D."""

    def __init__(self, shape: Shape, device: str) -> None:
        super().__init__()
        self.shape = shape
        self.in_proj = linear(shape.width, shape.ssm_inner + shape.conv_channels + shape.ssm_heads, device)
        self.conv1d = ConvWeights(shape.conv_channels, shape.ssm_conv, device)
        self.dt_bias = nn.Parameter(torch.empty(shape.ssm_heads, device=device))
        self.A_log = nn.Parameter(torch.empty(shape.ssm_heads, device=device))
        self.D = nn.Parameter(torch.empty(shape.ssm_heads, device=device))
        self.norm = GatedGroupNorm(shape.ssm_inner, shape.ssm_groups, device)
        self.out_proj = linear(shape.ssm_inner, shape.width, device)

    def forward(self, h: torch.Tensor, chunks: Chunks) -> torch.Tensor:
        """h (batch, length, width) -> the same shape."""
        shape = self.shape
        z, xbc, dt = self.in_proj(h).split((shape.ssm_inner, shape.conv_channels, shape.ssm_heads), dim=-1)
        xbc = F.silu(self.conv1d(xbc))
        with torch.autocast(h.device.type, enabled=False):
            y = self._scan(xbc.to(self.A_log.dtype), dt.to(self.A_log.dtype), chunks)
        return self.out_proj(self.norm(y, z))

    def _scan(self, xbc: torch.Tensor, dt: torch.Tensor, chunks: Chunks) -> torch.Tensor:
        """xbc (batch, length, channels) and dt (batch, length, heads) -> (batch, length, inner); groups join the batch."""
        shape = self.shape
        batch, length, _ = xbc.shape
        groups, own = shape.ssm_groups, shape.ssm_heads // shape.ssm_groups
        x, b, c = xbc.split((shape.ssm_inner, groups * shape.ssm_state, groups * shape.ssm_state), dim=-1)
        x = x.reshape(batch, length, shape.ssm_heads, shape.ssm_head_dim)
        dt = F.softplus(dt + self.dt_bias)

        def grouped(part: torch.Tensor, *inner: int) -> torch.Tensor:
            return part.reshape(batch, length, groups, *inner).transpose(1, 2).reshape(batch * groups, length, *inner)

        y = ssd(
            grouped(x * dt[..., None], own, shape.ssm_head_dim),
            grouped(-dt * self.A_log.exp(), own),
            grouped(b, shape.ssm_state),
            grouped(c, shape.ssm_state),
            chunks,
        )
        y = y.reshape(batch, groups, length, own, shape.ssm_head_dim).transpose(1, 2).reshape(x.shape)
        return (y + x * self.D[:, None]).reshape(batch, length, shape.ssm_inner)
