"""The Bayesian helper: its acquisition against closed forms, its choices on small cases, and its door."""

import itertools
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from aira_workers.bayes.protocol import Observation, RefusedQuestion, Suggest, read_request
from aira_workers.bayes.surrogate import (
    log_expected_improvement,
    log_noisy_expected_improvement,
    one_hot,
    suggest,
)
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel

POOL = ["M", "mA", "Mb"]


def architectures(seed, count, layers=8):
    rng = np.random.default_rng(seed)
    return [[POOL[index] for index in row] for row in rng.integers(len(POOL), size=(count, layers))]


def share_of_attention(architecture):
    return architecture.count("mA") / len(architecture)


def question(seed=1, scores=None, observed=12, **changes):
    seen = architectures(seed, observed)
    fitness = scores or [share_of_attention(each) for each in seen]
    given = {
        "layers": 8,
        "primitives": POOL,
        "observations": [Observation(each, score) for each, score in zip(seen, fitness)],
        "pending": [],
        "candidates": architectures(seed + 100, 60),
        "seed": 7,
    }
    return Suggest(**{**given, **changes})


def as_request(identity, asked):
    observations = [{"architecture": each.architecture, "score": each.score} for each in asked.observations]
    return json.dumps({"kind": "suggest", "id": identity, **vars(asked), "observations": observations})


def test_log_expected_improvement_agrees_with_the_closed_form():
    mean, std = np.linspace(-3, 3, 61), np.full(61, 0.7)
    z = (mean - 0.2) / std
    expected = np.log(std * (norm.pdf(z) + z * norm.cdf(z)))
    assert np.allclose(log_expected_improvement(mean, std, 0.2), expected, rtol=0, atol=1e-9)


def test_log_expected_improvement_is_finite_and_rising_where_ei_underflows():
    mean = -np.logspace(0, 7, 200)[::-1]
    values = log_expected_improvement(mean, np.ones(200), 0.0)
    assert np.isfinite(values).all()
    assert (np.diff(values) > 0).all()


def test_log_expected_improvement_against_integration():
    grid = np.linspace(-12, 12, 200_001)
    for mean, std, best in [(0.1, 0.5, 0.3), (-2.0, 0.3, 0.0), (1.5, 2.0, -1.0)]:
        gain = np.maximum(mean + std * grid - best, 0) * norm.pdf(grid)
        integral = np.log(gain.sum() * (grid[1] - grid[0]))
        assert log_expected_improvement(np.array([mean]), np.array([std]), best)[0] == pytest.approx(integral, abs=1e-4)


def test_encoding_puts_all_different_architectures_at_the_square_root_of_two():
    for layers in (1, 8, 100):
        first, second = one_hot([["M"] * layers, ["mA"] * layers], POOL)
        assert np.linalg.norm(first - second) == pytest.approx(np.sqrt(2))
    near, far = one_hot([["M", "M"], ["M", "mA"]], POOL)
    assert np.linalg.norm(near - far) == pytest.approx(1.0)


def test_same_question_same_answer():
    assert suggest(question()) == suggest(question())


def test_finds_the_best_of_a_learnable_function():
    asked = question(observed=40)
    chosen = suggest(asked)
    truths = [share_of_attention(each) for each in asked.candidates]
    assert truths[chosen.index] == max(truths)
    assert chosen.expected == pytest.approx(max(truths), abs=0.1)


def test_expectation_is_in_units_of_the_score():
    plain = question(observed=30)
    scores = [1000 + 50 * each.score for each in plain.observations]
    scaled = suggest(question(observed=30, scores=scores))
    before = suggest(plain)
    assert scaled.index == before.index
    assert scaled.expected == pytest.approx(1000 + 50 * before.expected, abs=0.1)
    assert scaled.std == pytest.approx(50 * before.std, rel=0.05, abs=0.05)


def test_pending_points_are_not_suggested_again_and_leave_the_expectation():
    # All scores differ by chance alone, so that uncertainty decides, and the same place would be chosen every time.
    noise = [float(each) for each in np.random.default_rng(3).normal(0.5, 0.1, 12)]
    asked = question(scores=noise)
    first = suggest(asked)
    pending, chosen = [], []
    for _ in range(5):
        index = suggest(question(scores=noise, pending=pending)).index
        chosen.append(index)
        pending = [*pending, asked.candidates[index]]
    assert chosen[0] == first.index
    assert len(set(chosen)) == 5
    alone = question(scores=noise, candidates=[asked.candidates[first.index]])
    waiting = question(scores=noise, candidates=alone.candidates, pending=[asked.candidates[first.index]])
    assert suggest(waiting).expected == pytest.approx(suggest(alone).expected, abs=1e-3)
    assert suggest(waiting).std < suggest(alone).std


def belief(observations, candidates, noise=0.25, length=0.7):
    """Kernel of the function, inputs, values, noise and encoded candidates of a small noisy case."""
    x = one_hot([architecture for architecture, _ in observations], POOL)
    y = np.array([score for _, score in observations])
    return RBF(length), x, y, noise, one_hot(candidates, POOL)


def plug_in(kernel, x, y, noise, candidates):
    """Log EI over the largest posterior mean, as if that were known."""
    process = GaussianProcessRegressor(kernel + WhiteKernel(noise), optimizer=None).fit(x, y)
    mean, cov = process.predict(candidates, return_cov=True)
    std = np.sqrt(np.maximum(np.diag(cov) - noise, 1e-12))
    return log_expected_improvement(mean, std, float(process.predict(x).max()))


def by_sampling(kernel, x, y, noise, candidates, draws=400_000):
    """NEI by its definition: joint draws of the function at x and at the candidates, given the noisy values."""
    points = np.concatenate([x, candidates])
    gain = np.linalg.solve(kernel(x) + noise * np.eye(len(x)), kernel(x, points)).T
    mean, cov = gain @ y, kernel(points) - gain @ kernel(x, points)
    root = np.linalg.cholesky(cov + 1e-10 * np.eye(len(points)))
    f = mean + np.random.default_rng(0).standard_normal((draws, len(points))) @ root.T
    return np.maximum(f[:, len(x) :] - f[:, : len(x)].max(axis=1, keepdims=True), 0).mean(axis=0)


# One lucky measurement, two poor ones far away. `near` differs from the lucky one in one of eight layers: its mean is
# high and its spread large, but nearly all of that it shares with the incumbent. `far` is uncertain on its own.
LUCKY = ["mA"] * 8
NEAR = ["mA"] * 7 + ["M"]
FAR = ["mA"] * 4 + ["Mb"] * 4
SEEN = [(LUCKY, 1.0), (["M"] * 8, -0.6), (["M"] * 7 + ["Mb"], -0.4)]


def test_noisy_improvement_is_its_definition():
    case = belief(SEEN, [NEAR, FAR, LUCKY, ["Mb"] * 8])
    found = np.exp(log_noisy_expected_improvement(*case, seed=5))
    assert found == pytest.approx(by_sampling(*case), rel=0.04, abs=2e-4)
    assert found[2] < 1e-3, "what is observed already cannot improve on itself"


def test_plug_in_improvement_prefers_the_shadow_of_a_lucky_measurement_and_noisy_improvement_does_not():
    case = belief(SEEN, [NEAR, FAR], noise=0.5, length=1.5)
    near, far = plug_in(*case)
    assert near > far, "the case must be one in which plug-in EI misbehaves"
    truth = by_sampling(*case)
    assert truth[1] > 1.5 * truth[0], "in truth the other one improves more"
    noisy = log_noisy_expected_improvement(*case, seed=5)
    assert noisy[1] > noisy[0]


def test_noisy_improvement_without_noise_is_expected_improvement():
    case = belief([*SEEN], [NEAR, FAR, ["Mb"] * 8], noise=1e-9)
    assert log_noisy_expected_improvement(*case, seed=5) == pytest.approx(plug_in(*case), abs=1e-3)


def test_repeated_measurements_of_one_architecture_are_one_point_of_the_function():
    twice = belief([(LUCKY, 0.9), (LUCKY, 1.1), *SEEN[1:]], [NEAR, FAR])
    kernel, x, y, noise, candidates = twice
    once = belief(SEEN, [NEAR, FAR])
    # Two measurements with variance v are one of their mean with v / 2; the poor ones are repeated as well.
    doubled = (kernel, np.concatenate([once[1]] * 2), np.concatenate([once[2]] * 2), noise, candidates)
    halved = (kernel, once[1], once[2], noise / 2, candidates)
    assert log_noisy_expected_improvement(*doubled, seed=5) == pytest.approx(
        log_noisy_expected_improvement(*halved, seed=5), abs=0.05
    )
    assert np.isfinite(log_noisy_expected_improvement(*twice, seed=5)).all()


@pytest.mark.parametrize("observed", [1, 2, 3])
def test_tiny_data(observed):
    chosen = suggest(question(observed=observed))
    assert 0 <= chosen.index < 60
    assert np.isfinite([chosen.expected, chosen.std, chosen.acquisition]).all()


def test_equal_scores_and_repeated_architectures_are_no_trouble():
    flat = suggest(question(scores=[0.5] * 12))
    assert flat.expected == pytest.approx(0.5)
    repeated = [Observation(["M"] * 8, score) for score in (0.1, 0.9, 0.5)]
    assert np.isfinite(suggest(question(observations=repeated)).expected)


def test_equal_candidates_go_to_the_first():
    same = [["mA"] * 8] * 5
    assert suggest(question(candidates=same)).index == 0


def valid():
    return json.loads(as_request(3, question()))


BROKEN = {
    "unknown key": ({"temperature": 1}, "unknown key 'temperature'"),
    "no layers": ({"layers": 0}, "layers must be at least 1"),
    "other depth": ({"layers": 9}, "observations[0]: expected 9 layers, got 8"),
    "repeated primitive": ({"primitives": ["M", "M"]}, "primitives must be distinct"),
    "unknown primitive": ({"primitives": ["M", "mA"]}, "'Mb' is none of M, mA"),
    "no observation": ({"observations": []}, "must not be empty"),
    "no candidate": ({"candidates": []}, "must not be empty"),
    "score is text": ({"observations": [{"architecture": ["M"] * 8, "score": "high"}]}, "observations[0].score"),
    "score is not finite": ({"observations": [{"architecture": ["M"] * 8, "score": float("nan")}]}, "score"),
    "negative seed": ({"seed": -1}, "seed must be in"),
    "candidate is text": ({"candidates": ["M M M"]}, "candidates[0]"),
    "other kind": ({"kind": "train"}, "kind: expected 'suggest'"),
}


@pytest.mark.parametrize("change, message", BROKEN.values(), ids=BROKEN)
def test_malformed_requests_are_refused_by_name(change, message):
    with pytest.raises(RefusedQuestion) as refusal:
        read_request(json.dumps({**valid(), **change}))
    assert message in str(refusal.value)
    assert refusal.value.identity == 3


@pytest.mark.parametrize("line", ["", "{", "[]", "7", json.dumps({"kind": "suggest"}), json.dumps({"id": True})])
def test_lines_without_an_id_are_refused_to_nobody(line):
    with pytest.raises(RefusedQuestion) as refusal:
        read_request(line)
    assert refusal.value.identity is None


def test_every_missing_key_is_named():
    for key in set(valid()) - {"kind", "id"}:
        request = valid()
        del request[key]
        with pytest.raises(RefusedQuestion, match=f"missing key '{key}'"):
            read_request(json.dumps(request))


def test_the_door_answers_in_order_and_survives_bad_lines():
    package = pathlib.Path(__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": str(package)}
    lines = [as_request(1, question()), "nonsense", as_request(2, question(seed=2)), as_request(3, question())]
    done = subprocess.run(
        [sys.executable, "-m", "aira_workers.bayes"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    hello, first, refused, second, again = map(json.loads, done.stdout.splitlines())
    assert (hello["kind"], hello["protocol"]) == ("hello", 1)
    assert hello["engine"].startswith("scikit-learn ")
    assert (refused["kind"], refused["id"]) == ("refused", None)
    assert [first["id"], second["id"], again["id"]] == [1, 2, 3]
    assert {**first, "id": 3} == again
    assert first["index"] == suggest(question()).index


def test_a_whole_small_space_is_searched_in_few_questions():
    """27 architectures of three layers, one best: found within ten questions from three observations."""
    space = [list(each) for each in itertools.product(POOL, repeat=3)]
    target = ["mA", "Mb", "M"]
    score = lambda each: sum(layer == wanted for layer, wanted in zip(each, target)) / 3
    seen = [space[0], space[13], space[26]]
    for _ in range(10):
        left = [each for each in space if each not in seen]
        observations = [Observation(each, score(each)) for each in seen]
        seen.append(left[suggest(Suggest(3, POOL, observations, [], left, 1)).index])
    assert target in seen
