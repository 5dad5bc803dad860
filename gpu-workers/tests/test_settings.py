"""Settings are strict: what is not understood is an error that names it."""

import copy

import pytest
from aira_workers.errors import InvalidCandidate
from aira_workers.proxies import JointSettings, LadderSettings, SeparateSettings, parse_settings


def edited(settings, path, value, remove=False):
    settings = copy.deepcopy(settings)
    inside = settings
    for part in path[:-1]:
        inside = inside[part]
    if remove:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return settings


def test_every_rung_of_every_profile_parses(metadata):
    kinds = {"nano": JointSettings, "small": SeparateSettings, "paper": SeparateSettings, "ladder": None}
    assert set(metadata["profiles"]) == set(kinds)
    for profile, kind in kinds.items():
        rungs = metadata["profiles"][profile]["rungs"]
        assert list(rungs) == ["screen", "confirm", "final"]
        for rung in rungs.values():
            assert set(rung) == {"seconds", "settings"} and rung["seconds"] > 0
            parsed = parse_settings(rung["settings"])
            # Finalists alone climb the difficulty ladders.
            assert isinstance(parsed, kind or (SeparateSettings, LadderSettings))


def test_rungs_are_what_they_claim(metadata):
    nano = {name: rung["settings"] for name, rung in metadata["profiles"]["nano"]["rungs"].items()}
    assert (nano["screen"]["steps"], nano["confirm"]["steps"]) == (240, 600)
    assert nano["final"] == nano["confirm"]
    paper = parse_settings(metadata["profiles"]["paper"]["rungs"]["final"]["settings"])
    assert (paper.train_samples, paper.test_samples, paper.epochs, paper.batch) == (800, 1280, 200, 128)
    assert paper.held_out_samples == 240 and paper.model.width == 128


@pytest.mark.parametrize(
    "path,value,message",
    [
        (["stepz"], 3, "unknown key 'stepz'; did you mean 'steps'?"),
        (["optimiser", "nesterov"], True, "settings.optimiser: unknown key 'nesterov'"),
        (["tasks", "recall", "vocab"], 8, "settings.tasks.recall: unknown key 'vocab'"),
        (["steps"], 2.5, "settings.steps: expected int, got float 2.5"),
        (["steps"], True, "settings.steps: expected int, got bool True"),
        (["steps"], 0, "steps must be above 0"),
        (["model", "norm_gain"], 1, "settings.model.norm_gain: expected bool"),
        (["optimiser", "lr"], float("nan"), "settings.optimiser.lr: expected float"),
        (["optimiser", "lr"], "0.01", "settings.optimiser.lr: expected float"),
        (["optimiser", "beta1"], 1.0, "must be in [0, 1)"),
        (["model"], 7, "settings.model: expected an object, got int 7"),
        (["tasks", "recall", "length"], 64, "must have the same length"),
        (["proxy"], "solo", "expected one of joint, repeated, separate, ladder, language, got 'solo'"),
    ],
)
def test_a_wrong_setting_is_named(nano, path, value, message):
    with pytest.raises(InvalidCandidate) as caught:
        parse_settings(edited(nano, path, value))
    assert message in str(caught.value)


def test_a_missing_setting_is_named(nano):
    with pytest.raises(InvalidCandidate) as caught:
        parse_settings(edited(nano, ["optimiser", "clip"], None, remove=True))
    assert "settings.optimiser: missing key 'clip'" in str(caught.value)


def test_an_int_is_welcome_where_a_float_is_wanted(nano):
    assert parse_settings(edited(nano, ["optimiser", "clip"], 1)).optimiser.clip == 1.0


@pytest.mark.parametrize("held_out", [0.0, 1.0, 0.01])
def test_a_split_must_leave_samples_on_both_sides(tiny_separate, held_out):
    with pytest.raises(InvalidCandidate):
        parse_settings(edited(tiny_separate, ["held_out"], held_out))
