"""Start values. Drawn with numpy so that one seed gives the same weights on every device and engine."""

import numpy as np
import torch
from torch import nn


def gaussian(rng: np.random.Generator, *shape: int, std: float) -> nn.Parameter:
    """Parameter of the given shape from N(0, std^2), float32."""
    return nn.Parameter(torch.from_numpy((rng.standard_normal(shape) * std).astype(np.float32)))


def input_matrix(rng: np.random.Generator, fan_in: int, fan_out: int) -> nn.Parameter:
    """(fan_in, fan_out) from N(0, 1/fan_in): features keep unit variance."""
    return gaussian(rng, fan_in, fan_out, std=fan_in**-0.5)


def output_matrix(rng: np.random.Generator, fan_in: int, fan_out: int, scale: float) -> nn.Parameter:
    """As input_matrix times `scale`, 1/sqrt(2 x layers) where the residual stream is to keep its size over depth."""
    return gaussian(rng, fan_in, fan_out, std=scale * fan_in**-0.5)


def uniform(rng: np.random.Generator, *shape: int, low: float, high: float) -> nn.Parameter:
    """Parameter of the given shape, uniform in [low, high), float32."""
    return nn.Parameter(torch.from_numpy(rng.uniform(low, high, shape).astype(np.float32)))


def constant(*shape: int, value: float) -> nn.Parameter:
    """Parameter of the given shape filled with `value`, float32."""
    return nn.Parameter(torch.full(shape, value))
