"""A gated convolution: every channel has a filter of its own over KERNEL neighbours and a gate; a pooled average reaches far.

What is near comes through the filter, what is far through the average over the sequence, weighted per position by a
learned score. Cost is length x KERNEL.
"""

import torch
from torch import nn
from torch.nn import functional as F

KERNEL = 7  # tune: 3|5|7|11|15|31
POOLED_SHARPNESS = 1.0  # tune: 0.25..8 log


class GatedConvolution(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.inputs, self.output = nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.filter = nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2, groups=width)
        self.scores = nn.Linear(width, heads)

    def forward(self, x, mask):
        batch, length, width = x.shape
        value, gate = self.inputs(x).chunk(2, dim=-1)
        near = F.silu(self.filter((value * mask[..., None]).transpose(1, 2))).transpose(1, 2)
        scores = (self.scores(near) * POOLED_SHARPNESS).masked_fill(~mask[..., None], float("-inf"))
        weights = scores.softmax(1).transpose(1, 2)
        pooled = weights.unsqueeze(2) @ near.view(batch, length, self.heads, -1).transpose(1, 2)
        return self.output((near + pooled.reshape(batch, 1, width)) * torch.sigmoid(gate))


def build(width, length, heads, seed):
    return GatedConvolution(width, heads)
