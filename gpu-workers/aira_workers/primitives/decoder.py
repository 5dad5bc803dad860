"""Decoders of the compression task: rebuild every input token from the state at the last position and a position code.

Both return hidden rows; the model's final norm and head turn them into logits.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .initial import Start, gaussian
from .ops import RmsNorm


class LearnedCodeDecoder(nn.Module):
    """Normed state + learned code, then one residual GELU layer width - 2 width - width: the small decoder."""

    def __init__(self, width: int, length: int, code_std: float, rng: np.random.Generator, start: Start) -> None:
        super().__init__()
        self.code = gaussian(rng, length, width, std=code_std)
        self.widen = start.input_matrix(rng, width, 2 * width)
        self.narrow = start.input_matrix(rng, 2 * width, width)

    def forward(self, last: torch.Tensor) -> torch.Tensor:
        """last (batch, width) -> (batch x length, width), rows of one sequence contiguous."""
        rows = (RmsNorm.apply(last)[:, None] + self.code).view(-1, last.shape[1])
        return rows + F.gelu(rows @ self.widen) @ self.narrow


class SinusoidalDecoder(nn.Module):
    """State + fixed sinusoidal code, then twice (norm, linear, GELU): the decoder of the MAD benchmark (2403.17844).

    The code is that of mad-lab: sines, then cosines, wavelengths from 2 pi to 10,000 x 2 pi, both ends included.
    Its linear layers have biases there and none here.
    """

    def __init__(self, width: int, length: int, rng: np.random.Generator, start: Start) -> None:
        super().__init__()
        self.first = start.input_matrix(rng, width, width)
        self.second = start.input_matrix(rng, width, width)
        half = width // 2
        frequency = torch.exp(-math.log(10_000.0) * torch.arange(half) / max(1, half - 1))
        angle = torch.arange(length)[:, None] * frequency
        self.register_buffer("code", torch.cat([angle.sin(), angle.cos()], dim=1))

    def forward(self, last: torch.Tensor) -> torch.Tensor:
        """last (batch, width) -> (batch x length, width), rows of one sequence contiguous."""
        rows = (last[:, None] + self.code).view(-1, last.shape[1])
        rows = F.gelu(RmsNorm.apply(rows) @ self.first)
        return F.gelu(RmsNorm.apply(rows) @ self.second)
