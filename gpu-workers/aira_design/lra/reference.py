"""The mixer whose parameters the equal-size rule is measured by: softmax attention of the base Transformer."""

import torch
from torch import nn

from ..settings import LraSettings
from .encoder import Encoder, count_parameters

_ALLOWED = 1.10  # the benchmark's rule: at most a tenth more parameters than the base Transformer


class Attention(nn.Module):
    """Four width x width projections with bias, heads of equal size, padded keys masked."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inputs, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        q, k, v = self.inputs(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(2, 3) * (width // self.heads) ** -0.5
        weights = scores.masked_fill(~mask[:, None, None], float("-inf")).softmax(-1)
        return self.output((weights @ v).transpose(1, 2).reshape(batch, length, width))


def parameter_limit(settings: LraSettings) -> tuple[int, int]:
    """Return (parameters of the reference, most that a candidate may have), encoder and classifier included."""
    encoder = Encoder(settings.data, settings.model, lambda width, length, heads, seed: Attention(width, heads), 0, 0)
    reference = count_parameters(encoder)
    return reference, int(reference * _ALLOWED)
