"""Populations: the torch reference alone, the same member alone and in company, and members that leave."""

import pytest
import torch
from aira_workers.errors import Cancelled, Diverged, OutOfMemory
from aira_workers.population import PopulationEngine, measure_together
from aira_workers.population import engine as population_engine
from aira_workers.proxies import TORCH, Candidate, Hooks, Measurement, measure, parse_settings
from conftest import tokens

CPU = torch.device("cpu")
MIXES = ["MMM", "AAA", "BBB", "MAB", "BAM", "ABB", "AMA", "MMB"]


def together(candidates, settings, device=CPU, hooks=None, out_of_memory=lambda error: "out of memory" in str(error)):
    found = {}
    hooks = hooks or [Hooks()] * len(candidates)
    measure_together(
        PopulationEngine(device, 64), candidates, settings, hooks, found.__setitem__, lambda: None, out_of_memory
    )
    return [found[place] for place in range(len(candidates))]


def same(one: Measurement, other: Measurement, tolerance: float) -> None:
    assert one.params == other.params and one.flops == other.flops
    assert [step for step, _ in one.curve] == [step for step, _ in other.curve]
    for (_, a), (_, b) in zip(one.curve, other.curve):
        assert a == pytest.approx(b, abs=tolerance)
    for figure in ("validation", "test"):
        a, b = getattr(one, figure), getattr(other, figure)
        assert (a is None) == (b is None)
        assert a is None or a == pytest.approx(b, abs=tolerance)
    for name, score in one.tasks.items():
        assert score.loss == pytest.approx(other.tasks[name].loss, abs=tolerance)


def candidates(seed=1, which="validation", mixes=MIXES):
    return [Candidate(tokens(letters), seed, which) for letters in mixes]


@pytest.fixture
def joint(nano):
    return parse_settings({**nano, "steps": 6})


@pytest.fixture
def separate(tiny_separate):
    return parse_settings(tiny_separate)


@pytest.mark.parametrize("proxy", ["joint", "separate"])
@pytest.mark.parametrize("which", ["validation", "test"])
def test_alone_and_in_company_and_as_the_reference(proxy, which, request):
    settings = request.getfixturevalue(proxy)
    population = candidates(which=which) + [Candidate(tokens("BAM"), 2, which)]
    for candidate, found in zip(population, together(population, settings)):
        (alone,) = together([candidate], settings)
        same(found, alone, 1e-6)
        same(found, measure(candidate, settings, CPU, engine=TORCH), 2e-3)


def test_members_of_different_seeds_keep_their_own_data(joint):
    pair = [Candidate(tokens("BAM"), seed, "validation") for seed in (1, 2)]
    one, other = together(pair, joint)
    assert one.validation != other.validation
    same(one, together(pair[:1], joint)[0], 1e-6)


@pytest.fixture
def broken_weights(monkeypatch):
    """Gives the start of every model of all-attention stacks a NaN: what a training that blew up looks like."""
    from aira_workers.population import joint, separate

    def spoil(kind):
        def make(architecture, *rest):
            model = kind(architecture, *rest)
            if set(architecture) == {"mA"}:
                with torch.no_grad():
                    model.layers[1].output[0, 0] = float("nan")
            return model

        return make

    for module in (joint, separate):
        monkeypatch.setattr(module, "StackModel", spoil(module.StackModel))


@pytest.mark.parametrize("proxy", ["joint", "separate"])
def test_a_member_that_turns_nan_fails_alone(proxy, request, broken_weights):
    settings = request.getfixturevalue(proxy)
    population = candidates(mixes=["MAB", "AAA", "BAM"])
    outcomes = together(population, settings)
    assert isinstance(outcomes[1], Diverged)
    for place in (0, 2):
        same(outcomes[place], together([population[place]], settings)[0], 1e-6)


def test_members_that_solve_a_task_leave_and_the_rest_go_on(tiny_separate):
    # A bar that some members pass on some tasks and others never do.
    settings = parse_settings({**tiny_separate, "epochs": 6, "stop_at": 0.2})
    population = candidates(mixes=["MMM", "AMA", "BAM", "BBB", "MAB"])
    outcomes = together(population, settings)
    whole = together(population, parse_settings({**tiny_separate, "epochs": 6, "stop_at": 2.0}))
    shortened = [one.flops < full.flops for one, full in zip(outcomes, whole)]
    assert any(shortened)
    for candidate, outcome in zip(population, outcomes):
        same(outcome, together([candidate], settings)[0], 1e-6)


def test_out_of_memory_halves_the_population_and_ends_only_who_does_not_fit_alone(joint, monkeypatch):
    tried = []
    train = population_engine.measure_joint_together

    def small(members, *rest):
        tried.append(len(members))
        if len(members) > 2 or any("Mb" in member.architecture for member in members):
            raise RuntimeError("CUDA out of memory")
        return train(members, *rest)

    monkeypatch.setattr(population_engine, "measure_joint_together", small)
    population = candidates(mixes=["AMA", "MMM", "AAA", "MAB"])
    outcomes = together(population, joint)
    assert tried == [4, 2, 2, 1, 1]
    assert isinstance(outcomes[3], OutOfMemory)
    monkeypatch.undo()
    for place in range(3):
        same(outcomes[place], together([population[place]], joint)[0], 1e-6)


def test_another_error_is_nobodys_fault_and_goes_up(joint, monkeypatch):
    def fail(*_):
        raise RuntimeError("driver shut down")

    monkeypatch.setattr(population_engine, "measure_joint_together", fail)
    with pytest.raises(RuntimeError, match="driver"):
        together(candidates(mixes=["AMA", "MMM"]), joint)


def test_a_population_is_cancelled_between_two_steps(joint):
    asked = []
    stop = Hooks(lambda: len(asked) >= 3 or asked.append(None) is not None)
    with pytest.raises(Cancelled):
        together(candidates(mixes=["AMA", "MMM"]), joint, hooks=[stop, Hooks()])
    assert len(asked) == 3


def test_each_member_hears_of_its_own_progress(joint):
    heard = [[], []]
    hooks = [Hooks(progress=lambda *event, mine=mine: mine.append(event)) for mine in heard]
    outcomes = together(candidates(mixes=["AMA", "MMM"]), joint, hooks=hooks)
    for mine, outcome in zip(heard, outcomes):
        step, steps, score = mine[-1]
        assert (step, steps) == (6, 6) and score == pytest.approx(outcome.validation)


@pytest.mark.gpu
@pytest.mark.parametrize("proxy", ["joint", "separate"])
def test_on_cuda_companions_do_not_matter_and_the_reference_agrees(proxy, request):
    settings = request.getfixturevalue(proxy)
    device = torch.device("cuda")
    population = candidates()
    for candidate, found in zip(population, together(population, settings, device)):
        same(found, together([candidate], settings, device)[0], 5e-3)
        same(found, measure(candidate, settings, CPU, engine=TORCH), 5e-2)


@pytest.mark.gpu
def test_bfloat16_learns_as_float32_does(tiny_separate):
    device = torch.device("cuda")
    rough, fine = (
        together(candidates(), parse_settings({**tiny_separate, "bfloat16_on_cuda": chosen}), device)
        for chosen in (True, False)
    )
    for one, other in zip(rough, fine):
        assert one.validation == pytest.approx(other.validation, abs=0.1)
