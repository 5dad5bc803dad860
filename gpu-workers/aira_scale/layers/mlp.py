"""M: SwiGLU (llama), or an ungated MLP with squared ReLU at 3/2 of the inner width (nemotron). No biases."""

import torch
import torch.nn.functional as F
from torch import nn

from ..shapes import Shape
from .linear import linear


class SwiGlu(nn.Module):
    """down(silu(gate(h)) x up(h))."""

    def __init__(self, shape: Shape, device: str) -> None:
        super().__init__()
        self.gate_proj = linear(shape.width, shape.ffn_inner, device)
        self.up_proj = linear(shape.width, shape.ffn_inner, device)
        self.down_proj = linear(shape.ffn_inner, shape.width, device)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return self.down_proj(F.silu(self.gate_proj(h)) * self.up_proj(h))


class SquaredRelu(nn.Module):
    """down(relu(up(h))^2)."""

    def __init__(self, shape: Shape, device: str) -> None:
        super().__init__()
        self.up_proj = linear(shape.width, shape.ungated_inner, device)
        self.down_proj = linear(shape.ungated_inner, shape.width, device)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return self.down_proj(F.relu(self.up_proj(h)).square())
