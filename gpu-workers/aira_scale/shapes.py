"""Widths of a model at one size, and the ladder of ready sizes.

A size is named after the non-embedding parameters of its Llama stack: `blocks` pairs of attention and SwiGLU. Sizes from
100M on are those of "Hybrid Architectures for Language Models" (arXiv 2510.04800); the smaller ones continue them with
heads of 16 to 64 and an inner width of 8/3 of the width, rounded.

Peak learning rates: from 100M on those of the same paper; below, 0.0047 (N / 108e6)^(-1/3) / 2 of the OLMo ladder, rounded to
two digits and capped at 1e-2, to be checked by the sweep at the smallest size (sweep.py).
"""

from dataclasses import dataclass
from typing import Literal

from aira_primitives import Widths
from aira_workers.strict import positive

Family = Literal["llama", "nemotron"]
PRIMITIVES = ("M", "mA", "Mb")
# The squared-ReLU MLP has two matrices where SwiGLU has three: 3/2 of the inner width give equal parameters.
UNGATED = (3, 2)


@dataclass(frozen=True)
class Shape:
    """Every width of a model. All are in features but `ssm_conv` (taps) and `ssm_chunk` (tokens)."""

    width: int
    ffn_inner: int
    heads: int
    kv_heads: int
    head_dim: int
    ssm_inner: int
    ssm_head_dim: int
    ssm_state: int
    ssm_groups: int
    ssm_conv: int
    ssm_chunk: int
    rotary_base: float

    def __post_init__(self) -> None:
        positive(self, *self.__dataclass_fields__)
        if self.heads % self.kv_heads:
            raise ValueError("heads must be a multiple of kv_heads")
        if self.head_dim % 2:
            raise ValueError("head_dim must be even (rotary positions turn pairs)")
        if self.ssm_inner % self.ssm_head_dim:
            raise ValueError("ssm_inner must be a multiple of ssm_head_dim")
        if self.ssm_heads % self.ssm_groups:
            raise ValueError("the number of Mamba-2 heads must be a multiple of ssm_groups")
        if self.ffn_inner % UNGATED[1]:
            raise ValueError("ffn_inner must be even (the nemotron MLP is 3/2 as wide)")

    @property
    def ssm_heads(self) -> int:
        return self.ssm_inner // self.ssm_head_dim

    @property
    def ungated_inner(self) -> int:
        """Inner width of the nemotron MLP."""
        return self.ffn_inner * UNGATED[0] // UNGATED[1]

    def widths(self) -> Widths:
        """What a primitive of the user is given."""
        return Widths(
            self.width, self.heads, self.kv_heads, self.head_dim, self.ffn_inner, self.ssm_inner, self.ssm_heads,
            self.ssm_state, self.ssm_conv, self.rotary_base,
        )  # fmt: skip

    @property
    def conv_channels(self) -> int:
        return self.ssm_inner + 2 * self.ssm_groups * self.ssm_state


@dataclass(frozen=True)
class Size:
    """A rung of the ladder: `blocks` attention-MLP pairs are its Llama, `lr` its peak learning rate."""

    name: str
    shape: Shape
    blocks: int
    lr: float

    def llama(self) -> tuple[str, ...]:
        return ("mA", "M") * self.blocks


def _size(name, width, ffn, heads, kv, head, ssm_head, state, blocks, lr, chunk=128) -> Size:
    shape = Shape(width, ffn, heads, kv, head, 2 * width, ssm_head, state, 1, 4, chunk, 500_000.0)
    return Size(name, shape, blocks, lr)


SIZES: dict[str, Size] = {
    size.name: size
    for size in (
        _size("0.1M", 64, 176, 4, 2, 16, 32, 16, 2, 1e-2, chunk=64),
        _size("0.3M", 96, 256, 6, 2, 16, 32, 16, 3, 1e-2, chunk=64),
        _size("0.6M", 128, 352, 4, 2, 32, 32, 32, 3, 1e-2, chunk=64),
        _size("1M", 160, 432, 5, 1, 32, 32, 32, 4, 1e-2, chunk=64),
        _size("2M", 192, 512, 6, 2, 32, 64, 32, 5, 8.9e-3, chunk=64),
        _size("5M", 256, 704, 8, 2, 32, 64, 64, 7, 6.5e-3),
        _size("10M", 384, 1024, 6, 2, 64, 64, 64, 6, 5.2e-3),
        _size("25M", 512, 1408, 8, 2, 64, 64, 64, 9, 3.8e-3),
        _size("50M", 640, 1728, 10, 2, 64, 64, 64, 12, 3.0e-3),
        _size("100M", 1024, 3072, 16, 4, 64, 128, 128, 8, 6e-3),
        _size("350M", 1536, 4096, 24, 8, 64, 128, 128, 14, 3e-3),
        _size("1B", 2048, 8192, 32, 8, 64, 128, 128, 16, 6e-4),
        _size("3B", 3072, 8192, 32, 8, 96, 192, 256, 28, 3e-4),
    )
}
