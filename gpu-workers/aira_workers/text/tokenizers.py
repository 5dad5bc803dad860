"""Bytes, and byte pair encoding learned from text.

Token 0 begins a text and stands for no byte; token 1 + b is the byte b; every further token is a pair of earlier ones.
Vocabulary 257 is therefore plain bytes. Pairs are merged within words only (a word takes the space before it along), in
the order in which they were learned, by frequency, ties by the smaller pair.
"""

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

BEGIN = 0
BYTES = 257
_WORD = re.compile(rb" ?[A-Za-z\x80-\xff]+| ?[0-9]{1,2}| ?[^\sA-Za-z0-9\x80-\xff]+|\s+(?!\S)|\s+")


class Tokenizer:
    """`merges[i]` is the pair that token BYTES + i stands for."""

    def __init__(self, merges: Sequence[tuple[int, int]]) -> None:
        self.merges = [(int(first), int(second)) for first, second in merges]
        self._rank = {pair: index for index, pair in enumerate(self.merges)}
        self._known: dict[bytes, list[int]] = {}
        spelled = [b""] + [bytes([value]) for value in range(256)]
        for first, second in self.merges:
            spelled.append(spelled[first] + spelled[second])
        self.spelled = spelled

    @property
    def vocabulary(self) -> int:
        return len(self.spelled)

    def token_bytes(self) -> np.ndarray:
        """(vocabulary,) int64: how many bytes of text each token stands for; 0 for BEGIN."""
        return np.array([len(one) for one in self.spelled], dtype=np.int64)

    def encode(self, text: bytes) -> np.ndarray:
        """Token ids of `text`, without BEGIN, uint16."""
        if not self.merges:
            return np.frombuffer(text, dtype=np.uint8).astype(np.uint16) + 1
        ids: list[int] = []
        for word in _WORD.findall(text):
            known = self._known.get(word)
            if known is None:
                known = self._known[word] = self._merge(word)
            ids.extend(known)
        return np.array(ids, dtype=np.uint16)

    def decode(self, ids: Iterable[int]) -> bytes:
        return b"".join(self.spelled[index] for index in ids)

    def _merge(self, word: bytes) -> list[int]:
        ids = [value + 1 for value in word]
        while len(ids) > 1:
            rank, place = min((self._rank.get(pair, len(self._rank)), i) for i, pair in enumerate(zip(ids, ids[1:])))
            if rank == len(self._rank):
                break
            ids[place : place + 2] = [BYTES + rank]
        return ids


def learn(texts: Iterable[bytes], vocabulary: int) -> Tokenizer:
    """Learn `vocabulary` - 257 merges, fewer when no pair occurs twice any more."""
    words = Counter(word for one in texts for word in _WORD.findall(one))
    ids = [[value + 1 for value in word] for word in words]
    counts = list(words.values())
    pairs: Counter = Counter()
    places = defaultdict(set)
    for index, word in enumerate(ids):
        for pair in zip(word, word[1:]):
            pairs[pair] += counts[index]
            places[pair].add(index)
    # Entries of the heap go stale when counts change; the current count decides whether one is believed.
    heap = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(heap)
    merges: list[tuple[int, int]] = []
    while heap and len(merges) < vocabulary - BYTES:
        negative, pair = heapq.heappop(heap)
        if pairs[pair] != -negative:
            if pairs[pair] > 0:
                heapq.heappush(heap, (-pairs[pair], pair))
            continue
        if -negative < 2:
            break
        token = BYTES + len(merges)
        merges.append(pair)
        for index in list(places.pop(pair)):
            _replace(ids[index], pair, token, counts[index], index, pairs, places, heap)
        del pairs[pair]
    return Tokenizer(merges)


def _replace(word: list[int], pair, token: int, count: int, index: int, pairs, places, heap) -> None:
    """Merge every `pair` in one word and keep the counts of its neighbours right."""
    place = 0
    while place < len(word) - 1:
        if (word[place], word[place + 1]) != pair:
            place += 1
            continue
        for left, right, change in (
            *(((word[place - 1], word[place], -count), (word[place - 1], token, count)) if place > 0 else ()),
            *(
                ((word[place + 1], word[place + 2], -count), (token, word[place + 2], count))
                if place + 2 < len(word)
                else ()
            ),
        ):
            pairs[left, right] += change
            if change > 0:
                places[left, right].add(index)
                heapq.heappush(heap, (-pairs[left, right], (left, right)))
        word[place : place + 2] = [token]
