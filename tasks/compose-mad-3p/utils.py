"""What the scripts of this task share: finding the trainer, reading the profile, parsing the directories."""

import argparse
import json
import os
import sys
from pathlib import Path

import yaml

TASK = Path(__file__).resolve().parent
SEED = 0  # of the task's own data; a search evaluates with seeds of its choice
RUNG = "final"


def import_trainer() -> None:
    """Make `aira_workers` importable: an installed one, $AIRA_WORKERS_DIR, or the checkout this task belongs to."""
    for place in (os.environ.get("AIRA_WORKERS_DIR"), str(TASK.parents[1] / "gpu-workers")):
        if place and (Path(place) / "aira_workers").is_dir():
            sys.path.insert(0, place)
            return


def load_profile(name: str) -> dict:
    """Return {profile, seed, settings, compose} of the profile's final rung; exit 1 when there is no such profile."""
    metadata = yaml.safe_load((TASK / "metadata.yaml").read_text(encoding="utf-8"))
    if name not in metadata["profiles"]:
        sys.exit(f"unknown profile {name!r}; there are {', '.join(metadata['profiles'])}")
    settings = metadata["profiles"][name]["rungs"][RUNG]["settings"]
    return {"profile": name, "seed": SEED, "settings": settings, "compose": metadata["compose"]}


def data_sets(evaluation: dict, split: str, targets: str) -> dict:
    """The six data sets of one split by task name: the very sequences that the evaluation trains or scores on."""
    from aira_workers.mad import generate
    from aira_workers.proxies import JointSettings, parse_settings

    settings = parse_settings(evaluation["settings"])
    if split == "test":
        count = settings.test_samples
    elif isinstance(settings, JointSettings):
        count = settings.steps * settings.sequences_per_task
    else:
        count = settings.train_samples
    return {
        name: generate(name, sizes, evaluation["seed"], split, count, targets)
        for name, sizes in vars(settings.tasks).items()
    }


def directories(description: str) -> argparse.Namespace:
    """Parse the flags every preparation script takes; exit 1 when a directory is missing."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--global-shared-data-dir", type=Path, required=True, help="raw data (unused: data are drawn)")
    parser.add_argument("--agent-data-mount-dir", type=Path, required=True, help="where the prepared data go")
    parser.add_argument("--agent-log-dir", type=Path, help="where the agent left submission.csv")
    parser.add_argument("--profile", default="nano", help="profile of metadata.yaml (default: nano)")
    options = parser.parse_args()
    for directory in (options.global_shared_data_dir, options.agent_data_mount_dir, options.agent_log_dir):
        if directory is not None and not directory.is_dir():
            print(f"{directory} is not a directory", file=sys.stderr)
            sys.exit(1)
    return options


def write_json(file: Path, value: dict) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
