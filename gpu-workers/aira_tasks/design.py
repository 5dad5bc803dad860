"""Scripts of the Design tasks: the submission is a csv that names source files next to it.

    submission.csv     header `file`, then one row per file of the task, each exactly once

The agent may see train/, validation/ and test/ (inputs only). Scoring trains the submission with the train split in one
process, predicts in a second one and computes the score in a third; `aira_design` says why. These processes are not
isolated from each other here: run this script inside the container of a harness, or use `aira launch`, which gives
each a sandbox of its own.
"""

import csv
import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from .directory import (
    LABELLED,
    SEED,
    SUBMISSION,
    BadSubmission,
    evaluation_flags,
    load_metadata,
    load_settings,
    preparation_flags,
    print_result,
    stop,
    write_json,
)

_HIDDEN, _SECRET = "hidden", "secret"
_SCRIPTS = ("autoresearch",)
"""Families whose program is a whole script, which trusted code starts here."""


def prepare(task: Path, with_literature: bool = False) -> None:
    """prepare.py: the splits as an agent may see them, the settings that scoring will train with, and maybe notes."""
    options = preparation_flags("Write what the agent may see: the train split and the inputs of the hidden ones.")
    settings = load_settings(task, options.profile)
    mount = options.agent_data_mount_dir
    work = _prepare_all(settings, options.global_shared_data_dir, mount, None)
    for split in ("train", "validation", "test"):
        shutil.move(str(work / split), str(mount / split))
    below = _floors(work / "manifest.json", "validation")
    shutil.rmtree(work)
    write_json(mount / "settings.json", settings)
    if below:
        write_json(mount / "floors.json", below)
    if with_literature:
        write_json(mount / "literature.json", notes())
    print(f"prepared profile {options.profile}")


def evaluate_prepare(task: Path) -> None:
    """evaluate_prepare.py: what only the scorer may see, and the submission of the agent.

    The hidden rows are drawn with a fresh secret, so they are not the rows whose inputs the agent saw, nor any that it
    could have drawn itself from the published generator. Rows of imported files are what the files hold.
    """
    options = preparation_flags("Write the hidden splits and fetch the submission.")
    settings = load_settings(task, options.profile)
    mount = options.agent_data_mount_dir
    secret = mount / _SECRET
    secret.write_bytes(secrets.token_bytes(32))
    work = _prepare_all(settings, options.global_shared_data_dir, mount, secret)
    labelled = mount / LABELLED
    labelled.mkdir(exist_ok=True)
    for name in ("train", "test", _HIDDEN, "manifest.json"):
        shutil.move(str(work / name), str(labelled / name))
    shutil.rmtree(work)
    secret.unlink()
    write_json(labelled / "evaluation.json", {"profile": options.profile, "seed": SEED, "settings": settings})
    if options.agent_log_dir is not None:
        _fetch(task, options.agent_log_dir, mount)


def evaluate(task: Path) -> None:
    """evaluate.py: train, predict with and score the submission; status 2 and one sentence when it cannot be scored."""
    options = evaluation_flags("Train the submitted files on the train split and score them on the test split.")
    labelled = Path("data") / LABELLED
    evaluation = json.loads((labelled / "evaluation.json").read_text(encoding="utf-8"))
    try:
        names = read_submission(options.submission_file, task)
        score = _score(options, labelled, evaluation, names)
        for name, share in _floors(labelled / "manifest.json", "test").items():
            print(f"floor on the same rows, {name}: {share:.4f}")
        print_result(load_metadata(task)["logging_info"]["metric"], score)
    except BadSubmission as error:
        stop(f"evaluate.py: {error}", 2)


def read_submission(file: Path, task: Path) -> list[str]:
    """Return the names in `file`; raises BadSubmission unless they are exactly the files of the task."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            rows = [[cell.strip() for cell in row] for row in csv.reader(stream)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadSubmission(f"{file} cannot be read: {error}") from error
    if not rows or rows[0] != ["file"]:
        raise BadSubmission("row 1 must be the header file")
    wanted = {one["name"]: one["maxBytes"] for one in load_metadata(task)["design"]["files"]}
    names = []
    for number, row in enumerate(rows[1:], start=2):
        if not any(row):
            continue
        if len(row) != 1 or row[0] not in wanted:
            raise BadSubmission(f"row {number} is {','.join(row)!r}; this task takes {', '.join(wanted)}")
        if row[0] in names:
            raise BadSubmission(f"row {number} names {row[0]} again")
        names.append(row[0])
    missing = [name for name in wanted if name not in names]
    if missing:
        raise BadSubmission(f"{missing[0]} is not in the submission")
    for name in names:
        source = file.parent / name
        if source.is_symlink() or not source.is_file():
            raise BadSubmission(f"{name} is not next to {file.name}")
        if source.stat().st_size > wanted[name]:
            raise BadSubmission(f"{name} has {source.stat().st_size} bytes; it may have {wanted[name]}")
    return names


def notes() -> list[dict]:
    """This project's own notes on papers and code, without the hints that only its Compose agents can follow."""
    folder = Path(__file__).resolve().parents[2] / "corpus"
    fields = ("id", "kind", "title", "year", "arxiv", "url", "summary", "findings", "applies")
    found = []
    for file in sorted(folder.glob("*.yaml")):
        for note in yaml.safe_load(file.read_text(encoding="utf-8"))["notes"]:
            found.append({key: note[key] for key in fields if key in note})
    if not found:
        stop(f"there are no notes in {folder}")
    return found


def _prepare_all(settings: dict, data: Path, mount: Path, secret: object) -> Path:
    work = mount / ".work"
    work.mkdir()
    write_json(work / "settings.json", settings)
    done = _design("prepare", work, "--seed", SEED, "--data", data, "--out", work,
                   *(("--secret", secret) if secret else ()))  # fmt: skip
    if done.returncode != 0:
        shutil.rmtree(work)
        stop(done.stderr.strip(), 1)
    return work


def _floors(manifest: Path, split: str) -> dict[str, float]:
    """What a split yields without a mixer (aira_design/lra/floors.py); nothing for a family that has no floors."""
    return json.loads(manifest.read_text(encoding="utf-8")).get("floors", {}).get(split, {})


def _fetch(task: Path, log: Path, mount: Path) -> None:
    if not (log / SUBMISSION).is_file():
        stop(f"{log / SUBMISSION} does not exist: the agent left no submission")
    shutil.copyfile(log / SUBMISSION, mount / SUBMISSION)
    for one in load_metadata(task)["design"]["files"]:
        source = log / one["name"]
        if source.is_file() and not source.is_symlink():
            shutil.copyfile(source, mount / one["name"])


def _score(options, labelled: Path, evaluation: dict, names: list[str]) -> float:
    work = Path("evaluation-work").resolve()
    shutil.rmtree(work, ignore_errors=True)
    (work / "candidate").mkdir(parents=True)
    for name in names:
        shutil.copyfile(options.submission_file.parent / name, work / "candidate" / name)
    write_json(work / "settings.json", evaluation["settings"])
    labelled, candidate, device = labelled.resolve(), work / "candidate", ("--device", options.device)
    state = work / "state"
    hosted = ("--manifest", labelled / "manifest.json", "--candidate", candidate, *device)
    _must_host(_design("host-train", work, "--seed", evaluation["seed"], "--train", labelled / "train",
                       "--out", state, *hosted))  # fmt: skip
    if evaluation["settings"]["family"] in _SCRIPTS:
        _hand_over(state, json.loads((labelled / "manifest.json").read_text(encoding="utf-8"))["state"])
    asked = _must_host(_design("host-predict", work, "--inputs", labelled / "test", "--state", state,
                               "--out", work / "answers", *hosted))  # fmt: skip
    if "score" not in asked:
        return _figure(work, labelled)
    shutil.rmtree(work)
    return asked["score"]


def _hand_over(state: Path, names: list[str]) -> None:
    """Remove all files but `names` from the state of a script's training. Raises BadSubmission if the training failed."""
    failure = state / "failure.json"
    if failure.is_file() and not failure.is_symlink() and failure.stat().st_size < 65_536:
        record = json.loads(failure.read_text(encoding="utf-8"))
        raise BadSubmission(f"{record['reason']}: {record['message']}")
    for one in state.iterdir():
        if one.is_symlink() or one.name not in names:
            shutil.rmtree(one) if one.is_dir() and not one.is_symlink() else one.unlink()
    missing = [name for name in names if not (state / name).is_file()]
    if missing:
        raise BadSubmission(f"crash: the training left no {missing[0]}")


def _figure(work: Path, labelled: Path) -> float:
    scored = _design("score", work, "--manifest", labelled / "manifest.json", "--hidden", labelled / _HIDDEN,
                     "--predictions", work / "answers" / "predictions.f32", "--state", work / "state",
                     "--split", "test")  # fmt: skip
    if scored.returncode != 0:
        raise RuntimeError(scored.stderr)
    result = json.loads(scored.stdout)
    shutil.rmtree(work)
    if result["status"] != "ok":
        raise BadSubmission(f"{result['reason']}: {result['message']}")
    return result["score"]


def _design(verb: str, work: Path, *arguments: object) -> subprocess.CompletedProcess:
    # Only what Python needs of this process's environment: the candidate runs in this child.
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "CUDA_VISIBLE_DEVICES") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "aira_design", verb, "--settings", str(work / "settings.json"), *map(str, arguments)],
        capture_output=True, text=True, errors="replace",
        env={**inherited, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def _must_host(done: subprocess.CompletedProcess) -> dict:
    """Return the host's result. Raises BadSubmission if that is a failure, RuntimeError if the host itself failed."""
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    if found["status"] == "gone":
        raise BadSubmission(
            f"crash: the program ended early: {(done.stderr.strip().splitlines() or ['no message'])[-1][:500]}"
        )
    if found["status"] != "ok":
        raise BadSubmission(f"{found['reason']}: {found['message']}")
    return found
