"""The scripts behind docs/LOG.md: what a ladder loses, and which pools and settings are trained."""

import sys

import numpy as np
import pytest
from conftest import PACKAGE

sys.path.insert(0, str(PACKAGE / "scripts"))

from halving import early_stops, ladder  # noqa: E402
from learning_curves import changed_settings, drawn  # noqa: E402

STEPS = {"screen": 100, "confirm": 200, "full": 1000}


def run(screen, confirm=None, keep=0.2, finalists=2):
    final = np.linspace(0, 1, 40)
    return ladder(np.random.default_rng(1), 20, STEPS, screen, confirm, final, keep, finalists)


def test_a_true_screening_loses_nothing_and_one_that_says_nothing_does():
    true = np.linspace(0, 1, 40)[:, None]
    mean, high, kept, five, cost = run(true)
    assert (mean, high, kept) == (0, 0, 1) and five == pytest.approx(4 / 5)
    assert cost == pytest.approx((20 * 100 + 4 * 1000) / (20 * 1000))
    assert run(true, true)[0] == 0
    assert run(true, true)[4] == pytest.approx((20 * 100 + 4 * 200 + 2 * 1000) / (20 * 1000))
    blind = np.random.default_rng(2).random((40, 1))
    assert run(blind)[0] > 0.05 and run(blind)[2] < 0.6
    # Only the confirming rung is blind: less is lost, since it chooses among good ones.
    assert 0 < run(true, blind)[0] < run(blind, blind)[0]


def test_early_stops_spare_every_winner():
    rng = np.random.default_rng(0)
    steady = np.sort(rng.random((20, 1, 1)), axis=0) * np.ones((1, 1, 10))
    assert [stopped for _, stopped in early_stops(steady)][0] > 0.5
    late = steady.copy()
    late[-1, 0, :8], late[-1, 0, 8:] = 0.0, 20.0  # the winner was last until the very end
    assert dict(early_stops(late))[0.5] == 0


def test_pools_are_distinct_and_reproducible_and_settings_must_exist():
    pool = drawn("random:60:60:MAB")
    assert len(set(pool)) == 60 and pool == drawn("random:60:60:MAB") and set("".join(pool)) == set("MAB")
    assert drawn("AM,MA") == ["AM", "MA"]
    changed = changed_settings("screen", ["steps=7", "tasks.recall.length=16", "optimiser.floor=1"])
    assert (changed["steps"], changed["tasks"]["recall"]["length"], changed["optimiser"]["floor"]) == (7, 16, 1.0)
    with pytest.raises(SystemExit, match="there is no setting steeps"):
        changed_settings("screen", ["steeps=7"])
