"""Small jobs and data of the scale tests, and the trainer's real process."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

PACKAGES = Path(__file__).resolve().parents[1]

SHAPE = {
    "width": 32, "ffn_inner": 48, "heads": 4, "kv_heads": 2, "head_dim": 8, "ssm_inner": 64, "ssm_head_dim": 16,
    "ssm_state": 8, "ssm_groups": 1, "ssm_conv": 4, "ssm_chunk": 16, "rotary_base": 500000.0,
}  # fmt: skip


def make_job(data, pattern=("mA", "M", "Mb", "M"), family="llama", budgets=((8, "short"), (16, "long")), **changes):
    """A job of a few seconds; `changes` are written to dotted paths with __ for the dot."""
    job = {
        "v": 1,
        "model": {"family": family, "pattern": list(pattern), "shape": dict(SHAPE), "vocabulary": 257},
        "data": {"folder": str(data), "digest": json.loads((data / "index.json").read_text())["digest"]},
        "schedule": {
            "sequence": 32, "batch_tokens": 256, "warmup": 3, "decay": 0.25,
            "budgets": [{"name": name, "steps": steps} for steps, name in budgets],
        },
        "optimiser": {"lr": 0.01, "weight_decay": 0.1, "beta1": 0.9, "beta2": 0.95, "momentum": 0.95, "clip": 1.0},
        "precision": "float32",
        "validation_sequences": 6,
        "seed": 1,
        "machine": {
            "device": "cpu", "threads": 1, "micro_batch": 4, "parallel": "none", "checkpoint_seconds": 600,
            "peak_flops": 1e12,
        },
    }  # fmt: skip
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = job
        for parent in parents:
            place = place[parent]
        place[last] = value
    return copy.deepcopy(job)


def environment(**extra):
    return {**os.environ, "PYTHONPATH": str(PACKAGES), "OMP_NUM_THREADS": "1", **extra}


def run_job(job, folder, **extra):
    """Run a job to its end in a process of its own; return (exit status, events)."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = folder.parent / f"{folder.name}.json"
    file.write_text(job if isinstance(job, str) else json.dumps(job))
    command = [sys.executable, "-m", "aira_scale", "run", "--job", str(file), "--folder", str(folder)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(**extra))
    events = [json.loads(line) for line in done.stdout.splitlines()]
    if events and events[-1]["event"] == "failed" and events[-1]["reason"] == "crash":
        events[-1]["trace"] = done.stderr
    return done.returncode, events


def only(events, kind):
    return [event for event in events if event["event"] == kind]


# What a training came to, without what the machine decides.
MACHINE_FIGURES = ("seconds", "sessions", "tokensPerSecond", "mfu", "peakMemoryBytes", "cpuSeconds", "folder")


def figures(events):
    """The results of a run, each without the figures of the machine, by budget."""
    results = only(events, "result")
    return {one["budget"]: {k: v for k, v in one.items() if k not in MACHINE_FIGURES} for one in results}
