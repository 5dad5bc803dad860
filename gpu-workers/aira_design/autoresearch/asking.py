"""The trusted side of a prediction: shows hidden rows piece by piece and scores the answers as they come.

Role: what is shown when, and the figure. Non-role: where the rows come from (rows.py), what the program computes with.

  Q1  A token is sent only after all answers about it have been received: no program can look ahead, whatever it does.
  Q2  Logits are normalised here, in float64, and the figure is computed here; of all that the program says only its logits
      have any influence on it.
  Q3  Memory is that of one group of rows, however many rows there are.
  Q4  Some rows are asked a second time, among other neighbours: the answer to a row must not depend on the rows next to it. This
      finds mistakes and simple adaptation; a program that knows a row again can answer as before. It gains no look ahead by that.

val_bpb = sum of the nats of the asked tokens / (ln 2 x the UTF-8 bytes they stand for), begin-of-text marks left out.

Messages: the program sends `ready`; then each `more {first}` with the array `tokens` (rows, new) u16 is answered by `answer`
with the array `logits` (rows, vocabulary) f32 of the token that follows; `first` says that other rows begin. Then `done`.
"""

import math
from collections.abc import Iterator

import numpy as np

from .. import peer
from ..channel import Channel, Message, Shapes
from ..failures import CandidateFailure

_TOLERANCE = 1e-3  # of a logit, next to the largest of its row; float32 sums in another order differ by some 1e-6


class Tally:
    """Sums per row: the standard error is over rows, since the tokens of a row are not independent."""

    def __init__(self, rows: int) -> None:
        self._nats, self._bytes, self._tokens = np.zeros(rows), np.zeros(rows, dtype=np.int64), 0

    def add(self, rows: slice, nats: np.ndarray, lengths: np.ndarray) -> None:
        """nats and lengths (rows,) of one token per row; a token that stands for no bytes counts in no sum."""
        counts = lengths > 0
        self._nats[rows] += np.where(counts, nats, 0.0)
        self._bytes[rows] += lengths
        self._tokens += int(counts.sum())

    def metrics(self) -> dict[str, float]:
        size, nats = int(self._bytes.sum()), float(self._nats.sum())
        # Of a ratio of two sums over rows, to first order.
        deviations = self._nats - nats / size * self._bytes
        return {
            "val_bpb": nats / (math.log(2) * size),
            "standard_error": math.sqrt(float(deviations @ deviations)) / (math.log(2) * size),
            "nats_per_token": nats / self._tokens,
            "tokens": self._tokens,
            "bytes": size,
        }


def ask(
    rows: np.ndarray, asked: np.ndarray, again: np.ndarray, lengths: np.ndarray, channel: Channel
) -> dict[str, float]:
    """Return the metrics of the program behind `channel`. Raises CandidateFailure `nan` or `noncausal`; ChannelError.

    rows (n, length + 1) uint16 are hidden text. asked (groups, k) int64, ascending: after which positions the rows of
    each group are asked for the next token; groups are consecutive and of one size, but for the last. again (m,): which
    rows of the first group are asked twice. lengths (vocabulary,) are the bytes per token.
    """
    tally, size = Tally(len(rows)), group_size(len(rows), len(asked))
    _answer(channel, "ready", {})
    first = []
    for group, positions in enumerate(asked):
        members = slice(group * size, (group + 1) * size)
        for position, logits in _answers(rows[members], positions, len(lengths), channel):
            targets = rows[members, position + 1].astype(np.int64)
            tally.add(members, _nats(logits, targets), lengths[targets])
            if group == 0:
                first.append(logits[again])
    if len(again):
        for (_, logits), before in zip(_answers(rows[again], asked[0], len(lengths), channel), first):
            _compare(before.astype(np.float64), logits.astype(np.float64))
    channel.send("done")
    return tally.metrics()


def group_size(rows: int, groups: int) -> int:
    return -(-rows // groups)


def _answers(
    rows: np.ndarray, positions: np.ndarray, vocabulary: int, channel: Channel
) -> Iterator[tuple[int, np.ndarray]]:
    """Each position with the logits (rows, vocabulary) of a program that has been shown the rows as far as there."""
    shown = 0
    for position in positions.tolist():
        channel.send("more", {"first": shown == 0}, {"tokens": rows[:, shown : position + 1]})
        shown = position + 1
        yield position, _answer(channel, "answer", {"logits": ("<f4", (len(rows), vocabulary))}).arrays["logits"]


def _answer(channel: Channel, kind: str, shapes: Shapes) -> Message:
    """What a program says of its failure is dropped: it may be about hidden rows."""
    try:
        return peer.answer(channel, kind, shapes)
    except CandidateFailure as failure:
        raise CandidateFailure(failure.reason, "the program failed while it saw hidden rows") from None


def _compare(one: np.ndarray, other: np.ndarray) -> None:
    apart = np.abs(one - other).max(axis=1)
    wrong = int((apart > _TOLERANCE * (1 + np.abs(one).max(axis=1))).sum())
    if wrong:
        raise CandidateFailure(
            "noncausal", f"{wrong} of {len(one)} rows that were asked twice were answered differently"
        )


def _nats(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Cross-entropy of each row of logits (n, vocabulary). Raises CandidateFailure `nan`."""
    if not np.isfinite(logits).all():
        raise CandidateFailure("nan", "a logit is not a finite number")
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    chosen = shifted[np.arange(len(shifted)), targets]
    return np.log(np.exp(shifted, out=shifted).sum(axis=1)) - chosen
