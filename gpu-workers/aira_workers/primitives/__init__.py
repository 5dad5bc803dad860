"""The layers that architectures are made of."""

from .frame import Frame, make_frame
from .registry import PRIMITIVES, Primitive
from .sizes import Sizes

__all__ = ["PRIMITIVES", "Frame", "Primitive", "Sizes", "make_frame"]
