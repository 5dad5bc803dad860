"""The joint proxy: its score is what it claims, repeatable, and independent of companions."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import tokens

from aira_workers.errors import Cancelled, Diverged
from aira_workers.mad import IGNORE, TASK_NAMES, generate
from aira_workers.model import StackModel
from aira_workers.primitives import make_frame
from aira_workers.proxies import Candidate, Hooks, measure, parse_settings

CPU = torch.device("cpu")
MIXED = tokens("BAMMBAAMMBMAMABM")


def run(settings, architecture=MIXED, seed=1, wanted="validation", hooks=Hooks()):
    return measure(Candidate(tuple(architecture), seed, wanted), parse_settings(settings), CPU, hooks)


def test_first_step_equals_a_plain_computation_per_task(nano):
    """One step: the score is that of the untrained network, which can be computed task by task without batching."""
    settings = parse_settings({**nano, "steps": 1})
    measured = run({**nano, "steps": 1})
    model = StackModel(MIXED, settings.model, 125, 1, "learned-code", 32)
    offset = 0
    for name in TASK_NAMES:
        sizes = getattr(settings.tasks, name)
        data = generate(name, sizes, 1, "train", 4, "recall")
        frame = make_frame(data.inputs.shape[1], settings.model, CPU)
        hidden = model.trunk(torch.tensor(data.inputs) + offset, frame)
        if name == "compression":
            hidden = model.decoder(hidden.view(4, 32, -1)[:, -1])
        asked = torch.tensor(data.targets).reshape(-1)
        kept = asked != IGNORE
        logits, labels = model.logits(hidden)[kept], asked[kept] + offset
        assert measured.tasks[name].loss == pytest.approx(float(F.cross_entropy(logits, labels)), rel=1e-5)
        assert measured.tasks[name].validation == pytest.approx(float((logits.argmax(1) == labels).float().mean()))
        offset += sizes.vocabulary
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
