"""A task directory of anybody's as the four steps of a Design evaluation: prepare, train, predict, score.

Role: run a task's own prepare.py, evaluate_prepare.py and evaluate.py, which are trusted, around a program, which is not. The
program is `solution.py`: it finds the agent's data in ./data and leaves ./submission.csv. Invariants:

1. The program's step sees the agent's folder and nothing else of the task; task folder, raw data and answers belong to the
   trusted steps alone.
2. A search steers by rows held out of the training split, scored by the task's own evaluate.py. The test split of the task
   is asked for in a step of its own, and only where the host wants the test figure.
3. A submission with anything but finite numbers where the answers are numbers is refused before evaluate.py sees it: some
   evaluators leave out what is not a number, which rewards leaving out the hard rows.
"""

import csv
import json
import math
import os
import py_compile
import shutil
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

from .rehearsal import hold_out, scoring_columns
from .tables import NoTable, read_table

PROGRAM, SUBMISSION, ANSWERS = "solution.py", "submission.csv", "predictions.f32"
NO_DATA = "no-data"
MOST_SUBMISSION_BYTES = 256 * 2**20
MARKER = "--- EVALUATION RESULT ---"
_SHARE = 0.2
_FAILED = 3


class Refused(Exception):
    """Thrown when settings, data or the task's scripts are wrong; one sentence, status 2."""


class ProgramFailed(Exception):
    """Thrown when the program or its submission is wrong; carries a reason code."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def prepare(
    settings: Dict[str, Any], seed: int, raw: Optional[Path], out: Path, datasets: Sequence[str] = ()
) -> dict:
    """Write train/ (nothing), validation/ and test/ (the program's ./data) and hidden/. Raises Refused.

    `raw` is the data folder; of it the scripts see `datasets`, or everything where none is named. Nothing that is kept
    names a place outside `out`, which may be renamed and used by others with the same data.
    """
    task = Path(settings["task"])
    agent = out / "test"
    for folder in (agent, out / "train", out / "hidden" / NO_DATA):
        folder.mkdir(parents=True)
    with _raw(raw, datasets, out / "hidden") as shown:
        _script(task / "prepare.py", ["--global-shared-data-dir", shown, "--agent-data-mount-dir", agent])
    columns = scoring_columns(settings["columns"])
    try:
        held = hold_out(agent, columns, _SHARE, seed, out / "held")
    except NoTable as error:
        raise Refused(f"{error}; without validation rows there is nothing to search by") from error
    for extra in sorted(agent.iterdir()):
        if extra.name not in ("train", "test"):
            (shutil.copytree if extra.is_dir() else shutil.copyfile)(extra, out / "held" / "data" / extra.name)
    shutil.move(str(out / "held" / "data"), str(out / "validation"))
    shutil.move(str(out / "held" / "labelled"), str(out / "hidden" / "validation"))
    shutil.rmtree(out / "held")
    entry = {"file": ANSWERS, "bytes": MOST_SUBMISSION_BYTES}
    return {"splits": {"validation": entry, "test": entry}, "held_out": held}


def train(candidate: Path, out: Path) -> None:
    """Only look whether the program is Python: it trains where its data are. Raises ProgramFailed."""
    try:
        py_compile.compile(str(candidate / PROGRAM), cfile=str(out / "program.pyc"), doraise=True)
    except (py_compile.PyCompileError, OSError, ValueError) as error:
        raise ProgramFailed("invalid", f"{PROGRAM} is not Python: {error}") from error
    (out / "program.pyc").unlink()
    (out / "ready").write_text("1", encoding="utf-8")


def predict(inputs: Path, candidate: Path, out: Path) -> None:
    """Run the program beside its data and keep its submission. Untrusted. Raises ProgramFailed."""
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
    settings: Dict[str, Any], hidden: Path, answers: Path, split: str,
    raw: Optional[Path] = None, datasets: Sequence[str] = (),
) -> Dict[str, float]:  # fmt: skip
    """Return {metric: score}. Raises ProgramFailed for a submission without one, Refused when a script is broken."""
    task, metric = Path(settings["task"]), settings["metric"]
    content = _plain_file(answers)
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
        else:
            shutil.copytree(hidden / "validation", data, dirs_exist_ok=True)
        shutil.copyfile(log / SUBMISSION, data / SUBMISSION)
        _require_numbers(data, scoring_columns(settings["columns"]), content)
        done = _run(task / "evaluate.py", ["--submission-file", "./data/submission.csv"], work)
        if done.returncode != 0:
            raise ProgramFailed("invalid", f"the submission is not accepted: {_last(done.stderr)}")
        return {metric: _result(done.stdout, metric)}
    finally:
        shutil.rmtree(work, ignore_errors=True)


def failed(out: Path, failure: ProgramFailed) -> int:
    """Write failure.json and return the status that tells of it."""
    told = {"reason": failure.reason, "message": str(failure)}
    (out / "failure.json").write_text(json.dumps(told), encoding="utf-8")
    print(failure, file=sys.stderr)
    return _FAILED


def _require_numbers(data: Path, columns: Sequence[str], content: bytes) -> None:
    """Raise ProgramFailed `nan` unless every cell is finite where the answers are numbers or lists of numbers."""
    try:
        table = read_table(data / "test_with_labels")
    except NoTable:
        return
    try:
        rows = list(csv.reader(content.decode("utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ProgramFailed("invalid", f"{SUBMISSION} is no csv: {error}") from error
    header = [cell.strip() for cell in rows[0]] if rows else []
    for place, column in enumerate(columns):
        if column not in table.names or not all(_numbers(value) for value in table.column(column)[:100]):
            continue
        where = header.index(column) if column in header else place
        for number, row in enumerate(rows[1:], start=2):
            cell = row[where] if where < len(row) else ""
            if not _numbers(cell):
                raise ProgramFailed("nan", f"row {number} of {SUBMISSION} has {cell[:40]!r}; finite numbers are needed")


def _numbers(value: Any) -> bool:
    """Whether a value, or the text of one, is a finite number or a list of such."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                return False
    if isinstance(value, list):
        return len(value) > 0 and all(_numbers(one) for one in value)
    return isinstance(value, (int, float)) and math.isfinite(value)


def _plain_file(file: Path) -> bytes:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ProgramFailed("invalid", f"the program left no {SUBMISSION}") from error
    except OSError as error:
        raise ProgramFailed("tampered", f"{SUBMISSION} is not a plain file") from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(descriptor)
        raise ProgramFailed("tampered", f"{SUBMISSION} is not a plain file of one name")
    with os.fdopen(descriptor, "rb") as stream:
        content = stream.read(MOST_SUBMISSION_BYTES + 1)
    if len(content) > MOST_SUBMISSION_BYTES:
        raise ProgramFailed("invalid", f"{SUBMISSION} is larger than {MOST_SUBMISSION_BYTES} bytes")
    return content


def _result(stdout: str, metric: str) -> float:
    after = stdout.partition(MARKER)[2]
    start, end = after.find("{"), after.find("}")
    try:
        entries = json.loads(after[start : end + 1])
    except ValueError as error:
        raise Refused("evaluate.py printed no result behind its marker") from error
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


def _script(script: Path, arguments: List[object]) -> None:
    done = _run(script, arguments, script.parent)
    if done.returncode != 0:
        raise Refused(f"{script.name} of the task ended with {done.returncode}: {_last(done.stderr)}")


def _run(script: Path, arguments: List[object], cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"},
    )  # fmt: skip


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1][:500]
