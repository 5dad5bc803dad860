"""A moving average per channel, with a gate."""

import torch
from torch import nn

TITLE = "gated moving average"  # reports; one line, 60 characters
COLOUR = "#b0562f"  # its cells in reports
HINT = "an exponential average of earlier positions per channel; cheap, forgets slowly"  # for prompts; 300 characters


class Layer(nn.Module):
    def __init__(self, w, draw):
        super().__init__()
        self.input = draw.input(w.width, 2 * w.width)  # dense matrices are (fan_in, fan_out)
        self.output = draw.output(w.width, w.width)
        self.decay = draw.uniform(w.width, low=1.0, high=4.0)

    def forward(self, x):  # (batch, length, width) -> the same shape
        value, gate = (x @ self.input).chunk(2, -1)
        rate = self.decay.sigmoid()
        state, states = torch.zeros_like(value[:, 0]), []
        for t in range(x.shape[1]):
            state = rate * state + (1 - rate) * value[:, t]
            states.append(state)
        return (torch.stack(states, 1) * gate.sigmoid()) @ self.output

    def step(self, x, state):  # (batch, width), None at first -> ((batch, width), state)
        value, gate = (x @ self.input).chunk(2, -1)
        rate = self.decay.sigmoid()
        state = (1 - rate) * value if state is None else rate * state + (1 - rate) * value
        return (state * gate.sigmoid()) @ self.output, state


def parameters(w):  # of one layer
    return 3 * w.width**2 + w.width


def flops(w, length):  # forward pass, per token of a sequence of `length` tokens; a multiply-add is two
    return 2 * 3 * w.width**2


def cache(w, length):  # numbers that decoding carries along for one sequence after `length` tokens
    return w.width
