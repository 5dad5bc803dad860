"""How the cost of a mixer grows with the length: time and memory of one forward and backward pass at two lengths.

    exponent = log(cost at the longer / cost at the shorter) / log(longer / shorter)

1 is linear, 2 is the square of softmax attention. Time is processor time, the least of several passes; memory is the bytes that
the forward pass keeps for the backward pass, each storage once, so that it does not depend on the machine. Small fixed costs
make exponents look lower than they are: the lengths should be such that softmax attention measures near 2.
"""

import math
import time
from typing import NamedTuple

import torch

from .encoder import Build

LENGTHS = (512, 2048)
_PASSES = 3
SUB_QUADRATIC = 1.5
"""Above this exponent a cost counts as quadratic: half-way between linear and the square."""


class Growth(NamedTuple):
    """Exponents of time and of memory, and (seconds, bytes) per length."""

    time: float
    memory: float
    costs: dict[int, tuple[float, int]]

    @property
    def sub_quadratic(self) -> bool:
        return max(self.time, self.memory) < SUB_QUADRATIC


def growth(build: Build, width: int, heads: int, lengths: tuple[int, int] = LENGTHS, seed: int = 0) -> Growth:
    """Measure fresh mixers, one per length, on one sequence of noise without padding."""
    costs = {length: _cost(build(width, length, heads, seed), length, width) for length in lengths}
    (short, long), ratio = lengths, math.log(lengths[1] / lengths[0])
    exponents = [math.log(costs[long][part] / costs[short][part]) / ratio for part in (0, 1)]
    return Growth(exponents[0], exponents[1], costs)


def _cost(mixer: torch.nn.Module, length: int, width: int) -> tuple[float, int]:
    x = torch.randn(1, length, width, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(1, length, dtype=torch.bool)
    retained: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.storage()
        retained[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        alive = mixer(x.clone().requires_grad_(), mask)  # until all are counted, so that no address is used twice
    del alive
    seconds = []
    for _ in range(_PASSES):
        start = time.process_time()
        mixer(x.clone().requires_grad_(), mask).sum().backward()
        seconds.append(time.process_time() - start)
    return min(seconds), sum(retained.values())
