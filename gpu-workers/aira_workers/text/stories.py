"""A generator of small English-like documents: the offline stand-in for natural text.

It is not natural language, and figures on it say nothing about any corpus. It has something to learn at several ranges,
so that a better model or a better recipe shows:

    letters      the spelling of some 150 words, with frequencies that fall like 1 / rank
    phrases      determiner, adjective, noun, verb and preposition in grammatical order; agreement in number
    sentences    quotes that are closed, questions that end as such, a verb form that follows the subject
    documents    two or three names and one place, drawn per document and repeated: copying from far back
    arithmetic   now and then a small sum with its result
    topics       each document prefers a third of the nouns and verbs
"""

from collections.abc import Iterator, Sequence

import numpy as np

_NAMES = (
    "Ada", "Bruno", "Celia", "Dmitri", "Elin", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Luca", "Mila", "Nils",
    "Olga", "Pavel", "Quinn", "Rosa", "Sami", "Tova", "Ugo", "Vera", "Wim", "Yara",
)  # fmt: skip
_PLACES = ("harbour", "market", "mill", "bridge", "school", "tower", "orchard", "station", "island", "forest")
_NOUNS = (
    "boat", "lamp", "stone", "letter", "apple", "horse", "window", "rope", "bell", "map", "coat", "garden", "kettle",
    "wheel", "violin", "basket", "ladder", "mirror", "candle", "engine", "blanket", "hammer", "pigeon", "turnip",
)  # fmt: skip
_ADJECTIVES = (
    "old", "small", "green", "quiet", "broken", "heavy", "bright", "strange", "clean", "wooden", "cold", "round",
)  # fmt: skip
_VERBS = (
    "find", "carry", "paint", "hide", "mend", "lose", "sell", "watch", "clean", "borrow", "draw", "lift", "follow",
    "name", "trade", "open",
)  # fmt: skip
_ADVERBS = ("slowly", "again", "at night", "with care", "in the rain", "before noon", "for a week")
_PREPOSITIONS = ("near", "behind", "under", "beside", "above")


def documents(rng: np.random.Generator, characters: int) -> Iterator[str]:
    """Yield documents of 200 to 800 characters without end."""
    while True:
        yield document(rng, int(rng.integers(characters // 4, characters + 1)))


def document(rng: np.random.Generator, characters: int) -> str:
    """One document of about `characters` characters, ended with a full sentence."""
    cast = [str(name) for name in rng.choice(_NAMES, int(rng.integers(2, 4)), replace=False)]
    place = str(rng.choice(_PLACES))
    nouns = _topic(rng, _NOUNS)
    verbs = _topic(rng, _VERBS)
    sentences = [f"{cast[0]} and {cast[1]} met at the {place}."]
    size = len(sentences[0])
    while size < characters:
        sentence = _sentence(rng, cast, place, nouns, verbs)
        sentences.append(sentence)
        size += len(sentence) + 1
    return " ".join(sentences)


def text(rng: np.random.Generator, least_bytes: int, characters: int = 800) -> list[bytes]:
    """Documents as UTF-8 with at least `least_bytes` bytes together."""
    found, size = [], 0
    for one in documents(rng, characters):
        found.append(one.encode())
        size += len(found[-1])
        if size >= least_bytes:
            return found
    raise AssertionError("documents() does not end")


def _topic(rng: np.random.Generator, words: Sequence[str]) -> list[str]:
    return [str(word) for word in rng.choice(words, len(words) // 3, replace=False)]


def _ranked(rng: np.random.Generator, words: Sequence[str]) -> str:
    """Choose a word with a frequency that falls like 1 / rank."""
    weights = 1 / np.arange(1, len(words) + 1)
    return words[int(np.searchsorted(np.cumsum(weights / weights.sum()), rng.random()))]


def _noun(rng: np.random.Generator, nouns: Sequence[str], plural: bool) -> str:
    adjective = f"{_ranked(rng, _ADJECTIVES)} " if rng.random() < 0.5 else ""
    return f"{adjective}{_ranked(rng, nouns)}{'s' if plural else ''}"


def _object(rng: np.random.Generator, nouns: Sequence[str]) -> str:
    if rng.random() < 0.35:
        return f"{rng.choice(('two', 'three', 'some', 'many'))} {_noun(rng, nouns, plural=True)}"
    phrase = _noun(rng, nouns, plural=False)
    if rng.random() < 0.5:
        return f"the {phrase}"
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _sentence(rng: np.random.Generator, cast: list[str], place: str, nouns: list[str], verbs: list[str]) -> str:
    kind = rng.random()
    who = str(rng.choice(cast))
    verb = _ranked(rng, verbs)
    what = _object(rng, nouns)
    if kind < 0.35:
        return f"{who} {verb}s {what} {rng.choice(_ADVERBS)}."
    if kind < 0.5:
        one, other = (str(name) for name in rng.choice(cast, 2, replace=False))
        return f"{one} and {other} {verb} {what} {rng.choice(_PREPOSITIONS)} the {place}."
    if kind < 0.65:
        other = str(rng.choice([name for name in cast if name != who]))
        return f'"Did you {verb} {what}?" asks {who}. "No, {other} {verb}s it," says {other}.'
    if kind < 0.8:
        return f"The {_noun(rng, nouns, plural=False)} {rng.choice(_PREPOSITIONS)} the {place} belongs to {who}."
    if kind < 0.9:
        first, second = int(rng.integers(1, 10)), int(rng.integers(1, 10))
        return f"{who} counts {first} and {second}, which makes {first + second}."
    return f"At the {place}, {who} can {verb} {what}, but {cast[0]} can not."
