"""Optimisers against their definitions and against torch's own."""

import numpy as np
import pytest
import torch
from aira_workers.model import StackModel
from aira_workers.optim import FlatParameters, StackedMuon, cosine_per_epoch, warmup_cosine
from aira_workers.optim.muon import COEFFICIENTS, orthogonalise
from aira_workers.primitives import Sizes
from conftest import tokens


@pytest.mark.parametrize("shape", [(4, 32, 176), (4, 88, 32), (4, 32, 32)])
def test_newton_schulz_pushes_singular_values_towards_one(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    singular = torch.linalg.svdvals(orthogonalise(x, 6))
    assert singular.min() > 0.3 and singular.max() < 1.3
    # Scale does not matter, and each matrix of a stack is on its own.
    assert torch.allclose(orthogonalise(100 * x, 4), orthogonalise(x, 4), atol=1e-4)
    assert torch.allclose(orthogonalise(x, 4)[2], orthogonalise(x[2:3], 4)[0], atol=1e-5)


def test_newton_schulz_applies_the_quintic_to_the_singular_values():
    x = torch.randn(1, 6, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    u, s, vt = torch.linalg.svd(x[0], full_matrices=False)
    s = s / s.norm()
    a, b, c = COEFFICIENTS
    for _ in range(4):
        s = a * s + b * s**3 + c * s**5
    assert torch.allclose(orthogonalise(x, 4)[0], u @ torch.diag(s) @ vt, atol=1e-5)


def test_muon_step_is_nesterov_momentum_then_orthogonalisation():
    generator = torch.Generator().manual_seed(2)
    values = torch.randn(3, 4, 16, generator=generator)
    first, second = torch.randn(2, 3, 4, 16, generator=generator)
    expected, gradients = values.clone(), torch.empty(3, 4, 16)
    muon = StackedMuon([(values, gradients)], lr=0.1, momentum=0.9, steps=4)
    buffer = torch.zeros(3, 4, 16)
    for gradient, factor in ((first, 1.0), (second, 0.5)):
        gradients.copy_(gradient)
        muon.step(factor)
        buffer = 0.9 * buffer + gradient
        expected -= 0.1 * factor * 2.0 * orthogonalise(gradient + 0.9 * buffer, 4)  # sqrt(16 / 4) = 2
    assert torch.allclose(values, expected, atol=1e-5)


@pytest.fixture
def model(nano):
    return StackModel(tokens("AMBAM"), Sizes(**nano["model"]), 20, 0, "learned-code", 8)


def test_flat_parameters_keep_the_model_and_alias_it(model):
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    flat = FlatParameters(model, model.matrices())
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name])
    assert flat.values.numel() == sum(value.numel() for value in before.values())
    assert sorted(tuple(values.shape) for values, _ in flat.matrix_groups) == sorted(
        [(2, 32, 96), (2, 32, 32), (2, 32, 176), (2, 88, 32), (1, 32, 162), (1, 64, 32)]
    )
    sum(parameter.sum() * 2 for parameter in model.parameters()).backward()
    assert torch.equal(flat.gradients, torch.full_like(flat.gradients, 2.0))
    flat.values.zero_()
    assert all(not parameter.any() for parameter in model.parameters())


def test_clipping_bounds_the_common_norm_and_leaves_small_gradients_alone(model):
    flat = FlatParameters(model)
    flat.gradients.normal_(generator=torch.Generator().manual_seed(0))
    direction = flat.gradients / flat.gradients.norm()
    flat.clip_gradients(1.0)
    assert torch.allclose(flat.gradients, direction, atol=1e-5)
    flat.gradients.mul_(0.1)
    before = flat.gradients.clone()
    flat.clip_gradients(1.0)
    assert torch.equal(flat.gradients, before)


def test_adam_on_the_flat_rest_equals_adam_on_the_parameters(nano):
    def fresh():
        return StackModel(tokens("MB"), Sizes(**nano["model"]), 20, 0)

    one, two = fresh(), fresh()
    flat = FlatParameters(one)
    flat_adam = torch.optim.Adam([flat.rest], lr=0.01, betas=(0.9, 0.99))
    adam = torch.optim.Adam(two.parameters(), lr=0.01, betas=(0.9, 0.99))
    for step in range(3):
        flat.zero_gradients()
        adam.zero_grad()
        for model in (one, two):
            sum(((parameter - step) ** 2).sum() for parameter in model.parameters()).backward()
        flat_adam.step()
        adam.step()
    for mine, theirs in zip(one.parameters(), two.parameters()):
        assert torch.allclose(mine, theirs, atol=1e-6)


def test_warmup_cosine():
    factors = [warmup_cosine(step, 200, 8, 0.02) for step in range(200)]
    assert factors[0] == 1 / 8 and factors[7] == 1 and factors[8] == 1
    assert factors[-1] == pytest.approx(0.02)
    assert all(np.diff(factors[8:]) < 0)


@pytest.mark.parametrize("steps,warmup", [(39, 50), (78, 50), (12, 8), (600, 8), (1, 8), (10, 8)])
def test_a_warm_up_scales_with_a_short_training(steps, warmup):
    factors = [warmup_cosine(step, steps, warmup, 0.02) for step in range(steps)]
    assert np.argmax(factors) < max(1, steps / 10) and max(factors) == 1
    assert steps == 1 or factors[-1] == pytest.approx(0.02)
    assert all(np.diff(factors[max(1, steps // 10) :]) < 0)


def test_cosine_per_epoch():
    rates = [cosine_per_epoch(epoch, 200, 5e-4, 1e-6) for epoch in range(201)]
    assert rates[0] == 5e-4 and rates[100] == pytest.approx((5e-4 + 1e-6) / 2) and rates[200] == pytest.approx(1e-6)
