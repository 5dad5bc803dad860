"""ListOps as published with the benchmark (arXiv 2011.04006): nested list operations over digits, ten classes.

An expression starts as a node at depth 1. Below `max_depth` a node is an operator with probability 1/4, else a digit;
at `max_depth` it is a digit. An operator is MIN, MAX, MED (integer part of the median) or SM (sum modulo 10), each
equally likely, over 2 to `max_args` nodes. Its length is 1 for a digit, else 2 + that of its arguments; expressions of
min_length < length < max_length are used, each once.

`distant` draws expressions of the same language that are short and still cannot be evaluated from neighbours alone.
"""

from collections.abc import Iterator, Sequence
from statistics import median

import numpy as np

OPERATORS = ("MIN", "MAX", "MED", "SM")
SYMBOLS = tuple("0123456789") + tuple(f"[{name}" for name in OPERATORS) + ("]",)
"""Token id = 1 + index; 0 is padding. Parentheses of the published files are dropped, as its input pipeline does."""

_IDS = {symbol: index + 1 for index, symbol in enumerate(SYMBOLS)}
_OPERATOR_SHARE = 0.25
_DIGIT_SHARE = 0.8
_CLOSE = _IDS["]"]


def expressions(
    rng: np.random.Generator, min_length: int, max_length: int, max_depth: int, max_args: int
) -> Iterator[tuple[bytes, int]]:
    """Yield (token ids, value) without end, possibly with repetitions."""
    draw = _Draws(rng)
    while True:
        tokens: list[int] = []
        value = _node(draw, tokens, 1, max_length, max_depth, max_args)
        if value is not None and min_length < len(tokens) < max_length:
            yield bytes(tokens), value


def distant(rng: np.random.Generator, length: int) -> Iterator[tuple[bytes, int]]:
    """Yield (token ids, value) without end: a maximum over two lists, of which the operator at their heads decides.

        [MAX 0 1 [MAX 1 0 .. 0 4 4 1 4 .. 0 ] 1 .. 0 [MIN 0 1 .. 3 3 0 3 .. 1 ] 0 ]     either list first

    Each list says one digit of 2 to 9 again and again, all other digits are 0 and 1: so a minimum is at most 1, and the value is the
    digit of the inner maximum. Its zone stands at least a fifth of `length`, less one, from both operators: within fewer tokens
    nothing says which list it is in. A count of tokens knows that the value is one of two digits.

    Raises ValueError below 24 tokens.
    """
    if length < 24:
        raise ValueError(f"distant lists need 24 tokens; they may have {length}")
    apart, zone = length // 5 - 1, length // 10
    least = 6 + 3 * apart + 2 * zone  # three operators, three brackets
    while True:
        spare = rng.multinomial(int(rng.integers(least, length + 1)) - least, np.full(6, 1 / 6)).tolist()
        before = int(rng.integers(apart + 1))  # of the fillers between the lists, those inside the first
        value, other = (2 + rng.permutation(8)[:2]).tolist()
        heads = [("[MAX", value), ("[MIN", other)]
        (first, one), (second, two) = heads if rng.integers(2) else heads[::-1]
        tokens = [
            _IDS["[MAX"], *_fillers(rng, spare[0]),
            _IDS[first], *_fillers(rng, apart + spare[1]), *_zone(rng, zone, one), *_fillers(rng, before), _CLOSE,
            *_fillers(rng, apart - before + spare[2]),
            _IDS[second], *_fillers(rng, apart + spare[3]), *_zone(rng, zone, two), *_fillers(rng, spare[4]), _CLOSE,
            *_fillers(rng, spare[5]), _CLOSE,
        ]  # fmt: skip
        yield bytes(tokens), value


def _fillers(rng: np.random.Generator, count: int) -> list[int]:
    return (1 + rng.integers(0, 2, count)).tolist()


def _zone(rng: np.random.Generator, size: int, digit: int) -> list[int]:
    """`digit` in four of five places and in the last."""
    filled = np.where(rng.random(size) < _DIGIT_SHARE, digit + 1, 1 + rng.integers(0, 2, size))
    filled[-1] = digit + 1
    return filled.tolist()


def distinct(found: Iterator[tuple[bytes, int]], count: int, seen: set[bytes]) -> list[tuple[bytes, int]]:
    """Take `count` expressions that are not in `seen`, adding them to it."""
    retained: list[tuple[bytes, int]] = []
    while len(retained) < count:
        tokens, value = next(found)
        if tokens not in seen:
            seen.add(tokens)
            retained.append((tokens, value))
    return retained


def encode(source: str) -> bytes:
    """Token ids of one expression of the published files; raises KeyError for a symbol that is not of ListOps."""
    return bytes(_IDS[symbol] for symbol in source.split() if symbol not in ("(", ")"))


def apply(operator: int, values: Sequence[int]) -> int:
    """The value of OPERATORS[operator] over at least one value, 0 to 9."""
    if operator == 0:
        return min(values)
    if operator == 1:
        return max(values)
    return int(median(values)) if operator == 2 else sum(values) % 10


def _node(draw: "_Draws", tokens: list[int], depth: int, max_length: int, max_depth: int, max_args: int):
    """Append one node to `tokens` and return its value; None once the expression is too long to be used."""
    if depth == max_depth or draw.uniform() >= _OPERATOR_SHARE:
        digit = int(draw.uniform() * 10)
        tokens.append(digit + 1)
        return digit
    operator = int(draw.uniform() * len(OPERATORS))
    tokens.append(11 + operator)
    values = []
    for _ in range(2 + int(draw.uniform() * (max_args - 1))):
        value = _node(draw, tokens, depth + 1, max_length, max_depth, max_args)
        if value is None or len(tokens) >= max_length:
            return None
        values.append(value)
    tokens.append(_CLOSE)
    return apply(operator, values)


class _Draws:
    """Uniform numbers one by one, drawn in blocks: a call to numpy for each would take most of the time."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng, self._block, self._next = rng, [], 0

    def uniform(self) -> float:
        if self._next == len(self._block):
            self._block, self._next = self._rng.random(16_384).tolist(), 0
        self._next += 1
        return self._block[self._next - 1]
