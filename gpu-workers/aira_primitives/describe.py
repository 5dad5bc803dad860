"""What a host knows of primitives: names, texts, colour, digest and costs at the sizes that it asks about."""

from collections.abc import Sequence
from typing import Any

from .check import validate
from .contract import Widths
from .own import Own, available, own


def described(token: str, sizes: Sequence[dict[str, Any]], context: int) -> dict[str, Any]:
    """The manifest entry of one primitive, after its validation; raises PrimitiveFault.

    Costs per size of `sizes` ({"name", and the keys of Widths}): parameters of a layer, training FLOPs per token of a sequence of
    `context` tokens (three times the forward pass), and bytes of its bfloat16 cache for one such sequence.
    """
    one = own(token)
    for _ in validate(one):
        pass
    return {
        "token": one.token,
        "title": one.title,
        "hint": one.hint,
        "colour": one.colour,
        "digest": one.digest,
        "costs": {size["name"]: _costs(one, size, context) for size in sizes},
    }


def _costs(one: Own, size: dict[str, Any], context: int) -> dict[str, float]:
    widths = Widths(**{key: value for key, value in size.items() if key != "name"})
    return {
        "parameters": one.parameters(widths),
        "trainingFlopsPerToken": 3 * one.flops(widths, context),
        "cacheBytes": 2 * one.cache(widths, context),
    }


def digests() -> dict[str, str]:
    """Digest of every primitive of this process, by name; runs no module."""
    return {token: found.digest for token, found in sorted(available().found.items())}
