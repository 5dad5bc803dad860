"""Macro accuracy as MAD reports it: accuracy per class, averaged over the classes that occur."""

import torch

IGNORE = -100


def macro_accuracy(predictions: torch.Tensor, targets: torch.Tensor, classes: int) -> float:
    """Mean over classes of (right / targets of that class); positions with target IGNORE do not count.

    predictions and targets: int64 of equal shape. A class that occurs neither among targets nor among predictions is
    left out; one that is only predicted counts with accuracy 0 (torchmetrics MulticlassAccuracy, average="macro").
    Raises ValueError when no position has a target.
    """
    retained = targets != IGNORE
    predictions, targets = predictions[retained].cpu(), targets[retained].cpu()
    if targets.numel() == 0:
        raise ValueError("macro accuracy needs at least one target")
    asked = torch.bincount(targets, minlength=classes).double()
    answered = torch.bincount(predictions, minlength=classes).double()
    right = torch.bincount(targets[predictions == targets], minlength=classes).double()
    occurs = (asked + answered) > 0
    return float((right[occurs] / asked[occurs].clamp(min=1)).mean())
