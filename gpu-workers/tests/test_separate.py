"""The separate proxy: splits, early stop and repeatability, at sizes that train in a second."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from aira_workers.errors import Cancelled, Diverged
from aira_workers.mad import TASK_NAMES, generate, macro_accuracy
from aira_workers.model import StackModel
from aira_workers.primitives import make_frame
from aira_workers.proxies import Candidate, Hooks, measure, parse_settings
from aira_workers.proxies import separate as separate_module
from conftest import tokens

CPU = torch.device("cpu")


def run(settings, wanted="validation", letters="BAM", seed=0, hooks=Hooks()):
    return measure(Candidate(tokens(letters), seed, wanted), parse_settings(settings), CPU, hooks)


@pytest.fixture
def drawn(monkeypatch):
    """Records which data sets the proxy asks for, and passes the call on."""
    calls = []
    original = separate_module.generate

    def recording(name, sizes, seed, split, count, targets):
        calls.append((split, count, targets))
        return original(name, sizes, seed, split, count, targets)

    monkeypatch.setattr(separate_module, "generate", recording)
    return calls


def test_validation_never_draws_the_test_split(tiny_separate, drawn):
    result = run(tiny_separate)
    assert {call[0] for call in drawn} == {"train"}
    assert result.test is None and 0 <= result.validation <= 1
    assert set(result.tasks) == set(TASK_NAMES)
    assert all(task.test is None and task.validation is not None for task in result.tasks.values())


def test_equals_a_plain_training_loop(tiny_separate):
    """One task, torch's own schedule and batching: every next token in training, recall positions in validation."""
    settings = parse_settings({**tiny_separate, "epochs": 6})
    measured = run({**tiny_separate, "epochs": 6}).tasks["recall"]
    sizes = settings.tasks.recall
    inputs, targets = generate("recall", sizes, 0, "train", 20, "next")
    _, asked = generate("recall", sizes, 0, "train", 20, "recall")
    model = StackModel(tokens("BAM"), settings.model, sizes.vocabulary, 0, start="linear")
    frame = make_frame(31, settings.model, CPU)
    adam = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 6, eta_min=1e-6)
    order = np.random.default_rng(np.random.SeedSequence((2, 0, 0)))
    for _ in range(6):
        losses = []
        permutation = order.permutation(14)
        for start in (0, 8):
            rows = permutation[start : start + 8]
            logits = model.logits(model.trunk(torch.tensor(inputs[rows]), frame))
            loss = F.cross_entropy(logits, torch.tensor(targets[rows]).reshape(-1))
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(loss.item())
        schedule.step()
    assert measured.loss == pytest.approx(np.mean(losses), rel=1e-5)
    with torch.no_grad():
        answers = model.logits(model.trunk(torch.tensor(inputs[14:]), frame)).argmax(1)
    expected = macro_accuracy(answers, torch.tensor(asked[14:]).reshape(-1), sizes.vocabulary)
    assert measured.validation == pytest.approx(expected)


def test_test_trains_on_the_whole_train_split(tiny_separate, drawn):
    validation, test = run(tiny_separate), run(tiny_separate, "test")
    assert ("test", 10, "recall") in drawn
    assert test.validation is None and 0 <= test.test <= 1
    assert test.flops == pytest.approx(validation.flops * 20 / 14)  # 30 % of 20 sequences held out


def test_bit_identical_whatever_was_trained_before(tiny_separate):
    alone = run(tiny_separate)
    run(tiny_separate, "test", "MMA", seed=3)
    torch.manual_seed(99)
    assert dataclasses.asdict(run(tiny_separate)) == dataclasses.asdict(alone)
    assert run(tiny_separate, seed=1).tasks != alone.tasks


def test_stops_early_once_every_task_is_solved(tiny_separate):
    result = run({**tiny_separate, "stop_at": 1e-9, "epochs": 30})
    full = run({**tiny_separate, "epochs": 30})
    # A task without one right answer continues; the solved ones have stopped and cost nothing more.
    assert result.flops < full.flops


def test_learns_the_memorization_pairs(tiny_separate):
    optimiser = {**tiny_separate["optimiser"], "lr": 5e-3}
    settings = {**tiny_separate, "train_samples": 60, "epochs": 25, "optimiser": optimiser}
    assert run(settings, letters="MB").tasks["memorization"].validation > 0.5


def test_progress_curve_and_cancel(tiny_separate):
    seen = []
    result = run(tiny_separate, hooks=Hooks(progress=lambda *event: seen.append(event)))
    assert len(seen) <= 10 and seen[-1][:2] == (18, 18)
    assert [step for step, _ in result.curve] == [6, 12, 18] and result.curve[-1][1] == pytest.approx(result.validation)
    calls = iter(range(100))
    with pytest.raises(Cancelled):
        run(tiny_separate, hooks=Hooks(should_stop=lambda: next(calls) >= 2))
    assert next(calls) == 3


def test_an_absurd_learning_rate_is_reported_as_divergence(tiny_separate):
    with pytest.raises(Diverged):
        run({**tiny_separate, "optimiser": {**tiny_separate["optimiser"], "lr": 1e30}})
