"""The trusted side of a training: serves batches and counts them, outside the program's reach.

Role: what is served, how much of it, and when no more is. Non-role: the program's processor time, which the sandbox
measures; what the program does with a batch.

  F1  No more than `tokens` tokens are served, counted here; the first request that does not fit ends the serving for good.
  F2  Nothing is served later than `seconds` after the first batch, by this process's clock.
  F3  The program is gone, all its processes, `seconds` and `ending` after the first batch, by the same clock: whatever it does
      with batches that it stored. What is before the first batch is bounded by the sandbox's own limit.
  F4  The rows depend on the seed and on the sizes asked for, and on nothing else that the program says.

Messages: the program sends `want {rows, length}`; the answer is `batch {seconds, cpu_seconds}`, how long ago the first batch was
and how much processor time the whole may take, with the array `rows` (rows, length + 1) u16; or `spent`.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from ..channel import Message, PeerGone, PeerSilent
from ..failures import CandidateFailure
from ..peer import ProgramChannel
from ..settings import ScriptBudget
from .batches import TrainingText

#: Of one batch: about ten times what fits on the GPU of the published task.
_MOST_TOKENS_AT_ONCE = 1 << 22


class Served(NamedTuple):
    tokens: int
    batches: int


def serve(
    budget: ScriptBudget,
    text: TrainingText,
    channel: ProgramChannel,
    cpu_seconds: Callable[[], float],
    ending: float,
    clock: Callable[[], float] = time.monotonic,
) -> Served:
    """Answer requests until the program has ended. `ending`: seconds that saving may take. Raises CandidateFailure."""
    tokens, batches, began, spent = 0, 0, None, False

    def left() -> float:
        return budget.seconds + ending - (clock() - began)

    try:
        while True:
            if began is not None:
                channel.within(left())
            rows, length = _sizes(channel.receive())
            now = clock()
            began = now if began is None else began
            elapsed = now - began
            spent = spent or tokens + rows * length > budget.tokens or elapsed >= budget.seconds
            if spent:
                channel.send("spent")
                continue
            tokens, batches = tokens + rows * length, batches + 1
            record = {"seconds": elapsed, "cpu_seconds": cpu_seconds()}
            channel.send("batch", record, {"rows": text.rows(rows, length + 1)})
    except PeerSilent:
        if began is None:
            raise
        over = True
    except PeerGone:
        over = began is not None and not channel.ended(left())
    if over:
        raise CandidateFailure(
            "over-budget", f"the training went on for more than {ending:.1f} s after its {budget.seconds:g} s"
        )
    return Served(tokens, batches)


def _sizes(message: Message) -> "tuple[int, int]":
    """Rows and length of a request that an untrusted process sent. Raises CandidateFailure."""
    sizes = [message.fields.get(name) for name in ("rows", "length")]
    if message.kind != "want" or len(message.fields) != 2 or any(type(size) is not int or size < 1 for size in sizes):
        raise CandidateFailure("tampered", "what came in place of a request for a batch is none")
    rows, length = sizes
    if rows * length > _MOST_TOKENS_AT_ONCE:
        raise CandidateFailure("invalid", f"a batch of more than {_MOST_TOKENS_AT_ONCE} tokens was asked for")
    return rows, length
