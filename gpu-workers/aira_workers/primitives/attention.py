"""mA: causal multi-head self-attention with rotary positions over the whole head (RoPE, arXiv 2104.09864)."""

import numpy as np
import torch
from torch import nn

from .frame import Frame
from .initial import Start, constant
from .ops import project
from .sizes import Sizes


class Attention(nn.Module):
    """Input matrix (width, 3 x width): queries, keys, values side by side, heads contiguous inside each."""

    def __init__(self, sizes: Sizes, rng: np.random.Generator, start: Start) -> None:
        super().__init__()
        self.heads = sizes.attention_heads
        self.input = start.input_matrix(rng, sizes.width, 3 * sizes.width)
        self.output = start.output_matrix(rng, sizes.width, sizes.width)
        bias = sizes.attention_bias
        self.input_bias: nn.Parameter | None = constant(3 * sizes.width, value=0.0) if bias else None
        self.output_bias: nn.Parameter | None = constant(sizes.width, value=0.0) if bias else None

    def forward(self, h: torch.Tensor, frame: Frame) -> torch.Tensor:
        """h (batch x length, width) -> same shape."""
        tokens, width = h.shape
        batch, head = tokens // frame.length, width // self.heads
        qkv = project(h, self.input, frame.projection_dtype)
        if self.input_bias is not None:
            qkv = qkv + self.input_bias
        # (3, batch x heads, length, head)
        qkv = qkv.view(batch, frame.length, 3, self.heads, head).permute(2, 0, 3, 1, 4)
        qkv = qkv.reshape(3, batch * self.heads, frame.length, head)
        qk, v = qkv.split((2, 1))
        cos, sin = frame.rotary_cos[:, None], frame.rotary_sin[:, None]
        q, k = torch.addcmul(qk * cos, qk.roll(head // 2, -1), sin).unbind(0)
        weights = torch.baddbmm(frame.causal, q, k.transpose(1, 2)).softmax(-1)
        mixed = torch.bmm(weights, v[0]).view(batch, self.heads, frame.length, head)
        mixed = mixed.transpose(1, 2).reshape(tokens, width)
        out = project(mixed, self.output, frame.projection_dtype)
        return out if self.output_bias is None else out + self.output_bias

    def matrices(self) -> list[nn.Parameter]:
        return [self.input, self.output]

    @staticmethod
    def forward_flops(sizes: Sizes, length: int) -> float:
        """Multiply-adds counted as two, per token; the attention square is counted in full, mask ignored."""
        return 2 * 4 * sizes.width**2 + 4 * length * sizes.width
