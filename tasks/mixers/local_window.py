"""Softmax attention within a window, plus one global position: the summary sees all positions and all see the summary.

Positions are cut into blocks of WINDOW; each attends to its own block and the two beside it. Cost is length x WINDOW.
"""

import torch
from torch import nn
from torch.nn import functional as F

WINDOW = 16  # tune: 8|16|32|64
SHARPNESS = 1.0  # tune: 0.5..3 log


class LocalAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.scale = SHARPNESS * (width // heads) ** -0.5
        self.inputs, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x, mask):
        batch, length, width = x.shape
        size = width // self.heads
        q, k, v = self.inputs(x).view(batch, length, 3, self.heads, size).permute(2, 0, 3, 1, 4)
        q = q * self.scale
        closed = ~mask[:, None, None]
        summary = (q[:, :, :1] @ k.transpose(2, 3)).masked_fill(closed, float("-inf")).softmax(-1) @ v

        pad = -length % WINDOW
        blocks = (length + pad) // WINDOW
        q, k_local, v_local = (
            F.pad(t, (0, 0, 0, pad)).view(batch, self.heads, blocks, WINDOW, size) for t in (q, k, v)
        )
        seen = F.pad(mask, (0, pad)).clone()
        seen[:, 0] = False  # the summary is attended to as the global position below, not twice
        seen = seen.view(batch, 1, blocks, 1, WINDOW)
        keys, values, open_ = (_neighbours(t, axis) for t, axis in ((k_local, 3), (v_local, 3), (seen, 4)))
        near = (q @ keys.transpose(3, 4)).masked_fill(~open_, float("-inf"))
        far = q @ k[:, :, None, :1].transpose(3, 4)
        weights = torch.cat([far, near], dim=-1).softmax(-1)
        mixed = weights[..., :1] * v[:, :, None, :1] + weights[..., 1:] @ values
        mixed = mixed.reshape(batch, self.heads, blocks * WINDOW, size)[:, :, 1:length]
        return self.output(torch.cat([summary, mixed], dim=2).transpose(1, 2).reshape(batch, length, width))


def _neighbours(blocks, axis):
    """Every block (at dimension 2) joined along `axis` with the one before and the one behind; outside is 0 or False."""
    empty = torch.zeros_like(blocks[:, :, :1])
    before = torch.cat([empty, blocks[:, :, :-1]], dim=2)
    behind = torch.cat([blocks[:, :, 1:], empty], dim=2)
    return torch.cat([before, blocks, behind], dim=axis)


def build(width, length, heads, seed):
    return LocalAttention(width, heads)
