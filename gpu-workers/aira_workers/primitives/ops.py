"""Differentiable operations with a hand-written backward where autograd's own would copy or zero-fill needlessly.

Each is checked against its plain definition and by finite differences in tests/test_ops.py.
"""

import torch
import torch.nn.functional as F
from torch.autograd import Function
from torch.autograd.function import once_differentiable

NORM_EPS = 1e-5


def project(x: torch.Tensor, weight: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    """x (n, in) times weight (in, out), multiplied in `dtype` when one is given; the result has the dtype of x."""
    if dtype is None:
        return x @ weight
    return (x.to(dtype) @ weight.to(dtype)).to(x.dtype)


class RmsNorm(Function):
    """y = x / sqrt(mean(x^2) + eps) over the last dimension, no gain."""

    @staticmethod
    def forward(ctx, x):
        scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + NORM_EPS)
        y = x * scale
        ctx.save_for_backward(y, scale)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        y, scale = ctx.saved_tensors
        inner = (grad * y).mean(-1, keepdim=True)
        return torch.addcmul(grad, y, inner, value=-1.0).mul_(scale)


class SwigluGate(Function):
    """z (n, 2k) -> silu(z[:, :k]) * z[:, k:], shape (n, k)."""

    @staticmethod
    def forward(ctx, z):
        gate, up = z.chunk(2, dim=-1)
        ctx.save_for_backward(z)
        return F.silu(gate).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (z,) = ctx.saved_tensors
        gate, up = z.chunk(2, dim=-1)
        sigmoid = torch.sigmoid(gate)
        silu = gate * sigmoid
        out = torch.empty_like(z)
        grad_gate, grad_up = out.chunk(2, dim=-1)
        torch.mul(grad, silu, out=grad_up)
        # d silu / d gate = sigmoid + silu * (1 - sigmoid) = silu + sigmoid * (1 - silu)
        torch.addcmul(silu, sigmoid, 1 - silu, out=grad_gate)
        grad_gate.mul_(up).mul_(grad)
        return out


class CausalConv(Function):
    """Depthwise: x (b, t, c), weight (k, c), bias (c) -> y_t = bias + sum over j of weight_j x_{t - k + 1 + j}."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        taps, length = weight.shape[0], x.shape[1]
        y = torch.addcmul(bias, x, weight[-1])
        for lag in range(1, min(taps, length)):
            y[:, lag:].addcmul_(x[:, : length - lag], weight[taps - 1 - lag])
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        taps, length = weight.shape[0], x.shape[1]
        grad_x = grad * weight[-1]
        grad_weight = torch.zeros_like(weight)
        grad_weight[-1] = (grad * x).sum((0, 1))
        for lag in range(1, min(taps, length)):
            late, early = grad[:, lag:], x[:, : length - lag]
            grad_x[:, : length - lag].addcmul_(late, weight[taps - 1 - lag])
            grad_weight[taps - 1 - lag] = (late * early).sum((0, 1))
        return grad_x, grad_weight, grad.sum((0, 1))
