"""Decoders of the compression task: rebuild every input token from the state at the last position and a position code.

Both return hidden rows; the model's final norm and head turn them into logits.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .initial import gaussian, input_matrix
from .ops import RmsNorm


class LearnedCodeDecoder(nn.Module):
    """Normed state + learned code, then one residual GELU layer width - 2 width - width: the small decoder."""

    def __init__(self, width: int, length: int, code_std: float, rng: np.random.Generator) -> None:
        super().__init__()
        self.code = gaussian(rng, length, width, std=code_std)
        self.widen = input_matrix(rng, width, 2 * width)
        self.narrow = input_matrix(rng, 2 * width, width)

    def forward(self, last: torch.Tensor) -> torch.Tensor:
        """last (batch, width) -> (batch x length, width), rows of one sequence contiguous."""
        rows = (RmsNorm.apply(last)[:, None] + self.code).view(-1, last.shape[1])
        return rows + F.gelu(rows @ self.widen) @ self.narrow


class SinusoidalDecoder(nn.Module):
    """State + fixed sinusoidal code, then twice (norm, linear, GELU): the decoder of the MAD benchmark (2403.17844)."""

    def __init__(self, width: int, length: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.first = input_matrix(rng, width, width)
        self.second = input_matrix(rng, width, width)
        frequency = torch.exp(-math.log(10_000.0) * torch.arange(0, width, 2) / width)
        angle = torch.arange(length)[:, None] * frequency
        self.register_buffer("code", torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)[:, :width])

    def forward(self, last: torch.Tensor) -> torch.Tensor:
        """last (batch, width) -> (batch x length, width), rows of one sequence contiguous."""
        rows = (last[:, None] + self.code).view(-1, last.shape[1])
        rows = F.gelu(RmsNorm.apply(rows) @ self.first)
        return F.gelu(RmsNorm.apply(rows) @ self.second)
