"""The program's side: builds the candidate's mixers and answers forward and backward passes. Runs in the sandbox.

Everything here shares an interpreter with the candidate, so nothing of it is trusted; remote.py is the trusted side and has the
messages. Whatever is checked here is checked to say in words what is wrong with an honest candidate.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..candidate import attribute, blame, import_file
from ..channel import Channel, Message, PeerGone
from ..failures import CandidateFailure
from ..peer import tell

_MOST_BYTES = 2**40  # the host is trusted; memory is the sandbox's affair


def serve(candidate: Path, channel: Channel, device: torch.device) -> None:
    """Answer until the host closes the channel. A failure of the candidate is the last answer."""
    program = _Program(candidate, channel, device)
    try:
        try:
            while True:
                program.do(channel.receive(_MOST_BYTES))
        except CandidateFailure as failure:
            tell(channel, failure)
    except PeerGone:
        return


class _Program:
    def __init__(self, candidate: Path, channel: Channel, device: torch.device) -> None:
        self._candidate, self._channel, self._device = candidate, channel, device
        self._mixers: list[nn.Module] = []
        self._retained: dict[int, tuple[int, torch.Tensor, torch.Tensor]] = {}

    def do(self, message: Message) -> None:
        do = {"build": self._build, "values": self._values, "forward": self._forward, "backward": self._backward}
        try:
            do[message.kind](message.arrays, **message.fields)
        except PeerGone:
            raise
        except (Exception, SystemExit) as error:
            what = "the model cannot be built" if message.kind == "build" else f"the {message.kind} pass failed"
            raise blame(error, what) from error

    def _build(self, _: object, layers: int, width: int, length: int, heads: int, seed: int) -> None:
        build = attribute(import_file(self._candidate / "model.py", "model"), "build")
        for layer in range(layers):
            torch.manual_seed(seed + layer)
            mixer = build(width, length, heads, seed + layer)
            if not isinstance(mixer, nn.Module):
                raise CandidateFailure("invalid", f"build returned {type(mixer).__name__}; expected a torch.nn.Module")
            self._mixers.append(mixer.to(self._device))
        _check(self._mixers)
        named = [list(mixer.named_parameters()) for mixer in self._mixers]
        record = [[[list(one.shape), one.requires_grad] for _, one in mixer] for mixer in named]
        self._channel.send("built", {"layers": record})
        for mixer in named:
            self._channel.send("start", {}, {str(index): _plain(one) for index, (_, one) in enumerate(mixer)})

    def _values(self, arrays: dict[str, np.ndarray], layer: int) -> None:
        # A pass whose gradient was not requested is dropped once its parameters have changed.
        self._retained = {call: retained for call, retained in self._retained.items() if retained[0] != layer}
        with torch.no_grad():
            for index, one in enumerate(self._mixers[layer].parameters()):
                one.copy_(torch.from_numpy(arrays[str(index)]))

    def _forward(self, arrays: dict[str, np.ndarray], layer: int, call: int, seed: int, training: bool) -> None:
        mixer = self._mixers[layer].train(training)
        x, mask = (torch.from_numpy(arrays[name]).to(self._device) for name in ("x", "mask"))
        torch.manual_seed(seed)
        with torch.set_grad_enabled(training):
            y = mixer(x.requires_grad_(training), mask)
        if not isinstance(y, torch.Tensor) or y.shape != x.shape or y.dtype != x.dtype:
            got = (tuple(y.shape), y.dtype) if isinstance(y, torch.Tensor) else type(y).__name__
            raise CandidateFailure("invalid", f"the mixer returned {got}; expected {(tuple(x.shape), x.dtype)}")
        if training:
            self._retained[call] = (layer, x, y)
        self._channel.send("mixed", {}, {"y": _plain(y)})

    def _backward(self, arrays: dict[str, np.ndarray], call: int) -> None:
        layer, x, y = self._retained.pop(call)
        wanted = {
            "x": x,
            **{str(index): one for index, one in enumerate(self._mixers[layer].parameters()) if one.requires_grad},
        }
        gradient = torch.from_numpy(arrays["y"]).to(self._device)
        found = (
            torch.autograd.grad(y, list(wanted.values()), gradient, allow_unused=True)
            if y.requires_grad
            else [None] * len(wanted)
        )
        sent = {name: one for name, one in zip(wanted, found) if one is not None}
        self._channel.send(
            "gradients", {}, {name: _plain(one) for name, one in {"x": torch.zeros_like(x), **sent}.items()}
        )


def _check(mixers: list[nn.Module]) -> None:
    """Raise CandidateFailure `invalid` for what the host could not keep, with the way out."""
    seen: dict[int, int] = {}
    for layer, mixer in enumerate(mixers):
        for name, one in mixer.named_parameters():
            if one.dtype != torch.float32:
                raise CandidateFailure("invalid", f"the parameter {name} is {one.dtype}; parameters are float32")
            if seen.setdefault(id(one), layer) != layer:
                raise CandidateFailure(
                    "invalid", f"two layers share the parameter {name}; each layer has its own mixer"
                )
        for name, value in mixer.state_dict(keep_vars=True).items():
            if not isinstance(value, nn.Parameter):
                raise CandidateFailure(
                    "invalid",
                    f"{name} is a persistent buffer: what is learned lives in parameters, and what is drawn from the seed "
                    "in buffers with persistent=False",
                )


def _plain(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
