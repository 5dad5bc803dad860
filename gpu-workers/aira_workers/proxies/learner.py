"""What trains a model step by step, and the torch one.

A proxy asks questions and keeps the scores; a learner answers them and improves. Which arithmetic does the work is the
engine's choice: `TORCH` here, or `aira_workers.native` where it runs. Both train the same `StackModel` through the same
flat vectors, so a proxy does not know which it has.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F

from ..model import StackModel
from ..optim import FlatParameters, StackedMuon
from ..primitives import Frame, Sizes


class Question(NamedTuple):
    """One step: tokens (sequences, length) int64; flat rows that are asked, ascending (n,) int64; then m rows of the
    decoder for the `decoded` = (first, count) sequences, m = count x length; labels (n + m,) int64; weights (n + m,)
    float32, by which the losses are summed.
    """

    tokens: torch.Tensor
    rows: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    decoded: tuple[int, int]


@dataclass(frozen=True)
class MuonRule:
    lr: float
    momentum: float
    newton_schulz_steps: int


@dataclass(frozen=True)
class Rule:
    """How gradients become updates: an optional common clip, Muon for the layers' matrices or none, AdamW elsewhere."""

    clip: float | None
    muon: MuonRule | None
    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float


class Learner(Protocol):
    """One model in training. `flat.values` is always up to date."""

    flat: FlatParameters

    def gradients(self, question: Question) -> tuple[torch.Tensor, torch.Tensor]:
        """Set the gradient of sum(weights x loss); return loss in nats and whether the answer was right, per row."""

    def update(self, factor: float) -> None:
        """One step of the rule with its learning rates times `factor`."""

    def answers(self, tokens: torch.Tensor, decoded: bool) -> torch.Tensor:
        """tokens (sequences, length) -> most likely token per position, (sequences x length,) on the CPU; with
        `decoded`, of what the decoder rebuilds.
        """


class Engine(Protocol):
    """Opens learners. `name` heads the evaluator version."""

    name: str

    def learner(self, model: StackModel, frame: Frame, sizes: Sizes, rule: Rule, sequences: int) -> Learner:
        """A learner for `model`; no call brings more than `sequences` sequences."""


class TorchLearner:
    def __init__(self, model: StackModel, frame: Frame, rule: Rule) -> None:
        self.flat = FlatParameters(model, model.matrices() if rule.muon else ())
        self._model, self._frame, self._rule = model, frame, rule
        muon = rule.muon
        self._muon = muon and StackedMuon(self.flat.matrix_groups, muon.lr, muon.momentum, muon.newton_schulz_steps)
        self._adam = torch.optim.AdamW(
            [self.flat.rest], rule.lr, (rule.beta1, rule.beta2), rule.eps, weight_decay=rule.weight_decay
        )

    def gradients(self, question: Question) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self._logits(question)
        losses = F.cross_entropy(logits, question.labels, reduction="none")
        self.flat.zero_gradients()
        losses.dot(question.weights).backward()
        with torch.no_grad():
            return losses.detach(), (logits.argmax(1) == question.labels).float()

    def update(self, factor: float) -> None:
        if self._rule.clip is not None:
            self.flat.clip_gradients(self._rule.clip)
        if self._muon:
            self._muon.step(factor)
        self._adam.param_groups[0]["lr"] = self._rule.lr * factor
        self._adam.step()

    @torch.no_grad()
    def answers(self, tokens: torch.Tensor, decoded: bool) -> torch.Tensor:
        hidden = self._model.trunk(tokens.to(self.flat.values.device), self._frame)
        if decoded:
            hidden = self._model.decoder(hidden.view(*tokens.shape, -1)[:, -1])
        return self._model.logits(hidden).argmax(1).cpu()

    def _logits(self, question: Question) -> torch.Tensor:
        hidden = self._model.trunk(question.tokens, self._frame)
        parts = [hidden if len(question.rows) == len(hidden) else hidden.index_select(0, question.rows)]
        first, count = question.decoded
        if count:
            last = hidden.view(*question.tokens.shape, -1)[first : first + count, -1]
            parts.append(self._model.decoder(last))
        return self._model.logits(parts[0] if len(parts) == 1 else torch.cat(parts))


class _Torch:
    name = "torch"

    def learner(self, model: StackModel, frame: Frame, sizes: Sizes, rule: Rule, sequences: int) -> Learner:
        return TorchLearner(model, frame, rule)


TORCH: Engine = _Torch()
