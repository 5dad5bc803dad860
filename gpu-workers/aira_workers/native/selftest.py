"""Proof before first use: loss, every gradient and one update against torch, for each primitive, in well under a second.

A compiler or processor with a fault shows as a wrong number; the machine then trains with torch.
"""

import numpy as np
import torch

from ..model import StackModel
from ..primitives import Sizes, make_frame
from ..proxies.learner import TORCH, Engine, MuonRule, Question, Rule
from .build import Unavailable

_TOLERANCE = 1e-4
_ROUNDED_TOLERANCE = 0.1  # operands with 8 bits, through three layers
_LENGTH, _SEQUENCES, _VOCABULARY, _SEED = 32, 5, 50, 1
# Adam's first step is the sign of a gradient far above eps: with a small one, a gradient that nearly cancels, such as that of a
# key's bias, would show the sign of its rounding.
_RULE = Rule(clip=1.0, muon=MuonRule(0.02, 0.9, 4), lr=0.01, beta1=0.9, beta2=0.99, eps=1e-5, weight_decay=0.0)
# Two shapes: whole vectors without extras, and narrow heads and states with gains and biases.
_PLAIN = Sizes(
    width=32, attention_heads=2, attention_bias=False, rotary_base=1e4, ffn_inner=88, ssm_inner=64, ssm_heads=2,
    ssm_state=16, ssm_conv=4, ssm_chunk=64, dt_min=0.01, dt_max=0.5, a_min=0.5, a_max=4.0, norm_gain=False,
    embedding_std=0.5, depth_scaled_outputs=True,
)  # fmt: skip
_ORNATE = Sizes(
    width=48, attention_heads=6, attention_bias=True, rotary_base=1e4, ffn_inner=50, ssm_inner=96, ssm_heads=3,
    ssm_state=4, ssm_conv=3, ssm_chunk=32, dt_min=0.01, dt_max=0.5, a_min=0.5, a_max=4.0, norm_gain=True,
    embedding_std=0.5, depth_scaled_outputs=True,
)  # fmt: skip


def self_test(engine: Engine) -> None:
    """Raises Unavailable naming the first quantity in which `engine` and torch disagree by more than 1e-4, or by more than
    rounding explains where the engine rounds to bfloat16.
    """
    for sizes, decoder in ((_PLAIN, "learned-code"), (_ORNATE, "sinusoidal")):
        for architecture in (("M",), ("mA",), ("Mb",), ("Mb", "mA", "M")):
            _compare(engine, architecture, sizes, decoder)


def _compare(engine: Engine, architecture, sizes: Sizes, decoder: str) -> None:
    question, frame = _question(), make_frame(_LENGTH, sizes, torch.device("cpu"))
    seen = []
    for one in (TORCH, engine):
        model = StackModel(architecture, sizes, _VOCABULARY, _SEED, decoder, _LENGTH)
        learner = one.learner(model, frame, sizes, _RULE, _SEQUENCES)
        losses, hits = learner.gradients(question)
        whole = learner.flat.gradients.clone()
        gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
        learner.update(1.0)
        values = {f"updated {name}": parameter.detach() for name, parameter in model.named_parameters()}
        seen.append({"loss": losses, "hits": hits, "gradient": whole, **gradients, **values})
    # A gradient that nearly cancels carries the rounding of the larger ones around it.
    floor = 1e-3 * float(seen[0]["gradient"].norm())
    if engine.name.endswith("bf16"):  # whether the largest logit is the label may hang on a bit
        del seen[0]["hits"]
    for name, expected in seen[0].items():
        distance = float((seen[1][name] - expected).norm() / max(float(expected.norm()), floor))
        if not distance < (_ROUNDED_TOLERANCE if engine.name.endswith("bf16") else _TOLERANCE):
            where = f"{name} of {' '.join(architecture)} at width {sizes.width}"
            raise Unavailable(f"the compiled engine differs from torch in {where} by {distance:.1e}")


def _question() -> Question:
    rng = np.random.default_rng(_SEED)
    rows = np.flatnonzero(rng.random(_SEQUENCES * _LENGTH) < 0.5)
    count = len(rows) + 2 * _LENGTH
    return Question(
        tokens=torch.from_numpy(rng.integers(0, _VOCABULARY, (_SEQUENCES, _LENGTH))),
        rows=torch.from_numpy(rows),
        labels=torch.from_numpy(rng.integers(0, _VOCABULARY, count)),
        weights=torch.from_numpy((rng.random(count) / count).astype(np.float32)),
        decoded=(1, 2),
    )
