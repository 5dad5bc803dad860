"""The joint proxy for a population; see proxies/joint.py for what it measures. All members take the same steps together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from ..errors import Cancelled, Diverged
from ..mad import IGNORE, TASK_NAMES, generate, macro_accuracy
from ..model import StackModel
from ..optim import warmup_cosine
from ..primitives import make_frame
from ..proxies import Candidate, Hooks, JointSettings, Measurement, TaskScore
from ..proxies.flops import decoder_flops, head_flops, training_flops, trunk_flops
from ..proxies.joint import in_range
from ..proxies.learner import MuonRule, Rule
from ..proxies.run import CURVE_POINTS, PROGRESS_EVENTS, due
from .outcome import Outcome
from .trainer import PopulationTrainer, Questions

_COMPRESSION = TASK_NAMES.index("compression")
_TEST_BATCH = 128


class Material(NamedTuple):
    """A member's whole training: tokens (steps, sequences, length), labels and weights (steps, rows)."""

    tokens: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    asked: int


def measure_joint_together(
    candidates: Sequence[Candidate], settings: JointSettings, device: torch.device, hooks: Sequence[Hooks]
) -> list[Outcome]:
    """Each member's measurement, or Diverged; raises Cancelled, or what torch raises when memory ends, for all.

    `hooks`: one per member; whether to stop is asked of the first.
    """
    sizes, steps, each = settings.model, settings.steps, settings.sequences_per_task
    offsets = np.concatenate([[0], np.cumsum([task.vocabulary for task in vars(settings.tasks).values()])])
    vocabulary, length = int(offsets[-1]), settings.tasks.recall.length
    models = [StackModel(one.architecture, sizes, vocabulary, one.seed, "learned-code", length) for one in candidates]
    chosen = settings.optimiser
    muon = MuonRule(chosen.matrix_lr, chosen.momentum, chosen.newton_schulz_steps)
    rule = Rule(chosen.clip, muon, chosen.lr, chosen.beta1, chosen.beta2, chosen.eps, weight_decay=0.0)
    trainer = PopulationTrainer(models, make_frame(length, sizes, device), sizes, rule, device)

    by_seed = {one.seed: _material(settings, one.seed, offsets) for one in candidates}
    members = [by_seed[one.seed] for one in candidates]
    tokens, labels, weights = (torch.stack(part, dim=1).to(device) for part in list(zip(*members))[:3])
    tasks, rows = len(TASK_NAMES), each * length
    # (steps, members, tasks), on the device until the end.
    losses = torch.zeros(steps, len(members), tasks, device=device)
    hits = torch.zeros_like(losses)
    for step in range(steps):
        if hooks[0].should_stop():
            raise Cancelled("the training was cancelled")
        questions = Questions(tokens[step], labels[step], weights[step], True, (_COMPRESSION * each, each))
        found = trainer.step(questions, warmup_cosine(step, steps, chosen.warmup, chosen.floor))
        for retained, quantity in zip((losses, hits), found):
            retained[step] = _by_task(quantity * weights[step], rows) * tasks
        done = step + 1
        if due(done, steps, PROGRESS_EVENTS):
            for hook, score in zip(hooks, hits[:done].mean((0, 2)).tolist()):
                hook.progress(done, steps, score)

    finite = trainer.model.stacks.finite().tolist()
    outcomes: list[Outcome] = []
    for member, candidate in enumerate(candidates):
        broken = _first_broken(losses[:, member], finite[member])
        if broken is not None:
            outcomes.append(Diverged(f"the loss or a weight was no longer finite by step {broken}"))
            continue
        outcomes.append(
            _measurement(candidate, settings, vocabulary, losses[:, member], hits[:, member], members[member].asked)
        )
        outcomes[-1].params = trainer.model.parameters[member]
    _score_tests(trainer, candidates, settings, offsets, outcomes, hooks, device)
    return outcomes


def _by_task(rows: torch.Tensor, each: int) -> torch.Tensor:
    """(k, rows) -> sums per task (k, tasks): the positions of each task's sequences, then what the decoder rebuilds."""
    positions, rebuilt = rows.split([rows.shape[1] - each, each], dim=1)
    sums = positions.view(len(rows), -1, each).sum(2)
    sums[:, _COMPRESSION] += rebuilt.sum(1)
    return sums


def _material(settings: JointSettings, seed: int, offsets: np.ndarray) -> Material:
    each, steps, length = settings.sequences_per_task, settings.steps, settings.tasks.recall.length
    inputs, targets = [], []
    for index, (name, sizes) in enumerate(vars(settings.tasks).items()):
        data = generate(name, sizes, seed, "train", each * steps, "recall")
        x, y = in_range(data.inputs, data.targets, sizes.length, int(offsets[index]))
        inputs.append(x.reshape(steps, each, length))
        targets.append(y.reshape(steps, each * length))
    rebuilt = targets[_COMPRESSION]
    targets[_COMPRESSION] = np.full_like(rebuilt, IGNORE)
    labels = np.stack([*targets, rebuilt], axis=1)  # (steps, blocks of one task, rows)
    asked = labels != IGNORE
    # The loss is the mean over tasks of the mean over each task's rows.
    share = asked / np.maximum(asked.sum(2, keepdims=True), 1) / len(TASK_NAMES)
    return Material(
        torch.from_numpy(np.concatenate(inputs, axis=1)),
        torch.from_numpy(np.where(asked, labels, 0).reshape(steps, -1)),
        torch.from_numpy(share.reshape(steps, -1).astype(np.float32)),
        int(asked.sum()),
    )


def _first_broken(losses: torch.Tensor, finite: bool) -> int | None:
    """The 1-based step whose loss was the first that is not finite; the last step if only the weights are not."""
    bad = torch.nonzero(~torch.isfinite(losses).all(1))
    return int(bad[0]) + 1 if len(bad) else None if finite else len(losses)


def _measurement(
    candidate: Candidate, settings: JointSettings, vocabulary: int, losses: torch.Tensor, hits: torch.Tensor, asked: int
) -> Measurement:
    sizes, steps, each = settings.model, settings.steps, settings.sequences_per_task
    length = settings.tasks.recall.length
    curve: list[tuple[int, float]] = [
        (done, float(hits[:done].double().mean())) for done in range(1, steps + 1) if due(done, steps, CURVE_POINTS)
    ]
    task_hits, task_losses = hits.double().mean(0).tolist(), losses.double().mean(0).tolist()
    forward = (
        trunk_flops(candidate.architecture, sizes, length, steps * len(TASK_NAMES) * each * length)
        + head_flops(sizes, vocabulary, asked)
        + decoder_flops(sizes, 2 * sizes.width, steps * each * length)
    )
    return Measurement(
        validation=curve[-1][1],
        test=None,
        tasks={name: TaskScore(task_hits[i], task_losses[i]) for i, name in enumerate(TASK_NAMES)},
        params=0,
        flops=training_flops(forward),
        curve=curve,
    )


def _score_tests(trainer, candidates, settings: JointSettings, offsets, outcomes, hooks, device) -> None:
    wanted = [
        member
        for member, candidate in enumerate(candidates)
        if candidate.measure == "test" and isinstance(outcomes[member], Measurement)
    ]
    if not wanted:
        return
    for index, (name, sizes) in enumerate(vars(settings.tasks).items()):
        sets = [generate(name, sizes, one.seed, "test", settings.test_samples, "recall") for one in candidates]
        placed = [in_range(one.inputs, one.targets, sizes.length, int(offsets[index])) for one in sets]
        inputs = torch.from_numpy(np.stack([x for x, _ in placed])).to(device)
        answers = []
        for chunk in inputs.split(_TEST_BATCH, dim=1):
            if hooks[0].should_stop():
                raise Cancelled("the training was cancelled")
            answers.append(trainer.answers(chunk, index == _COMPRESSION).cpu())
        found = torch.cat(answers, dim=1)
        for member in wanted:
            asked = torch.from_numpy(placed[member][1]).reshape(-1)
            score = macro_accuracy(found[member], asked, int(offsets[-1]))
            outcomes[member].tasks[name].test = score
    for member in wanted:
        tasks = outcomes[member].tasks
        outcomes[member].test = float(np.mean([tasks[name].test for name in TASK_NAMES]))
