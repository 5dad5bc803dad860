"""The floors of the Arena's tasks: what each rule says of rows whose answer is known, and how a score carries them."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from aira_design.lra import host, listops
from aira_design.lra.data import Split, splits
from aira_design.lra.floors import NAMES, floors, outermost_value
from aira_design.settings import LraData, parse_settings
from conftest import PACKAGE, REPOSITORY
from lra_chain import FULL, prepared, run  # noqa: F401
from lra_chain import settings as small
from test_design_lra import evaluate


def row(text):
    return np.array(list(listops.encode(text)), dtype=np.uint16)


@pytest.mark.parametrize("text,expected", [
    ("[MAX 3 [MIN 9 9 ] 5 ]", (1, 5, 9)), ("[SM 9 8 [MAX 2 ] ]", (3, 7, 9)), ("[MED 1 2 9 ]", (2, 2, 2)),
    ("[MIN [MIN 1 2 ] [MAX 3 ] ]", (0, -1, 1)), ("7", (-1, 7, 7)),
])  # fmt: skip
def test_the_outermost_operator_is_read_over_its_own_digits_and_over_all(text, expected):
    padded = np.concatenate([row(text), np.zeros(5, np.uint16)])
    assert outermost_value(padded) == expected


def texts(task, rows, length=96):
    """Splits of the same rows, each a tuple of documents and a class."""
    inputs = np.zeros((len(rows), len(rows[0][0]), length), dtype=np.uint16)
    for index, (documents, _) in enumerate(rows):
        for place, document in enumerate(documents):
            inputs[index, place, : len(document)] = np.frombuffer(document, np.uint8) + 1
    one = Split(inputs, np.array([label for _, label in rows]))
    data = LraData(task, "generated", len(rows), len(rows), len(rows), length, 0, 0, 0)
    return floors(data, {name: one for name in ("train", "validation", "test")})["validation"]


def test_each_floor_finds_what_it_is_named_after_and_nothing_else():
    rng = np.random.default_rng(1)
    labels = rng.integers(2, size=400)
    noise = [b"blue boat" if bit else b"green tree" for bit in rng.integers(2, size=400)]
    word = texts(
        "text",
        [
            ((b"%s. the cat is %s. %s" % (a, (b"bad", b"good")[y], b),), y)
            for a, b, y in zip(noise, noise[::-1], labels)
        ],
    )
    assert word["bag"] == 1 and word["shortcut"] < 0.65 and word["majority"] < 0.6
    negated = [
        b"%s %s" % ((b"is", b"not")[n], (b"bad", b"good")[(y + n) % 2])
        for n, y in zip(rng.integers(2, size=400), labels)
    ]
    clause = texts("text", [((b"%s. the cat %s" % (a, said),), y) for a, said, y in zip(noise, negated, labels)])
    assert clause["shortcut"] == 1 and clause["bag"] < 0.65
    fields = rng.integers(2, size=400)
    pairs = [
        ((b"%s x" % (b"verb", b"tree")[f], b"y %s" % (b"noun", b"leaf")[f ^ y]), y) for f, y in zip(fields, labels)
    ]
    related = texts("retrieval", pairs)
    assert related["shortcut"] == 1 and related["bag"] < 0.85, "a sum of two has three of the four cases at best"


def nano(task):
    metadata = yaml.safe_load((REPOSITORY / "tasks" / f"design-lra-{task}-fixed" / "metadata.yaml").read_text())
    return parse_settings(metadata["profiles"]["nano"]["rungs"]["screen"]["settings"])


def test_the_floor_of_short_published_listops_is_that_of_its_outermost_operator():
    data = LraData("listops", "generated", 6000, 2000, 2000, 96, 8, 4, 6)
    found = floors(data, splits(data, 1, b"s" * 16, None))
    assert 0.4 < found["test"]["shortcut"] < 0.5 and 0.1 < found["test"]["majority"] < 0.15


def test_nano_listops_is_one_of_two_digits_to_whoever_does_not_read_which_list_it_is_in():
    settings = nano("listops")
    found = splits(settings.data, 1, b"s" * 16, None)
    below = floors(settings.data, found)["test"]
    assert 0.44 < below["bag"] < 0.56 and below["shortcut"] < 0.56 and below["majority"] < 0.2
    shares = np.bincount(found["train"].targets, minlength=10) / len(found["train"].targets)
    assert shares[:2].max() == 0 and shares[2:].min() > 0.1
    for row, value in zip(found["train"].inputs[:500, 0], found["train"].targets):
        tokens = row[row > 0]
        assert evaluate(bytes(tokens.tolist())) == value
        heads = [at for at, token in enumerate(tokens) if listops.SYMBOLS[token - 1].startswith("[")][1:]
        assert {listops.SYMBOLS[tokens[head] - 1] for head in heads} == {"[MAX", "[MIN"} and len(heads) == 2
        zones = [at for at, token in enumerate(tokens) if 2 < token < 11]
        assert min(abs(zone - head) for zone in zones for head in heads) >= 16, "no window of 16 shows both"


def test_nano_retrieval_cannot_be_counted_and_is_an_order_in_both_texts():
    settings = nano("retrieval")
    found = splits(settings.data, 1, b"s" * 16, None)
    below = floors(settings.data, found)["test"]
    assert below["bag"] < 0.56 and below["majority"] < 0.56 and below["shortcut"] < 0.7
    for documents, label in zip(found["train"].inputs[:500], found["train"].targets):
        texts_read = [bytes((one[one > 0] - 1).astype(np.uint8)).decode() for one in documents]
        assert all(text.count("-") == text.count("+") == 1 and len(text) <= 64 for text in texts_read)
        assert label == all(text.index("+") > text.index("-") for text in texts_read)


@pytest.mark.parametrize("task,length", [("listops", 24), ("listops", 63), ("retrieval", 48)])
def test_distant_rows_fit_their_length_and_are_refused_below_the_least(task, length):
    data = LraData(task, "distant", 40, 20, 20, length, 0, 0, 0)
    assert splits(data, 1, None, None)["train"].inputs.shape == (40, 2 if task == "retrieval" else 1, length)
    least = {"listops": 24, "retrieval": 48}[task]
    with pytest.raises(ValueError, match=f"need(s)? {least}"):
        splits(LraData(task, "distant", 40, 20, 20, least - 1, 0, 0, 0), 1, None, None)


@pytest.mark.parametrize("fields,message", [
    (("text", "distant", 4, 4, 4, 80, 0, 0, 0), "no distant rows"), (("listops", "distant", 4, 4, 4, 80, 8, 4, 6), "set them to 0"),
    (("listops", "generated", 4, 4, 4, 80, 0, 0, 0), "0 < min_length"), (("retrieval", "distant", 0, 4, 4, 80, 0, 0, 0), "train"),
])  # fmt: skip
def test_settings_of_distant_rows_are_strict(fields, message):
    with pytest.raises(ValueError, match=message):
        LraData(*fields)


def test_nano_text_cannot_be_read_from_words_clauses_or_shuffled_windows():
    settings = nano("text")
    found = splits(settings.data, 1, b"s" * 16, None)
    assert max(floors(settings.data, found)["test"].values()) < 0.56, "2,000 rows: a standard error of 0.011"
    texts_read = [bytes((row[0][row[0] > 0] - 1).astype(np.uint8)).decode() for row in found["train"].inputs]
    marks = [[text.index(mark) for mark in "+-"] for text in texts_read]
    assert [praise > blame for praise, blame in marks] == found["train"].targets.astype(bool).tolist()
    for text in texts_read[:500]:
        clauses = text.split(". ")
        assert not {"+", "-"} & set(clauses[0] + clauses[-1]) and text.count("+") == text.count("-") == 1
    apart = np.abs(np.diff(marks, axis=1))
    assert np.median(apart) > 16, "most pairs stand further apart than a window"


def test_a_score_carries_the_floors_of_its_own_rows(tmp_path, prepared):
    metrics = run(tmp_path, prepared, FULL)
    below = prepared[1]["floors"]
    split = next(name for name in below if all(metrics[f"floor_{one}"] == below[name][one] for one in NAMES))
    assert split in ("validation", "test") and set(below) == {"validation", "test"}
    again = tmp_path / "again"
    again.mkdir()
    # The same preparation says the same, whatever was fitted before.
    assert host.prepare(parse_settings(small()), 1, b"s" * 16, None, again)["floors"] == below


def test_the_tasks_own_scripts_show_the_floors(tmp_path):
    task = tmp_path / "tasks" / "text"
    shutil.copytree(REPOSITORY / "tasks" / "design-lra-text-fixed", task, ignore=shutil.ignore_patterns("__pycache__"))
    metadata = yaml.safe_load((task / "metadata.yaml").read_text())
    metadata["profiles"]["nano"]["rungs"]["final"]["settings"] = small("text")
    (task / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    for name in ("raw", "agent", "logs", "scorer/data"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "logs" / "submission.csv").write_text("file\nmodel.py\n")
    (tmp_path / "logs" / "model.py").write_text(FULL)

    def script(name, *flags, cwd=tmp_path):
        done = subprocess.run(
            [sys.executable, task / name, *map(str, flags)],
            capture_output=True, text=True, cwd=cwd, env={"AIRA_WORKERS_DIR": str(PACKAGE), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    places = ("--global-shared-data-dir", tmp_path / "raw", "--agent-data-mount-dir")
    script("prepare.py", *places, tmp_path / "agent")
    shown = json.loads((tmp_path / "agent" / "floors.json").read_text())
    assert set(shown) == set(NAMES) and all(0 < share <= 1 for share in shown.values())
    script("evaluate_prepare.py", *places, tmp_path / "scorer" / "data", "--agent-log-dir", tmp_path / "logs")
    said = script("evaluate.py", "--submission-file", "./data/submission.csv", cwd=tmp_path / "scorer")
    hidden = json.loads((tmp_path / "scorer" / "data" / "test_with_labels" / "manifest.json").read_text())["floors"][
        "test"
    ]
    for name, share in hidden.items():
        assert f"floor on the same rows, {name}: {share:.4f}" in said.split("--- EVALUATION RESULT ---")[0]
