"""The parameters of several models in one vector, alike tensors of all members and depths next to each other.

Role: the optimiser then needs a handful of calls for any number of members, and what counts per member (norms, clips) is one
reduction per kind of tensor. Invariants:
1. A stack holds rows of one shape; each row belongs to one member, and `owner` says to which.
2. The layers' matrices come first, grouped by shape across primitives: one (count, rows, columns) view per shape.
3. Autograd adds into the gradient views in place, as in optim/flat.py.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn


class Row(NamedTuple):
    """One member's tensor: `kind` names what it is (`M.input`), `depth` where it stands (-1 outside the layers)."""

    kind: str
    depth: int
    member: int
    tensor: torch.Tensor


class Segment(NamedTuple):
    """Rows [first, last) of the flat vector's tensors of one kind: `shape` each, `owner` (rows,) int64."""

    start: int
    shape: tuple[int, ...]
    owner: torch.Tensor


class Stacks:
    def __init__(self, rows: Sequence[Row], matrices: Sequence[str], members: int, device: torch.device) -> None:
        """`matrices`: the kinds that Muon trains. Rows of one kind and depth must come member by member."""
        kinds: dict[str, list[Row]] = {}
        for row in rows:
            kinds.setdefault(row.kind, []).append(row)
        # Sorted, so that a member's numbers have the same order in any population.
        shapes: dict[tuple[int, ...], list[str]] = {}
        for kind in sorted(set(matrices) & set(kinds), key=lambda kind: (tuple(kinds[kind][0].tensor.shape), kind)):
            shapes.setdefault(tuple(kinds[kind][0].tensor.shape), []).append(kind)
        first = [kind for group in shapes.values() for kind in group]
        order = first + sorted(set(kinds) - set(first))
        total = sum(row.tensor.numel() for row in rows)
        self.members = members
        self.values = torch.empty(total, dtype=torch.float32, device=device)
        self.gradients = torch.zeros_like(self.values)
        self.leaves: dict[tuple[str, int], nn.Parameter] = {}
        self.segments: list[Segment] = []
        self.matrix_groups: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.rest = 0  # where the rest begins
        at = 0
        bounds: dict[str, tuple[int, int]] = {}
        for kind in order:
            if kind == order[len(first)]:
                self.rest = at
            begin, shape = at, tuple(kinds[kind][0].tensor.shape)
            for depth in sorted({row.depth for row in kinds[kind]}):
                here = [row for row in kinds[kind] if row.depth == depth]
                start = at
                for row in here:
                    self.values[at : at + row.tensor.numel()].copy_(row.tensor.detach().flatten())
                    at += row.tensor.numel()
                leaf = nn.Parameter(self.values[start:at].view(len(here), *shape))
                leaf.grad = self.gradients[start:at].view(len(here), *shape)
                self.leaves[kind, depth] = leaf
            owners = [row.member for row in sorted(kinds[kind], key=lambda row: row.depth)]
            self.segments.append(Segment(begin, shape, torch.tensor(owners, device=device)))
            bounds[kind] = begin, at
        for shape, group in shapes.items():
            begin, end = bounds[group[0]][0], bounds[group[-1]][1]
            views = (vector[begin:end].view(-1, *shape) for vector in (self.values, self.gradients))
            self.matrix_groups.append(tuple(views))
        self._places = _places(self.segments, members, device)

    def of_segment(self, vector: torch.Tensor, segment: Segment) -> torch.Tensor:
        """The segment's part of a flat vector as (rows, numbers of one row)."""
        size = 1
        for extent in segment.shape:
            size *= extent
        rows = len(segment.owner)
        return vector[segment.start : segment.start + rows * size].view(rows, size)

    def by_member(self, of_row) -> torch.Tensor:
        """Sum `of_row(segment's gradient rows, segment)` (rows,) over each member's rows: (members,).

        Gathered into a (members, most rows) table and summed along it, so that a NaN stays with its member and the order
        of additions is fixed.
        """
        parts = [of_row(segment) for segment in self.segments]
        parts.append(parts[0].new_zeros(1))
        return torch.cat(parts).index_select(0, self._places.view(-1)).view(self._places.shape).sum(1)

    def clip(self, largest: float) -> None:
        """Scale each member's gradients so that their Euclidean norm is at most `largest`."""
        squares = self.by_member(lambda segment: self.of_segment(self.gradients, segment).square().sum(1))
        scale = (largest / (squares.sqrt() + 1e-6)).clamp(max=1.0)
        for segment in self.segments:
            self.of_segment(self.gradients, segment).mul_(scale.index_select(0, segment.owner)[:, None])

    def finite(self) -> torch.Tensor:
        """(members,) bool: whether all of a member's parameters are finite."""
        broken = self.by_member(
            lambda segment: (~torch.isfinite(self.of_segment(self.values, segment)).all(1)).to(torch.float32)
        )
        return broken == 0

    def rows_of(self, member: int) -> torch.Tensor:
        """Positions of a member's numbers in the flat vector, ascending."""
        found = []
        for segment in self.segments:
            size = self.of_segment(self.values, segment).shape[1]
            mine = torch.nonzero(segment.owner == member).squeeze(1)
            found.append((segment.start + mine[:, None] * size + torch.arange(size, device=mine.device)).flatten())
        return torch.cat(found)


def _places(segments: Sequence[Segment], members: int, device: torch.device) -> torch.Tensor:
    """(members, most) indices into the concatenated rows of all segments; the last index stands for nothing."""
    owners = torch.cat([segment.owner for segment in segments]).tolist()
    mine: list[list[int]] = [[] for _ in range(members)]
    for index, owner in enumerate(owners):
        mine[owner].append(index)
    most = max(len(rows) for rows in mine)
    return torch.tensor([rows + [len(owners)] * (most - len(rows)) for rows in mine], device=device)
