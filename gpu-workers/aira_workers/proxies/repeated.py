"""The mean of several joint trainings of one candidate that differ in their seed alone.

Role: a score with less noise where single trainings part by chance: among stacks of attention and MLP alone, seeds differ
most in *when* a look-up forms, and a longer training does not change that. Invariants:
1. The first training is the joint proxy's own of the same seed; the others have seeds that no rung gives out.
2. The result is a function of (architecture, seed, settings): one training that fails is the candidate's failure.
"""

from dataclasses import replace

import numpy as np
import torch

from .joint import measure_joint
from .learner import TORCH, Engine
from .run import Candidate, Hooks, Measurement, TaskScore
from .settings import RepeatedSettings

_SEEDS_APART = 2**32  # further than the host's seeds reach, so that no training is another's


def measure_repeated(
    candidate: Candidate,
    settings: RepeatedSettings,
    device: torch.device,
    hooks: Hooks = Hooks(),
    engine: Engine = TORCH,
) -> Measurement:
    """Train `settings.trainings` times and return the means; FLOPs are summed, parameters those of one model."""
    found: list[Measurement] = []
    for index in range(settings.trainings):
        one = replace(candidate, seed=candidate.seed + index * _SEEDS_APART)
        found.append(measure_joint(one, settings.training, device, _of_all(hooks, found, settings.trainings), engine))

    def mean(values):
        return None if values[0] is None else float(np.mean(values))

    return Measurement(
        validation=mean([each.validation for each in found]),
        test=mean([each.test for each in found]),
        tasks={
            name: TaskScore(
                *(mean([getattr(each.tasks[name], part) for each in found]) for part in ("validation", "loss", "test"))
            )
            for name in found[0].tasks
        },
        params=found[0].params,
        flops=sum(each.flops for each in found),
        curve=[
            (points[0][0], float(np.mean([score for _, score in points])))
            for points in zip(*(each.curve for each in found))
        ],
    )


def _of_all(hooks: Hooks, done: list[Measurement], trainings: int) -> Hooks:
    """The hooks of the training after those `done`, whose progress counts in all of them."""
    before = [each.validation for each in done]

    def progress(step: int, steps: int, score: float) -> None:
        hooks.progress(len(before) * steps + step, trainings * steps, float(np.mean([*before, score])))

    return Hooks(hooks.should_stop, progress)
