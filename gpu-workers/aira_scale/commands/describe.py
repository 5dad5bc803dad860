"""`describe [PRIMITIVE ...]`: sizes, families and versions as one line of JSON, for a host that plans runs; own primitives with their
digests, and layers of those that are named."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from aira_primitives.describe import digests
from aira_workers.errors import InvalidCandidate

from ..counts import layer_parameters
from ..job import LARGEST_JOB, PROTOCOL_VERSION
from ..shapes import PRIMITIVES, SIZES, Family
from ..version import trainer_version

_FAMILIES: tuple[Family, ...] = ("llama", "nemotron")


def main(arguments: list[str]) -> int:
    try:
        own = digests()
        sizes = _sizes((*PRIMITIVES, *arguments))
    except InvalidCandidate as fault:
        print(f"aira_scale: {fault}", file=sys.stderr)
        return 1
    described = {
        "v": PROTOCOL_VERSION,
        "trainer": trainer_version(),
        "families": list(_FAMILIES),
        "primitives": list(PRIMITIVES),
        "ownPrimitives": own,
        "largestJob": LARGEST_JOB,
        "sizes": sizes,
    }
    print(json.dumps(described, allow_nan=False))
    return 0


def _sizes(tokens: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "name": size.name,
            "blocks": size.blocks,
            "lr": size.lr,
            "shape": asdict(size.shape),
            "layerParameters": {
                family: {token: layer_parameters(token, family, size.shape) for token in tokens} for family in _FAMILIES
            },
        }
        for size in SIZES.values()
    ]
