"""Predicts the same for every row: where a search on a task without a baseline of its own starts.

Reads data/train and data/test as one csv or npz each, or as saved datasets, and answers every row with the mean of the
training answers, or with the most frequent one where they are no numbers. Lists of numbers are averaged place by place.
"""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np


def columns(folder):
    """Names and columns of the one table in a folder."""
    if (folder / "dataset_info.json").is_file():
        from datasets import load_from_disk

        found = load_from_disk(str(folder))
        return {name: list(found[name]) for name in found.column_names}
    (file,) = [*folder.glob("*.csv"), *folder.glob("*.npz")]
    if file.suffix == ".npz":
        with np.load(file) as stored:
            return {name: stored[name].tolist() for name in stored.files}
    with file.open(newline="", encoding="utf-8-sig") as stream:
        header, *rows = csv.reader(stream)
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def value(cell):
    """A cell as a number or a list of numbers where it is one."""
    if isinstance(cell, str):
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    return cell


def constant(cells):
    """One answer for all rows, as it is written in a cell."""
    values = [value(cell) for cell in cells]
    if all(isinstance(one, list) for one in values) and len({len(one) for one in values}) == 1:
        return json.dumps(np.asarray(values, dtype=float).mean(axis=0).tolist())
    if all(isinstance(one, float) or (isinstance(one, int) and not isinstance(one, bool)) for one in values):
        whole = all(isinstance(one, int) for one in values)
        return Counter(values).most_common(1)[0][0] if whole else float(np.mean(values))
    return Counter(str(cell) for cell in cells).most_common(1)[0][0]


train, test = columns(Path("data/train")), columns(Path("data/test"))
wanted = [name for name in train if name not in test]
answers = [constant(train[name]) for name in wanted]
with open("submission.csv", "w", newline="", encoding="utf-8") as stream:
    writer = csv.writer(stream)
    writer.writerow(wanted)
    writer.writerows([answers] * len(next(iter(test.values()))))
