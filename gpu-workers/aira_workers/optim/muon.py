"""Muon (Jordan et al. 2024): momentum whose matrix updates are made nearly orthogonal by Newton-Schulz steps."""

import torch

# Quintic iteration of the Muon reference: fast rather than exact, singular values land in about [0.7, 1.2].
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: torch.Tensor, steps: int) -> torch.Tensor:
    """(n, rows, columns) -> same shape with singular values near 1; each matrix on its own."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(steps):
        gram = torch.bmm(x, x.transpose(1, 2))
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.transpose(1, 2) if tall else x


class StackedMuon:
    """Nesterov Muon over groups of equally shaped matrices, one batched product per group.

    The step of a matrix stored (in, out) is lr x sqrt(max(1, out / in)).
    """

    def __init__(self, groups: list[tuple[torch.Tensor, torch.Tensor]], lr: float, momentum: float, steps: int) -> None:
        self.groups = groups
        self.lr, self.momentum, self.steps = lr, momentum, steps
        self.buffers = [torch.zeros_like(values) for values, _ in groups]

    @torch.no_grad()
    def step(self, lr_scale: float) -> None:
        """One update with the learning rate lr x lr_scale, from the gradients as they stand."""
        for (values, gradients), buffer in zip(self.groups, self.buffers):
            buffer.mul_(self.momentum).add_(gradients)
            update = orthogonalise(torch.add(gradients, buffer, alpha=self.momentum), self.steps)
            rows, columns = values.shape[1:]
            values.add_(update, alpha=-self.lr * lr_scale * max(1.0, columns / rows) ** 0.5)
