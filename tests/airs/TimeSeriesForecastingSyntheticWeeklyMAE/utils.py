import argparse
import csv
import json
import sys
from pathlib import Path


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--global-shared-data-dir", type=Path, required=True)
    parser.add_argument("--agent-data-mount-dir", type=Path, required=True)
    parser.add_argument("--agent-log-dir", type=Path)
    options = parser.parse_args()
    for folder in (options.global_shared_data_dir, options.agent_data_mount_dir):
        if not folder.is_dir():
            print(f"{folder} does not exist", file=sys.stderr)
            sys.exit(1)
    return options


def series(raw):
    with (raw / "synthetic" / "weekly-series" / "default" / "series.csv").open(newline="") as stream:
        return [json.loads(row["target"]) for row in csv.DictReader(stream)]


def write_rows(folder, header, rows):
    folder.mkdir(exist_ok=True)
    with (folder / "rows.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows([json.dumps(cell) for cell in row] for row in rows)
