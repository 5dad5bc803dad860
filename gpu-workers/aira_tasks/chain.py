"""A task directory of another harness as the four steps of a Design evaluation: prepare, train, predict, score.

Role: run a task's own prepare.py, evaluate_prepare.py and evaluate.py, which are trusted, around a program, which is not. The
program is `solution.py`: it reads the agent's data from ./data and writes ./submission.csv. Invariants:

1. The program's step sees the agent's folder and nothing else of the task; only trusted steps see task folder, raw data and
   answers.
2. A search selects by rows held out of the training split, scored by the task's own evaluate.py. The test split of the task
   is scored in a step of its own, and only when the host requests the test score.
3. What evaluate.py reads is what was checked (submission.py).
4. The position of a row reveals nothing about its answer: a program sees the rows of train and test in an order drawn from the
   lab's secret (roworder.py), and the answers are put in the same order for scoring.
5. Errors that no program can fix are Refused before one is trained: scripts, packages, a default baseline that is not valid.
"""

import json
import math
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

from . import csvtext
from .baseline import default_baseline
from .failures import ProgramFailed, Refused
from .rehearsal import hold_out, scoring_columns
from .roworder import RowOrder, shuffle
from .submission import MOST_SUBMISSION_BYTES, SUBMISSION, plain_file, require_numbers, rewritten
from .tables import NoTable, read_table, replace_table

PROGRAM, ANSWERS, LABELLED = "solution.py", "predictions.f32", "test_with_labels"
NO_DATA = "no-data"
MARKER = "--- EVALUATION RESULT ---"
_ORDER = "order.json"
_SHARE = 0.2
_FAILED = 3
_LACKING = re.compile(r"^ModuleNotFoundError: No module named '([\w.]+)'", re.MULTILINE)
_QUIET = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    # Data up to this size are read into memory; otherwise `datasets` writes its caches next to the imported files.
    "HF_DATASETS_IN_MEMORY_MAX_SIZE": str(4 * 2**30),
}


def prepare(
    settings: dict[str, Any], seed: int, raw: Optional[Path], out: Path,
    secret: Optional[bytes] = None, datasets: Sequence[str] = (),
) -> dict:  # fmt: skip
    """Write train/ (nothing), validation/ and test/ (the program's ./data) and hidden/. Raises Refused.

    `raw` is the data folder; the scripts see `datasets` of it, or everything if none is named. No file in `out` names a
    path outside it, since it may be renamed and used by other searches with the same data.
    """
    task = Path(settings["task"])
    agent = out / "test"
    for folder in (agent, out / "train", out / "hidden" / NO_DATA):
        folder.mkdir(parents=True)
    with _raw(raw, datasets, out / "hidden") as shown:
        _script(task / "prepare.py", ["--global-shared-data-dir", shown, "--agent-data-mount-dir", agent])
    columns = scoring_columns(settings["columns"])
    # The task's name and not its path: scores depend on the content, not on its folder.
    order = RowOrder(task.name, seed, secret)
    try:
        with _raw(raw, datasets, out / "hidden") as shown:
            labels = _test_in_order(task, shown, agent, out / "hidden", columns, order)
        sizes = hold_out(agent, columns, _SHARE, order.of("validation"), labels, out / "held-out")
        shuffle(agent / "train", order.of("train"))
    except NoTable as error:
        raise Refused(f"{error}; without validation rows there is nothing to search by") from error
    for extra in sorted(agent.iterdir()):
        if extra.name not in ("train", "test"):
            (shutil.copytree if extra.is_dir() else shutil.copyfile)(extra, out / "held-out" / "data" / extra.name)
    shutil.move(str(out / "held-out" / "data"), str(out / "validation"))
    shutil.move(str(out / "held-out" / "labelled"), str(out / "hidden" / "validation"))
    shutil.rmtree(out / "held-out")
    if settings.get("default") is not None:
        _rehearse(settings, out)
    entry = {"file": ANSWERS, "bytes": MOST_SUBMISSION_BYTES}
    return {"splits": {"validation": entry, "test": entry}, "held_out": sizes}


def train(candidate: Path, out: Path) -> None:
    """Check only that the program is Python: it trains in `predict`, where its data are. Raises ProgramFailed."""
    try:
        py_compile.compile(str(candidate / PROGRAM), cfile=str(out / "program.pyc"), doraise=True)
    except (py_compile.PyCompileError, OSError, ValueError) as error:
        raise ProgramFailed("invalid", f"{PROGRAM} is not Python: {error}") from error
    (out / "program.pyc").unlink()
    (out / "ready").write_text("1", encoding="utf-8")


def predict(inputs: Path, candidate: Path, out: Path) -> None:
    """Run the program next to its data and store its submission. Untrusted. Raises ProgramFailed."""
    out = out.resolve()
    work = Path(tempfile.mkdtemp())
    os.symlink(inputs.resolve(), work / "data")
    done = subprocess.run([sys.executable, str((candidate / PROGRAM).resolve())], cwd=work, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise ProgramFailed("crash", f"{PROGRAM} exited with {done.returncode}")
    submission = work / SUBMISSION
    if not submission.is_file() or submission.is_symlink():
        raise ProgramFailed("invalid", f"{PROGRAM} left no {SUBMISSION} in its working directory")
    shutil.copyfile(submission, out / ANSWERS)


def score(
    settings: dict[str, Any], hidden: Path, answers: Path, split: str,
    raw: Optional[Path] = None, datasets: Sequence[str] = (),
) -> dict[str, float]:  # fmt: skip
    """Return {metric: score}. Raises ProgramFailed for a submission without a score, Refused for a broken script."""
    task, metric = Path(settings["task"]), settings["metric"]
    content = rewritten(plain_file(answers))
    work = Path(tempfile.mkdtemp(prefix="aira-airs-"))
    try:
        data, log = work / "data", work / "log"
        for folder in (data, log):
            folder.mkdir()
        (log / SUBMISSION).write_bytes(content)
        if split == "test":
            with _raw(raw, datasets, hidden) as shown:
                flags = ["--global-shared-data-dir", shown, "--agent-data-mount-dir", data, "--agent-log-dir", log]
                _script(task / "evaluate_prepare.py", flags)
            _reorder(data / LABELLED, hidden / _ORDER)
        else:
            shutil.copytree(hidden / "validation", data, dirs_exist_ok=True)
        shutil.copyfile(log / SUBMISSION, data / SUBMISSION)
        require_numbers(content, scoring_columns(settings["columns"]), read_table(data / LABELLED))
        done = _run(task / "evaluate.py", ["--submission-file", "./data/submission.csv"], work)
        if done.returncode != 0:
            _require_packages(task / "evaluate.py", done.stderr)
            raise ProgramFailed("invalid", f"the submission is not accepted: {_last(done.stderr)}")
        return {metric: _result(done.stdout, metric)}
    except NoTable as error:
        raise Refused(str(error)) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def failed(out: Path, failure: ProgramFailed) -> int:
    """Write failure.json and return the exit status for it."""
    record = {"reason": failure.reason, "message": str(failure)}
    (out / "failure.json").write_text(json.dumps(record), encoding="utf-8")
    print(failure, file=sys.stderr)
    return _FAILED


def _test_in_order(
    task: Path, raw: Path, agent: Path, hidden: Path, columns: Sequence[str], order: RowOrder
) -> Optional[str]:
    """Shuffle the agent's test rows by the lab's secret and store the order; return the name of the file with the answers.

    Raises NoTable, and Refused if answers and rows cannot be matched.
    """
    test = read_table(agent / "test")
    work = Path(tempfile.mkdtemp(prefix="aira-airs-"))
    try:
        data, log = work / "data", work / "log"
        for folder in (data, log):
            folder.mkdir()
        # Scripts copy a submission unconditionally, so there has to be one.
        blank = [csvtext.line(columns)] + [csvtext.line(["0"] * len(columns))] * test.rows
        (log / SUBMISSION).write_text("".join(blank), encoding="utf-8")
        flags = ["--global-shared-data-dir", raw, "--agent-data-mount-dir", data, "--agent-log-dir", log]
        _script(task / "evaluate_prepare.py", flags)
        answers = read_table(data / LABELLED)
        if answers.rows != test.rows:
            raise Refused(f"{LABELLED} has {answers.rows} rows and test {test.rows}, so their order cannot be hidden")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    (hidden / _ORDER).write_text(json.dumps(shuffle(agent / "test", order.of("test"))), encoding="utf-8")
    return answers.file


def _reorder(labelled: Path, order: Path) -> None:
    """Put the answers in the order in which the program saw the rows. Raises NoTable, Refused."""
    rows, table = json.loads(order.read_text(encoding="utf-8")), read_table(labelled)
    if table.rows != len(rows):
        raise Refused(f"{LABELLED} has {table.rows} rows; when the data were prepared it had {len(rows)}")
    replace_table(labelled, table.take(rows))


def _rehearse(settings: dict[str, Any], out: Path) -> None:
    """Score the default baseline on validation rows. Raises Refused if it is not a valid submission."""
    work = Path(tempfile.mkdtemp(prefix="aira-airs-"))
    try:
        os.symlink((out / "validation").resolve(), work / "data")
        (work / PROGRAM).write_text(default_baseline(settings["default"]), encoding="utf-8")
        done = _run(work / PROGRAM, [], work)
        if done.returncode != 0:
            raise ProgramFailed("crash", _last(done.stderr))
        score(settings, out / "hidden", work / SUBMISSION, "validation")
    except ProgramFailed as failure:
        raise Refused(
            f"write baseline/{PROGRAM} in the task's directory: a search starts from it, and the same answer for all rows is "
            f"not a valid submission here: {failure}"
        ) from failure
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _require_packages(script: Path, stderr: str) -> None:
    """Raise Refused if a script failed because this Python lacks a package: no submission changes that."""
    found = _LACKING.search(stderr)
    if found:
        raise Refused(f"{script.name} of the task needs the Python package {found[1]}, which {sys.executable} lacks")


def _result(stdout: str, metric: str) -> float:
    after = stdout.partition(MARKER)[2]
    start, end = after.find("{"), after.find("}")
    try:
        entries = json.loads(after[start : end + 1])
    except ValueError as error:
        raise Refused("evaluate.py printed no result after its marker") from error
    numbers = {name: value for name, value in entries.items() if isinstance(value, (int, float))}
    if list(numbers) != [metric]:
        raise Refused(f"evaluate.py printed {list(numbers)}; the metadata's metric is {metric}")
    if not math.isfinite(numbers[metric]):
        raise ProgramFailed("nan", "the score is not a finite number")
    return float(numbers[metric])


@contextmanager
def _raw(raw: Optional[Path], datasets: Sequence[str], hidden: Path) -> Iterator[Path]:
    """The folder that a task's scripts read raw data from: the data folder, a view of some of it, or an empty one."""
    if raw is None:
        yield (hidden / NO_DATA).resolve()
        return
    folder = raw.resolve()
    if not datasets:
        yield folder
        return
    view = Path(tempfile.mkdtemp(prefix="aira-raw-")).resolve()
    try:
        for name in datasets:
            (view / name).parent.mkdir(parents=True, exist_ok=True)
            os.symlink(folder / name, view / name)
        yield view
    finally:
        shutil.rmtree(view, ignore_errors=True)


def _script(script: Path, arguments: list[object]) -> None:
    done = _run(script, arguments, script.parent)
    if done.returncode != 0:
        _require_packages(script, done.stderr)
        raise Refused(f"{script.name} of the task ended with {done.returncode}: {_last(done.stderr)}")


def _run(script: Path, arguments: list[object], cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
        env={**os.environ, **_QUIET},
    )  # fmt: skip


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1][:500]
