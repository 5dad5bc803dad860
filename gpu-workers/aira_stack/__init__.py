"""For validation scripts of agents: the stack of an architecture's text, and training rows to try it on.

    import torch, aira_stack
    print(aira_stack.tasks())                      # names of the tasks
    train, apart = aira_stack.rows("recall")       # training rows of the task, divided
    model = aira_stack.build("recall")             # the candidate; build("recall", "8mA+8M", seed=2) is another stack
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(100):
        loss = model.loss(train, torch.randint(len(train), (16,)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print(model.accuracy(apart))

Role: builds the evaluator's own `StackModel`, with the sizes and start values of the task. Non-role: drawing rows (aira_rehearsal
does, outside the sandbox) and scores: what a script finds is data for the agent that wrote it.
"""

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from aira_primitives.bind import register, require_known
from aira_workers.errors import InvalidCandidate
from aira_workers.model import StackModel
from aira_workers.primitives import Frame, Sizes, make_frame
from torch import nn

__all__ = ["Rows", "Stack", "build", "candidate", "recipe", "rows", "tasks"]

_DATA = Path(os.environ.get("AIRA_STACK_DATA", "/box/data"))
_CANDIDATE = Path(os.environ.get("AIRA_STACK_CANDIDATE", "/box/candidate"))
_NOTHING_ASKED = -100
_RUN = re.compile(r"(\d*)\*?([A-Za-z][A-Za-z0-9_]{0,15})")
_DEEPEST = 512


@dataclass(frozen=True)
class Rows:
    """inputs and targets, (count, length) int64; a target of -100 asks for nothing.

    Where `decoded`, the targets are all tokens of the sequence, rebuilt from its last position.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    decoded: bool

    def __len__(self) -> int:
        return len(self.inputs)


class Stack(nn.Module):
    """A stack with embedding and head, for the tasks of one network."""

    def __init__(self, layers: tuple[str, ...], network: dict[str, Any], sizes: Sizes, seed: int) -> None:
        super().__init__()
        self.layers = layers
        self._sizes, self._bfloat16 = sizes, network["bfloat16_on_cuda"]
        decoder, length, start = network["decoder"], network["decoder_length"], network["start"]
        self.model = StackModel(layers, sizes, network["vocabulary"], seed, decoder, length, start)
        self._frames: dict[Any, Frame] = {}

    def forward(self, tokens: torch.Tensor, decoded: bool = False) -> torch.Tensor:
        """tokens (batch, length) int64 -> logits (batch, length, vocabulary)."""
        tokens = tokens.to(self.model.embedding.device)
        hidden = self.model.trunk(tokens, self._frame(tokens))
        if decoded:
            hidden = self.model.decoder(hidden.view(*tokens.shape, -1)[:, -1])
        return self.model.logits(hidden).view(*tokens.shape, -1)

    def loss(self, rows: Rows, chosen: torch.Tensor | slice = slice(None)) -> torch.Tensor:
        """Mean cross-entropy in nats over the asked positions of the rows `chosen`."""
        logits = self(rows.inputs[chosen], rows.decoded)
        targets = rows.targets[chosen].to(logits.device)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=_NOTHING_ASKED)

    @torch.no_grad()
    def accuracy(self, rows: Rows, batch: int = 128) -> float:
        """Right answers among all asked positions."""
        right = asked = 0
        for inputs, targets in zip(rows.inputs.split(batch), rows.targets.split(batch)):
            answers = self(inputs, rows.decoded).argmax(-1).cpu()
            right += int((answers == targets).sum())
            asked += int((targets != _NOTHING_ASKED).sum())
        return right / asked

    def _frame(self, tokens: torch.Tensor) -> Frame:
        key = (tokens.shape[1], tokens.device)
        if key not in self._frames:
            short = self._bfloat16 and tokens.device.type == "cuda" and torch.cuda.is_bf16_supported()
            dtype = torch.bfloat16 if short else None
            self._frames[key] = make_frame(tokens.shape[1], self._sizes, tokens.device, dtype)
        return self._frames[key]


def tasks() -> list[str]:
    """Names of the tasks; language modelling is one task."""
    return list(_facts()["tasks"])


def recipe() -> dict[str, Any]:
    """The settings of the task's own training: optimiser, steps or epochs, sequences per step."""
    return _facts()["recipe"]


def candidate() -> str:
    """The text of the architecture that is tried."""
    return (_CANDIDATE / "architecture.txt").read_text(encoding="utf-8").strip()


def rows(task: str) -> tuple[Rows, Rows]:
    """Training rows of the task: 70 % to train on, 30 % set apart. No evaluation uses any of them."""
    decoded = _task(task)["decoded"]
    train, apart = (_DATA / part / task for part in ("train", "apart"))
    return _load(train, decoded), _load(apart, decoded)


def build(task: str | None = None, architecture: str | None = None, seed: int = 1) -> Stack:
    """The network of that task: of the candidate, or of another architecture as tokens or runs, such as 2mA+5M+1Mb.

    `task` may be left out where one network learns all tasks. Raises InvalidCandidate for a text that is no architecture.
    """
    facts = _facts()
    if task is None and len(facts["networks"]) > 1:
        raise ValueError(f"each task has a network of its own: build one of {', '.join(facts['tasks'])}")
    name = next(iter(facts["networks"])) if task is None else _task(task)["network"]
    layers = _read(candidate() if architecture is None else architecture)
    require_known(layers)
    register(layers)
    return Stack(layers, facts["networks"][name], Sizes(**facts["model"]), seed)


def _read(text: str) -> tuple[str, ...]:
    layers: list[str] = []
    for token in re.split(r"[\s,+]+", text.strip()):
        match = _RUN.fullmatch(token)
        if match is None:
            raise InvalidCandidate(f"{token[:40]!r} is not a layer; use a name such as mA, or a run such as 5M")
        layers.extend([match.group(2)] * min(int(match.group(1) or 1), _DEEPEST + 1))
    if not 1 <= len(layers) <= _DEEPEST:
        raise InvalidCandidate(f"an architecture has 1 to {_DEEPEST} layers")
    return tuple(layers)


@cache
def _facts() -> dict[str, Any]:
    return json.loads((_DATA / "stack.json").read_text(encoding="utf-8"))


def _task(name: str) -> dict[str, Any]:
    found = _facts()["tasks"]
    if name not in found:
        raise ValueError(f"there is no task {name!r}; use one of {', '.join(found)}")
    return found[name]


def _load(folder: Path, decoded: bool) -> Rows:
    inputs, targets = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("inputs", "targets"))
    return Rows(torch.from_numpy(inputs.astype(np.int64)), torch.from_numpy(targets.astype(np.int64)), decoded)
