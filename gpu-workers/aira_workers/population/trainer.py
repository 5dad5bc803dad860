"""K models of one proxy in training together: what a `Learner` is for one candidate.

Role: answers one question per member and improves all members, on one device. Not its role: data, schedules, scores, who
has stopped. Invariants:
1. A member's losses, hits and parameters are a function of its own questions: the other members, and how many, do not matter
   (up to the rounding that a batched product of another size may have on CUDA).
2. Nothing inside a step waits for the device. On CUDA the step is recorded once per shape of question and replayed.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F

from ..model import StackModel
from ..primitives import Frame, Sizes
from ..proxies.learner import Rule
from .model import PopulationModel
from .optimiser import PopulationOptimiser

_WARM_UP_STEPS = 3  # before recording: libraries set themselves up in their first calls


class Questions(NamedTuple):
    """One step: tokens (k, sequences, length) int64; labels (k, rows) int64 in range, weights (k, rows) float32, 0 where
    nothing is asked. Rows are all positions of all sequences if `positions`, then those that the decoder rebuilds for
    the `decoded` = (first, count) sequences.
    """

    tokens: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    positions: bool
    decoded: tuple[int, int]


class PopulationTrainer:
    def __init__(
        self, models: Sequence[StackModel], frame: Frame, sizes: Sizes, rule: Rule, device: torch.device
    ) -> None:
        self._models, self._sizes, self._rule = list(models), sizes, rule
        self._frame, self._device = frame, device
        self._factor = torch.ones((), dtype=torch.float32, device=device)
        self._build()

    def _build(self) -> None:
        self.model = PopulationModel(self._models, self._sizes, self._rule.muon is not None, self._device)
        self._optimiser = PopulationOptimiser(self.model.stacks, self._rule)
        self._recorded: dict[tuple, _Recording] = {}

    def keep(self, members: Sequence[int]) -> None:
        """Go on with these members only, in this order."""
        before = self._optimiser
        self._models = [self._models[member] for member in members]
        self._build()
        self._optimiser.take(before, members)

    def step(self, questions: Questions, factor: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Losses in nats and hits (0 or 1), (k, rows) each, from before the update with learning rates times `factor`.

        The next step may overwrite what is returned.
        """
        self._factor.fill_(factor)
        if self._device.type != "cuda":
            return self._run(questions)
        with _tensor_cores(self._frame.projection_dtype is not None):
            return self._replay(questions)

    def _replay(self, questions: Questions) -> tuple[torch.Tensor, torch.Tensor]:
        shape = (questions.tokens.shape, questions.labels.shape, questions.positions, questions.decoded)
        if shape not in self._recorded:
            self._recorded[shape] = _Recording(self._run, questions, self._optimiser.state())
        return self._recorded[shape].replay(questions)

    @torch.no_grad()
    def answers(self, tokens: torch.Tensor, decoded: bool) -> torch.Tensor:
        """tokens (k, sequences, length) -> most likely token per position (k, sequences x length)."""
        hidden = self.model.trunk(tokens, self._frame)
        if decoded:
            hidden = self.model.decode(hidden.view(*tokens.shape, -1)[:, :, -1])
        return self.model.logits(hidden).argmax(2)

    def _run(self, questions: Questions) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self.model.trunk(questions.tokens, self._frame)
        parts = [hidden] if questions.positions else []
        first, count = questions.decoded
        if count:
            last = hidden.view(*questions.tokens.shape, -1)[:, first : first + count, -1]
            parts.append(self.model.decode(last))
        logits = self.model.logits(parts[0] if len(parts) == 1 else torch.cat(parts, dim=1))
        losses = F.cross_entropy(logits.flatten(0, 1), questions.labels.flatten(), reduction="none")
        losses = losses.view(questions.labels.shape)
        self.model.stacks.gradients.zero_()
        (losses * questions.weights).sum().backward()
        with torch.no_grad():
            hits = (logits.argmax(2) == questions.labels).to(torch.float32)
            self._optimiser.step(self._factor)
            return losses.detach(), hits


@contextmanager
def _tensor_cores(allowed: bool) -> Iterator[None]:
    """Whether float32 products on CUDA may be rounded to TF32: where projections are bfloat16 anyway."""
    # Not `allow_tf32`, which torch 2.9 deprecated; this call has the same effect on cuBLAS from 1.12 on.
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if allowed else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


class _Recording:
    """One step as a CUDA graph over fixed buffers."""

    def __init__(self, run: Callable, questions: Questions, state: list[torch.Tensor]) -> None:
        self._held = questions._replace(
            tokens=questions.tokens.clone(), labels=questions.labels.clone(), weights=questions.weights.clone()
        )
        before = [tensor.clone() for tensor in state]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP_STEPS):
                run(self._held)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._answer = run(self._held)
        # The warm-up trained; recording did not.
        for tensor, old in zip(state, before):
            tensor.copy_(old)

    def replay(self, questions: Questions) -> tuple[torch.Tensor, torch.Tensor]:
        self._held.tokens.copy_(questions.tokens)
        self._held.labels.copy_(questions.labels)
        self._held.weights.copy_(questions.weights)
        self._graph.replay()
        return self._answer
