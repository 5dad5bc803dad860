"""How many members fit a device's memory, and how many it takes to fill the device.

An estimate from the sizes: what a step keeps for its backward pass. Where it is too hopeful, the population is halved
(engine.py); where it is too careful, a little speed is lost. No score depends on it.
"""

from collections.abc import Sequence

import torch

from ..proxies import Candidate, JointSettings, Settings

_SHARE = 0.5  # of the memory that is free: whole and last batch of an epoch are recorded with a pool each
_COPIES = 2.5  # intermediate results next to the tensors counted here
_FLOAT = 4


def bytes_of_member(settings: Settings, candidate: Candidate) -> float:
    """What one member keeps in its largest step: activations of all layers, logits, parameters and optimiser state."""
    sizes = settings.model
    joint = isinstance(settings, JointSettings)
    tasks = list(vars(settings.tasks).values())
    length = max(task.length for task in tasks)
    sequences = len(tasks) * settings.sequences_per_task if joint else settings.batch
    vocabulary = sum(task.vocabulary for task in tasks) if joint else max(task.vocabulary for task in tasks)
    chunk = min(length, sizes.ssm_chunk)
    per_token = {
        "M": 2 * sizes.width + 4 * sizes.ffn_inner,
        "mA": 8 * sizes.width + 2 * sizes.attention_heads * length,
        "Mb": 2 * sizes.width + 8 * sizes.ssm_inner + 6 * sizes.ssm_state + 3 * sizes.ssm_heads * chunk,
    }
    activations = sequences * length * sum(per_token[token] for token in candidate.architecture)
    logits = 3 * sequences * length * vocabulary
    widest = 3 * sizes.width * max(sizes.ffn_inner, 2 * sizes.width, 2 * sizes.ssm_inner)
    parameters = 5 * len(candidate.architecture) * widest
    return _FLOAT * (_COPIES * (activations + logits) + parameters)


def members_that_fit(settings: Settings, device: torch.device, candidates: Sequence[Candidate]) -> int:
    """At least 1. On the CPU memory is the host's business and all candidates go together."""
    if device.type != "cuda":
        return len(candidates)
    free, _ = torch.cuda.mem_get_info(device)
    dearest = max(bytes_of_member(settings, candidate) for candidate in candidates)
    return max(1, int(free * _SHARE / dearest))


# About one candidate per TFLOP/s of float32 products gives every launch of a paper-scale training enough to do; beyond
# that only memory and patience are used. An estimate: see BENCHMARKS.md for what was measured.
_MEMBERS_PER_TFLOPS = 1.0
_MOST = 64
_MOST_ON_CPU = 8


def members_worth_while(device: torch.device, calibrated_flops: float) -> int:
    """How many candidates a device is given at once: 1 to 64 by its measured float32 speed in FLOP/s.

    On the CPU company does not pay, and populations are asked for by name only: a fixed number, for tests.
    """
    if device.type != "cuda":
        return _MOST_ON_CPU
    return int(min(_MOST, max(1.0, _MEMBERS_PER_TFLOPS * calibrated_flops / 1e12)))
