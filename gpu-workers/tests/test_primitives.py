"""Each primitive and whole stacks: causal, position-aware, and as published."""

import copy
import math

import numpy as np
import pytest
import torch
from aira_workers.model import StackModel
from aira_workers.primitives import PRIMITIVES, Sizes, make_frame
from aira_workers.primitives.initial import Start
from aira_workers.primitives.ops import RmsNorm
from aira_workers.primitives.ssd import ssd_step_by_step
from conftest import tokens

CPU = torch.device("cpu")


def sizes_of(nano, **changes):
    return Sizes(**{**nano["model"], **changes})


def layer_of(token, sizes, seed=0):
    return PRIMITIVES[token].layer(sizes, np.random.default_rng(seed), Start())


@pytest.mark.parametrize("token", PRIMITIVES)
@pytest.mark.parametrize("chunk", [4, 32])
def test_primitive_never_sees_the_future(nano, token, chunk):
    sizes = sizes_of(nano, ssm_chunk=chunk)
    layer, frame = layer_of(token, sizes), make_frame(12, sizes, CPU)
    x = torch.randn(2, 12, 32, generator=torch.Generator().manual_seed(1))
    before = layer(x.view(-1, 32), frame).view(2, 12, 32)
    for cut in range(1, 12):
        changed = x.clone()
        changed[:, cut:] += 3.0
        after = layer(changed.view(-1, 32), frame).view(2, 12, 32)
        assert torch.equal(before[:, :cut], after[:, :cut])
        assert not torch.allclose(before[:, cut], after[:, cut])


@pytest.mark.parametrize("token,reads", [("M", False), ("mA", True), ("Mb", True)])
def test_only_mixers_read_the_past(nano, token, reads):
    sizes = sizes_of(nano)
    layer, frame = layer_of(token, sizes), make_frame(12, sizes, CPU)
    x = torch.randn(1, 12, 32, generator=torch.Generator().manual_seed(1))
    changed = x.clone()
    changed[:, 0] += 3.0
    same = torch.equal(layer(x[0], frame)[1:], layer(changed[0], frame)[1:])
    assert same == (not reads)


@pytest.mark.parametrize("seed", range(4))
def test_random_sixteen_layer_models_are_causal(nano, seed):
    rng = np.random.default_rng(seed)
    architecture = tokens(rng.choice(list("MAB"), 16))
    sizes = sizes_of(nano, ssm_chunk=int(rng.choice([8, 32])))
    model, frame = StackModel(architecture, sizes, 50, seed), make_frame(32, sizes, CPU)
    text = torch.from_numpy(rng.integers(0, 50, (2, 32)))
    cut = int(rng.integers(1, 32))
    other = text.clone()
    other[:, cut:] = torch.from_numpy(rng.integers(0, 50, (2, 32 - cut)))
    with torch.no_grad():
        one = model.logits(model.trunk(text, frame)).view(2, 32, 50)
        two = model.logits(model.trunk(other, frame)).view(2, 32, 50)
    assert torch.equal(one[:, :cut], two[:, :cut])
    assert not torch.equal(one[:, cut:], two[:, cut:])


@pytest.mark.parametrize("bias", [False, True])
def test_attention_equals_its_definition(nano, bias):
    sizes = sizes_of(nano, attention_bias=bias)
    layer, frame = layer_of("mA", sizes), make_frame(6, sizes, CPU)
    if bias:
        with torch.no_grad():
            layer.input_bias.normal_(generator=torch.Generator().manual_seed(3))
            layer.output_bias.fill_(0.3)
    h = torch.randn(6, 32, generator=torch.Generator().manual_seed(2))
    qkv = (h @ layer.input + (layer.input_bias if bias else 0)).double().view(6, 3, 2, 16)
    # Rotary positions as complex numbers: feature pair (i, i + 8) turns by position / base^(2i/16).
    turn = torch.polar(
        torch.ones(6, 8, dtype=torch.float64),
        torch.arange(6)[:, None] * 1e4 ** (-torch.arange(8, dtype=torch.float64) / 8),
    )
    out = torch.zeros(6, 2, 16, dtype=torch.float64)
    for head in range(2):
        q, k = (torch.complex(x[:, :8], x[:, 8:]) * turn for x in (qkv[:, 0, head], qkv[:, 1, head]))
        for t in range(6):
            scores = torch.stack([(q[t] * k[s].conj()).real.sum() for s in range(t + 1)]) / math.sqrt(16)
            out[t, head] = scores.softmax(0) @ qkv[: t + 1, 2, head]
    expected = out.view(6, 32).float() @ layer.output + (0.3 if bias else 0)
    assert torch.allclose(layer(h, frame), expected, atol=1e-5)


def test_mamba2_equals_its_definition_step_by_step(nano):
    sizes = sizes_of(nano, ssm_chunk=4)
    layer, frame = layer_of("Mb", sizes), make_frame(10, sizes, CPU)
    h = torch.randn(10, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        mixed = h @ layer.input
        z, raw, dt = mixed[:, :64], mixed[:, 64:160], mixed[:, 160:]
        padded = torch.cat([torch.zeros(3, 96), raw])
        conv = torch.stack([(padded[t : t + 4] * layer.conv).sum(0) + layer.conv_bias for t in range(10)])
        conv = conv * torch.sigmoid(conv)
        dt = torch.log1p(torch.exp(dt + layer.dt_bias))
        x = conv[:, :64].view(1, 10, 2, 32)
        decay = (dt * -layer.a.exp())[None]
        y = ssd_step_by_step(x * dt[None, :, :, None], decay, conv[None, :, 64:80], conv[None, :, 80:])
        y = (y + layer.skip[:, None] * x).view(10, 64) * (z * torch.sigmoid(z))
        expected = RmsNorm.apply(y) @ layer.output
        assert torch.allclose(layer(h, frame), expected, atol=1e-5)


def test_mamba2_starts_with_the_stated_step_sizes(nano):
    layer = layer_of("Mb", sizes_of(nano, ssm_heads=32, attention_heads=2))
    dt = torch.nn.functional.softplus(layer.dt_bias)
    assert 0.01 - 1e-6 <= dt.min() < 0.05 < 0.1 < dt.max() <= 0.5 + 1e-6
    assert 0.5 - 1e-6 <= layer.a.exp().min() and layer.a.exp().max() <= 4.0 + 1e-6


def test_parameter_counts_of_the_nano_layers(nano):
    count = {token: sum(p.numel() for p in layer_of(token, sizes_of(nano)).parameters()) for token in PRIMITIVES}
    assert count == {"M": 32 * 176 + 88 * 32, "mA": 32 * 96 + 32 * 32, "Mb": 32 * 162 + 64 * 32 + 5 * 96 + 6}


def test_equal_layers_at_equal_depth_start_equal(nano):
    sizes = sizes_of(nano)
    one, two = (StackModel(tokens(text), sizes, 20, seed=5) for text in ("AMBM", "AMMB"))
    assert torch.equal(one.embedding, two.embedding) and torch.equal(one.head, two.head)
    assert torch.equal(one.layers[1].input, two.layers[1].input)
    assert torch.equal(one.layers[0].output, two.layers[0].output)
    assert not torch.equal(one.layers[3].input, one.layers[1].input)
    assert not torch.equal(StackModel(tokens("AM"), sizes, 20, seed=6).head, one.head)


@pytest.mark.parametrize(
    "change", [{"attention_heads": 3}, {"attention_heads": 32}, {"ssm_heads": 3}, {"dt_max": 0.001}, {"width": 0}]
)
def test_impossible_sizes_are_refused(nano, change):
    with pytest.raises(ValueError):
        Sizes(**{**copy.deepcopy(nano["model"]), **change})
