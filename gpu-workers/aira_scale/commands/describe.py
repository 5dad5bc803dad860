"""`describe`: sizes, families and versions as one line of JSON, for a host that plans runs; own primitives with their digests."""

import json
import sys
from dataclasses import asdict

from aira_primitives.describe import digests
from aira_workers.errors import InvalidCandidate

from ..counts import layer_parameters
from ..job import LARGEST_JOB, PROTOCOL_VERSION
from ..shapes import PRIMITIVES, SIZES
from ..version import trainer_version


def main(arguments: list[str]) -> int:
    if arguments:
        raise SystemExit("aira_scale describe takes no arguments")
    try:
        own = digests()
    except InvalidCandidate as fault:
        print(f"aira_scale: {fault}", file=sys.stderr)
        return 1
    families = ("llama", "nemotron")
    sizes = [
        {
            "name": size.name,
            "blocks": size.blocks,
            "lr": size.lr,
            "shape": asdict(size.shape),
            "layerParameters": {
                family: {token: layer_parameters(token, family, size.shape) for token in PRIMITIVES}
                for family in families
            },
        }
        for size in SIZES.values()
    ]
    described = {
        "v": PROTOCOL_VERSION,
        "trainer": trainer_version(),
        "families": list(families),
        "primitives": list(PRIMITIVES),
        "ownPrimitives": own,
        "largestJob": LARGEST_JOB,
        "sizes": sizes,
    }
    print(json.dumps(described, allow_nan=False))
    return 0
