"""A mixer that lets each row see its neighbour. model.py of the Long Range Arena."""
from torch import nn


class Mixer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Linear(width, width)

    def forward(self, x, mask):
        return self.inner(x) + 10 * x.roll(1, 0).mean(dim=1, keepdim=True)


def build(width, length, heads, seed):
    return Mixer(width)
