"""Sliding-window attention (Longformer, arXiv 2004.05150): each position looks up the last `window` positions, itself included.

Grouped-query heads with rotary positions. Positions are cut into blocks of one window; a block attends to itself and to the block
before it, so the cost is linear in the length.
"""

import torch
from aira_primitives import rotate
from torch import nn

TITLE = "sliding-window attention"
COLOUR = "#2f7d6b"
HINT = "attention over the nearest positions only; exact look-up nearby, nothing beyond the window, at linear cost"


def window(w):
    """A quarter of the width, in tokens: 8 at a width of 32, 512 at a width of 2048. This project's choice."""
    return max(8, w.width // 4)


class Layer(nn.Module):
    def __init__(self, w, draw):
        super().__init__()
        self.heads, self.kv_heads, self.head, self.base = w.heads, w.kv_heads, w.head_dim, w.rotary_base
        self.window = window(w)
        self.input = draw.input(w.width, (w.heads + 2 * w.kv_heads) * w.head_dim)
        self.output = draw.output(w.heads * w.head_dim, w.width)

    def forward(self, x):
        """x (batch, length, width) -> the same shape."""
        batch, length, _ = x.shape
        q, k, v = self.project(x, 0)
        size = self.window
        padding = -length % size
        q, k, v = (nn.functional.pad(part, (0, 0, 0, padding)).unflatten(2, (-1, size)) for part in (q, k, v))
        k, v = (torch.cat([nn.functional.pad(part, (0, 0, 0, 0, 1, 0))[:, :, :-1], part], 3) for part in (k, v))
        blocks = q.shape[2]
        row = torch.arange(size, device=x.device)[:, None] + size  # in the coordinates of two blocks
        column = torch.arange(2 * size, device=x.device)
        seen = (column <= row) & (column > row - size)
        first = (torch.arange(blocks, device=x.device) == 0)[:, None, None]
        seen = seen & ~(first & (column < size))  # before the first block there is nothing
        y = self.attend(q, k, v, seen)
        return y.flatten(2, 3)[:, :, :length].transpose(1, 2).flatten(2) @ self.output

    def step(self, x, state):
        """One token: x (batch, width), state (keys, values, position) or None -> (y (batch, width), state)."""
        keys, values, position = state or (None, None, 0)
        q, k, v = self.project(x[:, None], position)
        if keys is not None:
            k, v = (torch.cat([old, new], 2)[:, :, -self.window :] for old, new in ((keys, k), (values, v)))
        seen = torch.ones(1, k.shape[2], dtype=torch.bool, device=x.device)
        y = self.attend(q, k, v, seen)
        return y[:, :, 0].flatten(1) @ self.output, (k, v, position + 1)

    def project(self, x, position):
        """Queries (batch, heads, length, head), keys and values (batch, kv_heads, length, head), turned to their positions."""
        q, k, v = (
            (x @ self.input)
            .unflatten(-1, (-1, self.head))
            .transpose(1, 2)
            .split((self.heads, self.kv_heads, self.kv_heads), 1)
        )
        return rotate(q, position, self.base), rotate(k, position, self.base), v

    def attend(self, q, k, v, seen):
        k, v = (part.repeat_interleave(self.heads // self.kv_heads, 1) for part in (k, v))
        scores = (q @ k.transpose(-1, -2)) * self.head**-0.5
        return scores.masked_fill(~seen, float("-inf")).softmax(-1) @ v


def parameters(w):
    return w.width * w.head_dim * (2 * w.heads + 2 * w.kv_heads)


def flops(w, length):
    """The matrices, and scores and mixture over the positions in sight, on average over a sequence."""
    near = min(length, window(w))
    seen = near - near * (near - 1) / (2 * length)
    return 2 * parameters(w) + 4 * w.heads * w.head_dim * seen


def cache(w, length):
    """Keys and values of the window."""
    return 2 * w.kv_heads * w.head_dim * min(length, window(w))
