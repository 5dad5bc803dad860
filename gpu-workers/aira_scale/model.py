"""A pattern of primitives as a language model: tied embedding, pre-norm residual layers, final norm.

    x <- x + layer(norm(x))  for each token of the pattern;  logits = norm(x) embedding^T

Built without start values on any device, "meta" included; initial.py draws them.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from aira_primitives.own import OwnLayer, own
from aira_workers.errors import InvalidCandidate
from torch import nn

from .layers.attention import Attention, Rotary, rotary_tables
from .layers.mamba2 import Chunks, Mamba2, make_chunks
from .layers.mlp import SquaredRelu, SwiGlu
from .layers.norm import RmsNorm
from .shapes import PRIMITIVES, Family, Shape

LARGEST_DEPTH = 1024


@dataclass(frozen=True)
class ModelSpec:
    """What a model is: `pattern` of M, mA, Mb and primitives of the user, one per layer; `vocabulary` in tokens."""

    family: Family
    pattern: list[str]
    shape: Shape
    vocabulary: int

    def __post_init__(self) -> None:
        if not 1 <= len(self.pattern) <= LARGEST_DEPTH:
            raise ValueError(f"pattern must have 1 to {LARGEST_DEPTH} layers, got {len(self.pattern)}")
        for depth, token in enumerate(self.pattern):
            if token not in PRIMITIVES:
                try:
                    own(token)
                except InvalidCandidate as fault:
                    raise ValueError(f"pattern[{depth}]: {fault}") from fault
        if self.vocabulary < 2:
            raise ValueError(f"vocabulary must be at least 2, got {self.vocabulary}")


class Block(nn.Module):
    """One residual layer with its norm."""

    def __init__(self, token: str, spec: ModelSpec, device: str) -> None:
        super().__init__()
        self.token = token
        self.norm = RmsNorm(spec.shape.width, device)
        if token == "mA":
            self.mixer: nn.Module = Attention(spec.family, spec.shape, device)
        elif token == "Mb":
            self.mixer = Mamba2(spec.shape, device)
        elif token not in PRIMITIVES:
            self.mixer = OwnLayer(own(token), spec.shape.widths(), device)
        else:
            self.mixer = (SwiGlu if spec.family == "llama" else SquaredRelu)(spec.shape, device)

    def forward(self, x: torch.Tensor, rotary: Rotary, chunks: Chunks) -> torch.Tensor:
        h = self.norm(x)
        if self.token == "mA":
            return x + self.mixer(h, rotary)
        return x + (self.mixer(h, chunks) if self.token == "Mb" else self.mixer(h))


class ScaleModel(nn.Module):
    """`forward` returns logits, `loss` the mean cross-entropy in nats."""

    def __init__(self, spec: ModelSpec, device: str = "cpu") -> None:
        super().__init__()
        self.spec = spec
        self.embedding = nn.Parameter(torch.empty(spec.vocabulary, spec.shape.width, device=device))
        self.layers = nn.ModuleList([Block(token, spec, device) for token in spec.pattern])
        self.norm = RmsNorm(spec.shape.width, device)
        self._tables: dict = {}

    def _frame(self, length: int, device: torch.device) -> tuple[Rotary, Chunks]:
        dtype = torch.promote_types(self.embedding.dtype, torch.float32)
        key = (length, str(device), dtype)
        if key not in self._tables:
            shape = self.spec.shape
            rotary = rotary_tables(length, shape.head_dim, shape.rotary_base, device, dtype)
            self._tables = {key: (rotary, make_chunks(length, shape.ssm_chunk, device, dtype))}
        return self._tables[key]

    def trunk(self, tokens: torch.Tensor) -> torch.Tensor:
        """tokens (batch, length) int64 -> normed residual stream (batch, length, width)."""
        rotary, chunks = self._frame(tokens.shape[1], tokens.device)
        x = F.embedding(tokens, self.embedding)
        for layer in self.layers:
            x = layer(x, rotary, chunks)
        return self.norm(x)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """tokens (batch, length) int64 -> logits (batch, length, vocabulary)."""
        return F.linear(self.trunk(tokens), self.embedding)

    def loss(self, tokens: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
        """tokens (batch, length + 1) -> cross-entropy of each next token, in nats."""
        logits = self(tokens[:, :-1])
        return F.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten(), reduction=reduction)

    def matrices(self) -> list[nn.Parameter]:
        """The dense matrices inside the layers: what Muon trains."""
        linear = [module.weight for module in self.layers.modules() if isinstance(module, nn.Linear)]
        return linear + [
            matrix for layer in self.layers if isinstance(layer.mixer, OwnLayer) for matrix in layer.mixer.matrices()
        ]
