"""The language proxy: a stack predicts the next token of text; the score is cross-entropy in nats, lower is better.

Role: the second kind of small-scale judgement next to the six synthetic tasks. Invariants:
1. Every training block is seen once, so the loss on a batch before the update from it is an unbiased held-out loss.
   The evaluation seed decides what is seen when: generated text is drawn from it, imported text is shuffled by it.
2. measure "test" scores the test blocks once, after the last update; otherwise they are not drawn.
3. The result is a function of (architecture, seed, settings, imported shards, arithmetic of the device).
"""

import numpy as np
import torch

from ..errors import Cancelled, Diverged
from ..model import StackModel
from ..optim import warmup_cosine
from ..primitives import make_frame
from .blocks import GENERATED, blocks
from .flops import head_flops, training_flops, trunk_flops
from .learner import TORCH, Engine, Learner, MuonRule, Question, Rule
from .run import CURVE_POINTS, PROGRESS_EVENTS, Candidate, Hooks, Measurement, TaskScore, due
from .settings import LanguageSettings

_FINITE_CHECK_EVERY = 10
_SCORED_FROM = 0.5  # of the training, for the prequential score
_TASK = "language"
_ORDER_STREAM = 21


def measure_language(
    candidate: Candidate,
    settings: LanguageSettings,
    device: torch.device,
    hooks: Hooks = Hooks(),
    engine: Engine = TORCH,
) -> Measurement:
    """Train `candidate` and return its losses. Raises Cancelled, Diverged, InvalidCandidate when a corpus is missing."""
    sizes, data, chosen = settings.model, settings.data, settings.optimiser
    text = _blocks(settings, candidate.seed, "train", settings.steps * settings.batch)
    order = block_order(data.corpus, candidate.seed, len(text))
    held_out = None
    if settings.score == "held-out" and candidate.measure != "test":
        held_out = _blocks(settings, candidate.seed, "validation", data.validation_blocks)
    model = StackModel(candidate.architecture, sizes, data.vocabulary, candidate.seed).to(device)
    rule = Rule(
        clip=chosen.clip,
        muon=MuonRule(chosen.matrix_lr, chosen.momentum, chosen.newton_schulz_steps),
        lr=chosen.lr,
        beta1=chosen.beta1,
        beta2=chosen.beta2,
        eps=chosen.eps,
        weight_decay=0.0,
    )
    learner = engine.learner(model, make_frame(data.length, sizes, device), sizes, rule, settings.batch)
    losses = torch.zeros(settings.steps, dtype=torch.float64)
    curve: list[tuple[int, float]] = []
    for step in range(settings.steps):
        if hooks.should_stop():
            raise Cancelled("the training was cancelled")
        question = _question(text[order[step * settings.batch : (step + 1) * settings.batch]], device)
        row_losses, _ = learner.gradients(question)
        losses[step] = float(row_losses.double().mean())
        learner.update(warmup_cosine(step, settings.steps, chosen.warmup, chosen.floor))
        done = step + 1
        if (done % _FINITE_CHECK_EVERY == 0 or done == settings.steps) and not torch.isfinite(losses[:done]).all():
            raise Diverged(f"the loss was no longer finite by step {done}")
        if due(done, settings.steps, CURVE_POINTS):
            curve.append((done, float(losses[done // 2 : done].mean())))
        if due(done, settings.steps, PROGRESS_EVENTS):
            hooks.progress(done, settings.steps, curve[-1][1])
    if not torch.isfinite(learner.flat.values).all():
        raise Diverged(f"a weight was no longer finite by step {settings.steps}")

    validation = float(losses[int(settings.steps * _SCORED_FROM) :].mean())
    if settings.score == "held-out":
        validation = None if held_out is None else _loss(learner, held_out, settings, device, hooks)
    test = None
    if candidate.measure == "test":
        test = _loss(learner, _blocks(settings, candidate.seed, "test", data.test_blocks), settings, device, hooks)
    rows = settings.steps * settings.batch * data.length
    forward = trunk_flops(candidate.architecture, sizes, data.length, rows) + head_flops(sizes, data.vocabulary, rows)
    return Measurement(
        validation=validation,
        test=test,
        tasks={_TASK: TaskScore(validation, float(losses.mean()), test)},
        params=learner.flat.values.numel(),
        flops=training_flops(forward),
        curve=curve,
    )


def _blocks(settings: LanguageSettings, seed: int, split: str, count: int) -> np.ndarray:
    """(count, length + 1): inputs and, moved by one, targets."""
    data = settings.data
    if data.corpus != GENERATED:
        seed = 0  # imported text is the same for every seed, and read once for all
    return blocks(data.corpus, data.document_bytes, data.vocabulary, seed, split, count, data.length + 1)


def block_order(corpus: str, seed: int, count: int) -> np.ndarray:
    """(count,) int64: the place of the block that is trained on at each turn.

    Without it two seeds of an imported corpus would differ in start values only, which understates the noise of a
    training. The set of blocks stays the same. Generated text needs none: the seed has drawn it.
    """
    if corpus == GENERATED:
        return np.arange(count)
    return np.random.default_rng(np.random.SeedSequence((_ORDER_STREAM, seed))).permutation(count)


def _question(block: np.ndarray, device: torch.device) -> Question:
    """Every next token of the blocks, weighted equally."""
    tokens = torch.from_numpy(np.ascontiguousarray(block[:, :-1])).to(device)
    labels = torch.from_numpy(np.ascontiguousarray(block[:, 1:]).reshape(-1)).to(device)
    rows = torch.arange(len(labels), device=device)
    weights = torch.full((len(labels),), 1 / len(labels), device=device)
    return Question(tokens, rows, labels, weights, (0, 0))


def _loss(learner: Learner, text: np.ndarray, settings: LanguageSettings, device: torch.device, hooks: Hooks) -> float:
    """Mean cross-entropy over the blocks. The gradients that come along are never used."""
    total, rows = 0.0, 0
    for start in range(0, len(text), settings.batch):
        if hooks.should_stop():
            raise Cancelled("the training was cancelled")
        row_losses, _ = learner.gradients(_question(text[start : start + settings.batch], device))
        total += float(row_losses.double().sum())
        rows += len(row_losses)
    return total / rows
