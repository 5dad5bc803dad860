"""`sweep`: train a job at half, once and twice its learning rate, one after the other, and say what that means for the table.

Prints lines of JSON: {"event": "rate", "rate", "loss" (null for a diverged run)} after each run, and at the end
{"event": "verdict", "verdict": "inside" | "edge" | "flat", "factor"}.
Each run has a folder of its own below --folder; a killed sweep that is started again resumes.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path

from aira_workers.errors import InvalidCandidate

from ..job import LARGEST_JOB, parse_job, read_object
from ..sweep import FACTORS, at_rate, judge


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="aira_scale sweep")
    parser.add_argument("--job", type=Path, required=True, help="a job at the smallest size, parallel none")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument(
        "--noise", type=float, default=0.005, help="nats below which losses count as equal (default: 0.005)"
    )
    options = parser.parse_args(arguments)
    try:
        text = options.job.read_bytes()[: LARGEST_JOB + 1].decode()
        parse_job(text)
        job = read_object(text)
        losses = []
        for factor in FACTORS:
            losses.append(_train(at_rate(job, factor), options.folder / f"lr-{factor:g}"))
            loss = None if math.isinf(losses[-1]) else losses[-1]
            _say({"event": "rate", "rate": job["optimiser"]["lr"] * factor, "loss": loss})
        verdict = judge(losses, options.noise)
    except (InvalidCandidate, OSError, UnicodeDecodeError) as error:
        print(f"aira_scale: {error}", file=sys.stderr)
        return 1
    _say({"event": "verdict", "verdict": verdict.kind, "factor": verdict.factor})
    return 0


def _say(event: dict) -> None:
    print(json.dumps(event, allow_nan=False), flush=True)


def _train(job: dict, folder: Path) -> float:
    """Validation loss of the last budget; infinity when the run diverges. Raises InvalidCandidate when it fails otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    command = [sys.executable, "-m", "aira_scale", "run", "--job", str(folder / "job.json"), "--folder", str(folder)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=os.environ)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    last = events[-1] if events else {"event": "failed", "reason": "crash", "message": "the trainer said nothing"}
    if last["event"] == "done":
        return [event for event in events if event["event"] == "result"][-1]["validationLoss"]
    if last.get("reason") == "nan":
        return math.inf
    raise InvalidCandidate(f"{folder.name}: {last.get('message', last['event'])}")
