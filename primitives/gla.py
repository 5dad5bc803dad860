"""Gated linear attention (Yang et al., arXiv 2312.06635): linear attention whose state forgets at a rate of its own per key channel.

Per head, with the state S (key, value) starting at zero:

    S_t = diag(a_t) S_{t-1} + k_t v_t^T        y_t = S_t^T q_t        a_t = sigmoid(gate(x_t)) ^ (1 / TEMPERATURE)

Inside a chunk all pairs of positions are evaluated at once; between chunks only the state is carried.
"""

import torch
import torch.nn.functional as F
from torch import nn

TITLE = "gated linear attention"
COLOUR = "#7b5ea7"
HINT = "linear attention with a decay that depends on the input; a fixed-size state, at linear cost"

CHUNK = 16
TEMPERATURE = 16
GATE_RANK = 16  # the gate's matrix is of low rank


def sizes(w):
    """(heads, key features of a head, value features of a head): keys are half as wide as values, as published."""
    value = w.width // w.heads
    return w.heads, max(1, value // 2), value


class Layer(nn.Module):
    def __init__(self, w, draw):
        super().__init__()
        self.heads, self.key, self.value = sizes(w)
        keys, values = self.heads * self.key, self.heads * self.value
        self.split = (keys, keys, values, values, GATE_RANK)
        self.input = draw.input(w.width, sum(self.split))  # queries, keys, values, output gate, low-rank gate
        self.gate = draw.input(GATE_RANK, keys)
        self.gate_bias = draw.constant(keys, value=0.0)
        self.output = draw.output(values, w.width)

    def forward(self, x):
        """x (batch, length, width) -> the same shape."""
        batch, length, _ = x.shape
        q, k, v, g, decay = self.project(x)
        padding = -length % CHUNK
        # A padded token writes nothing and forgets nothing.
        q, k, v, decay = (F.pad(part, (0, 0, 0, padding)) for part in (q, k, v, decay))
        q, k, v, decay = (part.unflatten(2, (-1, CHUNK)) for part in (q, k, v, decay))
        run = decay.cumsum(3)  # log of the decay from the start of the chunk: (batch, heads, chunks, CHUNK, key)
        below = torch.ones(CHUNK, CHUNK, dtype=torch.bool, device=x.device).tril()[..., None]
        pair = (run[..., :, None, :] - run[..., None, :, :]).masked_fill(~below, float("-inf")).exp()
        y = torch.einsum("bhnqd,bhnkd,bhnqkd->bhnqk", q, k, pair) @ v
        state = torch.zeros_like(k[:, :, 0].transpose(-1, -2) @ v[:, :, 0])
        carried = []
        for n in range(run.shape[2]):
            carried.append((q[:, :, n] * run[:, :, n].exp()) @ state)
            last = run[:, :, n, -1:]
            written = (k[:, :, n] * (last - run[:, :, n]).exp()).transpose(-1, -2) @ v[:, :, n]
            state = last.exp().transpose(-1, -2) * state + written
        y = (y + torch.stack(carried, 2)).flatten(2, 3)[:, :, :length]
        return self.finish(y, g)

    def step(self, x, state):
        """One token: x (batch, width), state (batch, heads, key, value) or None -> (y (batch, width), state)."""
        q, k, v, g, decay = self.project(x[:, None])
        written = k.transpose(-1, -2) @ v
        state = written if state is None else decay.exp().transpose(-1, -2) * state + written
        return self.finish(q @ state, g)[:, 0], state

    def project(self, x):
        q, k, v, g, low = (x @ self.input).split(self.split, -1)
        decay = F.logsigmoid(low @ self.gate + self.gate_bias) / TEMPERATURE
        q, k, v, decay = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (q, k, v, decay))
        return q * self.key**-0.5, k, v, g, decay

    def finish(self, y, g):
        """RMS norm per head, the output gate, the output matrix: y (batch, heads, length, value)."""
        y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-5)
        return (y.transpose(1, 2).flatten(2) * F.silu(g)) @ self.output


def parameters(w):
    heads, key, value = sizes(w)
    keys, values = heads * key, heads * value
    return w.width * (2 * keys + 2 * values + GATE_RANK) + GATE_RANK * keys + keys + values * w.width


def flops(w, length):
    """The matrices, and per head the state's update and its reading: 3 multiply-adds per entry, whatever the length."""
    heads, key, value = sizes(w)
    matrices = parameters(w) - heads * key
    return 2 * matrices + 6 * heads * key * value


def cache(w, length):
    heads, key, value = sizes(w)
    return heads * key * value
