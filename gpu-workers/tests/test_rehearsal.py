"""Rehearsals divide training rows; they share no row with the evaluator's hidden splits. Scripts see rows of their own."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from aira_design.autoresearch import host as text_host
from aira_primitives.discover import found_in
from aira_workers.mad import TASK_NAMES, generate
from aira_workers.model import StackModel
from aira_workers.primitives import make_frame
from aira_workers.proxies import parse_settings as parse_proxy
from conftest import PACKAGE, REPOSITORY
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


# Scripts about stacks.

SEED = 1_500_000_000


def rows_for_scripts(out, value, *more, **environment):
    (out.parent / "settings.json").write_text(json.dumps(value))
    return subprocess.run(
        [sys.executable, "-m", "aira_rehearsal", "--settings", out.parent / "settings.json", "--seed", str(SEED),
         "--rows", "4096", "--out", out, *more],
        capture_output=True, text=True, env={"PYTHONPATH": str(PACKAGE), "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip


def printed(out, architecture, source, **environment):
    """What a script prints that sees these rows and this candidate."""
    candidate = out.parent / "candidate"
    candidate.mkdir(exist_ok=True)
    (candidate / "architecture.txt").write_text(architecture)
    places = {"AIRA_STACK_DATA": str(out), "AIRA_STACK_CANDIDATE": str(candidate), "PYTHONPATH": str(PACKAGE)}
    found = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True,
        env={**places, "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


LEARNS = """
import json, torch, aira_stack
torch.manual_seed(0)
task = aira_stack.tasks()[-1]
train, apart = aira_stack.rows(task)
model = aira_stack.build(task)
optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
before = float(model.loss(apart))
for step in range(20):
    loss = model.loss(train, torch.randint(len(train), (8,)))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
other = aira_stack.build(task, "1mA+3M", seed=2)
print(json.dumps([task, len(train), len(apart), before, float(model.loss(apart)), model.accuracy(apart), list(other.layers)]))
"""


def sizes_before(proxy, name):
    return [one for other, one in vars(proxy.tasks).items() if TASK_NAMES.index(other) < TASK_NAMES.index(name)]


def test_rows_for_a_stack_of_one_network_are_of_a_seed_that_no_evaluation_has(tmp_path, nano):
    out = tmp_path / "out"
    assert rows_for_scripts(out, nano).returncode == 0
    each = nano["steps"] * nano["sequences_per_task"]
    proxy = parse_proxy(nano)
    for name, sizes in vars(proxy.tasks).items():
        train, apart = (np.load(out / part / name / "inputs.npy") for part in ("train", "apart"))
        assert (len(train), len(apart)) == (int(each * 0.7), each - int(each * 0.7))
        offset = sum(one.vocabulary for one in sizes_before(proxy, name))

        def drawn(seed, split):
            data = generate(name, sizes, seed, split, each, "recall").inputs
            pad = ((0, 0), (0, train.shape[1] - data.shape[1]))
            return {row.tobytes() for row in np.pad(data + offset, pad, constant_values=offset).astype(np.int32)}

        shown = {row.tobytes() for row in np.concatenate([train, apart])}
        assert shown == drawn(SEED, "train")
        for seed in (1, 1001, 2001):
            assert shown.isdisjoint(drawn(seed, "train") | drawn(seed, "test"))
    task, train, apart, before, after, accuracy, layers = printed(out, "mA M mA M", LEARNS)
    assert (task, train + apart) == ("selective_copying", each)
    assert after < before - 0.1 and 0 <= accuracy <= 1
    assert layers == ["mA", "M", "M", "M"]


def test_the_stack_of_a_script_is_the_one_that_the_evaluator_trains(tmp_path, nano, tiny_separate):
    source = """
import json, aira_stack
model = aira_stack.build(TASK, seed=7)
train, _ = aira_stack.rows(TASK)
print(json.dumps([sum(each.numel() for each in model.parameters()), model(train.inputs[:2], train.decoded).flatten()[:5].tolist()]))
"""
    for given, task, network in (
        (nano, "recall", ("learned-code", 32, "fan-in", 125)),
        (tiny_separate, "compression", ("sinusoidal", 32, "small", 16)),
        (tiny_separate, "recall", ("none", 31, "linear", 8)),
    ):
        out = tmp_path / f"{given['proxy']}-{task}"
        out.mkdir()
        out = out / "out"
        assert rows_for_scripts(out, given).returncode == 0
        parameters, logits = printed(out, "mA M Mb", source.replace("TASK", repr(task)))
        decoder, length, start, vocabulary = network
        parsed = parse_proxy(given)
        model = StackModel(("mA", "M", "Mb"), parsed.model, vocabulary, 7, decoder, length, start)
        assert parameters == sum(each.numel() for each in model.parameters())
        tokens = torch.from_numpy(np.load(out / "train" / task / "inputs.npy")[:2].astype(np.int64))
        hidden = model.trunk(tokens, make_frame(tokens.shape[1], parsed.model, torch.device("cpu")))
        if task == "compression":
            hidden = model.decoder(hidden.view(2, tokens.shape[1], -1)[:, -1])
        assert logits == pytest.approx(model.logits(hidden).flatten()[:5].tolist(), rel=1e-5)


def language(score="prequential", corpus="stories"):
    task = yaml.safe_load((REPOSITORY / "tasks" / "compose-babistories-2p" / "metadata.yaml").read_text())
    value = task["profiles"]["nano"]["rungs"]["screen"]["settings"]
    return {**value, "steps": 5, "score": score, "data": {**value["data"], "corpus": corpus}}


def test_text_for_a_stack_is_drawn_apart_or_divided_where_it_is_not_scored(tmp_path):
    out = tmp_path / "out"
    assert rows_for_scripts(out, language()).returncode == 0
    task, train, apart, before, after, _, _ = printed(out, "mA M", LEARNS)
    assert (task, train, apart) == ("language", 42, 18) and after < before
    refused = rows_for_scripts(tmp_path / "other", language(corpus="imported"))
    assert refused.returncode == 2 and "scored on its training text" in refused.stderr
    missing = rows_for_scripts(tmp_path / "third", language("held-out", "imported"))
    assert missing.returncode == 2 and missing.stderr.count("\n") == 1


def test_a_script_builds_stacks_with_primitives_of_the_user_from_the_sources_that_were_hashed(tmp_path, nano):
    out = tmp_path / "out"
    folder = REPOSITORY / "primitives"
    found = rows_for_scripts(out, nano, "--own", "gla", AIRA_PRIMITIVES=str(folder))
    assert found.returncode == 0, found.stderr
    facts = json.loads((out / "stack.json").read_text())
    assert facts["primitives"] == {"gla": found_in(folder / "gla.py").digest}
    assert [path.name for path in (out / "primitives").iterdir()] == ["gla.py"]
    learns = LEARNS.replace("1mA+3M", "1gla+3M")
    assert printed(out, "gla M", learns, AIRA_PRIMITIVES=str(out / "primitives"))[-1] == ["gla", "M", "M", "M"]
    unknown = rows_for_scripts(tmp_path / "other", nano, "--own", "nosuch")
    assert unknown.returncode == 2 and "nosuch" in unknown.stderr
