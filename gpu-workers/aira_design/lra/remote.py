"""The trusted side of a candidate's mixers, which run in a process of their own.

Role: a torch module per layer whose passes are answered by the program. Non-role: the encoder, the optimiser, the loops.

  M1  Parameters and the only optimiser are here. The program receives values and returns gradients; how many passes there
      are, and of what, is decided here. Anything else that it trains reaches no score but through these gradients.
  M2  The program sees activations, masks, its own parameters and the gradients of its output: no tokens, no targets.
  M3  How many numbers a candidate has is known before it has seen anything. Names are not stored, so nothing passes from training to
      prediction but the values of parameters.
  M4  Every answer has exactly the expected arrays; anything else ends the run (C1 to C5 of channel.py).

Messages: build {sizes} -> built {shapes, trainable}, start {values} per layer;  values {layer} (no answer);
forward {x, mask} -> mixed {y};  backward {gradient of y} -> gradients {of x, of some parameters by their number}.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import nn

from ..channel import Channel, PeerBroke
from ..failures import CandidateFailure
from ..peer import answer
from ..settings import EncoderSizes

_MOST_TENSORS = 1_000
_F4, _B1 = "<f4", "|b1"


class Program:
    """The mixers of all layers. Made before the program has seen anything (M3); raises CandidateFailure `toobig` above `most` numbers."""

    def __init__(self, channel: Channel, sizes: EncoderSizes, length: int, seed: int, most: int) -> None:
        self._channel, self._call = channel, 0
        order = {"layers": sizes.layers, "width": sizes.width, "length": length, "heads": sizes.heads, "seed": seed}
        channel.send("build", order)
        layers = _layers(answer(channel, "built", {}).fields, sizes.layers)
        total = sum(math.prod(shape) for layer in layers for shape, _ in layer)
        if total > most:
            raise CandidateFailure("toobig", f"the mixers hold {total} numbers; the equal-size rule leaves them {most}")
        self.mixers = [self._mixer(index, layer) for index, layer in enumerate(layers)]

    def tell_values(self, layer: int, parameters: list[nn.Parameter]) -> None:
        self._channel.send(
            "values", {"layer": layer}, {str(index): _plain(one) for index, one in enumerate(parameters)}
        )

    def forward(self, layer: int, x: torch.Tensor, mask: torch.Tensor, training: bool) -> tuple[int, torch.Tensor]:
        """The number of this pass, and what the mixer makes of x."""
        self._call += 1
        seed = int(torch.randint(2**31, ())) if training else 0
        fields = {"layer": layer, "call": self._call, "seed": seed, "training": training}
        self._channel.send("forward", fields, {"x": _plain(x), "mask": _plain(mask)})
        found = answer(self._channel, "mixed", {"y": (_F4, tuple(x.shape))})
        return self._call, _tensor(found.arrays["y"], x.device)

    def backward(self, call: int, gradient: torch.Tensor, parameters: list[nn.Parameter]) -> list[torch.Tensor | None]:
        """The gradients of x and of each parameter; None where the pass did not use it."""
        self._channel.send("backward", {"call": call}, {"y": _plain(gradient)})
        trainable = {str(index): (_F4, tuple(one.shape)) for index, one in enumerate(parameters) if one.requires_grad}
        found = answer(self._channel, "gradients", {"x": (_F4, tuple(gradient.shape))}, trainable).arrays
        names = ["x", *(str(index) for index in range(len(parameters)))]
        return [_tensor(found[name], gradient.device) if name in found else None for name in names]

    def _mixer(self, index: int, layer: "list[tuple[tuple[int, ...], bool]]") -> "RemoteMixer":
        found = answer(
            self._channel, "start", {str(number): (_F4, shape) for number, (shape, _) in enumerate(layer)}
        ).arrays
        values = [torch.from_numpy(found[str(number)]) for number in range(len(layer))]
        return RemoteMixer(self, index, [nn.Parameter(one, trainable) for one, (_, trainable) in zip(values, layer)])


class RemoteMixer(nn.Module):
    """One layer's mixer as the encoder calls it. Its parameters are here (M1)."""

    def __init__(self, program: Program, layer: int, parameters: list[nn.Parameter]) -> None:
        super().__init__()
        self.program, self.layer = program, layer
        self.values = nn.ParameterList(parameters)
        self._told: list[int] | None = None

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        parameters = list(self.values)
        versions = [
            one._version for one in parameters
        ]  # counts changes in place, which optimisers and load_state_dict make
        if versions != self._told:
            self.program.tell_values(self.layer, parameters)
            self._told = versions
        if not torch.is_grad_enabled():
            return self.program.forward(self.layer, x, mask, training=False)[1]
        return _Pass.apply(self, x, mask, *parameters)


class _Pass(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, mixer: RemoteMixer, x: torch.Tensor, mask: torch.Tensor, *parameters: nn.Parameter
    ) -> torch.Tensor:
        ctx.mixer, ctx.used = mixer, list(parameters)
        ctx.call, mixed = mixer.program.forward(mixer.layer, x, mask, training=True)
        return mixed

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        of_x, *of_parameters = ctx.mixer.program.backward(ctx.call, gradient, ctx.used)
        return (None, of_x, None, *of_parameters)


def _layers(fields: dict[str, Any], count: int) -> "list[list[tuple[tuple[int, ...], bool]]]":
    """Shape of each parameter of each layer, and whether it is trained. Raises PeerBroke for anything else."""
    layers = fields.get("layers")
    if not isinstance(layers, list) or len(layers) != count or not all(isinstance(layer, list) for layer in layers):
        raise PeerBroke("the program does not say what its mixers hold")
    if sum(map(len, layers)) > _MOST_TENSORS:
        raise CandidateFailure(
            "toobig", f"the mixers hold {sum(map(len, layers))} parameters; at most {_MOST_TENSORS} are stored"
        )
    return [[_tensor_of(one) for one in layer] for layer in layers]


def _tensor_of(one: Any) -> tuple[tuple[int, ...], bool]:
    if not isinstance(one, list) or len(one) != 2 or not isinstance(one[0], list) or type(one[1]) is not bool:
        raise PeerBroke("the program does not say what its mixers hold")
    shape, trainable = one
    if len(shape) > 8 or any(type(size) is not int or not 0 <= size < 2**40 for size in shape):
        raise PeerBroke("the program does not say what its mixers hold")
    return tuple(shape), trainable


def _plain(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def _tensor(array: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(array).to(device)
