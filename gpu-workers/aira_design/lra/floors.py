"""What a task of the Arena yields without a mixer that reads far: floors, which a score has to be compared with.

    majority   the commonest class of the training rows
    bag        a linear classifier over how often each token occurs or, for texts, each word: the better of the two
    shortcut   the best rule known to us that ignores most of a row, fitted to the training rows:
               ListOps    the value of the outermost operator over the digits that stand directly in it, or over all digits; else
                          the commonest class for that operator, whichever is right more often for it
               text       a linear classifier over the words of the last clause and the pairs of neighbours in it, or over those
                          of the first: the better of the two
               retrieval  a linear classifier over pairs of words, one of each text; or over the words of the first 16 bytes of
                          each: the better of the two

Each is fitted to the training rows of a preparation and scored on its hidden rows, so a score and its floors are of the same
rows. A floor that is the better of two is the better on the split that it is reported for.
"""

import re
import zlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch

from ..settings import LraData
from . import listops
from .data import Split

Features = list[np.ndarray]
"""Per row the buckets of its features, with repetitions."""

NAMES = ("majority", "bag", "shortcut")
_BUCKETS = 2**16
_MOST_ROWS, _BATCH, _PASSES, _RATE = 20_000, 64, 8, 0.02
_MOST_WORDS = 32  # of a text, in pairs
_FIRST_BYTES = 16
_WORD = re.compile(rb"[A-Za-z]+|[^\sA-Za-z.!?]")
_FIRST_OPERATOR, _CLOSE = 1 + listops.SYMBOLS.index("[MIN"), 1 + listops.SYMBOLS.index("]")


class _Rule(NamedTuple):
    """Names the floor that it counts for, and answers rows: fitted to the training rows, (rows,) classes per split."""

    floor: str
    answers: dict[str, np.ndarray]


def floors(data: LraData, splits: dict[str, Split]) -> dict[str, dict[str, float]]:
    """Accuracy of each of NAMES on validation and test."""
    rules = [_majority(splits), *(_linear("bag", look, data, splits) for look in _bags(data))]
    if data.task == "listops":
        rules.append(_outermost(splits))
    else:
        rules += [_linear("shortcut", look, data, splits) for look in _shortcuts(data)]
    found: dict[str, dict[str, float]] = {}
    for split in ("validation", "test"):
        right = [(rule.floor, float((rule.answers[split] == splits[split].targets).mean())) for rule in rules]
        found[split] = {name: max(share for floor, share in right if floor == name) for name in NAMES}
    return found


def outermost_value(tokens: np.ndarray) -> tuple[int, int, int]:
    """Of a ListOps row: the outermost operator (0 to 3; -1 of a digit alone), its value over the digits directly in it (-1 without
    such digits), and over all digits.
    """
    ids = tokens[tokens > 0].tolist()
    if len(ids) == 1:
        return -1, ids[0] - 1, ids[0] - 1
    depth, digits = 0, []
    for token in ids:
        if token >= _FIRST_OPERATOR and token != _CLOSE:
            depth += 1
        elif token == _CLOSE:
            depth -= 1
        elif depth == 1:
            digits.append(token - 1)
    operator = ids[0] - _FIRST_OPERATOR
    everything = [token - 1 for token in ids if token < _FIRST_OPERATOR]
    return operator, listops.apply(operator, digits) if digits else -1, listops.apply(operator, everything)


def _majority(splits: dict[str, Split]) -> _Rule:
    commonest = int(np.bincount(splits["train"].targets).argmax())
    return _Rule("majority", {name: np.full(len(split.targets), commonest) for name, split in splits.items()})


def _outermost(splits: dict[str, Split]) -> _Rule:
    read = {name: np.array([outermost_value(row[0]) for row in split.inputs]) for name, split in splits.items()}
    targets = splits["train"].targets
    commonest = int(np.bincount(targets).argmax())
    answers = {name: np.full(len(found), commonest) for name, found in read.items()}
    for operator in np.unique(read["train"][:, 0]):
        mine = read["train"][:, 0] == operator
        guess = int(np.bincount(targets[mine]).argmax())
        rules: list[Callable[[np.ndarray], np.ndarray]] = [
            lambda found, guess=guess: np.full(len(found), guess),
            lambda found, guess=guess: np.where(found[:, 1] < 0, guess, found[:, 1]),
            lambda found: found[:, 2],
        ]
        rule = max(rules, key=lambda rule: (rule(read["train"][mine]) == targets[mine]).mean())
        for name, found in read.items():
            same = found[:, 0] == operator
            answers[name][same] = rule(found[same])
    return _Rule("shortcut", answers)


def _bags(data: LraData) -> list[Callable[[np.ndarray], np.ndarray]]:
    tokens = lambda row: np.concatenate([_once(document) + 300 * place for place, document in enumerate(row)])
    if data.task == "listops":
        return [tokens]
    words = lambda row: _hashed(
        b"%d %s" % (place, word) for place, document in enumerate(row) for word in _words(_text(document))
    )
    return [tokens, words]


def _shortcuts(data: LraData) -> list[Callable[[np.ndarray], np.ndarray]]:
    if data.task == "text":
        return [lambda row: _phrase(_clauses(row[0])[-1]), lambda row: _phrase(_clauses(row[0])[0])]

    def pairs(row: np.ndarray) -> np.ndarray:
        one, other = (sorted(set(_words(_text(document))))[:_MOST_WORDS] for document in row)
        return _hashed(first + b" " + second for first in one for second in other)

    def beginnings(row: np.ndarray) -> np.ndarray:
        one, other = (_words(_text(document)[:_FIRST_BYTES]) for document in row)
        return _hashed(first + b" " + second for first in one for second in other)

    return [pairs, beginnings]


def _linear(floor: str, look: Callable[[np.ndarray], np.ndarray], data: LraData, splits: dict[str, Split]) -> _Rule:
    """Logistic regression over counts, by Adam from zero; a function of the rows alone."""
    train = splits["train"]
    features = [look(row) for row in train.inputs[:_MOST_ROWS]]
    targets = torch.from_numpy(train.targets[:_MOST_ROWS])
    weights = torch.nn.EmbeddingBag(_BUCKETS, data.classes, mode="sum", sparse=True)
    torch.nn.init.zeros_(weights.weight)
    optimiser = torch.optim.SparseAdam(weights.parameters(), lr=_RATE)
    order = np.random.default_rng(0)
    for _ in range(_PASSES):
        rows = order.permutation(len(features))
        for start in range(0, len(rows), _BATCH):
            picked = rows[start : start + _BATCH]
            loss = torch.nn.functional.cross_entropy(
                _scores(weights, [features[row] for row in picked]), targets[picked]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    with torch.no_grad():
        answers = {
            name: _scores(weights, [look(row) for row in splits[name].inputs]).argmax(1).numpy()
            for name in ("validation", "test")
        }
    return _Rule(floor, answers)


def _scores(weights: torch.nn.EmbeddingBag, features: Features) -> torch.Tensor:
    """(rows, classes); the last bucket is in every row, as the bias."""
    biased = [np.append(row, _BUCKETS - 1) for row in features]
    starts = np.cumsum([0] + [len(row) for row in biased[:-1]])
    return weights(torch.from_numpy(np.concatenate(biased)), torch.from_numpy(starts))


def _once(document: np.ndarray) -> np.ndarray:
    return document[document > 0].astype(np.int64)


def _text(document: np.ndarray) -> bytes:
    return bytes((_once(document) - 1).astype(np.uint8))


def _words(text: bytes) -> list[bytes]:
    return _WORD.findall(text.lower())


def _clauses(document: np.ndarray) -> list[bytes]:
    return [clause for clause in re.split(rb"[.!?]", _text(document)) if clause.strip()] or [b""]


def _phrase(clause: bytes) -> np.ndarray:
    words = _words(clause)
    return _hashed([*words, *(b"%s %s" % pair for pair in zip(words, words[1:]))])


def _hashed(words: Iterable[bytes]) -> np.ndarray:
    return np.array([zlib.crc32(word) % (_BUCKETS - 1) for word in words], dtype=np.int64)
