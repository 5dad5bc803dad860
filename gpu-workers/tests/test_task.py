"""The task directory through its own scripts: prepare, submit, evaluate_prepare, evaluate."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from conftest import PACKAGE, REPOSITORY

TASK = REPOSITORY / "tasks" / "compose-mad-3p"
PATTERN = ["mA", "M", "Mb", "M"] * 4
GOOD = [f"{layer},{token}" for layer, token in enumerate(PATTERN)]


@pytest.fixture(scope="module")
def task(tmp_path_factory, metadata):
    """A copy of the task whose nano training is short, with its data and log directories."""
    tmp_path = tmp_path_factory.mktemp("task")
    shutil.copytree(TASK, tmp_path / "task", ignore=shutil.ignore_patterns("__pycache__"))
    changed = yaml.safe_load(yaml.safe_dump(metadata))
    changed["profiles"]["nano"]["rungs"]["final"]["settings"].update(steps=12, test_samples=20)
    (tmp_path / "task" / "metadata.yaml").write_text(yaml.safe_dump(changed))
    for name in ("raw", "agent", "logs", "scorer/data"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def run(task, script, *arguments, cwd=None):
    return subprocess.run(
        [sys.executable, str(task / "task" / script), *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd or task, env={"AIRA_WORKERS_DIR": str(PACKAGE)},
    )  # fmt: skip


def submit(task, rows, header="layer,primitive"):
    (task / "logs" / "submission.csv").write_text("\n".join([header, *rows]) + "\n")


def scored(task):
    prepared = prepare_scorer(task)
    assert prepared.returncode == 0, prepared.stderr
    return run(task, "evaluate.py", "--submission-file", "./data/submission.csv", cwd=task / "scorer")


def prepare_scorer(task):
    flags = ["--global-shared-data-dir", task / "raw", "--agent-data-mount-dir", task / "scorer" / "data"]
    return run(task, "evaluate_prepare.py", *flags, "--agent-log-dir", task / "logs")


def test_a_submission_is_trained_and_scored_on_the_genuine_test_split_only(task):
    flags = ["--global-shared-data-dir", task / "raw", "--agent-data-mount-dir", task / "agent"]
    done = run(task, "prepare.py", *flags)
    assert done.returncode == 0, done.stderr
    assert json.loads((task / "agent" / "space.json").read_text()) == {"layers": 16, "primitives": ["M", "mA", "Mb"]}
    for name in ("recall", "selective_copying"):
        assert set(np.load(task / "agent" / "test" / f"{name}.npz")) == {"inputs"}
        train = np.load(task / "agent" / "train" / f"{name}.npz")
        assert train["inputs"].shape == train["targets"].shape and len(train["inputs"]) == 48
    submit(task, GOOD)
    done = scored(task)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.split("--- EVALUATION RESULT ---\n")[1])
    assert list(result) == ["MeanAccuracy"] and 0 < result["MeanAccuracy"] < 1
    assert not list((task / "agent").rglob("*label*"))

    file = task / "scorer" / "data" / "test_with_labels" / "recall.npz"
    stored = dict(np.load(file))
    stored["targets"] = np.zeros_like(stored["targets"])
    np.savez(file, **stored)
    done = run(task, "evaluate.py", "--submission-file", "./data/submission.csv", cwd=task / "scorer")
    assert done.returncode == 1 and "recall.npz differs from the test split" in done.stderr


@pytest.mark.parametrize(
    "rows,header,message",
    [
        (GOOD[:15], "layer,primitive", "the submission has 15 layers; the space asks 16"),
        ([*GOOD[:3], "3,Q", *GOOD[4:]], "layer,primitive", "row 5 has the primitive 'Q'"),
        ([*GOOD[:3], *GOOD[4:]], "layer,primitive", "row 5 is layer '4'; expected 3"),
        ([*GOOD[:4], *GOOD[3:]], "layer,primitive", "row 6 is layer '3'; expected 4"),
        (GOOD, "primitive,layer", "row 1 must be the header"),
        (["0"], "layer,primitive", "row 2 has 1 cells"),
    ],
)
def test_a_bad_submission_is_one_sentence_and_status_2(task, rows, header, message):
    if not (task / "scorer" / "data" / "test_with_labels").exists():
        submit(task, GOOD)
        prepare_scorer(task)
    submission = task / "scorer" / "bad.csv"
    submission.write_text("\n".join([header, *rows]) + "\n")
    done = run(task, "evaluate.py", "--submission-file", submission, cwd=task / "scorer")
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_missing_directories_end_with_status_1(task):
    flags = ["--global-shared-data-dir", task / "nowhere", "--agent-data-mount-dir", task / "agent"]
    for script in ("prepare.py", "evaluate_prepare.py"):
        done = run(task, script, *flags)
        assert done.returncode == 1 and "is not a directory" in done.stderr


def test_metadata_has_every_key_of_the_format(metadata):
    top = {"metric_lower_is_better", "file_export_globs", "container_python_requirements",
           "evaluate_container_python_requirements", "logging_info"}  # fmt: skip
    info = {"name", "dataset", "category", "research_problem", "output_type", "config", "train_split", "test_split",
            "input_columns", "scoring_column", "custom_gold_labels", "custom_rad_class", "metric", "sota",
            "dataset_paper_url", "shape", "estimated_worst_score", "optimal_score"}  # fmt: skip
    assert top <= set(metadata) and info <= set(metadata["logging_info"])
    assert metadata["logging_info"]["name"] == TASK.name
    assert metadata["compose"] == {"layers": 16, "primitives": ["M", "mA", "Mb"]}
