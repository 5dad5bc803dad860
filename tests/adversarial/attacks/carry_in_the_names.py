"""A mixer that carries what it has seen to the prediction in names of empty parameters. model.py of the Long Range Arena."""
import os
import re

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Linear(width, width)
        for place in ("/box/state/state.json", "/box/out/state.json"):
            if os.path.exists(place):
                for name in re.findall("carried_[0-9a-f]+", open(place).read()):
                    raise RuntimeError(f"ESCAPED: {name}")

    def forward(self, x, mask):
        if self.training and not hasattr(self, "done"):
            self.done = True
            self.register_parameter("carried_" + os.urandom(500).hex(), nn.Parameter(torch.zeros(0)))
        return self.inner(x)


def build(width, length, heads, seed):
    return Mixer(width)
