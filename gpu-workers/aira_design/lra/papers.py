"""A stand-in for the document pairs of the Retrieval task (AAN): two byte texts, class 1 where they belong together.

It is not AAN, and scores on it say nothing about AAN. Every text has one field of research, whose terms are scattered
among general phrases; a related pair shares the field. Each encoder pass sees one text, so a mixer has to find the terms
at any position and carry them to the summary. The fields of a pair can be counted, though: `turning_pair` draws texts of which no count
says anything.
"""

import numpy as np

from .reviews import review

_FIELDS = (
    ("parser", "grammar", "treebank", "syntax"),
    ("phoneme", "speech", "accent", "vowel"),
    ("ontology", "entity", "taxonomy", "concept"),
    ("dialogue", "assistant", "intent", "turn"),
)
_PHRASES = (
    "we show", "in this paper", "results improve", "the method", "a new model", "our data", "we compare", "it follows",
    "large corpora", "the baseline", "an error rate", "future work", "table two", "significant gains", "training set",
)  # fmt: skip
_TERM_SHARE = 0.6


def pair(rng: np.random.Generator, length: int) -> tuple[tuple[bytes, bytes], int]:
    """Return ((text, text), class), each text with at most `length` bytes."""
    related = int(rng.integers(2))
    first = int(rng.integers(len(_FIELDS)))
    second = first if related else (first + int(rng.integers(1, len(_FIELDS)))) % len(_FIELDS)
    return (_text(rng, first, length), _text(rng, second, length)), related


def turning_pair(rng: np.random.Generator, length: int) -> tuple[tuple[bytes, bytes], int]:
    """Return ((text, text), class), each text with 48 to `length` bytes: class 1 where both turn to praise.

    The texts are those of reviews.py, which hold the same words whatever they turn to, so no count of terms or of pairs of terms
    says anything of the class. A text turns to praise with probability 0.5 ** 0.5, which makes half of the pairs class 1: one text alone
    is right of 0.79 of them, for a mixer that reads its order.
    """
    turns = [int(rng.random() < 0.5**0.5) for _ in range(2)]
    first, second = (_turning(rng, length, turn) for turn in turns)
    return (first, second), int(all(turns))


def _turning(rng: np.random.Generator, length: int, turn: int) -> bytes:
    while True:
        (text,), label = review(rng, length)
        if label == turn:
            return text


def _text(rng: np.random.Generator, field: int, length: int) -> bytes:
    room = int(rng.integers(length // 2, length + 1))
    parts = [str(rng.choice(_FIELDS[field]))]  # at least one term
    size = len(parts[0])
    while True:
        part = str(rng.choice(_FIELDS[field] if rng.random() < _TERM_SHARE else _PHRASES))
        size += len(part) + 1
        if size > room:
            break
        parts.append(part)
    order = rng.permutation(len(parts))
    return " ".join(parts[index] for index in order).encode()
