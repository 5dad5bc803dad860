"""The surrogate: a Gaussian process over one-hot encoded layer sequences, and noisy expected improvement.

Composer searches with a Gaussian process, an RBF kernel and qLogNEI; this is that acquisition for one candidate at a
time (q = 1), in scikit-learn. Sources: Frazier 2018 (arXiv 1807.02811) for the posterior and expected improvement;
Letham et al. 2019 (arXiv 1706.07094) for noisy EI and its integration by quasi-Monte Carlo; Ament et al. 2023 (arXiv
2310.20708) for log EI; Ginsbourger, Le Riche and Carraro 2010 for pending points ("kriging believer").
"""

import dataclasses
import warnings

import numpy as np
from scipy.special import erfcx, log_ndtr, logsumexp, ndtri
from scipy.stats import qmc
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from .protocol import Suggest


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """The chosen candidate: posterior mean and standard deviation in units of the score, log NEI in standard units."""

    index: int
    expected: float
    std: float
    acquisition: float


def one_hot(architectures: "list[list[str]]", primitives: "list[str]") -> np.ndarray:
    """Return float64 [n, layers * primitives], scaled so that two architectures in which all layers differ are
    sqrt(2) apart whatever the depth: one range of length scales then fits every space."""
    codes = {primitive: index for index, primitive in enumerate(primitives)}
    digits = np.array([[codes[layer] for layer in architecture] for architecture in architectures])
    return np.eye(len(primitives))[digits].reshape(len(architectures), -1) / np.sqrt(digits.shape[1])


def log_expected_improvement(mean: np.ndarray, std: np.ndarray, best: "np.ndarray | float") -> np.ndarray:
    """Return log E[max(f - best, 0)] for f ~ N(mean, std^2), elementwise; finite where EI itself underflows to zero.

    With z = (mean - best) / std: EI = std * h(z), h(z) = phi(z) + z Phi(z). Raises nothing; std must be positive.
    """
    z = (mean - best) / std
    log_phi = -0.5 * z**2 - 0.5 * np.log(2 * np.pi)
    # h(z) = phi(z) (1 + z Phi(z) / phi(z)), and Phi(z) / phi(z) = sqrt(pi / 2) erfcx(-z / sqrt(2)), which does not
    # underflow below zero; above -1 the plain form loses nothing. Far below, h(z) tends to phi(z) / z^2.
    low = np.minimum(z, -1.0)
    ratio = 1.0 + low * np.sqrt(np.pi / 2) * erfcx(-low / np.sqrt(2))
    tail = np.where(low > -1e4, np.log(np.maximum(ratio, 1e-300)), -2 * np.log(-low))
    high = np.maximum(z, -1.0)
    plain = np.log(np.exp(-0.5 * high**2) / np.sqrt(2 * np.pi) + high * np.exp(log_ndtr(high)))
    return np.log(std) + np.where(z > -1.0, plain, log_phi + tail)


def fitted_kernel(x: np.ndarray, y: np.ndarray, seed: int):
    """Return the kernel of largest marginal likelihood for inputs [n, d] and standardised scores [n]."""
    kernel = ConstantKernel(1.0, (0.05, 100.0)) * RBF(0.7, (0.1, 10.0)) + WhiteKernel(0.1, (1e-4, 1.0))
    process = GaussianProcessRegressor(kernel, n_restarts_optimizer=2, random_state=seed)
    with warnings.catch_warnings():
        # A hyperparameter at its bound is an answer, not a fault: few points decide little.
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(x, y)
    return process.kernel_


SAMPLES = 128  # a power of two, as Sobol points need
_RANK = 1e-9  # directions of less variance than this share of the largest are numerical noise


def log_noisy_expected_improvement(
    kernel, x: np.ndarray, y: np.ndarray, noise: float, candidates: np.ndarray, seed: int
) -> np.ndarray:
    """Return log NEI, NEI(c) = E_f[EI(c | f)], for candidates [m, d] after noisy values y [n] at x [n, d].

    f are the noiseless values at x, drawn from their posterior; EI(c | f) = E[max(f(c) - max f, 0) | f] is that of a
    process that has observed f without noise. So the best value is as uncertain as it is, and what a candidate shares
    with it improves nothing. Plug-in EI, with the largest posterior mean for max f, has neither.

    With K = U diag(l) U' and variance v of the noise, the posterior of f is N(K (K + v)^-1 y, v K (K + v)^-1), hence
    U'f = l / (l + v) U'y + sqrt(v l / (l + v)) z, z ~ N(0, 1); and f(c) given f is N(k'K^-1 f, k(c, c) - k'K^-1 k).
    `kernel` is that of the function, without the noise; x may repeat points. Deterministic in `seed`.
    """
    values, vectors = np.linalg.eigh(kernel(x))
    used = values > _RANK * values[-1]
    values, vectors = values[used], vectors[:, used]
    uniform = qmc.Sobol(len(values), scramble=True, seed=seed).random(SAMPLES)
    z = ndtri(np.clip(uniform, 1e-12, 1 - 1e-12)).T  # (rank, samples)
    centre = values / (values + noise) * (vectors.T @ y)
    rotated = centre[:, None] + np.sqrt(noise * values / (values + noise))[:, None] * z
    best = (vectors @ rotated).max(axis=0)  # (samples,)
    cross = kernel(candidates, x) @ vectors  # (m, rank)
    mean = cross @ (rotated / values[:, None])  # (m, samples)
    variance = kernel.diag(candidates) - (cross**2 / values).sum(axis=1)
    std = np.sqrt(np.maximum(variance, 1e-12))[:, None]
    return logsumexp(log_expected_improvement(mean, std, best), axis=1) - np.log(SAMPLES)


def suggest(question: Suggest) -> Suggestion:
    """Return the candidate of largest log noisy EI, ties to the earlier.

    A pending point counts as observed at its posterior mean: that leaves the mean as it is and takes away the
    uncertainty around the point, so that no two workers are sent to the same place.
    """
    scores = np.array([observation.score for observation in question.observations])
    offset = scores.mean()
    scale = scores.std() or 1.0
    y = (scores - offset) / scale
    x = one_hot([observation.architecture for observation in question.observations], question.primitives)
    kernel = fitted_kernel(x, y, question.seed)
    process = GaussianProcessRegressor(kernel, optimizer=None).fit(x, y)
    if question.pending:
        waiting = one_hot(question.pending, question.primitives)
        x, y = np.concatenate([x, waiting]), np.concatenate([y, process.predict(waiting)])
        process = GaussianProcessRegressor(kernel, optimizer=None).fit(x, y)

    candidates = one_hot(question.candidates, question.primitives)
    function, noise = kernel.k1, kernel.k2.noise_level
    # Rounded, so that candidates which are equal but for the last bits go to the earlier one on every machine.
    acquisition = np.round(log_noisy_expected_improvement(function, x, y, noise, candidates, question.seed), 6)
    index = int(np.argmax(acquisition))
    mean, spread = process.predict(candidates[index : index + 1], return_std=True)
    # The spread of scikit-learn is that of a measurement; the belief is of the function, without the noise.
    std = np.sqrt(np.maximum(spread**2 - noise, 1e-12))
    return Suggestion(
        index=index,
        expected=float(offset + scale * mean[0]),
        std=float(scale * std[0]),
        acquisition=float(acquisition[index]),
    )
