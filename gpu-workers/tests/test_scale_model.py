"""The scale families: counts by formula against counts by measurement, and layers against their definitions."""

import math

import pytest
import torch
import torch.nn.functional as F
from aira_scale.counts import executed_forward, layer_parameters, matrices, parameters, training_flops
from aira_scale.initial import initialise
from aira_scale.layers import attention
from aira_scale.layers.attention import Attention, plain_attention, rotary_tables
from aira_scale.layers.mamba2 import Mamba2, make_chunks
from aira_scale.model import ModelSpec, ScaleModel
from aira_scale.shapes import SIZES, Shape
from aira_workers.primitives.ssd import ssd_step_by_step
from conftest import tokens

FAMILIES = ("llama", "nemotron")
SMALL = Shape(24, 40, 4, 2, 8, 48, 12, 6, 2, 4, 8, 10_000.0)
PATTERN = list(tokens("ABMMBA"))


def model_of(family, pattern=PATTERN, shape=SMALL, vocabulary=50, seed=3):
    model = ScaleModel(ModelSpec(family, list(pattern), shape, vocabulary))
    initialise(model, seed)
    return model


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", SIZES)
def test_counts_equal_those_of_the_built_model_at_every_size(family, name):
    size = SIZES[name]
    pattern = [*size.llama(), "Mb"]
    model = ScaleModel(ModelSpec(family, pattern, size.shape, 1024), "meta")
    counted = parameters(pattern, family, size.shape, 1024)
    assert sum(parameter.numel() for parameter in model.parameters()) == counted.total
    assert model.embedding.numel() == counted.embedding
    for token, block in zip(pattern, model.layers):
        assert sum(parameter.numel() for parameter in block.parameters()) == layer_parameters(token, family, size.shape)
    assert sum(matrix.numel() for matrix in model.matrices()) == sum(matrices(t, family, size.shape) for t in pattern)
    # A size is named after its Llama's non-embedding parameters, to 10 % of the name.
    unit = {"M": 1e6, "B": 1e9}[name[-1]]
    llama = parameters(size.llama(), family, size.shape, 1024)
    assert llama.layers == pytest.approx(float(name[:-1]) * unit, rel=0.1)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("length", [8, 20, 24])
def test_executed_flops_equal_what_torch_counts(family, length, monkeypatch):
    counter = pytest.importorskip("torch.utils.flop_counter", reason="this torch has no FLOP counter (2.0 and later)")
    # The counter has no entry for the fused attention of the CPU; the plain one makes the same products.
    monkeypatch.setattr(attention, "_fused", plain_attention)
    model = model_of(family)
    with counter.FlopCounterMode(display=False) as counted, torch.no_grad():
        model(torch.zeros(1, length, dtype=torch.int64))
    assert counted.get_total_flops() == executed_forward(PATTERN, family, SMALL, 50, length)


def test_training_flops_are_the_published_count_plus_head_and_convolution():
    size, length = SIZES["1B"], 8192
    d, inner = 2048, 4096
    attention = 6 * length * (2 * d * d + 2 * d * 64 * 8) + 12 * d * length * (length + 1) / 2
    mlp = 6 * length * 3 * d * 8192
    mamba = 6 * length * (d * (2 * inner + 2 * 128 + 32) + inner * d) + 3 * length * (9 * inner * 128 + 2 * inner)
    mamba += 6 * length * 4 * (inner + 2 * 128)
    flops = training_flops(("mA", "M", "Mb"), "llama", size.shape, 1000, length)
    assert flops.layers * length == pytest.approx(attention + mlp + mamba, rel=1e-12)
    assert flops.head == 6 * 1000 * d


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_at_a_position_depend_on_no_later_token(family):
    model = model_of(family)
    one = torch.randint(50, (2, 21), generator=torch.Generator().manual_seed(1))
    other = one.clone()
    other[:, 13:] = (other[:, 13:] + 7) % 50
    with torch.no_grad():
        first, second = model(one), model(other)
    assert torch.equal(first[:, :13], second[:, :13])
    assert not torch.allclose(first[:, 13:], second[:, 13:])


@pytest.mark.parametrize("length", [1, 5, 8, 19])
def test_mamba2_with_groups_equals_the_recurrence(length):
    torch.manual_seed(0)
    model = model_of("nemotron", ["Mb"]).double()
    layer: Mamba2 = model.layers[0].mixer
    torch.nn.init.uniform_(layer.norm.weight, 0.5, 1.5)
    torch.nn.init.uniform_(layer.D, 0.5, 1.5)
    h = torch.randn(2, length, 24, dtype=torch.float64)
    shape = SMALL
    z, xbc, dt = layer.in_proj(h).split((48, 48 + 24, 4), dim=-1)
    xbc = F.conv1d(xbc.transpose(1, 2), layer.conv1d.weight, layer.conv1d.bias, padding=3, groups=72)[..., :length]
    x, b, c = F.silu(xbc).transpose(1, 2).split((48, 12, 12), dim=-1)
    x, dt = x.reshape(2, length, 4, 12), F.softplus(dt + layer.dt_bias)
    decay = -dt * layer.A_log.exp()
    heads = []
    for head in range(4):
        group = slice(6 * (head // 2), 6 * (head // 2) + 6)
        one = slice(head, head + 1)
        u = x[:, :, one] * dt[:, :, one, None]
        heads.append(ssd_step_by_step(u, decay[:, :, one], b[..., group], c[..., group]))
    y = (torch.cat(heads, dim=2) + x * layer.D[:, None]).reshape(2, length, 48) * F.silu(z)
    parts = y.view(2, length, 2, 24)
    normed = parts / (parts.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
    expected = layer.out_proj(normed.view(2, length, 48) * layer.norm.weight)
    found = layer(h, make_chunks(length, shape.ssm_chunk, h.device, h.dtype))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_equals_its_definition(family):
    torch.manual_seed(0)
    model = model_of(family, ["mA"]).double()
    layer: Attention = model.layers[0].mixer
    h = torch.randn(2, 9, 24, dtype=torch.float64)
    q, k, v = layer.q_proj(h), layer.k_proj(h), layer.v_proj(h)
    out = torch.zeros(2, 9, 32, dtype=torch.float64)
    for head in range(4):
        own, shared = slice(8 * head, 8 * head + 8), slice(8 * (head // 2), 8 * (head // 2) + 8)
        qh, kh, vh = q[..., own], k[..., shared], v[..., shared]
        if family == "llama":
            angle = torch.arange(9.0, dtype=torch.float64)[:, None] * 10_000.0 ** (-torch.arange(4) / 4.0)
            turn = torch.polar(torch.ones_like(angle), angle)
            qh, kh = (
                torch.cat([(torch.complex(p[..., :4], p[..., 4:]) * turn).real,
                           (torch.complex(p[..., :4], p[..., 4:]) * turn).imag], -1) for p in (qh, kh)
            )  # fmt: skip
        for t in range(9):
            weights = (qh[:, t : t + 1] @ kh[:, : t + 1].transpose(1, 2) / math.sqrt(8)).softmax(-1)
            out[:, t, own] = (weights @ vh[:, : t + 1])[:, 0]
    rotary = rotary_tables(9, 8, 10_000.0, h.device, h.dtype)
    torch.testing.assert_close(layer(h, rotary), layer.o_proj(out), rtol=1e-6, atol=1e-8)


def test_fused_attention_equals_the_plain_one():
    if not hasattr(F, "scaled_dot_product_attention"):
        pytest.skip("this torch has no fused attention (2.0 and later)")
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 17, 8, dtype=torch.float64) for _ in range(3))
    torch.testing.assert_close(F.scaled_dot_product_attention(q, k, v, is_causal=True), plain_attention(q, k, v))


def test_a_layer_starts_from_the_same_weights_whatever_surrounds_it():
    one, other = model_of("llama", tokens("ABM")), model_of("llama", tokens("MBA"))
    for (name, first), (_, second) in zip(one.layers[1].named_parameters(), other.layers[1].named_parameters()):
        assert torch.equal(first, second), name
    assert torch.equal(one.embedding, other.embedding)
    assert not torch.equal(one.embedding, model_of("llama", seed=4).embedding)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_untrained_model_is_no_better_than_chance(family):
    model = model_of(family, vocabulary=200)
    batch = torch.randint(200, (4, 33), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert model.loss(batch).item() == pytest.approx(math.log(200), abs=0.05)


@pytest.mark.parametrize(
    "change,message",
    [
        ({"kv_heads": 3}, "multiple of kv_heads"),
        ({"head_dim": 7}, "head_dim must be even"),
        ({"ssm_head_dim": 20}, "multiple of ssm_head_dim"),
        ({"ssm_groups": 3}, "multiple of ssm_groups"),
        ({"ffn_inner": 41}, "must be even"),
        ({"width": 0}, "width must be above 0"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Shape(**{**SMALL.__dict__, **change})


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_products_move_the_loss_by_rounding_only_and_leave_weights_float32(family):
    model = model_of(family)
    batch = torch.randint(50, (4, 21), generator=torch.Generator().manual_seed(1))
    exact = model.loss(batch)
    exact.backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model.loss(batch)
    rounded.backward()
    assert 0 < abs(rounded.item() - exact.item()) < 0.01
    assert all(parameter.dtype == parameter.grad.dtype == torch.float32 for parameter in model.parameters())
    difference = torch.cat([(p.grad - expected).flatten() for p, expected in zip(model.parameters(), gradients)])
    # Measured 3 to 5 % at the start values, where a loss near that of chance leaves small differences of large sums.
    assert 0 < difference.norm() < 0.1 * torch.cat([expected.flatten() for expected in gradients]).norm()
