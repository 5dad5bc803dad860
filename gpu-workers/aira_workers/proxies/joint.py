"""The joint proxy: one small network learns all six tasks at once, every batch holding equal parts of each.

Role: rank architectures within seconds on one CPU core. Invariants:
1. Every training sequence is fresh, so accuracy and loss on a batch *before* the update from it are unbiased held-out
   estimates. Their mean over all steps and tasks is the score (prequential accuracy); no evaluation pass is needed.
2. Recall tasks ask for recall positions only, in training as in test.
3. Test sequences come from a random stream of their own and are scored once, after the last update.
4. The result is a function of (architecture, seed, settings): all randomness comes from generators keyed by the seed.
"""

from typing import NamedTuple

import numpy as np
import torch

from ..errors import Cancelled, Diverged
from ..mad import IGNORE, TASK_NAMES, generate, macro_accuracy
from ..model import StackModel
from ..optim import warmup_cosine
from ..primitives import make_frame
from .flops import decoder_flops, head_flops, training_flops, trunk_flops
from .learner import TORCH, Engine, Learner, MuonRule, Question, Rule
from .run import CURVE_POINTS, PROGRESS_EVENTS, Candidate, Hooks, Measurement, TaskScore, due
from .settings import JointSettings

_COMPRESSION = TASK_NAMES.index("compression")
_FINITE_CHECK_EVERY = 10
_TEST_BATCH = 128


class Batch(NamedTuple):
    """One step's question, and `share` (tasks, rows), which averages a quantity per row over each task's rows."""

    question: Question
    share: torch.Tensor


def measure_joint(
    candidate: Candidate,
    settings: JointSettings,
    device: torch.device,
    hooks: Hooks = Hooks(),
    engine: Engine = TORCH,
) -> Measurement:
    """Train `candidate` and return its scores. Raises Cancelled, Diverged, or what torch raises when memory ends."""
    sizes, steps = settings.model, settings.steps
    vocabularies = [task.vocabulary for task in vars(settings.tasks).values()]
    offsets = np.concatenate([[0], np.cumsum(vocabularies)])
    vocabulary, length = int(offsets[-1]), settings.tasks.recall.length
    model = StackModel(candidate.architecture, sizes, vocabulary, candidate.seed, "learned-code", length).to(device)
    batches = _training_batches(settings, candidate.seed, offsets, device)
    chosen = settings.optimiser
    rule = Rule(
        clip=chosen.clip,
        muon=MuonRule(chosen.matrix_lr, chosen.momentum, chosen.newton_schulz_steps),
        lr=chosen.lr,
        beta1=chosen.beta1,
        beta2=chosen.beta2,
        eps=chosen.eps,
        weight_decay=0.0,
    )
    most = max(_TEST_BATCH, len(TASK_NAMES) * settings.sequences_per_task)
    learner = engine.learner(model, make_frame(length, sizes, device), sizes, rule, most)

    losses = torch.zeros(steps, len(TASK_NAMES), device=device)
    hits = torch.zeros_like(losses)
    curve: list[tuple[int, float]] = []
    for step, batch in enumerate(batches):
        if hooks.should_stop():
            raise Cancelled("the training was cancelled")
        row_losses, row_hits = learner.gradients(batch.question)
        losses[step] = batch.share @ row_losses
        hits[step] = batch.share @ row_hits
        learner.update(warmup_cosine(step, steps, chosen.warmup, chosen.floor))

        done = step + 1
        if done % _FINITE_CHECK_EVERY == 0 or done == steps:
            _require_finite(losses[:done], done)
        if due(done, steps, CURVE_POINTS):
            curve.append((done, float(hits[:done].double().mean())))
        if due(done, steps, PROGRESS_EVENTS):
            hooks.progress(done, steps, curve[-1][1])

    # A last update that overflowed has not met a loss yet.
    _require_finite(learner.flat.values, steps)
    task_hits, task_losses = hits.double().mean(0).tolist(), losses.double().mean(0).tolist()
    tasks = {name: TaskScore(task_hits[i], task_losses[i]) for i, name in enumerate(TASK_NAMES)}
    if candidate.measure == "test":
        _score_test(learner, settings, candidate.seed, offsets, tasks, hooks)
    label_rows = sum(len(batch.question.labels) for batch in batches)
    decoded = steps * settings.sequences_per_task * length
    forward = (
        trunk_flops(candidate.architecture, sizes, length, steps * batches[0].question.tokens.numel())
        + head_flops(sizes, vocabulary, label_rows)
        + decoder_flops(sizes, 2 * sizes.width, decoded)
    )
    return Measurement(
        validation=curve[-1][1],
        test=None if candidate.measure != "test" else float(np.mean([tasks[name].test for name in TASK_NAMES])),
        tasks=tasks,
        params=learner.flat.values.numel(),
        flops=training_flops(forward),
        curve=curve,
    )


def _training_batches(settings: JointSettings, seed: int, offsets: np.ndarray, device: torch.device) -> list[Batch]:
    each, steps = settings.sequences_per_task, settings.steps
    inputs, targets = [], []
    for index, (name, sizes) in enumerate(vars(settings.tasks).items()):
        data = generate(name, sizes, seed, "train", each * steps, "recall")
        x, y = in_range(data.inputs, data.targets, sizes.length, int(offsets[index]))
        inputs.append(x.reshape(steps, each, sizes.length))
        targets.append(y.reshape(steps, each, sizes.length))
    tokens = torch.from_numpy(np.concatenate(inputs, axis=1)).to(device)
    rebuilt = targets[_COMPRESSION].reshape(steps, -1)
    targets[_COMPRESSION] = np.full_like(targets[_COMPRESSION], IGNORE)
    asked = np.concatenate(targets, axis=1).reshape(steps, -1)
    batches = []
    for step in range(steps):
        rows = np.flatnonzero(asked[step] != IGNORE)
        task = np.concatenate([rows // (each * settings.tasks.recall.length), np.full(rebuilt.shape[1], _COMPRESSION)])
        share = np.zeros((len(TASK_NAMES), len(task)), dtype=np.float32)
        share[task, np.arange(len(task))] = 1 / np.bincount(task, minlength=len(TASK_NAMES))[task]
        labels = np.concatenate([asked[step][rows], rebuilt[step]])
        # The loss is the mean over tasks of the mean over each task's rows.
        weights = share.mean(0)
        on_device = (torch.from_numpy(array).to(device) for array in (rows, labels, weights))
        question = Question(tokens[step], *on_device, (_COMPRESSION * each, each))
        batches.append(Batch(question, torch.from_numpy(share).to(device)))
    return batches


def in_range(inputs: np.ndarray, targets: np.ndarray, length: int, offset: int) -> tuple[np.ndarray, np.ndarray]:
    """Move a task into its token range and pad it on the right, where causality keeps the padding unseen."""
    pad = ((0, 0), (0, length - inputs.shape[1]))
    asked = np.where(targets == IGNORE, IGNORE, targets + offset)
    return np.pad(inputs + offset, pad, constant_values=offset), np.pad(asked, pad, constant_values=IGNORE)


def _score_test(learner: Learner, settings: JointSettings, seed: int, offsets, tasks, hooks: Hooks) -> None:
    vocabulary = int(offsets[-1])
    for index, (name, sizes) in enumerate(vars(settings.tasks).items()):
        data = generate(name, sizes, seed, "test", settings.test_samples, "recall")
        inputs, targets = in_range(data.inputs, data.targets, sizes.length, int(offsets[index]))
        answers = []
        for chunk in torch.from_numpy(inputs).split(_TEST_BATCH):
            if hooks.should_stop():
                raise Cancelled("the training was cancelled")
            answers.append(learner.answers(chunk, index == _COMPRESSION))
        asked = torch.from_numpy(targets).reshape(-1)
        tasks[name].test = macro_accuracy(torch.cat(answers), asked, vocabulary)


def _require_finite(values: torch.Tensor, step: int) -> None:
    if not bool(torch.isfinite(values).all()):
        raise Diverged(f"the loss or a weight was no longer finite by step {step}")
