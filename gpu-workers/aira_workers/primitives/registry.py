"""The primitives a layer can be, by their published token."""

from dataclasses import dataclass

from .attention import Attention
from .mamba2 import Mamba2
from .swiglu import SwiGlu


@dataclass(frozen=True)
class Primitive:
    """`number` keys the start values of a layer and must never be reused for another primitive."""

    token: str
    number: int
    title: str
    layer: type


PRIMITIVES: dict[str, Primitive] = {
    "M": Primitive("M", 0, "SwiGLU feed-forward", SwiGlu),
    "mA": Primitive("mA", 1, "causal multi-head attention", Attention),
    "Mb": Primitive("Mb", 2, "Mamba-2", Mamba2),
}
