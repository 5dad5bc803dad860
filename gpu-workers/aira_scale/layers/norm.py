"""RMS norms with a gain, computed in float32 whatever the activations are."""

import torch
import torch.nn.functional as F
from torch import nn

EPS = 1e-5


class RmsNorm(nn.Module):
    """gain x x / sqrt(mean(x^2) + eps) over the last dimension."""

    def __init__(self, width: int, device: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, device=device))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + EPS)
        return (normed * self.weight).to(x.dtype)


class GatedGroupNorm(nn.Module):
    """RMS norm of y silu(z) over each of `groups` equal parts of the last dimension (Mamba-2 with grouped B and C)."""

    def __init__(self, width: int, groups: int, device: str) -> None:
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(width, device=device))

    def forward(self, y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """y, z (..., width) -> the same; y is float32 or wider, the result has the dtype of z."""
        gated = y * F.silu(z.to(y.dtype))
        parts = gated.unflatten(-1, (self.groups, -1))
        parts = parts * torch.rsqrt(parts.pow(2).mean(-1, keepdim=True) + EPS)
        return (parts.flatten(-2) * self.weight).to(z.dtype)
