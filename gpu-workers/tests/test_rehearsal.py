"""Rehearsals divide training rows; they share no row with the evaluator's hidden splits."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from aira_design.autoresearch import host as text_host
from conftest import PACKAGE
from lra_chain import prepared, settings  # noqa: F401 - prepared is a fixture
from test_design_autoresearch import settings as text_settings


def rehearse(out, value, whole, *more):
    (out.parent / "settings.json").write_text(json.dumps(value))
    return subprocess.run(
        [sys.executable, "-m", "aira_rehearsal", "--settings", out.parent / "settings.json", "--prepared", whole,
         "--seed", "1", "--out", out, *more],
        capture_output=True, text=True, env={"PYTHONPATH": str(PACKAGE), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def rows(file):
    return {row.tobytes() for row in np.load(file)}


SHORT = ("--share", "0.5", "--rows", "40")


def test_rows_of_the_arena_are_divided_and_none_is_hidden(tmp_path, prepared):
    whole, _ = prepared
    out = tmp_path / "out"
    assert rehearse(out, settings(), whole, *SHORT).returncode == 0
    train, apart = rows(out / "train" / "inputs.npy"), rows(out / "validation" / "inputs.npy")
    assert len(train) == int(256 * 0.7) and len(apart) == 40
    assert train.isdisjoint(apart) and (train | apart) <= rows(whole / "train" / "inputs.npy")
    for split in ("validation", "test"):
        assert (train | apart).isdisjoint(rows(whole / split / "inputs.npy"))
    shorter = json.loads((out / "settings.json").read_text())
    assert shorter["training"]["steps"] == settings()["training"]["steps"] // 2
    assert json.loads((out / "manifest.json").read_text())["start"] != prepared[1]["start"]


def test_a_script_gets_rows_that_the_evaluator_does_not_use(tmp_path, prepared):
    whole, _ = prepared
    out = tmp_path / "out"
    assert rehearse(out, settings(), whole, *SHORT, "--script").returncode == 0
    assert sorted(path.name for path in out.iterdir()) == ["apart", "train"]
    found = rows(out / "train" / "inputs.npy") | rows(out / "apart" / "inputs.npy")
    assert len(found) == 256
    for split in ("train", "validation", "test"):
        assert found.isdisjoint(rows(whole / split / "inputs.npy"))


def test_training_text_is_divided_by_document(tmp_path):
    parsed = text_settings()
    value = dataclasses.asdict(parsed)
    whole = tmp_path / "whole"
    manifest = text_host.prepare(parsed, 1, b"s" * 16, None, whole)
    (whole / "manifest.json").write_text(json.dumps(manifest))
    out = tmp_path / "out"
    assert rehearse(out, value, whole, *SHORT).returncode == 0
    size = len(np.load(whole / "train" / "tokens.npy"))
    train = np.load(out / "train" / "tokens.npy")
    assert 0.6 < len(train) / size < 0.8
    apart = np.load(out / "hidden" / "validation_rows.npy")
    hidden = np.load(whole / "hidden" / "validation_rows.npy")
    assert {row.tobytes() for row in apart}.isdisjoint({row.tobytes() for row in hidden})
    # A apart row begins with a whole document, which no training document contains.
    assert apart[0][1:40].tobytes() not in train.tobytes()


@pytest.mark.parametrize("share", ["0", "1.5"])
def test_a_share_outside_its_range_is_refused_in_one_line(tmp_path, prepared, share):
    found = rehearse(tmp_path / "out", settings(), prepared[0], "--share", share, "--rows", "40")
    assert found.returncode == 2 and found.stderr.count("\n") == 1
