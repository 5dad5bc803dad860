"""Dense matrices without bias and without start values: initial.py draws those by name."""

import torch
from torch import nn


def linear(fan_in: int, fan_out: int, device: str) -> nn.Linear:
    """A layer with an uninitialised weight (fan_out, fan_in) on `device`; nothing is drawn, so "meta" costs nothing."""
    layer = nn.Linear(1, 1, bias=False, device="meta")
    layer.in_features, layer.out_features = fan_in, fan_out
    layer.weight = nn.Parameter(torch.empty(fan_out, fan_in, device=device))
    return layer
