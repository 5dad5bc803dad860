"""M: the SwiGLU feed-forward layer, out(silu(gate(h)) * up(h)), without biases."""

import numpy as np
import torch
from torch import nn

from .frame import Frame
from .initial import Start
from .ops import SwigluGate, project
from .sizes import Sizes


class SwiGlu(nn.Module):
    """Input matrix (width, 2 x inner): gate and up side by side; output matrix (inner, width)."""

    def __init__(self, sizes: Sizes, rng: np.random.Generator, start: Start) -> None:
        super().__init__()
        self.input = start.input_matrix(rng, sizes.width, 2 * sizes.ffn_inner)
        self.output = start.output_matrix(rng, sizes.ffn_inner, sizes.width)

    def forward(self, h: torch.Tensor, frame: Frame) -> torch.Tensor:
        """h (batch x length, width) -> same shape."""
        gated = SwigluGate.apply(project(h, self.input, frame.projection_dtype))
        return project(gated, self.output, frame.projection_dtype)

    def matrices(self) -> list[nn.Parameter]:
        return [self.input, self.output]

    @staticmethod
    def forward_flops(sizes: Sizes, length: int) -> float:
        """Multiply-adds counted as two, per token."""
        return 2 * 3 * sizes.width * sizes.ffn_inner
