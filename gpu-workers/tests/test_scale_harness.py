"""lm-evaluation-harness runs its own six tasks on rows of our own and an exported directory, and agrees with the twin item by item."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from aira_scale.zeroshot.harness import PACKAGES
from conftest import tokens
from test_scale_export import trained

PACKAGE = Path(__file__).resolve().parents[1]


def arc(question: str, choices: list[str], gold: int) -> dict:
    return {
        "question": question,
        "choices": {"text": choices, "label": ["A", "B", "C"][: len(choices)]},
        "answerKey": "ABC"[gold],
    }


ARC = [
    arc("What melts ice?", ["heat", "a very cold night in winter", "wind"], 0),
    arc("Which is a metal?", ["wood", "copper", "a sheet of paper"], 1),
    arc("What do plants need?", ["darkness for a whole year", "salt", "light"], 2),
    arc("Which moves fastest?", ["a snail", "light", "a train"], 1),
    arc("What is frozen water?", ["steam", "ice", "dew"], 1),
]
ROWS = {
    "arc_easy": ARC,
    "arc_challenge": ARC,
    "piqa": [
        {"goal": goal, "sol1": first, "sol2": second, "label": label}
        for goal, first, second, label in (
            ("cut paper", "use scissors", "use a spoon full of soup", 0),
            ("boil an egg", "put it into ice", "put it into hot water", 1),
            ("dry a shirt", "hang it in the sun", "dip it", 0),
            ("open a door", "sing", "turn the handle", 1),
            ("light a room", "switch on the lamp", "close the curtains at noon", 0),
            ("sharpen a pencil", "boil it", "turn it in a sharpener", 1),
        )
    ],
    "hellaswag": [
        {
            "ind": index,
            "activity_label": label,
            "ctx_a": f"A person {what} [header] slowly.",
            "ctx_b": "then they",
            "ctx": f"A person {what} [header] slowly. then they",
            "endings": endings,
            "label": str(gold),
        }
        for index, (label, what, endings, gold) in enumerate(
            (
                ("Cooking", "stirs a pot", ["taste it.", "fly away over the hills and far away.", "sink."], 0),
                ("Sport", "throws a ball", ["eat the whole of it.", "watch where it lands.", "weld."], 1),
                ("Garden", "digs a hole", ["plant a tree. [step] water it.", "sing.", "swim to the other shore."], 0),
                ("Music", "tunes a guitar", ["plough.", "play a song.", "bake it for an hour in the oven."], 1),
            )
        )
    ],
    "sciq": [
        {
            "question": question,
            "support": support,
            "distractor1": "a heavy stone",
            "distractor2": "a long and winding river",
            "distractor3": "a small fire",
            "correct_answer": answer,
        }
        for question, support, answer in (
            ("What do fish breathe with?", "Fish have gills.", "gills"),
            ("What orbits the earth?", " The moon orbits the earth.", "moon"),
            ("What pumps blood?", "", "the heart, which is a muscle"),
            ("What is rain?", "Rain is water.", "water"),
        )
    ],
    "winogrande": [
        {"sentence": sentence, "option1": first, "option2": second, "answer": answer}
        for sentence, first, second, answer in (
            ("The cup did not fit into the box because _ was too large.", "the cup", "the box", "1"),
            ("The cup did not fit into the box because _ was too small.", "the cup", "the box", "2"),
            ("Ann thanked Eve because _ had helped.", "Ann", "Eve", "2"),
            ("Ann helped Eve because _ was kind.", "Ann", "Eve", "1"),
        )
    ],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    for name in PACKAGES:
        pytest.importorskip(name, reason=f"the Python package {name} is not installed")
    folder = tmp_path_factory.mktemp("harness")
    return trained(folder / "model", "nemotron", tokens("BMAM"))


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    folder = tmp_path_factory.mktemp("items")
    for task, rows in ROWS.items():
        (folder / f"{task}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [text for task in ROWS for text in ("--items", f"{task}={folder}/{task}.jsonl")]


def scores(model: Path, items: list[str], scorer: str) -> dict[str, dict]:
    command = [sys.executable, "-m", "aira_scale", "score", "--model", str(model), "--data", str(model.parent)]
    options = [*items, "--window", "256", "--scorer", scorer]
    done = subprocess.run([*command, *options], cwd=PACKAGE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return {found["task"]: found for found in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="module")
def theirs(model, items):
    return scores(model, items, "auto")


@pytest.fixture(scope="module")
def ours(model, items):
    return scores(model, items, "twin")


@pytest.mark.parametrize("task", sorted(ROWS))
def test_the_harness_and_the_twin_agree(task, theirs, ours):
    harness, twin = dict(theirs[task]), dict(ours[task])
    assert harness.pop("scorer").startswith("lm-evaluation-harness 0.") and twin.pop("scorer") == "twin"
    assert harness == twin
    # Neither all right nor all wrong by both rules, so that agreement means something.
    rights = [twin["correct"], twin["correctNorm"] or []]
    assert any(0 < sum(right) < len(right) for right in rights), twin
