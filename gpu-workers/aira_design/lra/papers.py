"""A stand-in for the document pairs of the Retrieval task (AAN): two byte texts, class 1 where they belong together.

It is not AAN, and scores on it say nothing about AAN. Every text has one field of research, whose terms are scattered
among general phrases; a related pair shares the field. Each encoder pass sees one text, so a mixer has to find the terms
at any position and carry them to the summary. The fields of a pair can be counted, though: `turning_pair` draws texts of which no count
says anything.
"""

import numpy as np

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
_TOPICS = ("data", "proof", "model", "claim", "scope", "cost", "code")


def pair(rng: np.random.Generator, length: int) -> tuple[tuple[bytes, bytes], int]:
    """Return ((text, text), class), each text with at most `length` bytes."""
    related = int(rng.integers(2))
    first = int(rng.integers(len(_FIELDS)))
    second = first if related else (first + int(rng.integers(1, len(_FIELDS)))) % len(_FIELDS)
    return (_text(rng, first, length), _text(rng, second, length)), related


def turning_pair(rng: np.random.Generator, length: int) -> tuple[tuple[bytes, bytes], int]:
    """Return ((text, text), class), each text with at most `length` bytes, at least 48: class 1 where both turn to agreement.

    A text objects once (`cast -`) and agrees once (`plot +`), in either order, among general phrases; it turns to agreement
    where that comes last. The two places are at least a fifth of `length` apart, and as far from both ends. So every text
    holds the same evidence: counts of terms, or of pairs of them, say nothing, nor does a stretch of so few bytes. Half of the
    pairs are of class 1.
    """
    if length < 48:
        raise ValueError(f"a text that turns needs 48 bytes; it may have {length}")
    turns = [bool(rng.random() < 0.5**0.5) for _ in range(2)]
    return tuple(_turning(rng, length, turn) for turn in turns), int(all(turns))


def _turning(rng: np.random.Generator, length: int, turn: bool) -> bytes:
    apart = length // 5
    objects, agrees = (f"{_TOPICS[topic]} {mark}" for topic, mark in zip(rng.integers(len(_TOPICS), size=2), "-+"))
    first, second = (objects, agrees) if turn else (agrees, objects)
    while True:
        room = int(rng.integers(length * 4 // 5, length + 1)) - len(first) - len(second) - 1
        parts: list[list[str]] = [[], [], []]
        sizes = [0, 0, 0]
        # One draw for a text, of more phrases than it can hold: a call for each would take most of the time.
        for phrase, place in zip(rng.integers(len(_PHRASES), size=length), rng.integers(3, size=length)):
            short = [part for part in range(3) if sizes[part] < apart]
            part = short[0] if short else int(place)
            room -= len(_PHRASES[phrase]) + 1
            if room < 0:
                break
            sizes[part] += len(_PHRASES[phrase]) + 1
            parts[part].append(_PHRASES[phrase])
        if min(sizes) >= apart:
            return " ".join([*parts[0], first, *parts[1], second, *parts[2]]).encode()


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
