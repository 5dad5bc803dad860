"""Attention by positive random features (Performer, arXiv 2009.14794): an unbiased estimate of the softmax kernel.

exp(q.k) = E[exp(w.q - |q|^2/2) exp(w.k - |k|^2/2)] over Gaussian w. Directions are orthogonal within blocks, drawn once
from the seed and kept out of the state, since they are not learned. Cost is length x FEATURES.
"""

import torch
from torch import nn

FEATURES = 32  # tune: 8|16|32|64
SHARPNESS = 1.0  # tune: 0.25..4 log


class Performer(nn.Module):
    def __init__(self, width, heads, seed):
        super().__init__()
        self.heads = heads
        size = width // heads
        self.scale = (SHARPNESS * size**-0.5) ** 0.5
        self.inputs, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.register_buffer("directions", _directions(size, FEATURES, seed), persistent=False)

    def forward(self, x, mask):
        batch, length, width = x.shape
        q, k, v = self.inputs(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k = self._features(q * self.scale, mask), self._features(k * self.scale, mask)
        k = k * mask[:, None, :, None]
        summed = k.transpose(2, 3) @ v
        mixed = (q @ summed) / (q @ k.sum(2).unsqueeze(-1) + 1e-6)
        return self.output(mixed.transpose(1, 2).reshape(batch, length, width))

    def _features(self, x, mask):
        """(batch, heads, length, size) -> (batch, heads, length, FEATURES); one shift per sequence keeps exp in range."""
        powers = x @ self.directions - x.square().sum(-1, keepdim=True) / 2
        powers = powers.masked_fill(~mask[:, None, :, None], float("-inf"))
        return torch.exp(powers - powers.amax(dim=(2, 3), keepdim=True).detach()) + 1e-4


def _directions(size, count, seed):
    """(size, count): orthogonal blocks with the lengths of Gaussian vectors."""
    generator = torch.Generator().manual_seed(seed)
    blocks = []
    for start in range(0, count, size):
        orthogonal, _ = torch.linalg.qr(torch.randn(size, size, generator=generator))
        lengths = torch.randn(size, size, generator=generator).norm(dim=1)
        blocks.append((orthogonal * lengths)[:, : min(size, count - start)])
    return torch.cat(blocks, dim=1)


def build(width, length, heads, seed):
    return Performer(width, heads, seed)
