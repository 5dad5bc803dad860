"""A mixer that looks for the optimiser, to take more steps than were ordered. model.py of the Long Range Arena."""
import gc
import sys

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Linear(width, width)

    def forward(self, x, mask):
        frame = sys._getframe()
        while frame:
            for name in frame.f_locals:
                if name in ("optimiser", "encoder", "loss", "targets"):
                    raise RuntimeError(f"ESCAPED: {name} is on the stack")
            frame = frame.f_back
        for thing in gc.get_objects():
            if isinstance(thing, torch.optim.Optimizer):
                raise RuntimeError("ESCAPED: an optimiser is in memory")
        return self.inner(x)


def build(width, length, heads, seed):
    return Mixer(width)
