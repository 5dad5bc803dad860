"""What training costs on this machine: the measure of the processor time that a program may take.

A language model of the baseline's sizes, built of torch's own layers, takes a few steps in trusted code. Its cost scales the
budget, so that the same script fits into it on a slow machine and on a fast one, on a quiet one and on one that shares its
cores: there, a processor second does less.
"""

import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from ..settings import TextData

DEPTH, WIDTH, HEADS, BATCH = 2, 64, 4, 8
_WARM_UP, _FIRST = 2, 6
_EVERY_SECONDS = 1.0
_MOST_DRIFT = 4.0


class Reference:
    """The reference model in training. tokens: of random text, (BATCH, length + 1)."""

    def __init__(self, data: TextData) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(0)
        self._tokens = torch.randint(data.vocabulary, (BATCH, data.length + 1))
        self._model = _Model(data)
        self._optimiser = torch.optim.AdamW(self._model.parameters(), 1e-3)
        for _ in range(_WARM_UP):
            self.step()

    def step(self) -> float:
        """Train one step; return its processor seconds per token."""
        began = time.process_time()
        inputs, targets = self._tokens[:, :-1], self._tokens[:, 1:]
        loss = F.cross_entropy(self._model(inputs).flatten(0, 1), targets.flatten())
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        return (time.process_time() - began) / targets.numel()


class Gauge:
    """Processor seconds per token of the reference: the mean over a training, one sample a second.

    Not less than the first samples say, and not above _MOST_DRIFT times that: a program can slow its surroundings down.
    """

    def __init__(self, step: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> None:
        self._step, self._clock = step, clock
        self._least = min(step() for _ in range(_FIRST))
        self._samples: list[float] = [self._least]
        self._next = clock() + _EVERY_SECONDS

    def token_seconds(self) -> float:
        if self._clock() >= self._next:
            self._samples.append(self._step())
            self._next = self._clock() + _EVERY_SECONDS
        mean = sum(self._samples) / len(self._samples)
        return min(max(mean, self._least), _MOST_DRIFT * self._least)


class _Model(nn.Module):
    def __init__(self, data: TextData) -> None:
        super().__init__()
        self.embedding = nn.Embedding(data.vocabulary, WIDTH)
        sizes = (WIDTH, HEADS, 4 * WIDTH, 0.0)
        self.layers = nn.ModuleList(
            [nn.TransformerEncoderLayer(*sizes, batch_first=True, norm_first=True) for _ in range(DEPTH)]
        )
        self.head = nn.Linear(WIDTH, data.vocabulary)
        self.register_buffer("mask", torch.full((data.length, data.length), float("-inf")).triu(1))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, src_mask=self.mask)
        return self.head(x)
