"""Mb: the Mamba-2 layer (arXiv 2405.21060) with one B/C group, gated norm without gain, chunked SSD inside."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .frame import Frame
from .initial import Start, constant, uniform
from .ops import CausalConv, RmsNorm, project
from .sizes import Sizes
from .ssd import ssd


class Mamba2(nn.Module):
    """Input matrix (width, inner z | inner x | state B | state C | heads dt); output matrix (inner, width).

    dt = softplus(. + bias), the bias such that the first dt is log-uniform in [dt_min, dt_max]; A = -exp(a) per head,
    |A| uniform in [a_min, a_max]; the skip D starts at 1.
    """

    def __init__(self, sizes: Sizes, rng: np.random.Generator, start: Start) -> None:
        super().__init__()
        inner, state, heads = sizes.ssm_inner, sizes.ssm_state, sizes.ssm_heads
        self.inner, self.state, self.heads = inner, state, heads
        self.input = start.input_matrix(rng, sizes.width, 2 * inner + 2 * state + heads)
        self.output = start.output_matrix(rng, inner, sizes.width)
        bound = sizes.ssm_conv**-0.5
        self.conv = uniform(rng, sizes.ssm_conv, inner + 2 * state, low=-bound, high=bound)
        self.conv_bias = uniform(rng, inner + 2 * state, low=-bound, high=bound)
        dt = np.exp(rng.uniform(np.log(sizes.dt_min), np.log(sizes.dt_max), heads))
        self.dt_bias = nn.Parameter(torch.from_numpy((dt + np.log(-np.expm1(-dt))).astype(np.float32)))
        self.a = nn.Parameter(torch.from_numpy(np.log(rng.uniform(sizes.a_min, sizes.a_max, heads)).astype(np.float32)))
        self.skip = constant(heads, value=1.0)

    def forward(self, h: torch.Tensor, frame: Frame) -> torch.Tensor:
        """h (batch x length, width) -> same shape."""
        tokens = h.shape[0]
        batch, length = tokens // frame.length, frame.length
        mixed = project(h, self.input, frame.projection_dtype)
        z, xbc, dt = mixed.split((self.inner, self.inner + 2 * self.state, self.heads), dim=-1)
        xbc = F.silu(CausalConv.apply(xbc.reshape(batch, length, -1), self.conv, self.conv_bias))
        x, b, c = xbc.split((self.inner, self.state, self.state), dim=-1)
        x = x.reshape(batch, length, self.heads, -1)
        dt = F.softplus(dt + self.dt_bias).view(batch, length, self.heads)
        y = ssd(x * dt[..., None], -dt * self.a.exp(), b, c, frame)
        y = torch.addcmul(y, x, self.skip[:, None])
        gated = RmsNorm.apply(y.reshape(tokens, self.inner) * F.silu(z))
        return project(gated, self.output, frame.projection_dtype)

    def matrices(self) -> list[nn.Parameter]:
        return [self.input, self.output]

    @staticmethod
    def forward_flops(sizes: Sizes, length: int) -> float:
        """Multiply-adds counted as two, per token; SSD squares counted in full, element-wise work ignored."""
        inner, state, chunk = sizes.ssm_inner, sizes.ssm_state, min(length, sizes.ssm_chunk)
        projections = 2 * sizes.width * (3 * inner + 2 * state + sizes.ssm_heads)
        convolution = 2 * sizes.ssm_conv * (inner + 2 * state)
        squares = 2 * chunk * (state + inner)
        carried = 4 * state * inner if length > chunk else 0
        return projections + convolution + squares + carried
