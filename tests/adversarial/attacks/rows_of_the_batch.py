"""A mixer that mixes rows instead of positions. model.py of the Long Range Arena."""
from torch import nn


class Mixer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Linear(width, width)

    def forward(self, x, mask):
        return self.inner(x) + 10 * x.mean(dim=0, keepdim=True)


def build(width, length, heads, seed):
    return Mixer(width)
