"""One vector for all parameters and one for all gradients, of which the model's tensors are views.

Role: the optimiser then needs a handful of calls per step whatever the architecture. Invariants:
1. Matrices of one shape lie next to each other, so a shape group is one (count, rows, columns) view.
2. Autograd adds into the gradient views in place; `zero_gradients` clears, nothing ever sets `.grad` to None.
"""

from collections.abc import Sequence

import torch
from torch import nn


class FlatParameters:
    """Re-homes the parameters of `model`: first `matrices` grouped by shape, then all others in definition order."""

    def __init__(self, model: nn.Module, matrices: Sequence[nn.Parameter] = ()) -> None:
        groups: dict[tuple[int, ...], list[nn.Parameter]] = {}
        for matrix in matrices:
            groups.setdefault(tuple(matrix.shape), []).append(matrix)
        grouped = {id(matrix) for matrix in matrices}
        others = [parameter for parameter in model.parameters() if id(parameter) not in grouped]
        ordered = [matrix for group in groups.values() for matrix in group] + others
        total = sum(parameter.numel() for parameter in ordered)
        self.values = torch.empty(total, dtype=ordered[0].dtype, device=ordered[0].device)
        self.gradients = torch.zeros_like(self.values)
        offset = 0
        for parameter in ordered:
            end = offset + parameter.numel()
            self.values[offset:end].copy_(parameter.detach().flatten())
            parameter.data = self.values[offset:end].view(parameter.shape)
            parameter.grad = self.gradients[offset:end].view(parameter.shape)
            offset = end
        self.matrix_groups: list[tuple[torch.Tensor, torch.Tensor]] = []
        offset = 0
        for shape, group in groups.items():
            end = offset + len(group) * group[0].numel()
            stacked = (len(group), *shape)
            self.matrix_groups.append((self.values[offset:end].view(stacked), self.gradients[offset:end].view(stacked)))
            offset = end
        # What is not a matrix, as one parameter for an element-wise optimiser.
        self.rest = nn.Parameter(self.values[offset:])
        self.rest.grad = self.gradients[offset:]

    def zero_gradients(self) -> None:
        self.gradients.zero_()

    def clip_gradients(self, largest: float) -> None:
        """Scale all gradients so that their common Euclidean norm is at most `largest`."""
        norm = self.gradients.norm()
        self.gradients.mul_((largest / (norm + 1e-6)).clamp(max=1.0))
