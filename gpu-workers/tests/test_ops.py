"""Hand-written backward passes: equal to the plain definition, and to finite differences in float64."""

import torch
import torch.nn.functional as F
from aira_workers.primitives.ops import NORM_EPS, CausalConv, RmsNorm, SwigluGate, project
from torch.autograd import gradcheck


def randn(*shape, grad=True):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_(grad)


def test_rms_norm():
    x = randn(5, 8)
    assert torch.allclose(RmsNorm.apply(x), x / (x.pow(2).mean(-1, keepdim=True) + NORM_EPS).sqrt())
    assert gradcheck(RmsNorm.apply, (x,))


def test_swiglu_gate():
    z = randn(5, 12)
    assert torch.allclose(SwigluGate.apply(z), F.silu(z[:, :6]) * z[:, 6:])
    assert gradcheck(SwigluGate.apply, (z,))


def test_causal_conv_is_left_padded_depthwise_convolution():
    x, weight, bias = randn(2, 7, 3), randn(4, 3), randn(3)
    oracle = F.conv1d(F.pad(x.transpose(1, 2), (3, 0)), weight.t()[:, None], bias, groups=3).transpose(1, 2)
    assert torch.allclose(CausalConv.apply(x, weight, bias), oracle)
    assert gradcheck(CausalConv.apply, (x, weight, bias))


def test_causal_conv_with_fewer_tokens_than_taps():
    x, weight, bias = randn(2, 2, 3), randn(4, 3), randn(3)
    oracle = F.conv1d(F.pad(x.transpose(1, 2), (3, 0)), weight.t()[:, None], bias, groups=3).transpose(1, 2)
    assert torch.allclose(CausalConv.apply(x, weight, bias), oracle)
    assert gradcheck(CausalConv.apply, (x, weight, bias))


def test_projection_in_bfloat16_rounds_operands_and_returns_the_input_dtype():
    x, weight = randn(4, 8).float(), randn(8, 3).float()
    exact, rounded = project(x, weight, None), project(x, weight, torch.bfloat16)
    assert rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    assert torch.allclose(exact, rounded, atol=0.1)
