"""The ladder proxy: every task of MAD at its baseline and at harder settings, one network each, trained as `separate` does.

Role: the whole benchmark instead of its baselines alone; for GPUs. Invariants:
1. The score of a task is the mean over its settings, that of the candidate the mean over the tasks.
2. Each setting is a training of the separate proxy: equal sizes, samples and seed give an equal score.
3. The result is a function of (architecture, seed, settings, arithmetic of the device).
"""

from dataclasses import replace

import numpy as np
import torch

from ..mad import TASK_NAMES
from ..mad.ladders import settings_of
from .flops import training_flops
from .learner import TORCH, Engine
from .run import Candidate, Hooks, Measurement, TaskScore
from .separate import TaskTraining
from .settings import LadderSettings


def measure_ladder(
    candidate: Candidate,
    settings: LadderSettings,
    device: torch.device,
    hooks: Hooks = Hooks(),
    engine: Engine = TORCH,
) -> Measurement:
    """Train one model per setting and return the means. Raises Cancelled, Diverged, or what torch raises when memory ends."""
    base = settings.training
    rungs = list(settings_of(base.tasks, base.train_samples, settings.depth))
    scores: dict[str, list[TaskScore]] = {name: [] for name in TASK_NAMES}
    curve: list[tuple[int, float]] = []
    params, flops, reached = 0, 0.0, []
    for index, rung in enumerate(rungs):
        tasks = replace(base.tasks, **{rung.task: rung.sizes})
        own = replace(base, tasks=tasks, train_samples=rung.samples)
        training = TaskTraining(rung.task, candidate, own, device, engine)
        for epoch in range(base.epochs):
            training.run_epoch(epoch, hooks)
            if training.solved:
                break
        scores[rung.task].append(training.final_score())
        params += training.learner.flat.values.numel()
        flops += training.forward_flops
        reached.append(training.score)
        curve.append((index + 1, float(np.mean(reached))))
        hooks.progress(index + 1, len(rungs), curve[-1][1])

    def mean(values: "list[float | None]") -> "float | None":
        return None if values[0] is None else float(np.mean(values))

    means = {
        name: TaskScore(*(mean([getattr(one, part) for one in found]) for part in ("validation", "loss", "test")))
        for name, found in scores.items()
    }
    return Measurement(
        validation=mean([one.validation for one in means.values()]),
        test=mean([one.test for one in means.values()]),
        tasks=means,
        params=params,
        flops=training_flops(flops),
        curve=curve,
    )
