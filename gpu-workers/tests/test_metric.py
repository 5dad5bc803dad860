import pytest
import torch
from aira_workers.mad import IGNORE, macro_accuracy


def of(predictions, targets, classes):
    return macro_accuracy(torch.tensor(predictions), torch.tensor(targets), classes)


def test_documentation_example_of_torchmetrics():
    # classes 0: 1 of 2, 1: 1 of 1, 2: 1 of 1
    assert of([2, 1, 0, 1], [2, 1, 0, 0], 3) == pytest.approx((0.5 + 1 + 1) / 3)


def test_worked_case_with_ignored_absent_and_only_predicted_classes():
    # targets: class 0 three times (two right), class 2 once (right), one position ignored although predicted as 4.
    # class 1 is predicted but never asked: counts as 0. Classes 3 and 4 do not occur.
    assert of([0, 0, 1, 2, 4], [0, 0, 0, 2, IGNORE], 5) == pytest.approx((2 / 3 + 0 + 1) / 3)


def test_differs_from_token_accuracy_when_classes_are_unbalanced():
    assert of([0] * 10, [0] * 9 + [1], 2) == pytest.approx(0.5)


def test_perfect_and_hopeless():
    assert of([3, 1, 2], [3, 1, 2], 8) == 1.0
    assert of([1, 2, 3], [3, 1, 2], 8) == 0.0


def test_nothing_asked_is_an_error():
    with pytest.raises(ValueError):
        of([1, 2], [IGNORE, IGNORE], 3)
