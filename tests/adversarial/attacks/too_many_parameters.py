"""A mixer larger than the rule of equal size allows. model.py of the Long Range Arena."""
from torch import nn


class Mixer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(width, 100 * width), nn.Linear(100 * width, width))

    def forward(self, x, mask):
        return self.inner(x)


def build(width, length, heads, seed):
    return Mixer(width)
