"""Start values, drawn with numpy: one seed gives the same weights on every device and for every way of splitting a model.

    embedding         N(0, 0.02^2)
    dense matrices    N(0, 1 / fan_in); those that write to the residual stream divided by sqrt(2 x layers)
    convolution       uniform within +-1 / sqrt(taps)
    dt                first step sizes log-uniform in [0.001, 0.1]
    A                 uniform in [0.01, 2] (arXiv 2510.04800)
    gains, D          1
    own primitives    as their module says (aira_primitives/contract.py), dense matrices as above

Each tensor has a generator of its own, keyed by (seed, depth, primitive, tensor), so two architectures that agree on a layer
start that layer from the same weights.
"""

import numpy as np
import torch
from aira_primitives.bind import number_of
from aira_primitives.own import OwnLayer
from aira_workers.primitives.initial import Start

from .model import ScaleModel

_STREAM = 31
_ENDS = 1_000_000  # stands for "depth" of what lies outside the layers
_OUTPUTS = ("o_proj.weight", "down_proj.weight", "out_proj.weight")
_OWN = "mixer.layer."
_NUMBERS = {"M": 0, "mA": 1, "Mb": 2}
EMBEDDING_STD = 0.02


@torch.no_grad()
def initialise(model: ScaleModel, seed: int) -> None:
    """Fill every parameter of `model` in place."""
    depth_scale = (2 * len(model.spec.pattern)) ** -0.5
    model.embedding.copy_(_normal(_generator(seed, _ENDS, 0, 0), model.embedding, EMBEDDING_STD))
    model.norm.weight.fill_(1.0)
    for depth, block in enumerate(model.layers):
        for index, (name, tensor) in enumerate(block.named_parameters()):
            own = isinstance(block.mixer, OwnLayer)
            rng = _generator(seed, depth, number_of(block.token) if own else _NUMBERS[block.token], index)
            if own and name.startswith(_OWN):
                block.mixer.start(name[len(_OWN) :], tensor, rng, Start("fan-in", depth_scale))
            elif name.endswith("conv1d.weight") or name.endswith("conv1d.bias"):
                bound = model.spec.shape.ssm_conv**-0.5
                tensor.copy_(_tensor(rng.uniform(-bound, bound, tuple(tensor.shape))))
            elif name.endswith("dt_bias"):
                dt = np.exp(rng.uniform(np.log(0.001), np.log(0.1), tensor.shape[0]))
                tensor.copy_(_tensor(dt + np.log(-np.expm1(-dt))))
            elif name.endswith("A_log"):
                tensor.copy_(_tensor(np.log(rng.uniform(0.01, 2.0, tensor.shape[0]))))
            elif tensor.dim() == 1:
                tensor.fill_(1.0)
            else:
                std = tensor.shape[1] ** -0.5 * (depth_scale if name.endswith(_OUTPUTS) else 1.0)
                tensor.copy_(_normal(rng, tensor, std))


def _normal(rng: np.random.Generator, like: torch.Tensor, std: float) -> torch.Tensor:
    return torch.from_numpy(rng.standard_normal(tuple(like.shape), dtype=np.float32)).mul_(std)


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))


def _generator(seed: int, depth: int, number: int, index: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence((_STREAM, seed, depth, number, index)))
