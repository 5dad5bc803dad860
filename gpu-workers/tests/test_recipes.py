"""What the shipped recipes promise: every rung decays its learning rate, MAD starts as published, and one name is one quantity."""

import math

import numpy as np
import pytest
import torch
import yaml
from aira_design.lra.loops import rate
from aira_design.settings import LraSettings
from aira_design.settings import parse_settings as parse_design
from aira_workers.mad import IGNORE, TASK_NAMES, generate
from aira_workers.model import StackModel
from aira_workers.optim import warmup_cosine
from aira_workers.primitives import make_frame
from aira_workers.primitives.decoder import SinusoidalDecoder
from aira_workers.primitives.initial import Start
from aira_workers.proxies import (
    TORCH,
    Candidate,
    JointSettings,
    LanguageSettings,
    RepeatedSettings,
    measure,
    parse_settings,
)
from aira_workers.proxies import separate as separate_module
from aira_workers.proxies.joint import in_range
from aira_workers.proxies.metrics import metric_names
from conftest import REPOSITORY, tokens

CPU = torch.device("cpu")
TASKS = {
    file.parent.name: yaml.safe_load(file.read_text())
    for file in sorted((REPOSITORY / "tasks").glob("*/metadata.yaml"))
}
RUNGS = [
    pytest.param(task, profile, rung, id=f"{task} {profile} {rung}")
    for task, metadata in TASKS.items()
    for profile, described in metadata["profiles"].items()
    for rung in described["rungs"]
]


def settings_of(task, profile, rung):
    return TASKS[task]["profiles"][profile]["rungs"][rung]["settings"]


def rates(settings):
    """The learning rate of every step as a share of the highest, None where the schedule is the script's own."""
    if settings["family" if "family" in settings else "proxy"] in ("autoresearch", "separate", "ladder"):
        return None
    if "family" in settings:
        parsed = parse_design(settings)
        assert isinstance(parsed, LraSettings)
        chosen = parsed.training
        found = [rate(chosen.learning_rate, chosen.warmup, step) for step in range(1, chosen.steps + 1)]
    else:
        parsed = parse_settings(settings)
        parsed = parsed.training if isinstance(parsed, RepeatedSettings) else parsed
        assert isinstance(parsed, (JointSettings, LanguageSettings))
        chosen = parsed.optimiser
        found = [warmup_cosine(step, parsed.steps, chosen.warmup, chosen.floor) for step in range(parsed.steps)]
    return np.array(found) / max(found)


@pytest.mark.parametrize("task,profile,rung", RUNGS)
def test_every_rung_decays_its_learning_rate(task, profile, rung):
    shares = rates(settings_of(task, profile, rung))
    if shares is None:
        return
    if task.startswith("design-lra-retrieval") and profile == "paper" and rung != "screen":
        assert shares[-1] == 1, "5000 of 8000 steps of warm-up are the published training; say so where that changes"
        return
    assert np.argmax(shares) < len(shares) / 2, "at most half of the steps rise"
    # compose-mad-2p scores the whole of a training at a constant rate; where the end is read off, the rate has come down.
    assert shares[-1] < 0.7 or (task, profile) == ("compose-mad-2p", "nano")


@pytest.mark.parametrize("task", [name for name in TASKS if name.startswith("design-lra-retrieval")])
def test_the_published_retrieval_matches_plain_summaries(task):
    """[a, b] as the benchmark trains it, without their product and difference, on every rung."""
    for rung in TASKS[task]["profiles"]["paper"]["rungs"]:
        assert settings_of(task, "paper", rung)["model"]["interaction"] == "plain"


def test_a_shorter_look_at_the_published_arena_reaches_the_published_rate():
    def highest(task, rung):
        chosen = parse_design(settings_of(f"design-lra-{task}-fixed", "paper", rung)).training
        return max(rate(chosen.learning_rate, chosen.warmup, step) for step in range(1, chosen.steps + 1))

    for task in ("listops", "text", "retrieval"):
        assert highest(task, "screen") == pytest.approx(highest(task, "confirm"), rel=1e-3)


@pytest.mark.parametrize("task", [name for name in TASKS if name.startswith("compose")])
def test_the_metadata_names_the_quantities_that_are_measured(task):
    for profile, described in TASKS[task]["profiles"].items():
        told = TASKS[task]["metrics"][profile]
        for rung in described["rungs"].values():
            assert metric_names(parse_settings(rung["settings"]))._asdict() == told


def test_prequential_accuracy_is_micro_and_macro_accuracy_is_not(nano):
    """A model of one step: the accuracies of its first batch over asked positions, counted by hand."""
    settings = {**nano, "steps": 1, "sequences_per_task": 64, "optimiser": {**nano["optimiser"], "warmup": 0}}
    parsed = parse_settings(settings)
    found = measure(Candidate(tokens("BA"), 3, "validation"), parsed, CPU)
    sizes, offset = parsed.tasks.recall, 0
    data = generate("recall", sizes, 3, "train", 64, "recall")
    inputs, targets = in_range(data.inputs, data.targets, sizes.length, offset)
    vocabulary = sum(one.vocabulary for one in vars(parsed.tasks).values())
    model = StackModel(tokens("BA"), parsed.model, vocabulary, 3, "learned-code", sizes.length)
    frame = make_frame(sizes.length, parsed.model, CPU)
    with torch.no_grad():
        answers = model.logits(model.trunk(torch.from_numpy(inputs), frame)).argmax(1).numpy()
    asked = targets.reshape(-1)
    kept = asked != IGNORE
    assert found.tasks["recall"].validation == pytest.approx((answers[kept] == asked[kept]).mean())


@pytest.mark.parametrize("task", TASK_NAMES)
def test_mad_starts_as_published(tiny_separate, task):
    """nn.Linear's uniform +-1/sqrt(fan_in) for the language models, N(0, 0.02) throughout for the autoencoder."""
    tiny_separate["model"].update(width=64, ffn_inner=96, ssm_inner=128, attention_heads=2)
    settings = parse_settings(tiny_separate)
    model = separate_module.TaskTraining(
        task, Candidate(tokens("BAM"), 0, "validation"), settings, CPU, TORCH
    ).learner._model
    matrices = [*model.matrices(), model.head]
    if model.decoder is not None:
        matrices += [model.decoder.first, model.decoder.second]
    for values in (matrix.detach() for matrix in matrices):
        bound = values.shape[0] ** -0.5
        if task == "compression":
            assert float(values.std()) == pytest.approx(0.02, rel=0.1)
        else:
            assert values.abs().max() <= bound and float(values.std()) == pytest.approx(bound / math.sqrt(3), rel=0.1)
    assert float(model.embedding.detach().std()) == pytest.approx(0.02, rel=0.1)
    assert float(model.layers[1].input_bias.abs().max()) == 0


def test_the_position_code_of_the_autoencoder_is_sines_then_cosines():
    code = SinusoidalDecoder(128, 32, np.random.default_rng(0), Start()).code
    assert code[0].tolist() == [0.0] * 64 + [1.0] * 64
    assert code[5, 0] == pytest.approx(math.sin(5)) and code[5, 64] == pytest.approx(math.cos(5))
    assert code[7, 63] == pytest.approx(math.sin(7 / 10_000)) and code[7, 127] == pytest.approx(math.cos(7 / 10_000))
