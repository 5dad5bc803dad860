"""Counting floating-point operations by torch's dispatcher: what really runs, so that a weight that is used twice counts twice.

Role: figures for planning, in the script's own interpreter. Non-role: the budget, which trusted code measures in processor time
(reference.py). Element-wise operations, norms and look-ups are left out: they cost time and few operations.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode


def flops_of(run: Callable[[], Any]) -> float:
    """Multiplications and additions of all matrix products, convolutions and fused attention in `run()`, backward passes included."""
    with _Count() as count:
        run()
    return float(count.total)


def flops_per_token(model: nn.Module, length: int, device: torch.device) -> float:
    """Of training on one row of `length` tokens, forward and backward. `model` maps tokens (1, length) to logits."""

    def step() -> None:
        with torch.enable_grad():
            model(torch.zeros(1, length, dtype=torch.long, device=device)).sum().backward()

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        found = flops_of(step)
    for one in model.parameters():
        one.grad = None
    return found / length


class _Count(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        name = str(func).split(".")[1]
        if name in _COSTS:
            self.total += _COSTS[name](args, found)
        elif name.startswith("_scaled_dot_product"):
            self.total += _attention(name, args)
        return found


def _product(first: int) -> Callable[[Any, Any], int]:
    """Of a product whose left factor is argument number `first`."""
    return lambda args, found: 2 * found.numel() * args[first].shape[-1]


def _convolution(args: Any, found: Any) -> int:
    given, weight, transposed = args[0], args[1], args[6]
    return 2 * (given if transposed else found).numel() * weight[0].numel()


def _convolution_backward(args: Any, found: Any) -> int:
    out, given, weight, transposed = args[0], args[1], args[2], args[7]
    wanted = sum(bool(one) for one in args[10][:2])
    return wanted * 2 * (given if transposed else out).numel() * weight[0].numel()


def _attention(name: str, args: Any) -> int:
    """Two products forward and five backward, of all pairs of positions: kernels that skip the masked half do less."""
    backward = name.endswith("backward")
    q, k, v = args[1:4] if backward else args[:3]
    pairs = math.prod(q.shape[:-1]) * k.shape[-2]
    scores, values = 2 * pairs * q.shape[-1], 2 * pairs * v.shape[-1]
    return 3 * scores + 2 * values if backward else scores + values


_COSTS: dict[str, Callable[[Any, Any], int]] = {
    "mm": _product(0),
    "bmm": _product(0),
    "mv": _product(0),
    "addmm": _product(1),
    "addmv": _product(1),
    "baddbmm": _product(1),
    "convolution": _convolution,
    "convolution_backward": _convolution_backward,
}
