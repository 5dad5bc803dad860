"""What `train.py` imports as `prepare`: constants of the task, and the training batches.

The names are those of the published contract (MAX_SEQ_LEN, TIME_BUDGET, VOCAB_SIZE, make_dataloader). Batches come from a
process outside the sandbox, which counts what it serves and stops when the budget is spent. There is no evaluate_bpb: the
evaluator computes the score while it shows hidden text, token after token.

All of this runs in the script's own interpreter and is a convenience: nothing here guards the budget.
"""

import os

import numpy as np
import torch
from aira_workers.text.tokenizers import BEGIN
from torch import nn

from ..channel import Channel
from ..settings import AutoresearchSettings
from . import flops

flops_of = flops.flops_of

MAX_SEQ_LEN = 0
VOCAB_SIZE = 0
BOS = BEGIN
TOKEN_BUDGET = 0
"""Tokens that are served, at most."""
TIME_BUDGET = 0.0
"""Seconds, from the first batch on, after which no more is served."""
FLOP_BUDGET = 0.0
"""What a training should plan with where processor time counts: about as much as fits."""
CPU_BUDGET = 0.0
"""Processor seconds of the whole process by which training should end; what is left is for the prediction. 0: no limit.
Known, and brought up to date, with each batch: on a busy machine a processor second does less, and there are more of them."""
SEED = 0
DEVICE = torch.device("cpu")
STATE = "state.pt"
"""The file in the working directory that `load` will find; nothing else is handed over."""

_channel: Channel | None = None
_TRAINING_SHARE, _UNNOTICED = 0.9, 0.1


def configure(settings: AutoresearchSettings, seed: int, channel: Channel | None, device: torch.device) -> None:
    """Set the constants; called once, before the script runs. Without a channel there are no training batches."""
    values = {
        "MAX_SEQ_LEN": settings.data.length,
        "VOCAB_SIZE": settings.data.vocabulary,
        "TOKEN_BUDGET": settings.script.tokens,
        "TIME_BUDGET": settings.script.seconds,
        "FLOP_BUDGET": settings.script.flops,
        "CPU_BUDGET": 0.0,
        "SEED": seed,
        "DEVICE": device,
        "_channel": channel,
    }
    globals().update(values)


class Batches:
    """Pairs (inputs, targets), each (batch, length) int64 on DEVICE, until the budget is spent.

    Rows are filled with whole documents in a shuffled order, each behind BOS; the last one is cut off.
    """

    def __init__(self, batch: int, length: int, tokens: int) -> None:
        self._batch, self._length, self._most = batch, length, min(tokens, TOKEN_BUDGET)
        self.tokens, self.steps = 0, 0
        self._seconds, self._cpu_before = 0.0, None

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> tuple[torch.Tensor, torch.Tensor]:
        if self._cpu_before is None:
            self._cpu_before = _cpu_seconds()
        size = self._batch * self._length
        if self.tokens + size > self._most or 0 < CPU_BUDGET <= _cpu_seconds():
            raise StopIteration
        if _channel is None:
            raise RuntimeError("there are no training data when predictions are asked for")
        _channel.send("want", {"rows": self._batch, "length": self._length})
        answer = _channel.receive(2 * self._batch * (self._length + 1))
        if answer.kind == "spent":
            raise StopIteration
        self.tokens, self.steps, self._seconds = self.tokens + size, self.steps + 1, answer.fields["seconds"]
        globals()["CPU_BUDGET"] = _TRAINING_SHARE * answer.fields["cpu_seconds"]
        found = torch.from_numpy(answer.arrays["rows"].astype(np.int64)).to(DEVICE)
        return found[:, :-1].contiguous(), found[:, 1:].contiguous()

    def progress(self) -> float:
        """How much is spent, 0 to 1, the batch in hand not included: for schedules of the learning rate."""
        tokens = max(0, self.tokens - self._batch * self._length) / self._most
        return min(1.0, max(tokens, self._seconds / TIME_BUDGET, self._cpu_share()))

    def _cpu_share(self) -> float:
        """Behind its true value at first, so that it has no part in a schedule where tokens are what ends the training."""
        if CPU_BUDGET == 0 or self._cpu_before is None:
            return 0.0
        share = (_cpu_seconds() - self._cpu_before) / max(1e-9, CPU_BUDGET - self._cpu_before)
        return (share - _UNNOTICED) / (1 - _UNNOTICED)


def make_dataloader(batch: int, length: int = 0, tokens: float = 0) -> Batches:
    """Batches of `batch` rows; with `tokens`, at most this many tokens of the budget."""
    return Batches(batch, length or MAX_SEQ_LEN, int(tokens) or TOKEN_BUDGET)


def flops_per_token(model: nn.Module) -> float:
    """What training `model`, from tokens (batch, time) to logits, costs per token of a row of MAX_SEQ_LEN, as torch runs it."""
    return flops.flops_per_token(model, MAX_SEQ_LEN, DEVICE)


def _cpu_seconds() -> float:
    """Of this process and of those that it has waited for, as the evaluator counts them."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
