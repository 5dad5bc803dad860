"""The mean of several joint trainings."""

import numpy as np
import pytest
import torch
import yaml
from aira_tasks.compose import data_sets
from aira_workers.errors import Cancelled, Diverged, InvalidCandidate
from aira_workers.proxies import Candidate, Hooks, measure, parse_settings
from conftest import REPOSITORY, tokens

CPU = torch.device("cpu")


@pytest.fixture
def repeated(nano):
    return {"proxy": "repeated", "trainings": 3, "training": {**nano, "steps": 6}}


def candidate(seed=1, which="validation"):
    return Candidate(tokens("AM"), seed, which)


@pytest.mark.parametrize("which", ["validation", "test"])
def test_it_is_the_mean_of_trainings_on_seeds_of_their_own(repeated, which):
    single = parse_settings(repeated["training"])
    alone = [measure(candidate(1 + index * 2**32, which), single, CPU) for index in range(3)]
    assert len({one.validation for one in alone}) == 3
    found = measure(candidate(which=which), parse_settings(repeated), CPU)
    assert found.validation == pytest.approx(sum(one.validation for one in alone) / 3)
    for name, score in found.tasks.items():
        assert score.loss == pytest.approx(sum(one.tasks[name].loss for one in alone) / 3)
    assert (found.test is None) == (which == "validation")
    if found.test is not None:
        assert found.test == pytest.approx(sum(one.test for one in alone) / 3)
    assert found.flops == sum(one.flops for one in alone) and found.params == alone[0].params
    assert found.curve[-1] == (6, pytest.approx(found.validation))


def test_progress_counts_in_all_trainings_and_a_stop_ends_them_all(repeated):
    heard = []
    found = measure(candidate(), parse_settings(repeated), CPU, Hooks(progress=lambda *event: heard.append(event)))
    assert [step for step, _, _ in heard] == list(range(1, 19)) and {steps for _, steps, _ in heard} == {18}
    assert heard[-1][2] == pytest.approx(found.validation)
    with pytest.raises(Cancelled):
        measure(candidate(), parse_settings(repeated), CPU, Hooks(should_stop=lambda: len(heard) >= 18))


def test_one_training_that_diverges_is_the_candidates_failure(repeated):
    wild = {**repeated["training"], "optimiser": {**repeated["training"]["optimiser"], "lr": 1e30, "matrix_lr": 1e30}}
    with pytest.raises(Diverged):
        measure(candidate(), parse_settings({**repeated, "training": wild}), CPU)


def test_settings_are_strict(repeated):
    for change in ({"trainings": 1}, {"trainings": 2.5}, {"extra": 1}, {"training": {"proxy": "joint"}}):
        with pytest.raises(InvalidCandidate):
            parse_settings({**repeated, **change})


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_task_hands_out_the_sequences_of_its_first_training(repeated, split):
    found, first = data_sets(repeated, 1, split), data_sets(repeated["training"], 1, split)
    assert list(found) == list(first)
    for name, arrays in found.items():
        assert all(np.array_equal(array, first[name][key]) for key, array in arrays.items())


def test_the_two_primitive_task_uses_it():
    rungs = yaml.safe_load((REPOSITORY / "tasks" / "compose-mad-2p" / "metadata.yaml").read_text())["profiles"]["nano"][
        "rungs"
    ]
    screen, confirm = (parse_settings(rungs[name]["settings"]) for name in ("screen", "confirm"))
    assert screen.training == confirm.training and confirm.trainings == 2 * screen.trainings
    parse_settings(rungs["final"]["settings"])
