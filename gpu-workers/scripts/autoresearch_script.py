"""Train, ask and score one train.py of autoresearch by hand, with constants changed: the figures of docs/tasks.md.

    python3 gpu-workers/scripts/autoresearch_script.py tasks/autoresearch/baseline/train.py --rung screen --seed 1 SHORT_CONV=3

Prints one line of JSON: metrics of the validation split, what was served, the processor seconds of program and host together, and
what the program may take. Hidden rows are drawn from a fixed secret. Nothing isolates the script.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

PACKAGES = Path(__file__).resolve().parents[1]


def main() -> None:
    options = parse()
    metadata = yaml.safe_load((PACKAGES.parent / "tasks" / "autoresearch" / "metadata.yaml").read_text())
    settings = metadata["profiles"][options.profile]["rungs"][options.rung]["settings"]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "candidate").mkdir()
        (work / "candidate" / "train.py").write_text(changed(options.script.read_text(), options.constants))
        (work / "settings.json").write_text(json.dumps(settings))
        (work / "secret").write_bytes(b"x" * 32)
        print(json.dumps({"constants": options.constants, **judged(work, options.seed, options.data)}))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("script", type=Path)
    parser.add_argument("constants", nargs="*", help="NAME=value, as Python")
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--rung", default="screen")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, help="folder of imported data, for the profile paper")
    return parser.parse_args()


def changed(source: str, constants: "list[str]") -> str:
    for name, value in (one.split("=", 1) for one in constants):
        source, times = re.subn(rf"^{name} = .*$", f"{name} = {value}", source, flags=re.MULTILINE)
        if times != 1:
            sys.exit(f"{name} is not declared once")
    return source


def judged(work: Path, seed: int, data: "Path | None") -> dict:
    prepared, state, candidate = work / "prepared", work / "state", ("--candidate", work / "candidate")
    manifest = ("--manifest", prepared / "manifest.json")
    verb(
        work,
        "prepare",
        "--seed",
        seed,
        "--secret",
        work / "secret",
        "--out",
        prepared,
        *(("--data", data) if data else ()),
    )
    before = spent()
    trained = verb(
        work, "host-train", "--seed", seed, "--train", prepared / "train", *manifest, *candidate, "--out", state
    )
    training = spent() - before
    if trained["status"] != "ok":
        return trained
    asked = verb(
        work,
        "host-predict",
        "--inputs",
        prepared / "validation",
        "--state",
        state,
        *manifest,
        *candidate,
        "--out",
        work / "asked",
    )
    seconds = {"training": round(training, 1), "prediction": round(spent() - before - training, 1)}
    return {**asked, "served": trained["served"], "allowed": trained.get("processor"), "seconds": seconds}


def verb(work: Path, *arguments: object) -> dict:
    """What the last line of a verb of aira_design says; it ends this process where the verb fails."""
    where = {**os.environ, "PYTHONPATH": str(PACKAGES), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "aira_design", *map(str, arguments), "--settings", str(work / "settings.json")]
    done = subprocess.run(command, env=where, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}


def spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
