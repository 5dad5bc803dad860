"""The statistics behind docs/nano-signal.md, on tables whose answer is known."""

import sys

import numpy as np
import pytest
from conftest import PACKAGE

sys.path.insert(0, str(PACKAGE / "scripts"))

from nano_signal import POOLS, SUBSET
from separation import separation


def test_worked_case():
    # within variances 2 and 0.5, mean 1.25; seed means 1 and 4.5, variance 6.125; minus 1.25 / 2
    result = separation(np.array([[0.0, 2.0], [4.0, 5.0]]))
    assert result.ratio == pytest.approx((6.125 - 0.625) / 1.25)
    assert result.rho == pytest.approx(1.0)


def test_recovers_a_planted_ratio_and_sees_none_in_noise():
    rng = np.random.default_rng(0)
    designs, noise = rng.normal(0, 2, (4000, 1)), rng.normal(0, 1, (4000, 3))
    assert separation(designs + noise).ratio == pytest.approx(4, rel=0.1)
    nothing = separation(noise)
    assert abs(nothing.ratio) < 0.05 and abs(nothing.rho) < 0.05


def test_pools_hold_distinct_sixteen_layer_architectures():
    assert len(POOLS["3p"]) == 24 and len(POOLS["2p"]) == 12 and len(SUBSET) == 12
    for pool, letters in (("3p", "MAB"), ("2p", "MA")):
        assert len(set(POOLS[pool].values())) == len(POOLS[pool])
        assert all(len(text) == 16 and set(text) <= set(letters) for text in POOLS[pool].values())
    assert set(SUBSET) < set(POOLS["3p"])
