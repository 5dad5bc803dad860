"""A stack of primitives as one language model: embedding, pre-norm residual layers, final norm, untied head.

Start values are drawn from generators keyed by (seed, depth, primitive), so two architectures that agree on a layer
start that layer from the same weights, and a model does not depend on what was built before it.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .primitives import PRIMITIVES, Frame, Sizes
from .primitives.decoder import LearnedCodeDecoder, SinusoidalDecoder
from .primitives.initial import Start, StartKind, constant, gaussian
from .primitives.ops import RmsNorm

DecoderKind = Literal["none", "learned-code", "sinusoidal"]

_INITIAL_STREAM = 3
_ENDS = 1_000_000  # stands for "depth" in the key of embedding, head and decoder


class Norm(nn.Module):
    """RMS norm with an optional gain; without one the following matrix absorbs it."""

    def __init__(self, width: int, gain: bool) -> None:
        super().__init__()
        self.gain: nn.Parameter | None = constant(width, value=1.0) if gain else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed = RmsNorm.apply(x)
        return normed if self.gain is None else normed * self.gain


class StackModel(nn.Module):
    """Residual stack x + f(norm(x)) over `architecture`, a sequence of primitive tokens."""

    def __init__(
        self,
        architecture: Sequence[str],
        sizes: Sizes,
        vocabulary: int,
        seed: int,
        decoder: DecoderKind = "none",
        decoder_length: int = 0,
        start: StartKind = "fan-in",
    ) -> None:
        super().__init__()
        drawn = Start(start, (2 * len(architecture)) ** -0.5 if sizes.depth_scaled_outputs else 1.0)
        ends = _generator(seed, _ENDS, 0)
        self.embedding = gaussian(ends, vocabulary, sizes.width, std=sizes.embedding_std)
        self.norms = nn.ModuleList([Norm(sizes.width, sizes.norm_gain) for _ in architecture])
        self.layers = nn.ModuleList(
            [
                PRIMITIVES[token].layer(sizes, _generator(seed, depth, PRIMITIVES[token].number), drawn)
                for depth, token in enumerate(architecture)
            ]
        )
        self.final_norm = Norm(sizes.width, sizes.norm_gain)
        self.head = drawn.input_matrix(ends, sizes.width, vocabulary)
        self.decoder: nn.Module | None = None
        if decoder == "learned-code":
            self.decoder = LearnedCodeDecoder(sizes.width, decoder_length, sizes.embedding_std, ends, drawn)
        elif decoder == "sinusoidal":
            self.decoder = SinusoidalDecoder(sizes.width, decoder_length, ends, drawn)

    def trunk(self, tokens: torch.Tensor, frame: Frame) -> torch.Tensor:
        """tokens (batch, length) int64 -> residual stream (batch x length, width), not yet normed."""
        x = F.embedding(tokens.reshape(-1), self.embedding)
        for norm, layer in zip(self.norms, self.layers):
            x = x + layer(norm(x), frame)
        return x

    def logits(self, rows: torch.Tensor) -> torch.Tensor:
        """rows of the residual stream or of the decoder (n, width) -> (n, vocabulary)."""
        return self.final_norm(rows) @ self.head

    def matrices(self) -> list[nn.Parameter]:
        """The dense matrices inside the layers: what Muon trains."""
        return [matrix for layer in self.layers for matrix in layer.matrices()]


def _generator(seed: int, depth: int, number: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence((_INITIAL_STREAM, seed, depth, number)))
