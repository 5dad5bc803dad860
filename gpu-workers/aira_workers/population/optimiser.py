"""The update of a whole population: per-member clip, Muon over all matrices of a shape, AdamW over the rest.

Role: one rule for all members, whose state each member has for itself. Element-wise or matrix by matrix, so no member
sees another. All numbers that change from step to step lie on the device: the step can be recorded and replayed.
"""

from collections.abc import Sequence

import torch

from ..optim.muon import orthogonalise
from ..proxies.learner import Rule
from .stacks import Stacks


class PopulationOptimiser:
    def __init__(self, stacks: Stacks, rule: Rule) -> None:
        self._stacks, self._rule = stacks, rule
        values = stacks.values
        self._mean, self._square = torch.zeros_like(values), torch.zeros_like(values)
        # Muon's, in the places of the matrices.
        self._momentum = torch.zeros_like(values) if rule.muon else values.new_zeros(0)
        self._decay1 = torch.ones((), dtype=torch.float64, device=values.device)  # beta1 ^ steps so far
        self._decay2 = torch.ones((), dtype=torch.float64, device=values.device)

    @torch.no_grad()
    def step(self, factor: torch.Tensor) -> None:
        """One update from the gradients as they stand; `factor` () float32 on the device scales the learning rates."""
        rule, stacks = self._rule, self._stacks
        if rule.clip is not None:
            stacks.clip(rule.clip)
        start = 0
        if rule.muon is not None:
            start, at = stacks.rest, 0
            for values, gradients in stacks.matrix_groups:
                buffer = self._momentum[at : at + values.numel()].view(values.shape)
                at += values.numel()
                buffer.mul_(rule.muon.momentum).add_(gradients)
                wanted = torch.add(gradients, buffer, alpha=rule.muon.momentum)
                update = orthogonalise(wanted, rule.muon.newton_schulz_steps)
                rows, columns = values.shape[1:]
                values.sub_(update * (factor * (rule.muon.lr * max(1.0, columns / rows) ** 0.5)))
        self._adam(slice(start, None), factor)

    def state(self) -> list[torch.Tensor]:
        """Everything that a step changes besides the gradients."""
        return [*self._vectors(), self._decay1, self._decay2]

    def take(self, other: "PopulationOptimiser", members: Sequence[int]) -> None:
        """Parameters and state of the members `members` of `other`, as this one's members 0, 1, ..."""
        for place, member in enumerate(members):
            mine, theirs = self._stacks.rows_of(place), other._stacks.rows_of(member)
            for vector, source in zip(self._vectors(), other._vectors()):
                if len(vector):
                    vector[mine] = source[theirs]
        self._decay1.copy_(other._decay1)
        self._decay2.copy_(other._decay2)

    def _vectors(self) -> list[torch.Tensor]:
        return [self._stacks.values, self._mean, self._square, self._momentum]

    def _adam(self, part: slice, factor: torch.Tensor) -> None:
        rule = self._rule
        values, gradients = self._stacks.values[part], self._stacks.gradients[part]
        mean, square = self._mean[part], self._square[part]
        self._decay1.mul_(rule.beta1)
        self._decay2.mul_(rule.beta2)
        rate = factor * rule.lr
        if rule.weight_decay:
            values.mul_(1 - rate * rule.weight_decay)
        mean.mul_(rule.beta1).add_(gradients, alpha=1 - rule.beta1)
        square.mul_(rule.beta2).addcmul_(gradients, gradients, value=1 - rule.beta2)
        root = square.sqrt().div_((1 - self._decay2).sqrt().to(torch.float32)).add_(rule.eps)
        values.sub_(mean / root * (rate / (1 - self._decay1).to(torch.float32)))
