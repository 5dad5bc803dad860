"""One reading of csv, for data, for the check of a submission, and for the evaluator."""

import csv
import io

import numpy as np
import pytest
from aira_tasks import csvtext
from aira_tasks.answers import are_numbers, kind
from aira_tasks.failures import ProgramFailed
from aira_tasks.submission import require_numbers, rewritten
from aira_tasks.tables import NoTable, read_table


def table(tmp_path, content):
    folder = tmp_path / "split"
    folder.mkdir(exist_ok=True)
    (folder / "rows.csv").write_bytes(content)
    return read_table(folder)


@pytest.mark.parametrize(
    "content,rows",
    [
        (b"a,b\n1,2\n", [["a", "b"], ["1", "2"]]),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", [["a", "b"], ["1", "2"]]),
        (b"a,b\r1,2\r3,4", [["a", "b"], ["1", "2"], ["3", "4"]]),
        (b"a\r\n1\n2\r3\r\n", [["a"], ["1"], ["2"], ["3"]]),
        (b"a\n1\n\n2\n\n\r\n  \n", [["a"], ["1"], ["2"]]),
        ("a,b\nx\u2028y,\x0cz\x85\n".encode(), [["a", "b"], ["x\u2028y", "\x0cz\x85"]]),
        (b'a,b\n"x\r\ny\rz\nw","say ""hi"""\n', [["a", "b"], ["x\r\ny\rz\nw", 'say "hi"']]),
        (b"a,b\n1\n", [["a", "b"], ["1", ""]]),
        (b'a\n""\n" "\n', [["a"], [""], [" "]]),
        (b"a\n" + b"x" * 300_000 + b"\n", [["a"], ["x" * 300_000]]),
    ],
)
def test_lines_and_fields_are_those_of_the_libraries(content, rows):
    assert list(csvtext.rows(content)) == rows
    again = "".join(map(csvtext.line, rows)).encode()
    assert list(csvtext.rows(again)) == rows
    csv.field_size_limit(2**31)
    assert list(csv.reader(io.StringIO(again.decode(), newline=""))) == rows


@pytest.mark.parametrize(
    "content,problem",
    [
        (b"", "no header"),
        (b"\n\n", "no header"),
        (b"a\n1,2\n", "row 2 has 2 cells"),
        (b'a\n1\n"2\n', "row 3 opens a quote"),
        (b"a\n1\x00\n", "NUL"),
        (b"a\n\xff\n", "not UTF-8"),
    ],
)
def test_what_libraries_read_differently_is_refused(tmp_path, content, problem):
    with pytest.raises(csvtext.OddCsv, match=problem):
        list(csvtext.rows(content))
    with pytest.raises(NoTable, match=problem):
        table(tmp_path, content)
    with pytest.raises(ProgramFailed, match=problem) as caught:
        rewritten(content)
    assert caught.value.reason == "invalid"


def test_random_cells_survive_writing_and_reading():
    rng = np.random.default_rng(1)
    marks = list("a1,\"\n\r \t'") + ["\u2028", "\x0c", "\x85", "é", "\ufeff"]
    for _ in range(300):
        width = int(rng.integers(1, 4))
        rows = [["".join(rng.choice(marks, rng.integers(0, 6))) for _ in range(width)] for _ in range(4)]
        rows = [[f"column {place}" for place in range(width)], *rows]
        content = "".join(map(csvtext.line, rows)).encode()
        assert list(csvtext.rows(content)) == rows
        assert list(csv.reader(io.StringIO(content.decode(), newline=""))) == rows


def test_pandas_reads_what_is_written_alike():
    pandas = pytest.importorskip("pandas")
    rows = [["a", "b"], ["", " x "], ["one\ntwo", '"'], ["\u2028", "  "], ["\r", "nan"]]
    content = "".join(map(csvtext.line, rows)).encode()
    frame = pandas.read_csv(io.BytesIO(content), keep_default_na=False, dtype=str)
    assert [list(frame.columns), *frame.values.tolist()] == rows


@pytest.mark.parametrize(
    "values,numbers",
    [
        ([1, 2.5], True),
        (["1", "2.5e3", ""], True),
        (["1", "nan"], True),
        ([1.0, None, float("nan")], True),
        ([[1.0, None], [2.0, 3.0]], True),
        (["[1, NaN]", "[2, 3]"], True),
        (["1", "n/a"], False),
        (["nan", "NA", "null"], False),
        (["yes", "nan"], False),
        ([True, False], False),
        (["true", "false"], False),
        (["True", "1"], False),
        ([["1"], ["2"]], False),
        ([{"text": ["1"]}], False),
        (["1_000", "2"], False),
        ([None, ""], False),
        ([], False),
    ],
)
def test_the_answers_decide_whether_they_are_numbers(values, numbers):
    assert are_numbers(values) is numbers


@pytest.mark.parametrize(
    "cell", ["nan", "-NaN", "inf", "1e999", "", " ", "[1, NaN]", "[1, null]", "[]", "NA", "x", "[" * 9999]
)
def test_no_missing_number_passes(tmp_path, cell):
    answers = table(tmp_path, b"y\n1.5\n2\n")
    content = rewritten(("y\n3\n" + csvtext.line([cell])).encode())
    with pytest.raises(ProgramFailed) as caught:
        require_numbers(content, ["y"], answers)
    assert caught.value.reason == "nan" and "row 3" in str(caught.value)


@pytest.mark.parametrize("cell", ["nan", "NA", "null", "None", "n/a", "NULL"])
def test_words_that_read_as_missing_are_words_among_words(tmp_path, cell):
    answers = table(tmp_path, b"y\nNA\nnull\nn/a\n")
    require_numbers(rewritten(f"y\n{cell}\n".encode()), ["y"], answers)


@pytest.mark.parametrize(
    "submission,refused",
    [
        (b"y,y\n1,nan\n", "more than once"),
        (b"y, Y\nnan,1\n", "more than once"),
        (b"nan\n1\n", "row of answers"),
        (b"other\nnan\n", "finite numbers"),
        (b"id,other\nx,nan\n", "finite numbers"),
        (b"id,other\nx,NA\n", "finite numbers"),
        (b"other,y\nnan,1\n", None),
        (b"id,other\nx,1\n", None),
        (b"0\n1\n", None),
    ],
)
def test_the_column_that_is_checked_is_the_one_that_is_read(tmp_path, submission, refused):
    answers = table(tmp_path, b"y\n1.5\n2\n")
    try:
        require_numbers(rewritten(submission), ["y"], answers)
    except ProgramFailed as failure:
        assert refused and refused in str(failure)
    else:
        assert refused is None


def test_a_list_is_a_number_only_if_all_of_it_is():
    assert kind([1, [2, 3.0]]) == "number" and kind("[1, [2]]") == "number"
    assert kind([1, None]) == "partly missing" and kind([[None]]) == "missing" and kind([1, "2"]) == "text"
