"""A state space mixer in both directions, in the dual form of Mamba-2 (arXiv 2405.21060), with one decay per head.

h_t = exp(-a dt_t) h_(t-1) + dt_t B_t x_t,  y_t = C_t h_t, once from the left and once from the right, so the summary at
position 0 hears of everything. Computed in chunks: inside a chunk as a masked square, between chunks by their states.
Cost is length x (CHUNK + STATE).
"""

import torch
from torch import nn
from torch.nn import functional as F

STATE = 8  # tune: 4|8|16|32
CHUNK = 32  # tune: 16|32|64
SLOWEST = 0.01  # tune: 0.001..0.1 log
SHORT_CONV = 3  # tune: 3|5|7


class StateSpace(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.filter = nn.Conv1d(width, width, SHORT_CONV, padding=SHORT_CONV // 2, groups=width)
        self.inputs = nn.Linear(width, 2 * width + 2 * STATE + 2 * heads)
        self.output = nn.Linear(width, width)
        # Steps from SLOWEST to 1 over the heads: some forget at once, some remember the whole sequence.
        steps = torch.logspace(torch.log10(torch.tensor(SLOWEST)).item(), 0, heads)
        self.bias = nn.Parameter(torch.log(torch.expm1(steps)).repeat(2))
        self.skip = nn.Parameter(torch.ones(heads))

    def forward(self, x, mask):
        batch, length, width = x.shape
        x = F.silu(self.filter(x.transpose(1, 2)).transpose(1, 2)) * mask[..., None]
        value, gate, b, c, dt = self.inputs(x).split([width, width, STATE, STATE, 2 * self.heads], dim=-1)
        dt = F.softplus(dt + self.bias) * mask[..., None]
        value = value.view(batch, length, self.heads, -1)
        forward, backward = dt.chunk(2, dim=-1)
        mixed = scan(value, forward, b, c) + self.skip[:, None] * value
        mixed = mixed + scan(value.flip(1), backward.flip(1), b.flip(1), c.flip(1)).flip(1)
        return self.output(mixed.reshape(batch, length, width) * F.silu(gate))


def scan(value, dt, b, c):
    """value (batch, length, heads, size), dt (batch, length, heads), b and c (batch, length, STATE) -> like value."""
    batch, length, heads, size = value.shape
    pad = -length % CHUNK
    chunks = (length + pad) // CHUNK
    value = F.pad(value * dt[..., None], (0, 0, 0, 0, 0, pad)).view(batch, chunks, CHUNK, heads, size)
    decay = F.pad(dt, (0, 0, 0, pad)).view(batch, chunks, CHUNK, heads).cumsum(2)
    b, c = (F.pad(t, (0, 0, 0, pad)).view(batch, chunks, CHUNK, -1) for t in (b, c))

    apart = decay[:, :, :, None] - decay[:, :, None]  # (batch, chunks, to, from, heads)
    future = torch.ones(CHUNK, CHUNK, dtype=torch.bool, device=value.device).triu(1)
    weights = torch.exp(-apart.masked_fill(future[:, :, None], float("inf"))) * (c @ b.transpose(2, 3))[..., None]
    inside = torch.einsum("bnijh,bnjhs->bnihs", weights, value)

    left = torch.exp(decay - decay[:, :, -1:])  # from each position to the end of its chunk
    states = torch.einsum("bnjk,bnjhs->bnhks", b, value * left[..., None])
    state, before = torch.zeros_like(states[:, 0]), []
    for chunk in range(chunks):
        before.append(state)
        state = state * torch.exp(-decay[:, chunk, -1])[..., None, None] + states[:, chunk]
    carried = torch.einsum("bnik,bnhks->bnihs", c, torch.stack(before, dim=1)) * torch.exp(-decay)[..., None]
    return (inside + carried).reshape(batch, chunks * CHUNK, heads, size)[:, :length]


def build(width, length, heads, seed):
    return StateSpace(width, heads)
