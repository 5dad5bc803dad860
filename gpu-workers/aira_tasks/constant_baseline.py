"""Predicts the same for every row: where a search on a task without a baseline of its own starts.

Reads data/train and data/test as one csv or npz each, or as saved datasets, and answers every row with the mean of the
training answers, or with the most frequent one where they are no numbers. Lists of numbers are averaged place by place.
With HISTORY above 0, a list that is to be forecast from a list is the mean of the last HISTORY numbers instead.
"""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np

HISTORY = 0  # tune: 0|1|2|4|8|13|26|52
CENTRE = "mean"  # tune: mean|median

centre = {"mean": np.mean, "median": np.median}[CENTRE]


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
        return json.dumps(centre(np.asarray(values, dtype=float), axis=0).tolist())
    if all(isinstance(one, float) or (isinstance(one, int) and not isinstance(one, bool)) for one in values):
        whole = all(isinstance(one, int) for one in values)
        return Counter(values).most_common(1)[0][0] if whole else float(centre(values))
    return Counter(str(cell) for cell in cells).most_common(1)[0][0]


def forecasts(answers, test):
    """One answer per row: the centre of the end of the row's own history, as often as the answer is long."""
    wanted = value(answers)
    lists = [name for name in test if isinstance(value(test[name][0]), list)]
    if HISTORY == 0 or not isinstance(wanted, list) or len(lists) != 1:
        return None
    ends = [centre(np.asarray(value(cell)[-HISTORY:], dtype=float)) for cell in test[lists[0]]]
    return [json.dumps([float(end)] * len(wanted)) for end in ends]


train, test = columns(Path("data/train")), columns(Path("data/test"))
wanted = [name for name in train if name not in test]
rows = len(next(iter(test.values())))
answers = []
for name in wanted:
    same = constant(train[name])
    answers.append(forecasts(same, test) or [same] * rows)
with open("submission.csv", "w", newline="", encoding="utf-8") as stream:
    writer = csv.writer(stream)
    writer.writerow(wanted)
    writer.writerows(zip(*answers))
