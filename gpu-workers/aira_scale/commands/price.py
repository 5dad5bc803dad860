"""`price`: what jobs cost: one JSON object a line on standard input, one line of JSON each. Models are built without memory and counted.

parameters, nonEmbedding, embedding   counted on the built model and equal to the formulas, else this fails
flopsPerToken {layers, head}          training, in the convention of counts.py
steps                                 of the whole run, branches included
flops                                 of the whole run, branches included
budgets [{name, steps, tokens, flops}]
cacheBytes                            bfloat16 inference cache of one sequence of the training length
cacheBytesPerToken                    what one more token adds to it
activationBytes                       estimate of what the backward pass of one micro-batch needs on a device, logits included
stateBytes                            float32 weights, gradients, Muon momentum or two Adam moments: what all devices need together
                                      next to activations
checkpointBytes                       of one checkpoint on the disk; up to four are there at a time
"""

import json
import sys

from aira_workers.errors import InvalidCandidate

from ..counts import cache_bytes, parameters, stored_values, training_flops
from ..job import LARGEST_JOB, parse_job
from ..model import ScaleModel
from ..schedule import total_steps


def main(arguments: list[str]) -> int:
    if arguments:
        raise SystemExit("aira_scale price reads the job from standard input and takes no arguments")
    try:
        while line := sys.stdin.readline(LARGEST_JOB + 2):
            print(json.dumps(price(line), allow_nan=False))
    except InvalidCandidate as error:
        print(f"aira_scale: {error}", file=sys.stderr)
        return 1
    return 0


def price(text: str) -> dict:
    """The figures above; raises InvalidCandidate for a job that cannot be read."""
    job = parse_job(text)
    model, length = job.model, job.schedule.sequence
    counted = parameters(model.pattern, model.family, model.shape, model.vocabulary)
    built = ScaleModel(model, "meta")
    total = sum(parameter.numel() for parameter in built.parameters())
    if total != counted.total:
        raise AssertionError(f"the formula counts {counted.total} parameters, the model has {total}")
    matrices = sum(matrix.numel() for matrix in built.matrices())
    flops = training_flops(model.pattern, model.family, model.shape, model.vocabulary, length)
    tokens = job.schedule.batch_tokens
    steps = total_steps(job.schedule)
    rows = job.machine.micro_batch * length
    # The logits stay float32: themselves, their softmax and its gradient.
    stored = stored_values(model.pattern, model.family, model.shape) * (4 if job.precision == "float32" else 2)
    return {
        "parameters": counted.total,
        "nonEmbedding": counted.layers,
        "embedding": counted.embedding,
        "flopsPerToken": {"layers": flops.layers, "head": flops.head},
        "steps": steps,
        "flops": steps * tokens * flops.total,
        "budgets": [
            {"name": b.name, "steps": b.steps, "tokens": b.steps * tokens, "flops": b.steps * tokens * flops.total}
            for b in job.schedule.budgets
        ],
        "cacheBytes": cache_bytes(model.pattern, model.shape, length),
        "cacheBytesPerToken": cache_bytes(model.pattern, model.shape, 2) - cache_bytes(model.pattern, model.shape, 1),
        "activationBytes": rows * (stored + 12 * model.vocabulary),
        "stateBytes": 4 * (2 * total + matrices + 2 * (total - matrices)),
        "checkpointBytes": 4 * (total + matrices + 2 * (total - matrices)),
    }
