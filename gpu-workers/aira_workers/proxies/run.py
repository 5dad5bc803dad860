"""What goes into one proxy training and what comes out, whichever the proxy."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Measure = Literal["validation", "test"]


@dataclass(frozen=True)
class Candidate:
    """One training: an architecture (primitive tokens from the input side), a seed, and which score is wanted."""

    architecture: tuple[str, ...]
    seed: int
    measure: Measure


@dataclass(frozen=True)
class Hooks:
    """How a training talks to its owner. Both are called between steps and have no part in the result."""

    should_stop: Callable[[], bool] = lambda: False
    progress: Callable[[int, int, float], None] = lambda step, steps, score: None


@dataclass
class TaskScore:
    """Accuracies of one task in 0..1, None where not measured, and its training loss in nats.

    The loss is the mean over all steps in the joint proxy, over the last epoch in the separate one.
    """

    validation: float | None
    loss: float
    test: float | None = None


@dataclass
class Measurement:
    """Result of one training. `curve` holds at most CURVE_POINTS pairs (step, score so far); flops are 3 x forward."""

    validation: float | None
    test: float | None
    tasks: dict[str, TaskScore]
    params: int
    flops: int
    curve: list[tuple[int, float]] = field(default_factory=list)


CURVE_POINTS = 40
PROGRESS_EVENTS = 10


def due(step: int, steps: int, times: int) -> bool:
    """Whether 1-based `step` is one of at most `times` evenly spread over `steps`, the last always among them."""
    return step == steps or (step * times) // steps > ((step - 1) * times) // steps
