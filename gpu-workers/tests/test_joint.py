"""The joint proxy: its score is what it claims, repeatable, and independent of its batch."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from aira_workers.errors import Cancelled, Diverged
from aira_workers.mad import IGNORE, TASK_NAMES, generate
from aira_workers.model import StackModel
from aira_workers.optim import warmup_cosine
from aira_workers.optim.muon import orthogonalise
from aira_workers.primitives import make_frame
from aira_workers.proxies import Candidate, Hooks, measure, parse_settings
from conftest import tokens

CPU = torch.device("cpu")
MIXED = tokens("BAMMBAAMMBMAMABM")


def run(settings, architecture=MIXED, seed=1, wanted="validation", hooks=Hooks()):
    return measure(Candidate(tuple(architecture), seed, wanted), parse_settings(settings), CPU, hooks)


def plain_training(settings, architecture, seed):
    """The recipe written out: task by task, matrix by matrix, torch's own Adam and clipping. Per-task means."""
    model = StackModel(architecture, settings.model, 125, seed, "learned-code", 32)
    chosen, each = settings.optimiser, settings.sequences_per_task
    matrices = model.matrices()
    momenta = [torch.zeros_like(matrix) for matrix in matrices]
    others = [one for one in model.parameters() if not any(one is matrix for matrix in matrices)]
    adam = torch.optim.Adam(others, lr=chosen.lr, betas=(chosen.beta1, chosen.beta2), eps=chosen.eps)
    losses, hits = np.zeros(len(TASK_NAMES)), np.zeros(len(TASK_NAMES))
    for step in range(settings.steps):
        offset, step_losses = 0, []
        for index, name in enumerate(TASK_NAMES):
            sizes = getattr(settings.tasks, name)
            data = generate(name, sizes, seed, "train", each * settings.steps, "recall")
            rows = slice(step * each, (step + 1) * each)
            inputs, asked = torch.tensor(data.inputs[rows]), torch.tensor(data.targets[rows]).reshape(-1)
            hidden = model.trunk(inputs + offset, make_frame(inputs.shape[1], settings.model, CPU))
            if name == "compression":
                hidden = model.decoder(hidden.view(each, 32, -1)[:, -1])
            scored = asked != IGNORE
            logits, labels = model.logits(hidden)[scored], asked[scored] + offset
            step_losses.append(F.cross_entropy(logits, labels))
            losses[index] += step_losses[-1].item() / settings.steps
            hits[index] += (logits.argmax(1) == labels).float().mean().item() / settings.steps
            offset += sizes.vocabulary
        model.zero_grad()
        torch.stack(step_losses).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), chosen.clip)
        factor = warmup_cosine(step, settings.steps, chosen.warmup, chosen.floor)
        with torch.no_grad():
            for matrix, momentum in zip(matrices, momenta):
                momentum.mul_(chosen.momentum).add_(matrix.grad)
                update = orthogonalise((matrix.grad + chosen.momentum * momentum)[None], chosen.newton_schulz_steps)[0]
                matrix -= chosen.matrix_lr * factor * max(1, matrix.shape[1] / matrix.shape[0]) ** 0.5 * update
        for group in adam.param_groups:
            group["lr"] = chosen.lr * factor
        adam.step()
    return losses, hits


@pytest.mark.parametrize("steps", [1, 12])
def test_equals_a_plain_training_loop(nano, steps):
    """One step scores the untrained network; twelve cover warm-up, decay and both optimisers."""
    changed = {**nano, "steps": steps, "optimiser": {**nano["optimiser"], "warmup": 3}}
    measured = run(changed)
    losses, hits = plain_training(parse_settings(changed), MIXED, 1)
    assert [task.loss for task in measured.tasks.values()] == pytest.approx(losses, rel=1e-3 if steps > 1 else 1e-5)
    # A rounding may turn a near tie between two tokens.
    assert [task.validation for task in measured.tasks.values()] == pytest.approx(hits, abs=5e-3)
    assert measured.validation == pytest.approx(np.mean([task.validation for task in measured.tasks.values()]))


def test_the_score_is_prequential(nano):
    """What is learned from a batch cannot raise the score of that batch: the first step does not depend on the rate."""
    slow = {**nano, "steps": 1, "optimiser": {**nano["optimiser"], "lr": 1e-6, "matrix_lr": 1e-6}}
    assert run(slow).tasks == run({**nano, "steps": 1}).tasks


def test_bit_identical_whatever_was_trained_before(nano):
    alone = run(nano)
    run(nano, tokens("M" * 16), seed=9)
    run(nano, tokens("B" * 16), seed=1, wanted="test")
    generate.cache_clear()
    torch.manual_seed(123)
    np.random.seed(5)
    assert dataclasses.asdict(run(nano)) == dataclasses.asdict(alone)


def test_seed_and_architecture_change_the_result(nano):
    assert len({run(nano).validation, run(nano, seed=2).validation, run(nano, tokens("AM" * 8)).validation}) == 3


def test_learns_and_mixing_tokens_helps(nano):
    settings = {**nano, "steps": 50}
    mixed, blind = run(settings), run(settings, tokens("M" * 16))
    assert mixed.tasks["memorization"].loss < 3.0 < blind.tasks["memorization"].loss
    assert mixed.validation > blind.validation + 0.05
    assert mixed.curve[-1] == (50, mixed.validation) and mixed.curve[0][1] < mixed.curve[-1][1]
    assert len(mixed.curve) <= 40


def test_the_test_measure_adds_a_score_and_changes_nothing_else(nano):
    plain, tested = run(nano), run(nano, wanted="test")
    assert plain.test is None and all(task.test is None for task in plain.tasks.values())
    assert 0 < tested.test < 1 and tested.test == pytest.approx(np.mean([t.test for t in tested.tasks.values()]))
    assert tested.validation == plain.validation and tested.curve == plain.curve


def test_more_test_sequences_leave_the_training_alone(nano):
    assert run({**nano, "test_samples": 40}, wanted="test").validation == run(nano).validation


def test_progress_and_cancel(nano):
    seen = []
    run({**nano, "steps": 25}, hooks=Hooks(progress=lambda *event: seen.append(event)))
    assert len(seen) == 10 and seen[-1][:2] == (25, 25)
    calls = iter(range(100))
    with pytest.raises(Cancelled):
        run(nano, hooks=Hooks(should_stop=lambda: next(calls) >= 3))
    assert next(calls) == 4


def test_an_absurd_learning_rate_is_reported_as_divergence(nano):
    with pytest.raises(Diverged):
        run({**nano, "optimiser": {**nano["optimiser"], "lr": 1e30, "matrix_lr": 1e30}})


def test_flops_and_parameters_by_hand(nano):
    """All M: 3 x 2 x (3 x 32 x 88) per token and layer, head and decoder at the rows where they run."""
    measured = run({**nano, "steps": 1}, tokens("M" * 16))
    settings = parse_settings(nano)
    rows = 4 * 32  # compression
    for name in TASK_NAMES:
        if name != "compression":
            rows += (generate(name, getattr(settings.tasks, name), 1, "train", 4, "recall").targets != IGNORE).sum()
    layers = 16 * 24 * 32 * 2 * 3 * 32 * 88
    assert measured.flops == 3 * (layers + 2 * rows * 32 * 125 + 2 * 128 * 2 * 32 * 64)
    assert measured.params == 16 * 3 * 32 * 88 + 2 * 125 * 32 + 32 * 32 + 2 * 32 * 64
