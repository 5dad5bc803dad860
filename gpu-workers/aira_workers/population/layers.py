"""The primitives over several members at once: weights stacked by member, layers as batched products.

Each function takes the stacked parameters of k members (name -> (k, ...)), their normed streams h (k, rows, width) with
rows = batch x length, and returns (k, rows, width). What needs no weights treats the members' sequences as one batch.
Member i of the result depends on member i of the arguments alone, so a NaN stays where it arose.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from ..primitives import Frame
from ..primitives.ops import RmsNorm, SwigluGate
from ..primitives.ssd import ssd

Parameters = dict[str, torch.Tensor]
Layer = Callable[[Parameters, torch.Tensor, Frame], torch.Tensor]


def project(x: torch.Tensor, weight: torch.Tensor, frame: Frame) -> torch.Tensor:
    """x (k, n, in) times weight (k, in, out) in the frame's projection dtype; the result has the dtype of x."""
    dtype = frame.projection_dtype
    return torch.bmm(x, weight) if dtype is None else torch.bmm(x.to(dtype), weight.to(dtype)).to(x.dtype)


def swiglu(p: Parameters, h: torch.Tensor, frame: Frame) -> torch.Tensor:
    return project(SwigluGate.apply(project(h, p["input"], frame)), p["output"], frame)


def attention(heads: int) -> Layer:
    def forward(p: Parameters, h: torch.Tensor, frame: Frame) -> torch.Tensor:
        members, rows, width = h.shape
        batch, head = members * rows // frame.length, width // heads
        qkv = project(h, p["input"], frame)
        if "input_bias" in p:
            qkv = qkv + p["input_bias"][:, None]
        qkv = qkv.view(batch, frame.length, 3, heads, head).permute(2, 0, 3, 1, 4)
        cos, sin = frame.rotary_cos[:, None, None], frame.rotary_sin[:, None, None]
        q, k = torch.addcmul(qkv[:2] * cos, qkv[:2].roll(head // 2, -1), sin).unbind(0)
        mixed = _attend(q, k, qkv[2], frame).transpose(1, 2).reshape(members, rows, width)
        out = project(mixed, p["output"], frame)
        return out + p["output_bias"][:, None] if "output_bias" in p else out

    return forward


def fused_attention(device: torch.device) -> bool:
    """Whether attention runs as one kernel: torch 2.0 and later, on CUDA."""
    return device.type == "cuda" and hasattr(F, "scaled_dot_product_attention")


def _attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, frame: Frame) -> torch.Tensor:
    """(batch, heads, length, head) each, 1/sqrt(head) already inside q -> the same shape, causal."""
    if fused_attention(q.device):
        dtype = frame.projection_dtype or q.dtype
        # The kernel scales by 1/sqrt(head) itself.
        q = q * math.sqrt(q.shape[-1])
        return F.scaled_dot_product_attention(q.to(dtype), k.to(dtype), v.to(dtype), is_causal=True).to(v.dtype)
    flat = [part.reshape(-1, *part.shape[2:]) for part in (q, k, v)]
    weights = torch.baddbmm(frame.causal, flat[0], flat[1].transpose(1, 2)).softmax(-1)
    return torch.bmm(weights, flat[2]).view(q.shape)


def mamba2(inner: int, state: int, heads: int) -> Layer:
    def forward(p: Parameters, h: torch.Tensor, frame: Frame) -> torch.Tensor:
        members, rows, _ = h.shape
        batch = rows // frame.length
        z, xbc, dt = project(h, p["input"], frame).split((inner, inner + 2 * state, heads), dim=-1)
        xbc = xbc.reshape(members, batch, frame.length, -1)
        xbc = F.silu(StackedConv.apply(xbc, p["conv"], p["conv_bias"]))
        x, b, c = xbc.flatten(0, 1).split((inner, state, state), dim=-1)
        x = x.reshape(members, rows, heads, -1)
        dt = F.softplus(dt + p["dt_bias"][:, None])
        decay = (-dt * p["a"].exp()[:, None]).view(members * batch, frame.length, heads)
        y = ssd((x * dt[..., None]).view(members * batch, frame.length, heads, -1), decay, b, c, frame)
        y = torch.addcmul(y.reshape(x.shape), x, p["skip"][:, None, :, None])
        gated = RmsNorm.apply(y.reshape(members, rows, inner) * F.silu(z))
        return project(gated, p["output"], frame)

    return forward


class StackedConv(Function):
    """CausalConv with weights per member: x (k, b, t, c), weight (k, taps, c), bias (k, c) -> y like x."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        taps, length = weight.shape[1], x.shape[2]
        tap = weight[:, :, None, None]
        y = torch.addcmul(bias[:, None, None], x, tap[:, -1])
        for lag in range(1, min(taps, length)):
            y[:, :, lag:].addcmul_(x[:, :, : length - lag], tap[:, taps - 1 - lag])
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        taps, length = weight.shape[1], x.shape[2]
        tap = weight[:, :, None, None]
        grad_x = grad * tap[:, -1]
        grad_weight = torch.zeros_like(weight)
        grad_weight[:, -1] = (grad * x).sum((1, 2))
        for lag in range(1, min(taps, length)):
            late, early = grad[:, :, lag:], x[:, :, : length - lag]
            grad_x[:, :, : length - lag].addcmul_(late, tap[:, taps - 1 - lag])
            grad_weight[:, taps - 1 - lag] = (late * early).sum((1, 2))
        return grad_x, grad_weight, grad.sum((1, 2))


class Permute(Function):
    """x (k, ...) -> x in the order `order`; `back` is the inverse. Neither direction adds anything up."""

    @staticmethod
    def forward(ctx, x, order, back):
        ctx.save_for_backward(back)
        return x.index_select(0, order)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (back,) = ctx.saved_tensors
        return grad.index_select(0, back), None, None
