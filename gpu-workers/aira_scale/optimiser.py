"""Muon for the dense matrices of the layers, AdamW for everything else, on one learning rate.

A Muon update is scaled by 0.2 sqrt(max(rows, columns)), so that its root mean square is that of an AdamW update and rate and weight
decay carry over (Moonlight, arXiv 2502.16982). Weight decay is decoupled and acts on the matrices alone. Matrices of one shape are
made orthogonal in one batched product. Sharded parameters (FSDP2) keep sharded momentum; their updates are gathered to be made
orthogonal, on every rank alike.
"""

from typing import Any

import torch
from aira_workers.optim.muon import orthogonalise
from torch import nn

from .job import OptimiserSpec
from .model import ScaleModel
from .parallel import split_like

NEWTON_SCHULZ_STEPS = 5
_RMS_OF_ADAM = 0.2


class ScaleOptimiser:
    """`step` once per batch, with gradients in `.grad`."""

    def __init__(self, model: ScaleModel, spec: OptimiserSpec) -> None:
        self._spec = spec
        self._parameters = list(model.parameters())
        matrices = model.matrices()
        own = {id(matrix) for matrix in matrices}
        by_shape: dict[tuple[int, ...], list[nn.Parameter]] = {}
        for matrix in matrices:
            by_shape.setdefault(tuple(matrix.shape), []).append(matrix)
        self._groups: list[list[nn.Parameter]] = list(by_shape.values())
        self._momenta = [[torch.zeros_like(matrix) for matrix in group] for group in self._groups]
        rest = [parameter for parameter in self._parameters if id(parameter) not in own]
        self._adam = torch.optim.AdamW(rest, lr=spec.lr, betas=(spec.beta1, spec.beta2), eps=1e-8, weight_decay=0.0)

    def zero_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """Clip the common gradient norm, then update with the rate lr x factor."""
        nn.utils.clip_grad_norm_(self._parameters, self._spec.clip)
        lr = self._spec.lr * factor
        for group in self._adam.param_groups:
            group["lr"] = lr
        self._adam.step()
        for matrices, momenta in zip(self._groups, self._momenta):
            self._step_matrices(matrices, momenta, lr)

    def _step_matrices(self, matrices: list[nn.Parameter], momenta: list[torch.Tensor], lr: float) -> None:
        steps = []
        for matrix, momentum in zip(matrices, momenta):
            momentum.mul_(self._spec.momentum).add_(matrix.grad)
            steps.append(torch.add(matrix.grad, momentum, alpha=self._spec.momentum))
        rows, columns = matrices[0].shape
        scale = lr * _RMS_OF_ADAM * max(rows, columns) ** 0.5
        stacked = torch.stack([_gathered(step) for step in steps])
        updates = orthogonalise(stacked.bfloat16() if stacked.is_cuda else stacked, NEWTON_SCHULZ_STEPS)
        for matrix, update in zip(matrices, updates.to(stacked.dtype)):
            matrix.mul_(1 - lr * self._spec.weight_decay)
            matrix.sub_(split_like(update * scale, matrix))

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on next to the weights; tensors only, so that a checkpoint loads as data."""
        return {
            "adam": self._adam.state_dict()["state"],
            "momenta": [momentum for group in self._momenta for momentum in group],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` gave, gathered; to be called on all ranks."""
        rest = [parameter for group in self._adam.param_groups for parameter in group["params"]]
        adam = {"param_groups": self._adam.state_dict()["param_groups"], "state": {}}
        for index, entry in state["adam"].items():
            like = rest[index]
            adam["state"][index] = {
                name: split_like(value, like) if value.shape == like.shape else value for name, value in entry.items()
            }
        self._adam.load_state_dict(adam)
        own = [momentum for group in self._momenta for momentum in group]
        for momentum, saved in zip(own, state["momenta"]):
            momentum.copy_(split_like(saved, momentum))


def _gathered(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
