"""The learning-rate check at the smallest size: one job at three rates, and what they say about the table of shapes.py.

The factors 1/2, 1 and 2 multiply the job's rate; the validation loss of the job's last budget decides. A best rate at either edge is
no optimum: the verdict is then `edge`, and a plan moves its table and sweeps again rather than adopt it. Losses that differ by no
more than `noise` nats say `flat`: the table stands.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aira_workers.errors import InvalidCandidate

FACTORS = (0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Verdict:
    """`factor` is the one of the lowest loss, and 1 where the sweep is flat."""

    kind: Literal["inside", "edge", "flat"]
    factor: float


def at_rate(job: dict[str, Any], factor: float) -> dict[str, Any]:
    """The job object with its rate times `factor`; nothing else differs."""
    return {**job, "optimiser": {**job["optimiser"], "lr": job["optimiser"]["lr"] * factor}}


def judge(losses: Sequence[float], noise: float) -> Verdict:
    """What the losses at FACTORS say; infinity stands for a run that diverged. Raises InvalidCandidate when all did."""
    if len(losses) != len(FACTORS):
        raise InvalidCandidate(f"a sweep has {len(FACTORS)} losses, got {len(losses)}")
    best = min(range(len(losses)), key=lambda place: losses[place])
    if math.isinf(losses[best]):
        raise InvalidCandidate("every rate of the sweep diverged; lower the rates of the table")
    if max(losses) - losses[best] <= noise:
        return Verdict("flat", 1.0)
    return Verdict("inside" if 0 < best < len(losses) - 1 else "edge", FACTORS[best])
