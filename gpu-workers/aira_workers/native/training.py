"""One training inside the engine: the model's own parameters, trained by compiled code.

The engine reads and writes the flat vectors of `FlatParameters` in place, so the torch model sees every update.
"""

import ctypes
import weakref

import numpy as np
import torch

from ..errors import OutOfMemory
from ..model import StackModel
from ..optim import FlatParameters
from ..primitives import Frame, Sizes
from ..primitives.attention import Attention
from ..primitives.decoder import LearnedCodeDecoder
from ..primitives.mamba2 import Mamba2
from ..primitives.swiglu import SwiGlu
from .binding import Batch, Floats, Int32s, Int64s, Rates, Shape, pointer

KINDS = {SwiGlu: 0, Attention: 1, Mamba2: 2}
# Sequences of about this many tokens together run through all layers and back: what backward needs stays in the cache.
_BLOCK_TOKENS = 128
_MOST_LENGTH = 512
_MOST_TAPS = 8


def supports(sizes: Sizes, length: int) -> bool:
    """Whether the engine has code for these sizes: whole vectors of 16 where it needs them."""
    return (
        sizes.width % 16 == 0
        and length % 16 == 0
        and length <= _MOST_LENGTH
        and sizes.ffn_inner >= 16
        and sizes.ssm_inner % (16 * sizes.ssm_heads) == 0
        and sizes.ssm_conv <= _MOST_TAPS
    )


class NativeTraining:
    """Holds the C side; closed when collected. `sequences` is the most that one call brings."""

    def __init__(
        self,
        library: ctypes.CDLL,
        model: StackModel,
        flat: FlatParameters,
        frame: Frame,
        sizes: Sizes,
        sequences: int,
        block_tokens: int = _BLOCK_TOKENS,
    ) -> None:
        decoder = model.decoder
        learned = isinstance(decoder, LearnedCodeDecoder)
        shape = Shape(
            layers=len(model.layers),
            width=sizes.width,
            heads=sizes.attention_heads,
            attention_bias=sizes.attention_bias,
            ffn_inner=sizes.ffn_inner,
            ssm_inner=sizes.ssm_inner,
            ssm_heads=sizes.ssm_heads,
            ssm_state=sizes.ssm_state,
            ssm_conv=sizes.ssm_conv,
            norm_gain=sizes.norm_gain,
            vocabulary=model.head.shape[1],
            decoder=0 if decoder is None else 1 if learned else 2,
            decoder_inner=0 if decoder is None else 2 * sizes.width if learned else sizes.width,
            length=frame.length,
            sequences=sequences,
            block=max(1, block_tokens // frame.length),
        )
        self.length, self.vocabulary = frame.length, model.head.shape[1]
        kinds = np.array([KINDS[type(layer)] for layer in model.layers], dtype=np.int32)
        offsets = np.array(_offsets(model, flat), dtype=np.int64)
        code = np.zeros(0, np.float32) if decoder is None or learned else decoder.code.numpy()
        # What C points into must outlive it.
        self._retained = (model, flat, frame.rotary_cos.numpy(), frame.rotary_sin.numpy(), code)
        self._library = library
        self._handle = library.aira_open(
            ctypes.byref(shape),
            pointer(kinds, Int32s),
            pointer(flat.values.numpy(), Floats),
            pointer(flat.gradients.numpy(), Floats),
            pointer(offsets, Int64s),
            flat.values.numel(),
            flat.values.numel() - flat.rest.numel(),
            pointer(self._retained[2], Floats),
            pointer(self._retained[3], Floats),
            pointer(code, Floats),
        )
        if not self._handle:
            raise OutOfMemory("the machine has no memory for this candidate's activations")
        weakref.finalize(self, library.aira_close, self._handle)

    def gradients(
        self,
        tokens: np.ndarray,
        rows: np.ndarray,
        labels: np.ndarray,
        weights: np.ndarray,
        decoded: tuple[int, int] = (0, 0),
    ) -> tuple[np.ndarray, np.ndarray]:
        """Write the gradient of sum(weights x loss) to the flat vector; return losses and hits per row, (rows,) each.

        tokens (sequences, length) int32; rows (n,) int32, ascending flat positions; labels and weights (n + m,) int32
        and float32, m = decoded[1] x length rows of the decoder for the sequences from decoded[0] on.
        """
        count = len(rows) + decoded[1] * self.length
        if tokens.shape[1:] != (self.length,) or labels.shape != (count,) or weights.shape != (count,):
            raise ValueError("tokens, rows, labels and weights do not fit each other")
        losses, hits = np.empty(count, np.float32), np.empty(count, np.float32)
        batch = Batch(
            len(tokens),
            pointer(tokens, Int32s),
            len(rows),
            pointer(rows, Int32s),
            *decoded,
            pointer(labels, Int32s),
            pointer(weights, Floats),
        )
        status = self._library.aira_gradients(
            self._handle, ctypes.byref(batch), pointer(losses, Floats), pointer(hits, Floats)
        )
        if status != 0:
            raise ValueError("a token, row or label is out of range")
        return losses, hits

    def update(self, rates: Rates) -> None:
        """Clip, then Muon on the layers' matrices (where rates.muon_steps > 0) and Adam on the rest, in place."""
        self._library.aira_update(self._handle, ctypes.byref(rates))

    def answers(self, tokens: np.ndarray, decoded: bool) -> np.ndarray:
        """tokens (sequences, length) int32 -> the most likely token at every position, (sequences x length,) int32."""
        best = np.empty(tokens.size, np.int32)
        if tokens.shape[1:] != (self.length,) or self._library.aira_answers(
            self._handle, len(tokens), pointer(tokens, Int32s), decoded, pointer(best, Int32s)
        ):
            raise ValueError("a token is out of range, or there are more sequences than were announced")
        return best


def _offsets(model: StackModel, flat: FlatParameters) -> list[int]:
    """Where each tensor starts in the flat vector, -1 for one that does not exist, in the order of Training::bind."""
    start = flat.values.data_ptr()

    def at(tensor: torch.Tensor | None) -> int:
        return -1 if tensor is None else (tensor.data_ptr() - start) // 4

    found = [at(model.embedding)]
    for norm, layer in zip(model.norms, model.layers):
        found += [at(norm.gain), at(layer.input), at(layer.output)]
        if isinstance(layer, Attention):
            found += [at(layer.input_bias), at(layer.output_bias)]
        elif isinstance(layer, Mamba2):
            found += [at(t) for t in (layer.conv, layer.conv_bias, layer.dt_bias, layer.a, layer.skip)]
    found += [at(model.final_norm.gain), at(model.head)]
    if isinstance(model.decoder, LearnedCodeDecoder):
        found += [at(model.decoder.code), at(model.decoder.widen), at(model.decoder.narrow)]
    elif model.decoder is not None:
        found += [at(model.decoder.first), at(model.decoder.second)]
    return found
