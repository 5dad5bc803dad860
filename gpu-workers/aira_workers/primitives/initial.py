"""Start values. Drawn with numpy so that one seed gives the same weights on every device and engine.

`Start` says how the dense matrices of a model begin; whatever else a layer learns starts the same way everywhere.

    fan-in    N(0, 1/fan_in): features keep unit variance; the proxies of this project
    linear    uniform within +-1/sqrt(fan_in), a standard deviation of 1/sqrt(3 fan_in): what torch gives a linear layer
    small     N(0, 0.02^2)

The reference implementation of MAD (mad-lab, 0f49a45) starts its language models `linear` and its autoencoder, which learns
compression, `small`; biases and gains start as here, at 0 and 1.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

StartKind = Literal["fan-in", "linear", "small"]
_SMALL = 0.02


@dataclass(frozen=True)
class Start:
    """`output_scale` multiplies matrices that write to the residual stream: 1/sqrt(2 x layers) keeps its size over depth."""

    kind: StartKind = "fan-in"
    output_scale: float = 1.0

    def input_matrix(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> nn.Parameter:
        """(fan_in, fan_out)."""
        return self._matrix(rng, fan_in, fan_out, 1.0)

    def output_matrix(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> nn.Parameter:
        """(fan_in, fan_out), times `output_scale`."""
        return self._matrix(rng, fan_in, fan_out, self.output_scale)

    def _matrix(self, rng: np.random.Generator, fan_in: int, fan_out: int, scale: float) -> nn.Parameter:
        if self.kind == "linear":
            bound = scale * fan_in**-0.5
            return uniform(rng, fan_in, fan_out, low=-bound, high=bound)
        return gaussian(rng, fan_in, fan_out, std=scale * (_SMALL if self.kind == "small" else fan_in**-0.5))


def gaussian(rng: np.random.Generator, *shape: int, std: float) -> nn.Parameter:
    """Parameter of the given shape from N(0, std^2), float32."""
    return nn.Parameter(torch.from_numpy((rng.standard_normal(shape) * std).astype(np.float32)))


def input_matrix(rng: np.random.Generator, fan_in: int, fan_out: int) -> nn.Parameter:
    """(fan_in, fan_out) from N(0, 1/fan_in): features keep unit variance."""
    return gaussian(rng, fan_in, fan_out, std=fan_in**-0.5)


def uniform(rng: np.random.Generator, *shape: int, low: float, high: float) -> nn.Parameter:
    """Parameter of the given shape, uniform in [low, high), float32."""
    return nn.Parameter(torch.from_numpy(rng.uniform(low, high, shape).astype(np.float32)))


def constant(*shape: int, value: float) -> nn.Parameter:
    """Parameter of the given shape filled with `value`, float32."""
    return nn.Parameter(torch.full(shape, value))
