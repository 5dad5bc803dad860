"""MAE of the forecasts in submission.csv."""

import argparse
import csv
import json
from pathlib import Path

import numpy as np


def column(file, name):
    with file.open(newline="") as stream:
        return [row[name] for row in csv.DictReader(stream)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submission-file", type=Path, default=Path("submission.csv"))
    options = parser.parse_args()
    labels = np.array([json.loads(cell) for cell in column(Path("data/test_with_labels/rows.csv"), "label_target")])
    try:
        cells = column(options.submission_file, "label_target")
        forecasts = np.array([json.loads(cell) for cell in cells], dtype=float)
    except (OSError, KeyError, ValueError, TypeError) as error:
        parser.error(f"the submission cannot be read: {error}")
    if forecasts.shape != labels.shape:
        parser.error(f"the submission has the shape {forecasts.shape}; expected {labels.shape}")
    if not np.isfinite(forecasts).all():
        parser.error("a forecast is not a finite number")
    print("--- EVALUATION RESULT ---")
    print(json.dumps({"MAE": float(np.abs(forecasts - labels).mean())}, indent=2))


if __name__ == "__main__":
    main()
