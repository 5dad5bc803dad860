"""Own primitives in the small models of `aira_workers`: entries of its registry, made when a candidate first names one."""

import hashlib
from collections.abc import Iterable

import numpy as np
import torch
from aira_workers.primitives import PRIMITIVES, Frame, Primitive, Sizes
from aira_workers.primitives.initial import Start
from torch import nn

from .contract import Widths
from .discover import BUILT_IN
from .own import Own, OwnLayer, available, own


def widths_of(sizes: Sizes) -> Widths:
    return Widths(
        width=sizes.width,
        heads=sizes.attention_heads,
        kv_heads=sizes.attention_heads,
        head_dim=sizes.width // sizes.attention_heads,
        ffn_inner=sizes.ffn_inner,
        ssm_inner=sizes.ssm_inner,
        ssm_heads=sizes.ssm_heads,
        ssm_state=sizes.ssm_state,
        ssm_conv=sizes.ssm_conv,
        rotary_base=sizes.rotary_base,
    )


def is_own(token: str) -> bool:
    return token not in BUILT_IN


def require_known(tokens: Iterable[str]) -> None:
    """Raises PrimitiveFault for a name without a module; runs none."""
    for token in tokens:
        if is_own(token):
            available().get(token)


def register(tokens: Iterable[str]) -> None:
    """Make these primitives known to `StackModel`; raises PrimitiveFault."""
    for token in tokens:
        if is_own(token) and token not in PRIMITIVES:
            one = own(token)
            PRIMITIVES[token] = Primitive(token, number_of(token), one.title, _layer_of(one))


def number_of(token: str) -> int:
    """Keys the start values of a layer: far from the built-in ones, the same on every machine."""
    return 2**32 + int.from_bytes(hashlib.sha256(token.encode()).digest()[:4], "big")


def _layer_of(one: Own) -> type[nn.Module]:
    class Layer(nn.Module):
        """See aira_workers/primitives: rows are tokens, (batch x length, width)."""

        def __init__(self, sizes: Sizes, rng: np.random.Generator, start: Start) -> None:
            super().__init__()
            self.inner = OwnLayer(one, widths_of(sizes))
            for name, parameter in self.inner.layer.named_parameters():
                self.inner.start(name, parameter, rng, start)

        def forward(self, h: torch.Tensor, frame: Frame) -> torch.Tensor:
            return self.inner(h.view(-1, frame.length, h.shape[1])).reshape(h.shape)

        def matrices(self) -> list[nn.Parameter]:
            return self.inner.matrices()

        @staticmethod
        def forward_flops(sizes: Sizes, length: int) -> float:
            return one.flops(widths_of(sizes), length)

    Layer.__name__ = f"Own_{one.token}"
    return Layer
