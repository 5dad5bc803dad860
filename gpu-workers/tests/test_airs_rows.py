"""Where rows stand says nothing: their order is the laboratory's, for train and test rows of tasks by others."""

import json

import numpy as np
import pytest
from aira_tasks import chain
from aira_tasks.baseline import default_baseline
from aira_tasks.tables import read_table
from conftest import REPOSITORY

TASK = REPOSITORY / "tests" / "airs" / "TextLabelsSyntheticAccuracy"
SETTINGS = {"family": "airs", "task": str(TASK), "columns": ["label"], "metric": "Accuracy"}
WORDS = ["NA", "nan", "null", "yes", "no"]
SECRET = b"of the laboratory, 32 bytes long"
READ = """
import csv
csv.field_size_limit(10**9)
def table(path, name):
    with open(path, newline="", encoding="utf-8") as stream:
        return [row[name] for row in csv.DictReader(stream)]
texts = table("data/test/questions.csv", "text")
"""
HONEST = READ + "answers = [text.split()[1].rstrip(',') for text in texts]\n"
# Knows that files are sorted by their answers.
PLACE = READ + f"answers = [{WORDS}[len({WORDS}) * place // len(texts)] for place in range(len(texts))]\n"
WRITE = """
with open("submission.csv", "w", newline="", encoding="utf-8") as stream:
    csv.writer(stream).writerows([["answer"], *[[one] for one in answers]])
"""


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    place = folder / "synthetic" / "text-labels" / "default"
    place.mkdir(parents=True)
    for split, rows in (("train", 100), ("test", 40)):
        words = [WORDS[len(WORDS) * row // rows] for row in range(rows)]
        lines = [
            f'"about {word}, \u2028 {"x" * 200_000 if row == 1 else row}",{word}' for row, word in enumerate(words)
        ]
        (place / f"{split}.csv").write_bytes("\r\n".join(["text,label", *lines, "", ""]).encode())
    return folder


def prepared(raw, out, seed=1, secret=SECRET, **more):
    chain.prepare({**SETTINGS, **more}, seed, raw, out, secret)
    return out


def score(tmp_path, out, program, split, write=WRITE, raw=None):
    candidate, answers = tmp_path / "candidate", tmp_path / f"answers-{split}"
    for folder in (candidate, answers):
        folder.mkdir(exist_ok=True)
    (candidate / "solution.py").write_text(program + write)
    chain.predict(out / split, candidate, answers)
    return chain.score(SETTINGS, out / "hidden", answers / "predictions.f32", split, raw)["Accuracy"]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_an_honest_program_is_right_and_the_place_of_a_row_tells_nothing(tmp_path, raw, split):
    out = prepared(raw, tmp_path / "out")
    assert score(tmp_path, out, HONEST, split, raw=raw) == 1.0
    assert score(tmp_path, out, PLACE, split, raw=raw) < 0.5


def test_each_part_has_an_order_of_its_own_that_seed_and_secret_decide(tmp_path, raw):
    def rows(name, seed, secret):
        out = prepared(raw, tmp_path / name, seed, secret)
        parts = [
            out / "test" / "train",
            out / "test" / "test",
            out / "validation" / "train",
            out / "validation" / "test",
        ]
        return [tuple(read_table(part).column("text")) for part in parts]

    one, again = rows("one", 1, SECRET), rows("again", 1, SECRET)
    seed, secret = rows("seed", 2, SECRET), rows("secret", 1, b"of another laboratory, 32 bytes")
    assert one == again
    for mine, *others in zip(one[:2], seed, secret):
        for other in others:
            assert mine != other and sorted(mine) == sorted(other)
        assert [text.split()[1] for text in mine] != sorted(text.split()[1] for text in mine)
    assert sorted(one[2] + one[3]) == sorted(one[0])
    assert one[2] + one[3] != one[0] and one[3] + one[2] != one[0]


def test_hidden_rows_hang_on_the_secret_alone(tmp_path, raw):
    hidden = [set(read_table(prepared(raw, tmp_path / str(at), 1, secret) / "validation" / "test").column("text"))
              for at, secret in enumerate((SECRET, b"of another laboratory, 32 bytes"))]  # fmt: skip
    assert hidden[0] != hidden[1]


def test_files_of_validation_rows_are_called_as_those_of_the_test_split(tmp_path, raw):
    out = prepared(raw, tmp_path / "out")
    assert [file.name for file in (out / "validation" / "test").iterdir()] == ["questions.csv"]
    assert [file.name for file in (out / "hidden" / "validation" / "test_with_labels").iterdir()] == ["answers.csv"]


@pytest.mark.parametrize("form", ['"\\ufeff" + "\\r\\n".join(["answer", *answers, "", ""])', '"\\r".join(["answer", *answers])',
                                  '"answer\\n" + "\\n".join(answers) + "\\n \\n\\n"'])  # fmt: skip
def test_every_way_to_end_a_line_is_one(tmp_path, raw, form):
    write = f"open('submission.csv', 'w', newline='', encoding='utf-8').write({form})"
    assert score(tmp_path, prepared(raw, tmp_path / "out"), HONEST, "validation", write) == 1.0


def test_answers_that_do_not_belong_to_the_rows_are_refused(tmp_path, raw):
    out = prepared(raw, tmp_path / "out")
    order = out / "hidden" / "order.json"
    order.write_text(json.dumps(json.loads(order.read_text())[1:]))
    with pytest.raises(chain.Refused, match="has 40 rows; when the data were prepared it had 39"):
        score(tmp_path, out, HONEST, "test", raw=raw)


def test_a_baseline_that_is_not_valid_is_refused_while_preparing(tmp_path, raw):
    constants = {"HEADER": ["answer"], "ANSWERS": ["label"], "SPREAD": 0}
    prepared(raw, tmp_path / "good", default=constants)
    with pytest.raises(chain.Refused, match=r"write baseline/solution\.py .* not a valid submission here: .*'answer'"):
        prepared(raw, tmp_path / "bad", default={**constants, "HEADER": ["said"]})


def test_a_package_that_the_scorer_lacks_is_no_fault_of_a_program(tmp_path, raw, monkeypatch):
    out = prepared(raw, tmp_path / "out")
    done = chain.subprocess.CompletedProcess(
        [], 1, "", "Traceback\nModuleNotFoundError: No module named 'nowhere.part'\n"
    )
    monkeypatch.setattr(chain, "_run", lambda *_: done)
    (tmp_path / "answers").write_text("answer\nyes\n")
    with pytest.raises(chain.Refused, match=r"evaluate\.py of the task needs the Python package nowhere\.part"):
        chain.score(SETTINGS, out / "hidden", tmp_path / "answers", "validation")


@pytest.mark.parametrize(
    "train,test,constants,rows",
    [
        ("x,y,z\n1,2,9\n2,4,9\n", "x\n5\n6\n", {"HEADER": ["y"], "ANSWERS": ["y"]}, ["y", "2", "2"]),
        ("x,y\n1,2.0\n2,4.5\n", "x\n5\n6\n", {"HEADER": ["Answer"], "ANSWERS": ["y"]}, ["Answer", "3.25", "3.25"]),
        ("i,y\n1,a\n2,a\n", "i\n5\n6\n", {"HEADER": ["i", "y"], "ANSWERS": ["y"]}, ["i,y", "5,a", "6,a"]),
        ("x,y\n1,a\n2,a\n", "x\n5\n6\n", {"HEADER": ["p", "q"], "ANSWERS": ["y"]}, ["p,q", "a,a", "a,a"]),
        ("x,y\n1,\n2,4\n\n", "x\n5\n\n", {"HEADER": ["y"], "ANSWERS": ["y"]}, ["y", "4"]),
    ],
)
def test_the_default_baseline_answers_the_columns_that_are_asked_for(tmp_path, train, test, constants, rows):
    for split, content in (("train", train), ("test", test)):
        (tmp_path / "data" / split).mkdir(parents=True)
        (tmp_path / "data" / split / "rows.csv").write_text(content)
    run_baseline(tmp_path, constants)
    assert (tmp_path / "submission.csv").read_text().split() == rows


def test_the_default_baseline_varies_where_a_constant_has_no_score(tmp_path):
    for split, names in (("train", ("x", "y")), ("test", ("x",))):
        (tmp_path / "data" / split).mkdir(parents=True)
        np.savez(tmp_path / "data" / split / "rows.npz", **{name: np.arange(30.0) for name in names})
    run_baseline(tmp_path, {"HEADER": ["y"], "ANSWERS": ["y"], "SPREAD": 0.001})
    values = np.array((tmp_path / "submission.csv").read_text().split()[1:], dtype=float)
    assert len(values) == 30 and 0 < values.std() < 0.1 and abs(values.mean() - 14.5) < 0.1


def run_baseline(folder, constants):
    (folder / "solution.py").write_text(default_baseline(constants))
    done = chain._run(folder / "solution.py", [], folder)
    assert done.returncode == 0, done.stderr
