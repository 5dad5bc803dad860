"""Fuzzy in-context recall: keys and values are motifs of one or several tokens."""

from itertools import permutations

import numpy as np

from .metric import IGNORE
from .recall import Targets

Motif = tuple[int, ...]


def fuzzy_recall(
    rng: np.random.Generator, count: int, *, vocabulary: int, length: int, motif: int, test: bool, targets: Targets
) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets, both (count, length) int64.

    The last token is padding; of the others the lower half makes key motifs, the upper half value motifs: ordered
    tuples without repetition of 1 .. `motif` tokens. Sizes are uniform in 1 .. `motif`, except that keys always have
    size `motif` when `test`. A probe pair stands at a random place and again at the end; other pairs fill the space
    between, a repeated key keeping its value; padding fills up on the left. Targets as in `recall`: "next" asks for
    every next token, "recall" for the values of repeated keys and for the final value.
    """
    content = vocabulary - 1
    keys, values = range(content // 2), range(content // 2, content)
    longest = 2 * motif
    if len(keys) < motif or length < 3 * longest + 1:
        raise ValueError("fuzzy recall needs at least `motif` key tokens and room for three pairs of full size")
    key_motifs = _shuffled_motifs(rng, keys, motif)
    value_motifs = _shuffled_motifs(rng, values, motif)
    tokens = np.full((count, length + 1), vocabulary - 1, dtype=np.int64)
    asked = np.full((count, length + 1), IGNORE, dtype=np.int64)
    for row in range(count):
        sequence, wanted = _sequence(rng, key_motifs, value_motifs, length, motif, test)
        tokens[row, length + 1 - len(sequence) :] = sequence
        asked[row, length + 1 - len(sequence) :] = wanted
    return tokens[:, :-1], (tokens if targets == "next" else asked)[:, 1:]


def _shuffled_motifs(rng: np.random.Generator, alphabet: range, motif: int) -> list[list[Motif]]:
    motifs = []
    for size in range(1, motif + 1):
        of_size = list(permutations(alphabet, size))
        rng.shuffle(of_size)
        motifs.append([tuple(int(token) for token in one) for one in of_size])
    return motifs


def _sequence(rng, key_motifs, value_motifs, length: int, motif: int, test: bool) -> tuple[list[int], list[int]]:
    # More uniform numbers than any sequence can use, drawn at once: one call instead of four per pair.
    uniform = iter(rng.random(4 * (length + 4)).tolist())

    def draw(motifs: list[list[Motif]], full_size: bool) -> Motif:
        size = motif if full_size else 1 + int(next(uniform) * motif)
        return motifs[size - 1][int(next(uniform) * len(motifs[size - 1]))]

    bound: dict[Motif, Motif] = {}
    seen: dict[Motif, bool] = {}
    sequence: list[int] = []
    wanted: list[int] = []

    def append(key: Motif, value: Motif) -> None:
        sequence.extend(key + value)
        wanted.extend([IGNORE] * len(key) + (list(value) if key in seen else [IGNORE] * len(value)))
        seen[key] = True

    probe_key, probe_value = draw(key_motifs, test), draw(value_motifs, False)
    bound[probe_key] = probe_value
    probe_length = len(probe_key) + len(probe_value)
    insert_at = int(next(uniform) * (length - 2 * probe_length))
    limit = length - probe_length - 2 * motif
    while len(sequence) < limit:
        # The second condition puts the probe in while another round is still certain: the final query must be known.
        if probe_key not in seen and (len(sequence) >= insert_at or len(sequence) >= limit - 2 * motif):
            append(probe_key, probe_value)
            continue
        key = draw(key_motifs, test)
        value = draw(value_motifs, False)
        append(key, bound.setdefault(key, value))
    append(probe_key, probe_value)
    return sequence, wanted
