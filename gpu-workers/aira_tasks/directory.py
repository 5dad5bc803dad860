"""Shared by all task scripts: their flags, the profile, and exit statuses."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NoReturn

import yaml

SEED = 0  # of the task's own data; a search evaluates with seeds of its choice
RUNG = "final"
MARKER = "--- EVALUATION RESULT ---"
LABELLED = "test_with_labels"
SUBMISSION = "submission.csv"


class BadSubmission(Exception):
    """Raised when a submission cannot be scored; the message is one sentence for its author. evaluate.py exits 2."""


def preparation_flags(description: str) -> argparse.Namespace:
    """Parse the flags of prepare.py and evaluate_prepare.py; exit 1 when a directory is missing."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--global-shared-data-dir", type=Path, required=True, help="imported data")
    parser.add_argument("--agent-data-mount-dir", type=Path, required=True, help="where the prepared data go")
    parser.add_argument("--agent-log-dir", type=Path, help="where the agent left submission.csv")
    parser.add_argument("--profile", default="nano", help="profile of metadata.yaml (default: nano)")
    options = parser.parse_args()
    for directory in (options.global_shared_data_dir, options.agent_data_mount_dir, options.agent_log_dir):
        if directory is not None and not directory.is_dir():
            stop(f"{directory} is not a directory")
    return options


def evaluation_flags(description: str) -> argparse.Namespace:
    """Parse the flags of evaluate.py, which runs where the prepared data are visible as ./data."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--submission-file", type=Path, default=Path(SUBMISSION))
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: cpu)")
    return parser.parse_args()


def load_metadata(task: Path) -> dict:
    return yaml.safe_load((task / "metadata.yaml").read_text(encoding="utf-8"))


def load_settings(task: Path, profile: str) -> dict:
    """Return the settings of the profile's final rung; exit 1 if there is none of that name."""
    profiles = load_metadata(task)["profiles"]
    if profile not in profiles:
        stop(f"unknown profile {profile!r}; there are {', '.join(profiles)}")
    return profiles[profile]["rungs"][RUNG]["settings"]


def print_result(metric: str, value: float) -> None:
    print(MARKER)
    print(json.dumps({metric: value}, indent=2, allow_nan=False))


def write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def stop(message: str, status: int = 1) -> NoReturn:
    """End the script with one sentence on standard error."""
    print(message, file=sys.stderr)
    sys.exit(status)
