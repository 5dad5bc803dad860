"""Chunked state space duality equals the recurrence it stands for, forward and backward."""

import pytest
import torch
from aira_workers.primitives import Sizes, make_frame
from aira_workers.primitives.ssd import ssd, ssd_step_by_step

SIZES = dict(
    width=16, attention_heads=2, attention_bias=False, rotary_base=1e4, ffn_inner=8, ssm_inner=8, ssm_heads=2,
    ssm_state=3, ssm_conv=4, dt_min=0.01, dt_max=0.5, a_min=0.5, a_max=4.0, norm_gain=False, embedding_std=0.5,
    depth_scaled_outputs=True,
)  # fmt: skip


def inputs(length, strongest_decay, dtype=torch.float64):
    generator = torch.Generator().manual_seed(length)
    batch, heads, p, state = 2, 3, 4, 5

    def randn(*shape):
        return torch.randn(*shape, dtype=dtype, generator=generator)

    decay = -strongest_decay * torch.rand(batch, length, heads, dtype=dtype, generator=generator)
    values = [randn(batch, length, heads, p), decay, randn(batch, length, state), randn(batch, length, state)]
    return [value.requires_grad_() for value in values], randn(batch, length, heads, p)


def run(function, values, weight):
    y = function(*values)
    return [y.detach(), *torch.autograd.grad((y * weight).sum(), values)]


@pytest.mark.parametrize("strongest_decay", [0.1, 30.0])
@pytest.mark.parametrize("length,chunk", [(32, 32), (32, 64), (32, 16), (32, 8), (33, 8), (31, 1), (1, 4), (96, 32)])
def test_equals_the_recurrence(length, chunk, strongest_decay):
    frame = make_frame(length, Sizes(**SIZES, ssm_chunk=chunk), torch.device("cpu"), dtype=torch.float64)
    values, weight = inputs(length, strongest_decay)
    expected = run(ssd_step_by_step, values, weight)
    actual = run(lambda *v: ssd(*v, frame), values, weight)
    for name, one, other in zip(("y", "du", "dlog_decay", "db", "dc"), actual, expected):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-10), name


def test_float32_error_is_that_of_float32():
    frame = make_frame(64, Sizes(**SIZES, ssm_chunk=64), torch.device("cpu"))
    values, weight = inputs(64, 2.0)
    single = [value.detach().float().requires_grad_() for value in values]
    expected = run(ssd_step_by_step, values, weight)
    for one, other in zip(run(lambda *v: ssd(*v, frame), single, weight.float()), expected):
        assert (one.double() - other).norm() / other.norm() < 3e-5


def test_strong_decay_neither_overflows_nor_gives_nan():
    frame = make_frame(64, Sizes(**SIZES, ssm_chunk=64), torch.device("cpu"))
    values, weight = inputs(64, 500.0, torch.float32)
    assert all(torch.isfinite(part).all() for part in run(lambda *v: ssd(*v, frame), values, weight))
