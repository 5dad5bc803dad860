"""The script behind the Arena's table, and how the cost of a mixer grows."""

import sys

import numpy as np
import pytest
from aira_design.candidate import import_file
from aira_design.lra.growth import growth
from aira_design.settings import parse_settings
from conftest import PACKAGE
from lra_chain import MIXERS, settings
from torch import nn

sys.path.insert(0, str(PACKAGE / "scripts"))

import arena_signal


@pytest.mark.parametrize("name", arena_signal.MIXERS)
def test_only_softmax_attention_over_all_pairs_keeps_a_square(name):
    found = growth(import_file(MIXERS / f"{name}.py", name).build, 16, 2, (256, 1024))
    assert (found.memory > 1.7) == (name == "full")
    assert found.memory < 1.1 or name == "full"


def test_memory_is_what_backward_keeps_and_each_storage_counts_once():
    class Twice(nn.Module):
        def forward(self, x, mask):
            return x * x  # keeps x alone, and twice

    found = growth(lambda *_: Twice(), 8, 2, (64, 128))
    assert {length: cost[1] for length, cost in found.costs.items()} == {64: 64 * 8 * 4, 128: 128 * 8 * 4}
    assert found.memory == pytest.approx(1) and not found.time > 1.9


def test_shuffling_moves_whole_windows_and_treats_equal_rows_alike():
    document = np.arange(1, 71, dtype=np.uint16)
    inputs = np.zeros((3, 1, 80), np.uint16)
    inputs[0, 0, :70], inputs[1, 0, :70], inputs[2, 0, :10] = document, document, document[:10]
    found = arena_signal.shuffled(inputs)
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], inputs[0])
    assert np.array_equal(found[2], inputs[2]), "a row within one window is as it was"
    assert sorted(found[0, 0, :70]) == list(document) and not found[0, 0, 70:].any()
    starts = [index for index in range(70) if found[0, 0, index] % 16 == 1]
    for start in starts:
        run = found[0, 0, start : start + 16].astype(int)
        assert (np.diff(run[: 70 - 64 if run[0] == 65 else 16]) == 1).all(), "windows stay whole"


def test_a_training_is_judged_as_the_evaluator_judges_and_again_the_same():
    parsed = parse_settings(settings())
    one, other = (arena_signal.measure(parsed, "linear", 5, control) for control in (False, True))
    again = arena_signal.measure(parsed, "linear", 5, False)
    assert {k: v for k, v in one.items() if k != "cpu_seconds"} == {
        k: v for k, v in again.items() if k != "cpu_seconds"
    }
    assert one["loss"] != other["loss"] and one["floor_majority"] == other["floor_majority"]


def test_the_table_says_what_was_not_measured():
    _, digest = arena_signal.settings_of("text")
    metrics = {
        "accuracy": 0.9,
        "rows": 100,
        "cpu_seconds": 2,
        "floor_majority": 0.5,
        "floor_bag": 0.6,
        "floor_shortcut": 0.8,
    }
    one = {
        "task": "text",
        "mixer": "full",
        "seed": 1,
        "control": False,
        "evaluator": "design-x",
        "settings": digest,
        "torch": "1",
        "metrics": metrics,
    }
    raw = {"growth": {}, "trainings": {"a": one}}
    text = arena_signal.page(raw)
    assert (
        "**listops**: nothing has been trained at the present settings. Floors: not measured." in text
        and "1 of 6 mixers have been trained" in text
    )
    assert "0.800, is above the half-way mark between majority and full attention, 0.700" in text
    raw["trainings"] = {
        f"{mixer} {seed}": {
            **one,
            "mixer": mixer,
            "seed": seed,
            "metrics": {**metrics, "accuracy": 0.9 - 0.05 * index + 0.01 * seed},
        }
        for index, mixer in enumerate(arena_signal.MIXERS)
        for seed in (0, 1)
    }
    assert "Ratio of variance between mixers to that between seeds: 1" in arena_signal.page(raw)
    raw["trainings"]["full 0"]["settings"] = "older"
    assert "not measured" in arena_signal.page(raw)
