"""Softmax attention over all pairs of positions: the mixer of the base Transformer, and the reference for size.

Quadratic in length. A mixer is called as mixer(x, mask): x (batch, length, width) float32, 0 where mask (batch, length)
is False; it returns the same shape. Position 0 is the summary that the classifier reads.
"""

from torch import nn

SHARPNESS = 1.0  # tune: 0.5..3 log


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.scale = SHARPNESS * (width // heads) ** -0.5
        self.inputs, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x, mask):
        batch, length, width = x.shape
        q, k, v = self.inputs(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        scores = (q * self.scale) @ k.transpose(2, 3)
        weights = scores.masked_fill(~mask[:, None, None], float("-inf")).softmax(-1)
        return self.output((weights @ v).transpose(1, 2).reshape(batch, length, width))


def build(width, length, heads, seed):
    return Attention(width, heads)
