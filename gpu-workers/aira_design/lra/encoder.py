"""The fixed encoder of the Long Range Arena around a candidate's mixers.

Embedding N(0, 1), a learned summary position (starts at 0) in front, sinusoidal positions, `layers` blocks

    x = x + dropout(mixer(norm(x), mask));   x = x + dropout(mlp(norm(x))),   mlp: width -> mlp, GELU, -> width

a last norm, the state at the summary position, and a classifier with one hidden ReLU layer (two for pairs). One mixer
per layer comes from `build`. Start values of everything but the mixers depend on `start` alone, so candidates are compared
from the same start; it is drawn with the secret, so that no candidate knows the embedding.
"""

import math
from collections.abc import Callable

import torch
from torch import nn

from ..settings import EncoderSizes, LraData

Build = Callable[[int, int, int, int], nn.Module]
"""(width, length, heads, seed) -> mixer; length counts the summary position."""


class Block(nn.Module):
    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        self.mixer_norm, self.mlp_norm = nn.LayerNorm(sizes.width), nn.LayerNorm(sizes.width)
        self.mlp = nn.Sequential(
            nn.Linear(sizes.width, sizes.mlp), nn.GELU(), nn.Dropout(sizes.dropout), nn.Linear(sizes.mlp, sizes.width)
        )
        self.dropout = nn.Dropout(sizes.dropout)
        self.mixer: nn.Module = nn.Identity()  # replaced once everything fixed has its start values

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = x + self.dropout(self.mixer(self.mixer_norm(x) * mask.unsqueeze(-1), mask))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


class Encoder(nn.Module):
    """tokens (batch, documents, length) int64, 0 = padding -> logits (batch, classes)."""

    def __init__(self, data: LraData, sizes: EncoderSizes, build: Build, seed: int, start: int) -> None:
        super().__init__()
        torch.manual_seed(start)
        self.embedding = nn.Embedding(data.vocabulary, sizes.width)
        self.summary = nn.Parameter(torch.zeros(sizes.width))
        length = data.length + 1
        self.register_buffer("positions", _sinusoids(length, sizes.width), persistent=False)
        self.dropout = nn.Dropout(sizes.dropout)
        self.blocks = nn.ModuleList([Block(sizes) for _ in range(sizes.layers)])
        self.norm = nn.LayerNorm(sizes.width)
        self.interaction = sizes.interaction if data.task == "retrieval" else "single"
        self.classifier = _classifier(self.interaction, sizes, data.classes)
        for layer, block in enumerate(self.blocks):
            block.mixer = build(sizes.width, length, sizes.heads, seed + layer)

    def encode(self, tokens: torch.Tensor) -> torch.Tensor:
        """tokens (batch, length) -> summaries (batch, width)."""
        mask = nn.functional.pad(tokens > 0, (1, 0), value=True)
        summary = self.summary.expand(len(tokens), 1, -1)
        x = torch.cat([summary, self.embedding(tokens)], dim=1) + self.positions
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x[:, 0])

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        summaries = [self.encode(document) for document in tokens.unbind(1)]
        if self.interaction == "single":
            return self.classifier(summaries[0])
        first, second = summaries
        features = [first, second]
        if self.interaction == "nli":
            features += [first * second, first - second]
        return self.classifier(torch.cat(features, dim=1))


def count_parameters(module: nn.Module) -> int:
    """Everything a state holds: parameters and persistent buffers."""
    return sum(tensor.numel() for tensor in module.state_dict().values())


def _classifier(interaction: str, sizes: EncoderSizes, classes: int) -> nn.Module:
    if interaction == "single":
        return nn.Sequential(nn.Linear(sizes.width, sizes.mlp), nn.ReLU(), nn.Linear(sizes.mlp, classes))
    features = sizes.width * (4 if interaction == "nli" else 2)
    half = sizes.mlp // 2
    return nn.Sequential(
        nn.Linear(features, sizes.mlp), nn.ReLU(), nn.Linear(sizes.mlp, half), nn.ReLU(), nn.Linear(half, classes)
    )


def _sinusoids(length: int, width: int) -> torch.Tensor:
    """(length, width): sines in the first half, cosines in the second, wavelengths from 2 pi to 10,000 x 2 pi."""
    place = torch.arange(length).unsqueeze(1)
    rate = torch.exp(torch.arange(width // 2) * (-math.log(10_000.0) / (width // 2)))
    return torch.cat([torch.sin(place * rate), torch.cos(place * rate)], dim=1)
