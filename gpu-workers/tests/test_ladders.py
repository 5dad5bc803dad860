"""The scripts behind docs/LOG.md: what a ladder loses, and which pools and settings are trained."""

import sys

import numpy as np
import pytest
from conftest import PACKAGE

sys.path.insert(0, str(PACKAGE / "scripts"))

from halving import Plan, early_stops, ladder
from learning_curves import changed_settings, drawn

STEPS = {"screen": 100, "confirm": 200, "full": 1000}


TRUTH = np.linspace(0, 1, 40)
EXACT = np.tile(TRUTH[:, None], 2)  # two full trainings without noise: one chooses, the other says what that is worth


def run(screen, confirm=None, full=EXACT, keep=0.2, finalists=2, same=False, confirm_seeds=1):
    scores = {"screen": screen, "full": full, **({} if confirm is None else {"confirm": confirm})}
    plan = Plan(keep, None if confirm is None else finalists, 0 if confirm is None else confirm_seeds)
    return ladder(np.random.default_rng(1), 20, STEPS, scores, same, plan)


def test_a_true_screening_loses_nothing_and_one_that_says_nothing_does():
    true = TRUTH[:, None]
    mean, between, best, five, cost = run(true)
    assert (mean, best) == (0, 1) and list(between) == [0, 0] and five == pytest.approx(4 / 5)
    assert cost == pytest.approx((20 * 100 + 4 * 1000) / (20 * 1000))
    assert run(true, true)[0] == 0
    assert run(true, true)[4] == pytest.approx((20 * 100 + 4 * 200 + 2 * 1000) / (20 * 1000))
    blind = np.random.default_rng(2).random((40, 1))
    assert run(blind)[0] > 0.05 and run(blind)[2] < 0.6
    # Only the confirming rung is blind: less is lost, since it chooses among good ones.
    assert 0 < run(true, blind)[0] < run(blind, blind)[0]


def test_nobody_is_judged_by_the_training_that_chose_it():
    rng = np.random.default_rng(3)
    equals = np.full((40, 1), 0.5)
    luck = 0.5 + 0.1 * rng.standard_normal((40, 8))
    # All are equal and scores are chance: any promotion loses nothing.
    assert abs(run(equals + 0.01 * rng.standard_normal((40, 1)), full=luck)[0]) < 0.03
    # A screening that knows more than noisy trainings is better than they are.
    assert run(TRUTH[:, None], full=TRUTH[:, None] + rng.standard_normal((40, 8)))[0] < -0.02


def test_a_rung_that_confirms_by_the_screens_own_file_takes_other_seeds():
    # One seed knows the truth and one its reverse: whichever screens, the other confirms.
    contrary = np.stack([TRUTH, 1 - TRUTH], axis=1)
    assert run(contrary, contrary, finalists=1, same=True)[2] == 0


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
