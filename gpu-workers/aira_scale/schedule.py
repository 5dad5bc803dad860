"""Warm-up, stable, decay (WSD) with branches: one run serves several budgets.

The trunk keeps the peak rate after its warm-up. A budget of n steps leaves it at its fork, round(n (1 - decay)), and falls linearly to
zero at n; then the trunk continues from the fork towards the next budget, as if there had been no branch. So the losses of a budget equal
those of a run with that budget alone (tested bit for bit on the CPU), and the price of B budgets is the longest one plus the others' decays.
"""

from dataclasses import dataclass

from aira_workers.errors import InvalidCandidate

from .job import Schedule


@dataclass(frozen=True)
class Segment:
    """Steps `start` to `end` - 1; `budget` names the budget of a decay branch and is empty on the trunk."""

    budget: str
    start: int
    end: int


def segments(schedule: Schedule) -> list[Segment]:
    """Trunk and branch in turn, one pair per budget. Raises InvalidCandidate when a fork lies inside the warm-up."""
    parts: list[Segment] = []
    fork = 0
    for budget in schedule.budgets:
        start, fork = fork, budget.steps - max(1, round(budget.steps * schedule.decay))
        if fork < schedule.warmup:
            raise InvalidCandidate(
                f"budget {budget.name!r} begins to decay at step {fork}, inside the warm-up of {schedule.warmup} steps"
            )
        parts += [Segment("", start, fork), Segment(budget.name, fork, budget.steps)]
    return parts


def total_steps(schedule: Schedule) -> int:
    """Steps that the whole run takes, branches included."""
    return sum(part.end - part.start for part in segments(schedule))


def lr_factor(schedule: Schedule, segment: Segment, step: int) -> float:
    """Factor on the peak rate at the 0-based `step` of `segment`; a branch of n steps takes n / (n + 1) to 1 / (n + 1)."""
    if segment.budget:
        return (segment.end - step) / (segment.end - segment.start + 1)
    return min(1.0, (step + 1) / schedule.warmup)
