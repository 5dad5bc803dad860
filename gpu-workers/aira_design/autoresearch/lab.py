"""What `train.py` imports as `prepare`: constants of the task, training batches and the budget.

The names are those of the published contract (MAX_SEQ_LEN, TIME_BUDGET, VOCAB_SIZE, make_dataloader). There is no
evaluate_bpb: the evaluator computes the score from the logits of the function that `load` returns, on text that no
script sees.
"""

import time
from pathlib import Path
from typing import Iterator, Optional, Tuple

import numpy as np
import torch
from torch import nn

from aira_workers.text.tokenizers import BEGIN

from ..layout import load
from ..settings import AutoresearchSettings

MAX_SEQ_LEN = 0
VOCAB_SIZE = 0
BOS = BEGIN
TIME_BUDGET = 0.0
STEP_BUDGET = 0
FLOP_BUDGET = 0.0
SEED = 0
DEVICE = torch.device("cpu")
OUT = Path()
"""Where the script leaves what `load` needs."""

_train: Optional[Path] = None


def configure(settings: AutoresearchSettings, seed: int, train: Optional[Path], out: Path, device: torch.device) -> None:
    """Set the constants; called once, before the script runs. Without `train` there are no training batches."""
    values = {
        "MAX_SEQ_LEN": settings.data.length,
        "VOCAB_SIZE": settings.data.vocabulary,
        "TIME_BUDGET": settings.script.seconds,
        "STEP_BUDGET": settings.script.steps,
        "FLOP_BUDGET": settings.script.flops,
        "SEED": seed,
        "DEVICE": device,
        "OUT": out,
        "_train": train,
    }
    globals().update(values)


def make_dataloader(batch: int, length: int = 0, seed: Optional[int] = None) -> Iterator[Tuple[torch.Tensor, torch.Tensor]]:
    """Yield (inputs, targets) without end, each (batch, length) int64 on DEVICE.

    Rows are filled with whole documents in a shuffled order, each behind BOS; the last one is cut off.
    """
    if _train is None:
        raise RuntimeError("there are no training data when predictions are asked for")
    width = (length or MAX_SEQ_LEN) + 1
    tokens, starts = load(_train, "tokens"), load(_train, "documents")
    rng = np.random.default_rng(SEED if seed is None else seed)
    queue = _shuffled(rng, len(starts) - 1)
    while True:
        rows = np.zeros((batch, width), dtype=np.int64)
        for row in rows:
            used = 0
            while used < width:
                document = next(queue)
                part = tokens[starts[document] : starts[document + 1]][: width - used - 1]
                row[used] = BOS
                row[used + 1 : used + 1 + len(part)] = part
                used += 1 + len(part)
        found = torch.from_numpy(rows).to(DEVICE)
        yield found[:, :-1].contiguous(), found[:, 1:].contiguous()


def _shuffled(rng: np.random.Generator, count: int) -> Iterator[int]:
    while True:
        yield from rng.permutation(count)


def flops_per_token(model: nn.Module) -> float:
    """6 per weight that multiplies: all parameters of two or more dimensions that are no embedding table."""
    tables = {id(part.weight) for part in model.modules() if isinstance(part, nn.Embedding)}
    return 6.0 * sum(one.numel() for one in model.parameters() if one.dim() > 1 and id(one) not in tables)


class Budget:
    """Steps, FLOPs and seconds of one training; whichever ends first ends it. The clock starts with the first step.

    Steps and FLOPs are the same on every machine, which seconds are not. A script that spends without saying so is
    stopped by the processor time that the evaluator measures from outside.
    """

    def __init__(self, flops_per_token: float) -> None:
        self.flops_per_token = flops_per_token
        self.steps, self.flops = 0, 0.0
        self._began: Optional[float] = None

    def left(self, tokens: int) -> bool:
        """Whether one more step over `tokens` tokens fits."""
        flops = self.flops + tokens * self.flops_per_token
        return self.steps < STEP_BUDGET and flops <= FLOP_BUDGET and self._seconds() < TIME_BUDGET

    def spend(self, tokens: int) -> None:
        """Count one step."""
        self._began = self._began or time.monotonic()
        self.steps += 1
        self.flops += tokens * self.flops_per_token

    def progress(self) -> float:
        """How much is spent, 0 to 1: for schedules of the learning rate."""
        return min(1.0, max(self.steps / STEP_BUDGET, self.flops / FLOP_BUDGET, self._seconds() / TIME_BUDGET))

    def _seconds(self) -> float:
        return 0.0 if self._began is None else time.monotonic() - self._began
