"""How each task turns a row of its data set into contexts, continuations and the place of the right one.

Rows have the keys of the published data sets. The delimiter between context and continuation is one space.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aira_workers.errors import InvalidCandidate


@dataclass(frozen=True)
class Item:
    """`contexts` and `continuations` go in pairs; `choices` are what acc_norm divides by, in characters."""

    contexts: list[str]
    continuations: list[str]
    choices: list[str]
    gold: int


def _choices(context: str, choices: list[str], gold: int) -> Item:
    return Item([context] * len(choices), [f" {choice}" for choice in choices], choices, gold)


def _arc(row: dict[str, Any]) -> Item:
    gold = row["choices"]["label"].index(row["answerKey"])
    return _choices(f"Question: {row['question']}\nAnswer:", row["choices"]["text"], gold)


def _hellaswag(row: dict[str, Any]) -> Item:
    context = f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}"
    return _choices(_clean(context), [_clean(ending) for ending in row["endings"]], int(row["label"]))


def _piqa(row: dict[str, Any]) -> Item:
    return _choices(f"Question: {row['goal']}\nAnswer:", [row["sol1"], row["sol2"]], int(row["label"]))


def _sciq(row: dict[str, Any]) -> Item:
    wrong = [row["distractor1"], row["distractor2"], row["distractor3"]]
    context = f"{row['support'].lstrip()}\nQuestion: {row['question']}\nAnswer:"
    return _choices(context, [*wrong, row["correct_answer"]], 3)


def _winogrande(row: dict[str, Any]) -> Item:
    """The option goes into the context; what is scored is the text after the gap, equal for both."""
    gap = row["sentence"].index("_")
    contexts = [row["sentence"][:gap] + row[option] for option in ("option1", "option2")]
    rest = row["sentence"][gap + 1 :].strip()
    return Item(contexts, [f" {rest}"] * 2, contexts, {"1": 0, "2": 1}[row["answer"]])


def _clean(text: str) -> str:
    text = text.strip().replace(" [title]", ". ")
    return re.sub(r"\[.*?\]", "", text).replace("  ", " ")


TASKS: dict[str, Callable[[dict[str, Any]], Item]] = {
    "arc_easy": _arc,
    "arc_challenge": _arc,
    "hellaswag": _hellaswag,
    "piqa": _piqa,
    "sciq": _sciq,
    "winogrande": _winogrande,
}
# WinoGrande reports acc only: its continuations are equal, so there is nothing to divide by.
WITHOUT_NORM = ("winogrande",)


def item_of(task: str, row: Any) -> Item:
    """The item of one row; raises InvalidCandidate naming what the row lacks."""
    try:
        item = TASKS[task](row)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InvalidCandidate(f"{task}: the row does not fit the data set: {type(error).__name__} {error}") from error
    if not 0 <= item.gold < len(item.choices):
        raise InvalidCandidate(f"{task}: the right answer {item.gold} is none of {len(item.choices)} choices")
    return item
