"""How well a proxy tells architectures apart: the statistics of a table of scores, architectures x seeds."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr


class Separation(NamedTuple):
    """`ratio` is between-architecture over between-seed variance, `rho` the mean rank correlation between two seeds."""

    ratio: float
    rho: float


def separation(scores: np.ndarray) -> Separation:
    """scores (architectures, seeds), at least two of each.

    ratio = s2_B / s2_W with s2_W the mean over architectures of the sample variance over seeds and
    s2_B = var(seed means) - s2_W / seeds, so the share of the seeds is already removed from the numerator.
    """
    seeds = scores.shape[1]
    within = scores.var(axis=1, ddof=1).mean()
    between = scores.mean(axis=1).var(ddof=1) - within / seeds
    return Separation(float(between / within), mean_rank_correlation(scores))


def mean_rank_correlation(scores: np.ndarray) -> float:
    """Mean over the pairs of seeds of Spearman's rank correlation (ties share their mean rank)."""
    pairs = combinations(range(scores.shape[1]), 2)
    return float(np.mean([spearmanr(scores[:, one], scores[:, other])[0] for one, other in pairs]))


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation of two score lists over the same architectures."""
    return float(spearmanr(one, other)[0])
