"""The validation of a primitive: what a trainer, a budget and a decoder rely on, each tried at two sets of widths.

Every check says what it found, or raises PrimitiveFault with one sentence.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from aira_workers.errors import EvaluationError
from aira_workers.primitives.initial import Start

from .contract import Widths
from .discover import PrimitiveFault, where
from .own import Own, OwnLayer

# Whole widths, and odd ones: shared keys, heads that do not divide what they usually divide.
WIDTHS = (
    Widths(32, 2, 2, 16, 88, 64, 2, 16, 4, 1e4),
    Widths(48, 6, 2, 8, 50, 96, 3, 4, 3, 5e5),
)
LENGTHS = (1, 7, 130)  # the longest spans several chunks and windows of any usual length at these widths
BATCH = 3
_CLOSE = 1e-4  # of the largest output, in float32
_SLOPE = 1e-4
_SEED = 5

Check = Callable[[Own, Widths], str]


def checks() -> dict[str, Check]:
    return {
        "parameters": parameters,
        "shapes": shapes,
        "finite": finite,
        "causality": causality,
        "batch independence": batch_independence,
        "gradients": gradients,
        "decoding": decoding,
        "flops": flops,
    }


def validate(own: Own) -> Iterator[tuple[str, str]]:
    """(check, what it found) for every check; raises PrimitiveFault at the first that fails."""
    for name, check in checks().items():
        found = ""
        for widths in WIDTHS:
            try:
                found = check(own, widths)
            except PrimitiveFault as fault:
                raise PrimitiveFault(f"{fault} (check: {name}, width {widths.width})") from fault
            except EvaluationError as error:
                raise PrimitiveFault(f"{error} (check: {name}, width {widths.width})") from error
            except (Exception, SystemExit) as error:
                raise PrimitiveFault(f"{own.origin}, {where(error, own.file)} (check: {name})") from error
        yield name, found


def built(own: Own, widths: Widths, dtype: torch.dtype = torch.float32) -> OwnLayer:
    """The layer with start values; constants are moved off their value, so that a bias of 0 cannot hide a fault."""
    layer = OwnLayer(own, widths)
    rng = np.random.default_rng(_SEED)
    with torch.no_grad():
        for name, parameter in layer.layer.named_parameters():
            layer.start(name, parameter, rng, Start())
            parameter.add_(torch.from_numpy(0.05 * rng.standard_normal(tuple(parameter.shape))).float())
    return layer.to(dtype)


def noise(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def parameters(own: Own, widths: Widths) -> str:
    counted = sum(parameter.numel() for parameter in OwnLayer(own, widths).parameters())
    formula = own.parameters(widths)
    _require(own, formula == counted, f"parameters gives {formula}, the layer has {counted}")
    _require(own, counted > 0, "the layer has no parameters")
    return f"the formula gives the {counted} that the layer has at width {widths.width}"


def shapes(own: Own, widths: Widths) -> str:
    layer = built(own, widths)
    for length in LENGTHS:
        layer(noise(BATCH, length, widths.width))  # OwnLayer compares shapes and types
    return f"(batch, length, width) in and out, lengths {', '.join(map(str, LENGTHS))}"


def finite(own: Own, widths: Widths) -> str:
    layer = built(own, widths)
    for scale in (0.0, 1.0, 30.0):
        x = (scale * noise(BATCH, LENGTHS[-1], widths.width)).requires_grad_()
        y = layer(x)
        _require(own, bool(torch.isfinite(y).all()), f"forward gives NaN or infinity for inputs of size {scale:g}")
        (slope,) = torch.autograd.grad(y.sum(), x, allow_unused=True)
        _require(own, slope is not None, "the output does not depend on the input")
        _require(
            own, bool(torch.isfinite(slope).all()), f"the gradient is NaN or infinite for inputs of size {scale:g}"
        )
    return "outputs and gradients, for inputs of size 0, 1 and 30"


@torch.no_grad()
def causality(own: Own, widths: Widths) -> str:
    layer = built(own, widths)
    for length in LENGTHS[1:]:
        x = noise(BATCH, length, widths.width)
        before = layer(x)
        for cut in range(1, length, max(1, length // 23)):
            changed = x.clone()
            changed[:, cut:] += 3.0
            off = _distance(layer(changed)[:, :cut], before[:, :cut], before)
            _require(own, off <= _CLOSE, f"the output at position {cut - 1} or earlier changes with the input at {cut}")
        short = layer(x[:, : length // 2])
        _require(own, _distance(short, before[:, : length // 2], before) <= _CLOSE, "the output depends on the length")
    return "no output changes with a later input"


@torch.no_grad()
def batch_independence(own: Own, widths: Widths) -> str:
    layer = built(own, widths)
    x = noise(BATCH, LENGTHS[-1], widths.width)
    together = layer(x)
    for row in range(BATCH):
        off = _distance(layer(x[row : row + 1]), together[row : row + 1], together)
        _require(own, off <= _CLOSE, "a sequence's output depends on the other sequences of the batch")
    _require(own, torch.equal(layer(x), together), "two calls with one input differ")
    return "a sequence alone gives what it gives in a batch"


def gradients(own: Own, widths: Widths) -> str:
    layer = built(own, widths, torch.float64)
    x = noise(BATCH, 7, widths.width, dtype=torch.float64).requires_grad_()
    to = noise(BATCH, 7, widths.width, dtype=torch.float64, seed=2)
    values = {"the input": x, **dict(layer.layer.named_parameters())}

    def loss() -> torch.Tensor:
        return (layer(x) * to).sum()

    found = torch.autograd.grad(loss(), list(values.values()), allow_unused=True)
    for (name, value), slope in zip(values.items(), found):
        _require(own, slope is not None and bool(slope.abs().sum() > 0), f"{name} gets no gradient")
        direction = noise(*value.shape, dtype=torch.float64, seed=3)
        step = 1e-6
        with torch.no_grad():
            start = value.clone()
            value.copy_(start + step * direction)
            above = loss()
            value.copy_(start - step * direction)
            below = loss()
            value.copy_(start)
        measured, given = float(above - below) / (2 * step), float((slope * direction).sum())
        scale = max(abs(measured), 1e-3 * float(slope.norm() * direction.norm()))
        _require(
            own,
            abs(measured - given) <= _SLOPE * scale,
            f"the gradient of {name} is {given:.6g}, measured {measured:.6g}",
        )
    return f"of the input and all {len(values) - 1} parameters, against finite differences"


@torch.no_grad()
def decoding(own: Own, widths: Widths) -> str:
    layer = built(own, widths)
    length = LENGTHS[-1]
    x = noise(BATCH, length, widths.width)
    whole = layer(x)
    state: Any = None
    for position in range(length):
        answer = layer.layer.step(x[:, position], state)
        _require(own, isinstance(answer, tuple) and len(answer) == 2, "step must return (y, state)")
        y, state = answer
        right = isinstance(y, torch.Tensor) and y.shape == (BATCH, widths.width)
        _require(own, right, f"step must return y of shape {(BATCH, widths.width)}")
        off = _distance(y, whole[:, position], whole)
        _require(own, off <= _CLOSE, f"step differs from forward by {off:.1e} at position {position}")
        carried, formula = _numbers(state) / BATCH, own.cache(widths, position + 1)
        _require(
            own,
            carried == formula,
            f"cache gives {formula} numbers after {position + 1} tokens, the state has {carried:g}",
        )
    return (
        f"step by step as in one pass; {own.cache(widths, length)} numbers after {length} tokens, as the formula says"
    )


def flops(own: Own, widths: Widths) -> str:
    figures = [own.flops(widths, length) for length in (*LENGTHS, 8192)]
    _require(own, min(figures) > 0, "flops must be above 0")
    _require(own, figures == sorted(figures), "flops per token must not fall with the length")
    length = LENGTHS[-1]
    counted = _product_flops(own, widths, length) / length
    formula = own.flops(widths, length)
    _require(
        own,
        counted / 4 <= formula <= 4 * counted,
        f"flops gives {formula:.0f} per token, the matrix products of forward take {counted:.0f}",
    )
    return f"{formula:.0f} per token; the matrix products of forward take {counted:.0f}"


@torch.no_grad()
def _product_flops(own: Own, widths: Widths, length: int) -> float:
    """Of one sequence: 2 x m x n x k over the matrix products that torch runs."""
    from torch.utils._python_dispatch import TorchDispatchMode

    total = 0

    class Counter(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            nonlocal total
            name = function.__name__.split(".")[0]
            if name in ("mm", "bmm"):
                total += 2 * args[0].numel() * args[1].shape[-1]
            elif name in ("addmm", "baddbmm"):
                total += 2 * args[1].numel() * args[2].shape[-1]
            return function(*args, **(kwargs or {}))

    layer = built(own, widths)
    x = noise(1, length, widths.width)
    with Counter():
        layer(x)
    return float(total)


def _numbers(state: Any) -> int:
    if isinstance(state, torch.Tensor):
        return state.numel()
    if isinstance(state, dict):
        return sum(map(_numbers, state.values()))
    return sum(map(_numbers, state)) if isinstance(state, (list, tuple)) else 0


def _distance(a: torch.Tensor, b: torch.Tensor, scale: torch.Tensor) -> float:
    """Largest difference over the largest magnitude of `scale`; infinite where something is not a number."""
    off = float((a - b).abs().max() / scale.abs().max().clamp(min=1e-12))
    return off if off == off else float("inf")


def _require(own: Own, holds: bool, problem: str) -> None:
    if not holds:
        raise PrimitiveFault(f"{own.origin}: {problem}")
