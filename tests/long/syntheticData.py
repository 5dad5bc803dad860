"""Writes small data of our own making in the formats that the scripts of the public AIRS-Bench directories read.

    python syntheticData.py TASKS OUT

For each directory below TASKS, OUT/<dataset>/<config> of its metadata gets a saved `datasets.DatasetDict` with the splits and
columns of that data set. Values are drawn; nothing in them is of the real data but the names and types of columns.
"""

import json
import sys
from pathlib import Path

import numpy as np
import yaml
from datasets import Dataset, DatasetDict

rng = np.random.default_rng(0)
WORDS = "amber birch cedar delta ember flint grove heath isle juniper kelp larch moss north ochre pine".split()
TRAIN, TEST = 60, 40


def words(count=5):
    return " ".join(rng.choice(WORDS, count))


def number():
    return float(np.round(rng.normal(10, 3), 4))


def span():
    return {"text": [words(2)], "answer_start": [int(rng.integers(50))]}


def series(length):
    return np.round(10 + 3 * np.sin(np.arange(length) / 3) + rng.normal(0, 1, length), 3).tolist()


def program():
    tests = {"inputs": ["1\n"], "outputs": ["1\n"]}
    return {"input_output": json.dumps(tests), "solutions": json.dumps(["print(input())"])}


def molecule():
    names = (
        "mu alpha eps_HOMO eps_LUMO delta_eps R_2_Abs ZPVE U_0 U H G c_v U_0_ATOM U_ATOM H_ATOM G_ATOM A B C".split()
    )
    extras = {"pos": [[number()] * 3], "atomic_numbers": [6], "natoms": 1, "tags": [0], "id": int(rng.integers(1000))}
    return {**{name: number() for name in names}, **extras, "composition": words(1)}


def graph():
    return {
        "x": [[1]],
        "node_feat": [[1]],
        "edge_index": [[0], [0]],
        "edge_attr": [[1]],
        "num_nodes": 1,
        "y": [number()],
    }


def question():
    return {"question_id": words(1), "plot_id": words(1), "title": words(2), "plot": words(9), "question": words(6),
            "no_answer": bool(rng.random() < 0.2), "answers": [words(2)]}  # fmt: skip


def sentences():
    return {
        "sentence_A": words(),
        "sentence_B": words(),
        "label": int(rng.integers(3)),
        "relatedness_score": number() / 3,
    }


def finance():
    answer = f"{number()}%" if rng.random() < 0.5 else str(rng.choice(["yes", "no"]))
    return {"pre_text": [words()], "post_text": [words()], "table": [[words(1)]], "question": words(), "answer": answer}


def coreference():
    return {"text": words(9), "span1_index": 0, "span2_index": 3, "span1_text": words(1), "span2_text": words(1),
            "idx": int(rng.integers(999)), "label": int(rng.integers(2))}  # fmt: skip


def schema():
    return {"sentence": words(9), "option1": words(1), "option2": words(1), "answer": str(rng.integers(1, 3))}


def arithmetic(answer=None):
    return {"ID": words(1), "Body": words(8), "Question": words(6), "question_concat": words(14), "Equation": "( 1 + 1 )",
            "Type": "Addition", "Answer": answer or str(int(number()))}  # fmt: skip


ROWS = {
    "codeparrot/apps": lambda: {"problem_id": int(rng.integers(999)), "question": words(9), **program(),
                                "difficulty": "interview", "url": words(1), "starter_code": ""},
    "aps/super_glue": coreference,
    "allenai/winogrande": schema,
    "nimashoghi/qm9": molecule,
    "graphs-datasets/ZINC": graph,
    "ChilleD/SVAMP": arithmetic,
    "ibm-research/duorc": question,
    "Pavithree/eli5": lambda: {"title": words(7), "answers": span()},
    "dreamerdeo/finqa": finance,
    "rajpurkar/squad": lambda: {"id": words(1), "title": words(2), "context": words(12), "question": words(), "answers": span()},
    "Yelp/yelp_review_full": lambda: {"text": words(9), "label": int(rng.integers(5))},
    "RobZamp/sick": sentences,
}  # fmt: skip


def splits(task, info):
    """Rows by split of the data set of a task directory."""
    name, config = info["dataset"], info["config"]
    if name.startswith("Monash"):
        horizon, count = {"solar_weekly": (5, 50), "rideshare": (48, 30), "kaggle_web_traffic": (59, 740)}[config]
        whole = [[series(30 + 3 * horizon) for _ in range(3)] for _ in range(count)]

        def cut(length):
            if config == "rideshare":
                return [
                    {"target": [one[:length] for one in row[:2]], "feat_dynamic_real": [row[2][:length]]}
                    for row in whole
                ]
            return [{"target": row[0][:length], "feat_dynamic_real": None} for row in whole]

        return {split: cut(30 + number * horizon) for number, split in enumerate(("train", "validation", "test"))}
    if name.startswith("google/code_x_glue"):
        made = [{"id": row, "code_tokens": words(6).split(), "docstring_tokens": [str(row), *words(6).split()]}
                for row in range(210)]  # fmt: skip
        return {split: made for split in ("train", "validation", "test")}
    draw = ROWS[name]
    shipped = task / "gold_submission.csv"
    answers = shipped.read_text().split()[1:] if shipped.is_file() else None
    found = {split: [draw() for _ in range(TRAIN if split == "train" else TEST)]
             for split in ("train", "validation", "val", "test")}  # fmt: skip
    return {**found, "test": [draw(answer) for answer in answers]} if answers else found


def main():
    tasks, out = map(Path, sys.argv[1:])
    for task in sorted(path.parent for path in tasks.glob("*/metadata.yaml")):
        info = yaml.safe_load((task / "metadata.yaml").read_text())["logging_info"]
        folder = out / info["dataset"] / info["config"]
        if not folder.exists():
            made = {split: Dataset.from_list(rows) for split, rows in splits(task, info).items()}
            DatasetDict(made).save_to_disk(str(folder))


if __name__ == "__main__":
    main()
