"""The native engine as the proxies see it: opened once per process, it opens learners.

`open_engine` compiles or finds the library, tests it against torch, and raises Unavailable with the reason when any of
that fails. Sizes for which there is no compiled code train with torch, under the same engine name: the rule is part of
the sources that the evaluator version hashes, so it is the same for all candidates of one search.
"""

import ctypes
from pathlib import Path

import numpy as np
import torch

from ..model import StackModel
from ..optim import FlatParameters
from ..primitives import PRIMITIVES, Frame, Sizes
from ..proxies.learner import Learner, Question, Rule, TorchLearner
from .binding import Rates, load
from .build import Unavailable, best_variant, cpu_flags, library, rounding_variant
from .selftest import self_test
from .training import KINDS, NativeTraining, supports

__all__ = ["NativeEngine", "Unavailable", "open_engine"]


class NativeLearner:
    """See proxies/learner.py; CPU, float32."""

    def __init__(
        self, library: ctypes.CDLL, model: StackModel, frame: Frame, sizes: Sizes, rule: Rule, sequences: int
    ) -> None:
        self.flat = FlatParameters(model, model.matrices() if rule.muon else ())
        self._training = NativeTraining(library, model, self.flat, frame, sizes, sequences)
        self._rule = rule

    def gradients(self, question: Question) -> tuple[torch.Tensor, torch.Tensor]:
        tokens, rows, labels = (_int32(tensor) for tensor in question[:3])
        losses, hits = self._training.gradients(tokens, rows, labels, question.weights.numpy(), question.decoded)
        return torch.from_numpy(losses), torch.from_numpy(hits)

    def update(self, factor: float) -> None:
        rule, muon = self._rule, self._rule.muon
        self._training.update(
            Rates(
                clip=rule.clip or 0.0,
                matrix_lr=muon.lr * factor if muon else 0.0,
                momentum=muon.momentum if muon else 0.0,
                muon_steps=muon.newton_schulz_steps if muon else 0,
                lr=rule.lr * factor,
                beta1=rule.beta1,
                beta2=rule.beta2,
                eps=rule.eps,
                weight_decay=rule.weight_decay,
            )
        )

    def answers(self, tokens: torch.Tensor, decoded: bool) -> torch.Tensor:
        return torch.from_numpy(self._training.answers(_int32(tokens), decoded)).long()


class NativeEngine:
    """`rounds`: the layers' dense products take operands rounded to bfloat16; all else is float32."""

    def __init__(self, library: ctypes.CDLL, lanes: int, rounds: bool = False) -> None:
        self.library, self.lanes, self.rounds = library, lanes, rounds
        self.name = "native-bf16" if rounds else "native"

    def learner(self, model: StackModel, frame: Frame, sizes: Sizes, rule: Rule, sequences: int) -> Learner:
        if not supports(sizes, frame.length):
            return TorchLearner(model, frame, rule)
        return NativeLearner(self.library, model, frame, sizes, rule, sequences)


def open_engine(cache: Path | None = None, rounds: bool = False) -> NativeEngine:
    """The engine for this machine, compiled if need be and tested; with `rounds` the one with bfloat16 products.

    Raises Unavailable with the reason in one line.
    """
    foreign = [token for token, primitive in PRIMITIVES.items() if primitive.layer not in KINDS]
    if foreign:  # training some candidates of a search with torch would mix two arithmetics
        raise Unavailable(f"the primitive {', '.join(foreign)} has no native code")
    variant = rounding_variant(cpu_flags()) if rounds else best_variant(cpu_flags())
    engine = NativeEngine(load(library(variant, cache=cache), variant.lanes, rounds), variant.lanes, rounds)
    self_test(engine)
    return engine


def _int32(tensor: torch.Tensor) -> np.ndarray:
    return tensor.to(torch.int32).numpy()
