"""Random streams, each keyed by its purpose and the seed; hidden ones by a secret of the laboratory as well.

The generators are public and seeds are small numbers, so a candidate could contain a generator and draw the very rows
it will be asked about. The secret makes that a search among 2^128 keys. Training data need none: candidates see them.
"""

import hashlib
import zlib

import numpy as np

LEAST_SECRET_BYTES = 16


def stream(purpose: str, seed: int, secret: bytes | None = None) -> np.random.Generator:
    """Return the generator of `purpose`. Raises ValueError when a secret is too short to be one."""
    key = [zlib.crc32(purpose.encode()), seed]
    if secret is not None:
        if len(secret) < LEAST_SECRET_BYTES:
            raise ValueError(f"the secret has {len(secret)} bytes; it needs at least {LEAST_SECRET_BYTES}")
        key.extend(np.frombuffer(hashlib.sha256(secret).digest(), dtype="<u4").tolist())
    return np.random.default_rng(np.random.SeedSequence(key))


def fingerprint(secret: bytes | None) -> str | None:
    """A public fingerprint of the secret: it separates scores on different hidden rows."""
    return None if secret is None else hashlib.sha256(b"fingerprint\0" + secret).hexdigest()[:12]


def shuffled_apart(rng: np.random.Generator, rows: int, originals: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """Return an order of `rows` rows in which an original and its copy stand in different halves, at random places.

    So the two are asked in different batches, and which of them comes first says nothing.
    """
    swap = rng.random(len(copies)) < 0.5
    first = set(np.where(swap, copies, originals).tolist())
    second = set(np.where(swap, originals, copies).tolist()) - first
    others = rng.permutation([row for row in range(rows) if row not in first and row not in second])
    room = max(0, (rows + 1) // 2 - len(first))
    halves = (np.array([*first, *others[:room]]), np.array([*second, *others[room:]]))
    return np.concatenate([rng.permutation(half) for half in halves]).astype(np.int64)
