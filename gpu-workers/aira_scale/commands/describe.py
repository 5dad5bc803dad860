"""`describe`: sizes, families and versions as one line of JSON, for a host that plans runs."""

import json
from dataclasses import asdict

from ..job import LARGEST_JOB, PROTOCOL_VERSION
from ..shapes import PRIMITIVES, SIZES
from ..version import trainer_version


def main(arguments: list[str]) -> int:
    if arguments:
        raise SystemExit("aira_scale describe takes no arguments")
    sizes = [
        {"name": size.name, "blocks": size.blocks, "lr": size.lr, "shape": asdict(size.shape)}
        for size in SIZES.values()
    ]
    described = {
        "v": PROTOCOL_VERSION,
        "trainer": trainer_version(),
        "families": ["llama", "nemotron"],
        "primitives": list(PRIMITIVES),
        "largestJob": LARGEST_JOB,
        "sizes": sizes,
    }
    print(json.dumps(described, allow_nan=False))
    return 0
