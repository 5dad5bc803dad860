"""What the scripts share."""

import argparse
import csv
import sys
from pathlib import Path

csv.field_size_limit(2**31)


def arguments():
    parser = argparse.ArgumentParser()
    for flag in ("--global-shared-data-dir", "--agent-data-mount-dir"):
        parser.add_argument(flag, required=True)
    parser.add_argument("--agent-log-dir")
    options = parser.parse_args()
    for folder in vars(options).values():
        if folder is not None and not Path(folder).is_dir():
            print(f"no directory {folder}", file=sys.stderr)
            sys.exit(1)
    return options


def documents(raw, split):
    with (Path(raw) / "synthetic" / "text-labels" / "default" / f"{split}.csv").open(
        newline="", encoding="utf-8"
    ) as stream:
        return list(csv.DictReader(stream))


def write(folder, file, rows, names):
    Path(folder).mkdir(parents=True)
    with (Path(folder) / file).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
