// The texts of a made-up lab: programs, errors, attacks on whoever renders them, and their form in answers of the API.

export const program = (
  /** @type {number} */ width,
  /** @type {number} */ rate,
  /** @type {boolean} */ gated,
) => `"""A small language model and its training loop."""
import math

import torch
from torch import nn
from torch.nn import functional as F

WIDTH = ${width}
LAYERS = 4
LEARNING_RATE = ${rate}


class Mixer(nn.Module):
    """Causal convolution over positions${gated ? ', gated by the input' : ''}. (B, T, C) -> (B, T, C)."""

    def __init__(self, width: int, reach: int = 8) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, reach, padding=reach - 1, groups=width)
        self.out = nn.Linear(width, width, bias=False)
${gated ? '        self.gate = nn.Linear(width, width, bias=False)\n' : ''}
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mixed = self.conv(x.transpose(1, 2))[..., : x.size(1)].transpose(1, 2)
${gated ? '        mixed = mixed * torch.sigmoid(self.gate(x))\n' : ''}        return self.out(F.silu(mixed))


def schedule(step: int, steps: int) -> float:
    # Warm up over 5 %, then a cosine to a tenth.
    warm = max(1, steps // 20)
    if step < warm:
        return LEARNING_RATE * (step + 1) / warm
    return LEARNING_RATE * (0.1 + 0.45 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))))
`;

export const trace = `Traceback (most recent call last):
  File "train.py", line 88, in <module>
    loss.backward()
  File "/usr/lib/python3/dist-packages/torch/_tensor.py", line 487, in backward
    torch.autograd.backward(self, gradient, retain_graph, create_graph, inputs=inputs)
RuntimeError: CUDA out of memory. Tried to allocate 1.21 GiB (GPU 0; 15.74 GiB total capacity)
`;

export const attacks = [
  '<img src=x onerror="window.attacked=1">',
  '<script>window.attacked=1;alert(1);fetch("http://127.0.0.1:9/stolen")</script>',
  '"><svg onload=window.attacked=1>',
  '<iframe src="javascript:window.parent.attacked=1"></iframe>',
  "javascript:window.attacked=1//';alert(1)",
  '\u202Egnp.exe\u2066 \u001b[31mred\u001b[0m\u001b]8;;http://127.0.0.1:9/\u0007link\u001b]8;;\u0007 \u0000',
  '<a href="http://127.0.0.1:9/x" autofocus onfocus=window.attacked=1>go</a><base href="http://127.0.0.1:9/">',
  '{{constructor.constructor("window.attacked=1")()}}',
];

const limit = 200_000;

/** Whole texts behind `raw`. @type {string[]} */
const whole = [];
/** @param {string} text */
const keep = (text) => {
  const at = whole.indexOf(text);
  return at >= 0 ? at : whole.push(text) - 1;
};
/** @param {number} at */
export const wholeText = (at) => whole[at];

/** A text of an answer, cut where it is too long. */
export const long = (/** @type {string} */ text) => ({
  text: text.slice(0, limit),
  more: Math.max(0, text.length - limit),
  raw: text.length > limit ? `raw/${keep(text)}` : null,
});

export const round = (/** @type {number} */ value) => Math.round(value * 1e5) / 1e5;

/** @param {string[]} layers */
export function runLength(layers) {
  const runs = [];
  for (const name of layers) {
    const last = runs.at(-1);
    if (last?.name === name) last.length++;
    else runs.push({ name, length: 1 });
  }
  return runs.map(({ name, length }) => (length > 1 ? `${length}${name}` : name)).join('+');
}
