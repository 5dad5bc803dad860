"""What a primitive's module is given: the widths of a model, and `Draw`, from which its parameters come."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from aira_workers.primitives.initial import Start, constant, gaussian, uniform
from torch import nn

Recipe = Callable[[np.random.Generator, Start], nn.Parameter]


@dataclass(frozen=True)
class Widths:
    """The widths of one model, in features; `ssm_conv` in taps. `width` need not be heads x head_dim."""

    width: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn_inner: int
    ssm_inner: int
    ssm_heads: int
    ssm_state: int
    ssm_conv: int
    rotary_base: float


class Draw:
    """Makes the parameters of one layer: empty ones now, and a recipe for the start value of each.

    The trainer draws the values, with numpy and a generator of the layer's own, so one seed gives the same weights on every device.
    Dense matrices have the shape (fan_in, fan_out), for x @ matrix; Muon trains them where the trainer uses Muon.
    """

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self._device = device
        self.made: list[tuple[nn.Parameter, Recipe, bool]] = []

    def input(self, fan_in: int, fan_out: int) -> nn.Parameter:
        """A dense matrix that reads features: N(0, 1/fan_in), unless the trainer starts its models otherwise."""
        return self._make((fan_in, fan_out), lambda rng, start: start.input_matrix(rng, fan_in, fan_out), True)

    def output(self, fan_in: int, fan_out: int) -> nn.Parameter:
        """A dense matrix that writes to the residual stream: as `input`, times 1/sqrt(2 x layers) where depth is scaled."""
        return self._make((fan_in, fan_out), lambda rng, start: start.output_matrix(rng, fan_in, fan_out), True)

    def normal(self, *shape: int, std: float) -> nn.Parameter:
        return self._make(shape, lambda rng, start: gaussian(rng, *shape, std=std), False)

    def uniform(self, *shape: int, low: float, high: float) -> nn.Parameter:
        return self._make(shape, lambda rng, start: uniform(rng, *shape, low=low, high=high), False)

    def constant(self, *shape: int, value: float) -> nn.Parameter:
        return self._make(shape, lambda rng, start: constant(*shape, value=value), False)

    def _make(self, shape: tuple[int, ...], recipe: Recipe, dense: bool) -> nn.Parameter:
        parameter = nn.Parameter(torch.empty(shape, device=self._device))
        self.made.append((parameter, recipe, dense))
        return parameter


def rotate(x: torch.Tensor, first: int, base: float) -> torch.Tensor:
    """Rotary positions (arXiv 2104.09864) of x (..., length, head_dim), whose rows stand at positions first, first + 1, ..."""
    length, head = x.shape[-2:]
    frequency = base ** (-torch.arange(0, head, 2, dtype=torch.float64, device=x.device) / head)
    angle = torch.arange(first, first + length, dtype=torch.float64, device=x.device)[:, None] * frequency
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)
