"""The native CPU engine: compiled training steps for the stacks of this package, next to torch as their reference."""

from .engine import NativeEngine, Unavailable, open_engine

__all__ = ["NativeEngine", "Unavailable", "open_engine"]
