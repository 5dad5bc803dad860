"""The difficulty ladders of MAD: which settings there are, and how the proxy scores them."""

import copy
from collections import Counter

import numpy as np
import pytest
import torch
import yaml
from aira_workers.errors import InvalidCandidate
from aira_workers.mad import TASK_NAMES
from aira_workers.mad.ladders import settings_of
from aira_workers.proxies import Candidate, measure, parse_settings
from conftest import REPOSITORY, tokens

CPU = torch.device("cpu")


def profile(task):
    return yaml.safe_load((REPOSITORY / "tasks" / task / "metadata.yaml").read_text())["profiles"]["ladder"]["rungs"]


@pytest.mark.parametrize("task", ["compose-mad-2p", "compose-mad-3p"])
def test_the_profile_has_the_published_settings_one_thing_harder_at_a_time(task):
    settings = parse_settings(profile(task)["final"]["settings"])
    rungs = list(settings_of(settings.training.tasks, settings.training.train_samples, settings.depth))
    assert len(rungs) == 66
    assert Counter(rung.task for rung in rungs) == {
        "recall": 11, "noisy_recall": 14, "fuzzy_recall": 11, "memorization": 6, "compression": 11, "selective_copying": 13,
    }  # fmt: skip
    baselines = {rung.task: rung for rung in rungs if rung.name == "baseline"}
    assert {name: baselines[name].samples for name in ("recall", "memorization")} == {
        "recall": 12_800,
        "memorization": 256,
    }
    for rung in rungs:
        base = baselines[rung.task]
        changed = [key for key, value in vars(rung.sizes).items() if value != getattr(base.sizes, key)]
        assert len(changed) + (rung.samples != base.samples) == (rung.name != "baseline")
    samples = [rung.samples for rung in rungs if rung.task == "compression" and rung.name.startswith("samples")]
    assert samples == [6400, 3200, 1600, 800]
    noisy = [rung.sizes.vocabulary - 16 for rung in rungs if rung.task == "noisy_recall" and "vocabulary" in rung.name]
    assert noisy == [32, 64, 128]


def tiny(depth):
    value = copy.deepcopy(profile("compose-mad-3p")["final"]["settings"])
    value["depth"] = depth
    value["training"].update(epochs=1, train_samples=64, test_samples=32, batch=32, bfloat16_on_cuda=False)
    value["training"]["model"].update(width=16, attention_heads=2, ffn_inner=16, ssm_inner=16, ssm_heads=2, ssm_state=4)
    return parse_settings(value)


def test_a_task_scores_the_mean_of_its_settings_and_a_baseline_is_the_separate_proxy():
    stack = tokens("AM")
    chosen = tiny(1)
    events: list = []
    from aira_workers.proxies import Hooks

    found = measure(Candidate(stack, 3, "validation"), chosen, CPU, Hooks(progress=lambda *event: events.append(event)))
    rungs = list(settings_of(chosen.training.tasks, chosen.training.train_samples, 1))
    assert [event[:2] for event in events] == [(index + 1, len(rungs)) for index in range(len(rungs))]
    assert set(found.tasks) == set(TASK_NAMES) and found.test is None
    assert found.validation == pytest.approx(np.mean([one.validation for one in found.tasks.values()]))
    # Memorization has no ladder of samples, so at depth 1 it is baseline and one vocabulary: redo both by hand.
    from dataclasses import replace

    alone = []
    for rung in (rung for rung in rungs if rung.task == "memorization"):
        own = replace(chosen.training, tasks=replace(chosen.training.tasks, memorization=rung.sizes), train_samples=256)
        alone.append(measure(Candidate(stack, 3, "validation"), own, CPU).tasks["memorization"].validation)
    assert found.tasks["memorization"].validation == pytest.approx(np.mean(alone))


def test_a_depth_beyond_the_ladders_is_refused():
    value = copy.deepcopy(profile("compose-mad-3p")["final"]["settings"])
    for depth in (0, 6):
        with pytest.raises(InvalidCandidate, match="depth must be in 1..5"):
            parse_settings({**value, "depth": depth})
