"""What a step of the autoresearch family costs: FLOPs as counted, and processor seconds of the reference."""

import pytest
import torch
from aira_design.autoresearch import flops
from aira_design.autoresearch.reference import Gauge


class TestFlops:
    def test_a_weight_that_is_used_ten_times_costs_ten_times(self):
        class Tied(torch.nn.Module):
            def __init__(self, turns):
                super().__init__()
                self.table, self.inner, self.head = (
                    torch.nn.Embedding(257, 8),
                    torch.nn.Linear(8, 8),
                    torch.nn.Linear(8, 257),
                )
                self.turns = turns

            def forward(self, tokens):
                x = self.table(tokens)
                for _ in range(self.turns):
                    x = x + self.inner(x)
                return self.head(x)

        on = torch.device("cpu")
        for turns in (1, 10):
            assert flops.flops_per_token(Tied(turns), 40, on) == 6 * (8 * 257 + turns * 64)

    def test_leaves_neither_gradients_nor_a_trace_in_chance(self):
        model = torch.nn.Sequential(torch.nn.Embedding(257, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 257))
        torch.manual_seed(0)
        flops.flops_per_token(model, 40, torch.device("cpu"))
        after = torch.rand(1)
        torch.manual_seed(0)
        assert torch.equal(after, torch.rand(1)) and all(one.grad is None for one in model.parameters())

    @pytest.mark.parametrize("groups", [1, 8])
    def test_counts_convolutions_by_their_filters(self, groups):
        conv, x = torch.nn.Conv1d(8, 8, 3, groups=groups, padding=1), torch.randn(2, 8, 10, requires_grad=True)
        assert flops.flops_of(lambda: conv(x).sum().backward()) == 3 * 2 * (2 * 8 * 10) * (8 // groups * 3)

    def test_counts_batched_products_and_fused_attention(self):
        q = torch.randn(2, 4, 16, 8, requires_grad=True)
        assert flops.flops_of(lambda: q @ q.transpose(2, 3)) == 2 * (2 * 4 * 16 * 16) * 8
        fused = getattr(torch.nn.functional, "scaled_dot_product_attention", None)
        if fused is not None:
            assert (
                flops.flops_of(lambda: fused(q, q, q, is_causal=True).sum().backward()) == 7 * 2 * (2 * 4 * 16 * 16) * 8
            )


def test_the_gauge_follows_the_machine_but_not_without_end():
    now, cost = [0.0], [1.0]
    gauge = Gauge(lambda: cost[0], lambda: now[0])
    assert gauge.token_seconds() == 1.0
    cost[0] = 3.0
    assert gauge.token_seconds() == 1.0, "one sample a second"
    now[0] = 1.5
    assert gauge.token_seconds() == 2.0
    for second in range(2, 100):
        now[0], cost[0] = float(second) + 2, 1000.0
        assert gauge.token_seconds() <= 4.0
    quiet = Gauge(lambda: cost[0], lambda: now[0])
    cost[0] = 1.0
    for second in range(200, 220):
        now[0] = float(second)
        assert quiet.token_seconds() == 1000.0, "never less than at first"
