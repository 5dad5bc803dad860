"""Several stacks of primitives as one model: at each depth members are grouped by primitive."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F

from ..model import StackModel
from ..primitives import Frame, Sizes
from ..primitives.attention import Attention
from ..primitives.decoder import LearnedCodeDecoder
from ..primitives.mamba2 import Mamba2
from ..primitives.ops import RmsNorm
from ..primitives.swiglu import SwiGlu
from .layers import Layer, Permute, attention, mamba2, swiglu
from .stacks import Row, Stacks

_TENSORS = {
    SwiGlu: ("input", "output"),
    Attention: ("input", "output", "input_bias", "output_bias"),
    Mamba2: ("input", "output", "conv", "conv_bias", "dt_bias", "a", "skip"),
}
_MAKERS: dict[type, Callable[[Sizes], Layer]] = {
    SwiGlu: lambda sizes: swiglu,
    Attention: lambda sizes: attention(sizes.attention_heads),
    Mamba2: lambda sizes: mamba2(sizes.ssm_inner, sizes.ssm_state, sizes.ssm_heads),
}
SUPPORTED = tuple(_TENSORS)


class Group(NamedTuple):
    layer: Layer
    parameters: dict[str, torch.Tensor]
    members: int


class Depth(NamedTuple):
    """`order` brings the members group by group, `back` undoes it; None where there is one group."""

    gain: torch.Tensor | None
    groups: list[Group]
    order: torch.Tensor | None
    back: torch.Tensor | None


class PopulationModel:
    """Streams are (members, batch x length, width). All members have the same sizes, depth, vocabulary and decoder."""

    def __init__(self, models: Sequence[StackModel], sizes: Sizes, muon: bool, device: torch.device) -> None:
        self.members, self.vocabulary = len(models), models[0].head.shape[1]
        rows: list[Row] = []
        for member, model in enumerate(models):
            rows += _ends(member, model)
        for depth in range(len(models[0].layers)):
            for kind in SUPPORTED:
                for member, model in enumerate(models):
                    layer = model.layers[depth]
                    if type(layer) is kind:
                        named = ((name, getattr(layer, name)) for name in _TENSORS[kind])
                        rows += [
                            Row(f"{kind.__name__}.{name}", depth, member, tensor)
                            for name, tensor in named
                            if tensor is not None
                        ]
        matrices = [f"{kind.__name__}.{name}" for kind in SUPPORTED for name in ("input", "output")] if muon else []
        # Rows of one kind and depth stand member by member because the loops above bring them so.
        self.stacks = Stacks(rows, matrices, self.members, device)
        self.parameters = [sum(p.numel() for p in model.parameters()) for model in models]
        leaves = self.stacks.leaves
        self._embedding, self._head = leaves["embedding", -1], leaves["head", -1]
        self._final_gain = leaves.get(("final_gain", -1))
        self._offsets = torch.arange(self.members, device=device)[:, None, None] * self.vocabulary
        self._depths = [self._depth(depth, models, sizes, device) for depth in range(len(models[0].layers))]
        decoder = models[0].decoder
        learned = isinstance(decoder, LearnedCodeDecoder)
        self._decoder = None if decoder is None else _learned_code if learned else _sinusoidal
        self._code = None if decoder is None or learned else decoder.code.to(device)

    def _depth(self, depth: int, models: Sequence[StackModel], sizes: Sizes, device: torch.device) -> Depth:
        leaves, groups, order = self.stacks.leaves, [], []
        for kind in SUPPORTED:
            here = [member for member, model in enumerate(models) if type(model.layers[depth]) is kind]
            if here:
                named = {name: leaves.get((f"{kind.__name__}.{name}", depth)) for name in _TENSORS[kind]}
                present = {name: leaf for name, leaf in named.items() if leaf is not None}
                groups.append(Group(_MAKERS[kind](sizes), present, len(here)))
                order += here
        gain = leaves.get(("gain", depth))
        if len(groups) == 1:
            return Depth(gain, groups, None, None)
        forth = torch.tensor(order, device=device)
        return Depth(gain, groups, forth, torch.argsort(forth))

    def trunk(self, tokens: torch.Tensor, frame: Frame) -> torch.Tensor:
        """tokens (members, batch, length) int64 -> residual streams, not yet normed."""
        table = self._embedding.view(-1, self._embedding.shape[-1])
        x = F.embedding((tokens + self._offsets).view(-1), table).view(self.members, -1, table.shape[1])
        for gain, groups, order, back in self._depths:
            h = _norm(x, gain)
            if order is None:
                x = x + groups[0].layer(groups[0].parameters, h, frame)
                continue
            parts = Permute.apply(h, order, back).split([group.members for group in groups])
            out = [group.layer(group.parameters, part, frame) for group, part in zip(groups, parts)]
            x = x + Permute.apply(torch.cat(out), back, order)
        return x

    def decode(self, last: torch.Tensor) -> torch.Tensor:
        """last (members, sequences, width) -> hidden rows (members, sequences x length, width)."""
        return self._decoder(self.stacks.leaves, self._code, last)

    def logits(self, rows: torch.Tensor) -> torch.Tensor:
        """(members, n, width) -> (members, n, vocabulary)."""
        return torch.bmm(_norm(rows, self._final_gain), self._head)


def _norm(x: torch.Tensor, gain: torch.Tensor | None) -> torch.Tensor:
    normed = RmsNorm.apply(x)
    return normed if gain is None else normed * gain[:, None]


def _learned_code(leaves, code, last: torch.Tensor) -> torch.Tensor:
    places = leaves["decoder.code", -1]
    rows = RmsNorm.apply(last)[:, :, None] + places[:, None]
    rows = rows.flatten(1, 2)
    return rows + torch.bmm(F.gelu(torch.bmm(rows, leaves["decoder.widen", -1])), leaves["decoder.narrow", -1])


def _sinusoidal(leaves, code, last: torch.Tensor) -> torch.Tensor:
    rows = (last[:, :, None] + code).flatten(1, 2)
    rows = F.gelu(torch.bmm(RmsNorm.apply(rows), leaves["decoder.first", -1]))
    return F.gelu(torch.bmm(RmsNorm.apply(rows), leaves["decoder.second", -1]))


def _ends(member: int, model: StackModel) -> list[Row]:
    rows = [Row("embedding", -1, member, model.embedding), Row("head", -1, member, model.head)]
    if model.final_norm.gain is not None:
        rows.append(Row("final_gain", -1, member, model.final_norm.gain))
    rows += [Row("gain", depth, member, norm.gain) for depth, norm in enumerate(model.norms) if norm.gain is not None]
    if model.decoder is not None:
        rows += [Row(f"decoder.{name}", -1, member, tensor) for name, tensor in model.decoder.named_parameters()]
    return rows
