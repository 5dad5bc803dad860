"""A task directory by others through prepare, a program, and its own scorer, step by step."""

import csv
import json
import math
import shutil
import subprocess
import sys

import numpy as np
import pytest
from aira_tasks import chain
from aira_tasks.rehearsal import hold_out, submissions, visible_answers
from aira_tasks.tables import NoTable, read_table
from conftest import PACKAGE, REPOSITORY

TASK = REPOSITORY / "tests" / "airs" / "TimeSeriesForecastingSyntheticWeeklyMAE"
SETTINGS = {"family": "airs", "task": str(TASK), "columns": "label_target", "metric": "MAE"}
SECRET = b"of the laboratory, 32 bytes long"
BASELINE = (PACKAGE / "aira_tasks" / "constant_baseline.py").read_text()
NAIVE = """
import csv, json
with open("data/test/rows.csv", newline="") as stream:
    rows = [json.loads(row["target"]) for row in csv.DictReader(stream)]
with open("submission.csv", "w", newline="") as stream:
    writer = csv.writer(stream)
    writer.writerow(["label_target"])
    writer.writerows([json.dumps([row[-1]] * 5)] for row in rows)
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The raw series and the prepared folders; waves, so that the last value is a better guess than the mean."""
    root = tmp_path_factory.mktemp("airs")
    raw = root / "raw"
    folder = raw / "synthetic" / "weekly-series" / "default"
    folder.mkdir(parents=True)
    with (folder / "series.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["target"])
        for row in range(137):
            writer.writerow([json.dumps([round(10 * row + math.sin(week / 9), 3) for week in range(52)])])
    manifest = chain.prepare(SETTINGS, 3, raw, root / "made", SECRET)
    # Renamed after it was made, as the host does, and used after the raw data have moved.
    (root / "made").rename(root / "out")
    raw.rename(root / "moved")
    return root / "out", manifest


def run(tmp_path, prepared, program, split="validation"):
    out, _ = prepared
    candidate, state, answers = tmp_path / "candidate", tmp_path / "state", tmp_path / "answers"
    for folder in (candidate, state, answers):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    (candidate / "solution.py").write_text(program)
    chain.train(candidate, state)
    chain.predict(out / split, candidate, answers)
    return chain.score(SETTINGS, out / "hidden", answers / "predictions.f32", split, out.parent / "moved")


def test_validation_rows_are_training_rows_that_the_program_does_not_see(prepared):
    out, manifest = prepared
    assert manifest["held_out"] == {"train": 110, "validation": 27}
    whole, visible = read_table(out / "test" / "train"), read_table(out / "validation" / "train")
    hidden = read_table(out / "hidden" / "validation" / "test_with_labels")
    assert visible.rows == 110 and hidden.rows == 27
    assert sorted(visible.column("target") + hidden.column("target")) == sorted(whole.column("target"))
    shown = read_table(out / "validation" / "test")
    assert shown.names == ["target"] and shown.column("target") == hidden.column("target")
    assert not list(out.glob("test/*label*")) and not list(out.glob("validation/*label*"))


def test_the_chain_scores_a_program_on_both_splits(tmp_path, prepared):
    naive = run(tmp_path, prepared, NAIVE)
    assert 0 < naive["MAE"] < 1
    assert run(tmp_path, prepared, BASELINE)["MAE"] > 100
    for line in ("HISTORY = 1", "HISTORY = 4", 'HISTORY = 4  # tune: 4\nCENTRE = "median"'):
        tuned = BASELINE.replace("HISTORY = 0", line).replace('\nCENTRE = "mean"', "", "median" in line)
        assert run(tmp_path, prepared, tuned)["MAE"] < 2
    assert 0 < run(tmp_path, prepared, NAIVE, "test")["MAE"] < 1


@pytest.mark.parametrize("history,after", [(0, [5.5, 6.5]), (1, [9.0, 9.0]), (2, [8.5, 8.5])])
def test_answers_that_continue_a_list_are_as_long_as_each_row_needs(tmp_path, history, after):
    """Hidden rows go on for longer than training rows, as in forecasting benchmarks that extend one series."""
    rows = {
        "train": [("[1, 2, NaN]", "[1, 2, NaN, 4, 5]"), ("[3, 4, 5]", "[3, 4, 5, 7, 8]")],
        "test": [("[6, NaN, 8, 9]",)],
    }
    for split, cells in rows.items():
        (tmp_path / "data" / split).mkdir(parents=True)
        with (tmp_path / "data" / split / "rows.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["target", "label_target"][: len(cells[0])])
            writer.writerows(cells)
    (tmp_path / "solution.py").write_text(BASELINE.replace("HISTORY = 0", f"HISTORY = {history}"))
    subprocess.run([sys.executable, "solution.py"], cwd=tmp_path, check=True)
    header, row = csv.reader((tmp_path / "submission.csv").open(newline=""))
    answer = json.loads(row[0])
    level = sum([6, 8, 9]) / 3 if history == 0 else after[0]
    assert header == ["label_target"] and answer == [6.0, pytest.approx(level), 8.0, 9.0, *after]


@pytest.mark.parametrize(
    "reason,program",
    [
        ("nan", NAIVE.replace("[row[-1]] * 5", "[float('nan')] * 5")),
        ("nan", NAIVE.replace("[row[-1]] * 5", "[float('inf')] * 5")),
        ("nan", NAIVE.replace("json.dumps([row[-1]] * 5)", "''")),
        ("invalid", NAIVE.replace("for row in rows)", "for row in rows[1:])")),
        ("invalid", NAIVE.replace("* 5", "* 4")),
        ("invalid", NAIVE.replace('"submission.csv"', '"answers.csv"')),
        ("invalid", "def ("),
        ("crash", "raise SystemExit(4)"),
        ("invalid", "import os\nos.symlink('/etc/passwd', 'submission.csv')"),
    ],
)
def test_what_is_wrong_with_a_program_has_a_reason(tmp_path, prepared, reason, program):
    with pytest.raises(chain.ProgramFailed) as caught:
        run(tmp_path, prepared, program)
    assert caught.value.reason == reason, str(caught.value)


def test_a_link_as_answer_is_not_followed(tmp_path, prepared):
    (tmp_path / "predictions.f32").symlink_to(prepared[0] / "manifest.json")
    with pytest.raises(chain.ProgramFailed) as caught:
        chain.score(SETTINGS, prepared[0] / "hidden", tmp_path / "predictions.f32", "validation")
    assert caught.value.reason == "tampered"


def test_scripts_see_the_named_data_set_alone(tmp_path):
    """A task that lists what it was given: `datasets` is all of it, and nothing is an empty folder, at both steps."""
    task = tmp_path / "task"
    shutil.copytree(TASK, task)
    prologue = (
        'import sys; from pathlib import Path; at = Path(sys.argv[sys.argv.index("--global-shared-data-dir") + 1])\n'
    )
    prologue += f'open({str(tmp_path / "seen")!r}, "a").write(str(sorted(p.name for p in at.glob("*/*"))))\n'
    for script in ("prepare.py", "evaluate_prepare.py"):
        (task / script).write_text(prologue + _MAKES_ROWS)
    (task / "evaluate.py").write_text("print('--- EVALUATION RESULT ---\\n{\"MAE\": 1.5}')")
    for name in ("one/a", "two/b"):
        (tmp_path / "data" / name).mkdir(parents=True)
    settings = {**SETTINGS, "task": str(task), "columns": "y"}
    (tmp_path / "answers.csv").write_text("y\n1\n2\n")
    for number, (raw, datasets) in enumerate([(tmp_path / "data", ["one/a"]), (tmp_path / "data", []), (None, [])]):
        made, stored = tmp_path / f"making-{number}", tmp_path / f"stored-{number}"
        chain.prepare(settings, 1, raw, made, datasets=datasets)
        made.rename(stored)
        chain.score(settings, stored / "hidden", tmp_path / "answers.csv", "test", raw, datasets)
    # prepare.py, and evaluate_prepare.py twice: for the order of rows, and for the score.
    assert (tmp_path / "seen").read_text() == "['a']" * 3 + "['a', 'b']" * 3 + "[]" * 3


_MAKES_ROWS = """
out = Path(sys.argv[sys.argv.index("--agent-data-mount-dir") + 1])
for split, text in (("train", "x,y\\n1,1\\n2,2\\n3,3\\n4,4\\n5,5\\n"), ("test", "x\\n1\\n2\\n"), ("test_with_labels", "x,y\\n1,1\\n2,2\\n")):
    (out / split).mkdir(parents=True, exist_ok=True)
    (out / split / "rows.csv").write_text(text)
"""


def test_the_verbs_are_those_of_a_design_package(tmp_path, prepared):
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({**SETTINGS, "columns": "no_such_column"}))
    raw = prepared[0].parent / "moved"
    arguments = ["prepare", "--settings", settings, "--seed", 1, "--out", tmp_path / "out", "--data", raw]
    done = subprocess.run(
        [sys.executable, "-m", "aira_tasks", *map(str, arguments)],
        capture_output=True, text=True, cwd=PACKAGE, env={},
    )  # fmt: skip
    assert done.returncode == 2 and "no column no_such_column" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_tables_of_every_format_are_split_and_permuted_alike(tmp_path, kind):
    agent = tmp_path / "agent"
    for split, names in (("train", ("x", "y")), ("test", ("x",))):
        (agent / split).mkdir(parents=True)
        columns = {"x": np.arange(20), "y": np.arange(20) % 3}
        visible = {name: columns[name] for name in names}
        if kind == "npz":
            np.savez(agent / split / "rows.npz", **visible)
        else:
            with (agent / split / "rows.csv").open("w", newline="") as stream:
                csv.writer(stream).writerows([list(visible), *zip(*visible.values())])
    backwards = lambda rows: list(range(rows))[::-1]
    assert hold_out(agent, ["y"], 0.25, backwards, None, tmp_path / "held-out") == {"train": 15, "validation": 5}
    assert read_table(tmp_path / "held-out" / "data" / "test").names == ["x"]
    labelled, made = tmp_path / "labelled", tmp_path / "made"
    shutil.copytree(agent / "train", labelled / "test_with_labels")
    assert submissions(labelled / "test_with_labels", ["y"], None, made) == {
        "header": ["y"],
        "rows": 20,
        "numbers": True,
    }
    lines = {file.stem: file.read_text().splitlines() for file in made.iterdir()}
    assert lines["gold"][0] == "y" and lines["short"] == lines["gold"][:-1]
    assert sorted(lines["permuted"]) == sorted(lines["gold"]) != lines["permuted"]
    changed = sum(a != b for a, b in zip(lines["gold"], lines["permuted-part"]))
    assert 1 <= changed <= 4 and lines["nan"][1:] == ["nan"] * 20
    assert visible_answers(agent, labelled, ["y"]) == []
    shutil.copytree(agent / "train", agent / "test", dirs_exist_ok=True)
    assert visible_answers(agent, labelled, ["y"]) == ["the column y is in the agent's test split",
                                                       "the column y of the agent's test split contains the answers of y"]  # fmt: skip
    with pytest.raises(NoTable, match="no column z"):
        submissions(labelled / "test_with_labels", ["z"], None, tmp_path / "none")
