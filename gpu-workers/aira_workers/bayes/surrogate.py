"""The surrogate: a Gaussian process over one-hot encoded layer sequences, and noisy expected improvement.

Composer searches with a Gaussian process, an RBF kernel and a noisy expected-improvement acquisition; this is that,
in scikit-learn. Sources: Frazier 2018 (arXiv 1807.02811) for the posterior and expected improvement; Ginsbourger, Le
Riche and Carraro 2010 for pending points ("kriging believer"); Ament et al. 2023 (arXiv 2310.20708) for log EI.
"""

import dataclasses
import warnings

import numpy as np
from scipy.special import erfcx, log_ndtr
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from .protocol import Suggest


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """The chosen candidate: posterior mean and standard deviation in units of the score, log EI in standard units."""

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


def log_expected_improvement(mean: np.ndarray, std: np.ndarray, best: float) -> np.ndarray:
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


def suggest(question: Suggest) -> Suggestion:
    """Return the candidate of largest log EI over the best posterior mean at the known points, ties to the earlier.

    Scores are noisy, so the incumbent is a posterior mean and not the largest score. A pending point counts as observed
    at its posterior mean: that leaves the mean as it is and takes away the uncertainty around the point, so that no two
    workers are sent to the same place.
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

    incumbent = float(process.predict(x).max())
    mean, spread = process.predict(one_hot(question.candidates, question.primitives), return_std=True)
    # The spread of scikit-learn is that of a measurement; improvement is of the function, without the noise.
    std = np.sqrt(np.maximum(spread**2 - kernel.k2.noise_level, 1e-12))
    # Rounded, so that candidates which are equal but for the last bits go to the earlier one on every machine.
    acquisition = np.round(log_expected_improvement(mean, std, incumbent), 9)
    index = int(np.argmax(acquisition))
    return Suggestion(
        index=index,
        expected=float(offset + scale * mean[index]),
        std=float(scale * std[index]),
        acquisition=float(acquisition[index]),
    )
