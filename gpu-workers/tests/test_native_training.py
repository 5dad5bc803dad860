"""The native engine computes what torch computes: gradients, updates, whole trainings, for whatever sizes it accepts."""

import dataclasses

import numpy as np
import pytest
import torch
from aira_workers.errors import Diverged
from aira_workers.model import StackModel
from aira_workers.native.binding import load
from aira_workers.native.build import ROUNDING, VARIANTS, best_variant, cpu_flags, library
from aira_workers.native.engine import NativeEngine, NativeLearner
from aira_workers.native.training import supports
from aira_workers.optim import warmup_cosine
from aira_workers.primitives import Sizes, make_frame
from aira_workers.proxies import TORCH, Candidate, measure, parse_settings
from aira_workers.proxies.joint import _training_batches
from aira_workers.proxies.learner import MuonRule, Question, Rule, TorchLearner
from conftest import tokens

CPU = torch.device("cpu")
RULE = Rule(clip=1.0, muon=MuonRule(0.02, 0.9, 4), lr=0.01, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.0)
PLAIN_ADAM = Rule(clip=None, muon=None, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.1)
RUNNABLE = [variant for variant in VARIANTS if set(variant.cpu_flags) <= cpu_flags()]

pytestmark = pytest.mark.skipif(not RUNNABLE, reason="the processor has neither AVX-512 nor AVX2")


def engine_of(variant):
    return NativeEngine(load(library(variant), variant.lanes), variant.lanes)


@pytest.fixture(scope="module", params=RUNNABLE, ids=lambda variant: variant.march)
def engine(request):
    return engine_of(request.param)


def random_sizes(rng, nano):
    """Widths 32 to 128, heads from 4 to 32 features, odd inner sizes, states of 1 to 33, with and without extras."""
    width = int(rng.choice([32, 48, 64, 128]))
    ssm_heads, ssm_head = int(rng.integers(1, 5)), int(rng.choice([16, 32]))
    return Sizes(
        **{
            **nano["model"],
            "width": width,
            "attention_heads": width // int(rng.choice([4, 8, 16] + [32] * (width % 32 == 0))),
            "attention_bias": bool(rng.integers(2)),
            "norm_gain": bool(rng.integers(2)),
            "ffn_inner": int(rng.integers(16, 200)),
            "ssm_inner": ssm_heads * ssm_head,
            "ssm_heads": ssm_heads,
            "ssm_state": int(rng.integers(1, 34)),
            "ssm_conv": int(rng.integers(1, 7)),
        }
    )


def random_question(rng, sequences, length, vocabulary, decoded):
    rows = np.flatnonzero(rng.random(sequences * length) < rng.uniform(0.1, 1.0))
    count = len(rows) + decoded[1] * length
    return Question(
        torch.from_numpy(rng.integers(0, vocabulary, (sequences, length))),
        torch.from_numpy(rows),
        torch.from_numpy(rng.integers(0, vocabulary, count)),
        torch.from_numpy((rng.random(count) / max(1, count)).astype(np.float32)),
        decoded,
    )


def stack(architecture, sizes, vocabulary, decoder, length):
    """A model whose vectors (biases, gains, skips) are away from their special start values."""
    model = StackModel(architecture, sizes, vocabulary, 3, decoder, length)
    noise = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=noise))
    return model


def gradients_in(dtype, architecture, sizes, vocabulary, decoder, question):
    length = question.tokens.shape[1]
    model = stack(architecture, sizes, vocabulary, decoder, length).to(dtype)
    learner = TorchLearner(model, make_frame(length, sizes, CPU, dtype=dtype), RULE)
    losses, _ = learner.gradients(question._replace(weights=question.weights.to(dtype)))
    return losses, {name: parameter.grad for name, parameter in model.named_parameters()}


def distance(one, exact):
    return float((one.double() - exact).norm())


@pytest.mark.parametrize("seed", range(24))
def test_gradients_of_random_stacks_are_as_near_to_float64_as_those_of_torch(nano, engine, seed):
    """Layers, widths, lengths, batch sizes, rows and decoders at random; every tensor against float64."""
    rng = np.random.default_rng(seed)
    sizes = random_sizes(rng, nano)
    architecture = tokens("MAB"[seed % 3] if seed < 9 else rng.choice(list("MAB"), int(rng.integers(2, 7))))
    length = int(rng.choice([16, 32, 48, 80, 128] if sizes.width < 128 else [16, 48]))
    sequences, vocabulary = int(rng.integers(1, 8)), int(rng.integers(5, 130))
    decoder = str(rng.choice(["none", "learned-code", "sinusoidal"]))
    first = int(rng.integers(sequences))
    decoded = (0, 0) if decoder == "none" else (first, int(rng.integers(1, sequences - first + 1)))
    assert supports(sizes, length)
    question = random_question(rng, sequences, length, vocabulary, decoded)

    exact_losses, exact = gradients_in(torch.float64, architecture, sizes, vocabulary, decoder, question)
    torch_losses, plain = gradients_in(torch.float32, architecture, sizes, vocabulary, decoder, question)
    model = stack(architecture, sizes, vocabulary, decoder, length)
    learner = engine.learner(model, make_frame(length, sizes, CPU), sizes, RULE, sequences)
    assert isinstance(learner, NativeLearner)
    losses, _ = learner.gradients(question)

    assert distance(losses, exact_losses) <= 4 * distance(torch_losses, exact_losses) + 1e-6 * float(
        exact_losses.norm()
    )
    whole = float(torch.cat([gradient.flatten() for gradient in exact.values()]).norm())
    for name, parameter in model.named_parameters():
        # A tensor of a few numbers can be lucky in torch: a millionth of its norm and 1e-7 of the whole are allowed.
        allowed = 4 * distance(plain[name], exact[name]) + 2e-6 * float(exact[name].norm()) + 1e-7 * whole
        assert distance(parameter.grad, exact[name]) <= allowed, name


@pytest.mark.parametrize("rule", [RULE, PLAIN_ADAM], ids=["muon", "adamw"])
def test_updates_equal_those_of_torch(nano, engine, rule):
    rng = np.random.default_rng(1)
    sizes = Sizes(**{**nano["model"], "ffn_inner": 50})  # wide, tall and square matrices
    question = random_question(rng, 6, 32, 125, (2, 2))
    seen = []
    for one in (TORCH, engine):
        model = stack(tokens("MABM"), sizes, 125, "learned-code", 32)
        learner = one.learner(model, make_frame(32, sizes, CPU), sizes, rule, 6)
        for factor in (1.0, 0.5, 0.1):
            losses, _ = learner.gradients(question)
            learner.update(factor)
        seen.append((losses, {name: parameter.detach() for name, parameter in model.named_parameters()}))
    assert torch.allclose(seen[0][0], seen[1][0], rtol=1e-4)
    for name, expected in seen[0][1].items():
        assert float((seen[1][1][name] - expected).norm() / expected.norm()) < 1e-4, name


def test_answers_are_the_largest_logits(nano, engine):
    sizes = Sizes(**nano["model"])
    rng = np.random.default_rng(2)
    text = torch.from_numpy(rng.integers(0, 60, (7, 32)))
    models = [stack(tokens("BAM"), sizes, 60, "learned-code", 32) for _ in range(2)]
    frame = make_frame(32, sizes, CPU)
    reference, native = (one.learner(m, frame, sizes, RULE, 7) for one, m in zip((TORCH, engine), models))
    for decoded in (False, True):
        assert (reference.answers(text, decoded) == native.answers(text, decoded)).float().mean() > 0.99


def trajectory(settings, architecture, open_learner, dtype=torch.float32):
    """The loss of every step of a joint training."""
    chosen, sizes = settings.optimiser, settings.model
    vocabularies = [task.vocabulary for task in vars(settings.tasks).values()]
    offsets = np.concatenate([[0], np.cumsum(vocabularies)])
    model = StackModel(architecture, sizes, int(offsets[-1]), 1, "learned-code", 32)
    learner = open_learner(model.to(dtype), make_frame(32, sizes, CPU, dtype=dtype))
    losses = []
    for step, (question, _) in enumerate(_training_batches(settings, 1, offsets, CPU)):
        question = question._replace(weights=question.weights.to(dtype))
        losses.append(float(learner.gradients(question)[0].dot(question.weights)))
        learner.update(warmup_cosine(step, settings.steps, chosen.warmup, chosen.floor))
    return np.array(losses)


FIVE_DIGITS = 40  # steps before chaos multiplies the last bit: torch itself leaves float64 by 1e-5 from step 60 on


@pytest.mark.parametrize(
    "letters,steps", [("BBAAMABAMMMAMMAB", 200), ("AMAMAMAMAMAMAMAM", 200), ("M" * 16, 60), ("B" * 16, 60)]
)
def test_a_nano_training_follows_torch(metadata, letters, steps):
    """Five digits until rounding becomes chaotic; the mean over the whole training within a fifth of the spread of seeds,
    which is 0.02 nat.
    """
    settings = parse_settings({**metadata["profiles"]["nano"]["rungs"]["screen"]["settings"], "steps": steps})
    native = engine_of(best_variant(cpu_flags()))
    architecture = tokens(letters)
    plain = trajectory(settings, architecture, lambda model, frame: TorchLearner(model, frame, RULE))
    ours = trajectory(
        settings, architecture, lambda model, frame: native.learner(model, frame, settings.model, RULE, 24)
    )
    assert len(ours) == steps and ours[-20:].mean() < ours[:20].mean() - 0.5
    assert np.abs(ours / plain - 1)[:FIVE_DIGITS].max() < 1e-5
    assert abs(ours.mean() - plain.mean()) < 4e-3


def test_a_training_stays_as_near_to_float64_as_torch_does(metadata):
    """Over 70 steps, into the chaos: a factor of 8, since two such trajectories part by chance."""
    settings = parse_settings({**metadata["profiles"]["nano"]["rungs"]["screen"]["settings"], "steps": 70})
    native = engine_of(best_variant(cpu_flags()))
    architecture = tokens("BBAAMABAMMMAMMAB")
    exact = trajectory(settings, architecture, lambda model, frame: TorchLearner(model, frame, RULE), torch.float64)
    plain = trajectory(settings, architecture, lambda model, frame: TorchLearner(model, frame, RULE))
    ours = trajectory(
        settings, architecture, lambda model, frame: native.learner(model, frame, settings.model, RULE, 24)
    )
    assert np.abs(ours - exact).mean() < 8 * np.abs(plain - exact).mean() + 1e-5


def test_the_separate_proxy_trains_with_either(tiny_separate, engine):
    scores = [
        measure(Candidate(tokens("BAM"), 1, "validation"), parse_settings(tiny_separate), CPU, engine=one)
        for one in (TORCH, engine)
    ]
    for name, task in scores[0].tasks.items():
        assert scores[1].tasks[name].loss == pytest.approx(task.loss, rel=1e-4)
    assert scores[1].flops == scores[0].flops and scores[1].params == scores[0].params


def test_bit_identical_alone_or_in_company(nano, engine):
    settings = parse_settings(nano)

    def run(letters, seed=1):
        return dataclasses.asdict(measure(Candidate(tokens(letters), seed, "test"), settings, CPU, engine=engine))

    alone = run("BAMMBAAM")
    run("MMMM", seed=2)
    run("BBAA")
    assert run("BAMMBAAM") == alone


def test_divergence_ends_the_candidate_with_its_reason(nano, engine):
    wild = {**nano, "optimiser": {**nano["optimiser"], "lr": 1e30, "matrix_lr": 1e30}}
    for letters in ("M" * 4, "A" * 4, "B" * 4):
        with pytest.raises(Diverged):
            measure(Candidate(tokens(letters), 1, "validation"), parse_settings(wild), CPU, engine=engine)
    healthy = measure(Candidate(tokens("BAM"), 1, "validation"), parse_settings(nano), CPU, engine=engine)
    assert np.isfinite(healthy.validation)


@pytest.mark.parametrize("letter", "MAB")
def test_nan_and_infinity_in_a_weight_reach_the_loss(nano, engine, letter):
    sizes = Sizes(**nano["model"])
    question = random_question(np.random.default_rng(0), 4, 32, 60, (0, 1))
    for bad in (float("nan"), float("inf")):
        model = stack(tokens(letter), sizes, 60, "learned-code", 32)
        learner = engine.learner(model, make_frame(32, sizes, CPU), sizes, RULE, 4)
        with torch.no_grad():
            model.layers[0].input[0, 0] = bad
        assert not torch.isfinite(learner.gradients(question)[0]).all()


def test_what_does_not_fit_is_refused(nano, engine):
    sizes = Sizes(**nano["model"])
    learner = engine.learner(stack(tokens("M"), sizes, 60, "none", 32), make_frame(32, sizes, CPU), sizes, RULE, 4)
    good = random_question(np.random.default_rng(0), 4, 32, 60, (0, 0))
    learner.gradients(good)
    for change in (
        {"tokens": good.tokens + 60},
        {"tokens": good.tokens - 60},
        {"tokens": torch.cat([good.tokens, good.tokens])},
        {"tokens": good.tokens[:, :16]},
        {"rows": good.rows.flip(0)},
        {"rows": good.rows + 128},
        {"labels": good.labels + 60},
        {"labels": good.labels[1:]},
        {"decoded": (0, 1)},
    ):
        with pytest.raises(ValueError):
            learner.gradients(good._replace(**change))
    with pytest.raises(ValueError):
        learner.answers(good.tokens, True)


@pytest.mark.parametrize(
    "change", [{"width": 24, "attention_heads": 2}, {"ssm_inner": 24, "ssm_heads": 3}, {"ffn_inner": 8}]
)
def test_sizes_without_compiled_code_train_with_torch(nano, engine, change):
    sizes = Sizes(**{**nano["model"], **change})
    model = StackModel(tokens("M"), sizes, 20, 1)
    assert isinstance(engine.learner(model, make_frame(32, sizes, CPU), sizes, RULE, 1), TorchLearner)


@pytest.fixture(scope="module")
def rounding():
    if not set(ROUNDING.cpu_flags) <= cpu_flags():
        pytest.skip("the processor has no bfloat16 products")
    return NativeEngine(load(library(ROUNDING), 16, rounds=True), 16, rounds=True)


@pytest.mark.parametrize("seed", range(9))
def test_rounded_products_change_gradients_by_what_eight_bits_explain(nano, rounding, seed):
    """One layer: every tensor within 3 % of float64; not equal either, which would mean that nothing is rounded."""
    rng = np.random.default_rng(seed)
    sizes = random_sizes(rng, nano)
    length, sequences, vocabulary = int(rng.choice([16, 32, 48])), int(rng.integers(1, 8)), 60
    question = random_question(rng, sequences, length, vocabulary, (0, 0))
    architecture = tokens("MAB"[seed % 3])
    _, exact = gradients_in(torch.float64, architecture, sizes, vocabulary, "none", question)
    model = stack(architecture, sizes, vocabulary, "none", length)
    learner = rounding.learner(model, make_frame(length, sizes, CPU), sizes, RULE, sequences)
    assert isinstance(learner, NativeLearner)
    learner.gradients(question)
    whole = float(torch.cat([gradient.flatten() for gradient in exact.values()]).norm())
    off = {name: distance(parameter.grad, exact[name]) for name, parameter in model.named_parameters()}
    for name, gradient in exact.items():
        assert off[name] <= 0.03 * float(gradient.norm()) + 0.01 * whole, name
    assert off["layers.0.input"] > 1e-4 * float(exact["layers.0.input"].norm())


def test_a_rounded_training_learns_as_much(metadata, rounding):
    """Mean loss within the spread of seeds, 0.02 nat, of the training in float32."""
    settings = parse_settings({**metadata["profiles"]["nano"]["rungs"]["screen"]["settings"], "steps": 200})
    plain = engine_of(best_variant(cpu_flags()))
    runs = [
        trajectory(
            settings, tokens("BBAAMABAMMMAMMAB"), lambda m, f, one=one: one.learner(m, f, settings.model, RULE, 24)
        )
        for one in (plain, rounding)
    ]
    assert abs(runs[0].mean() - runs[1].mean()) < 0.03
    assert np.abs(runs[1] / runs[0] - 1)[:5].max() < 1e-2


def test_rounded_nan_reaches_the_loss(nano, rounding):
    sizes = Sizes(**nano["model"])
    question = random_question(np.random.default_rng(0), 4, 32, 60, (0, 1))
    for letter in "MAB":
        model = stack(tokens(letter), sizes, 60, "learned-code", 32)
        learner = rounding.learner(model, make_frame(32, sizes, CPU), sizes, RULE, 4)
        with torch.no_grad():
            model.layers[0].input[0, 0] = float("nan")
        assert not torch.isfinite(learner.gradients(question)[0]).all()
