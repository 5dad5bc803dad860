"""Counts which token follows which, and smooths the counts."""

import torch
from prepare import MAX_SEQ_LEN, STATE, VOCAB_SIZE, make_dataloader

SMOOTHING = 30.0  # tune: 0.01..30 log
BATCH = 2  # tune: 1|2|4|8|16
STEPS = 20


def main():
    counts = torch.zeros(VOCAB_SIZE, VOCAB_SIZE)
    for inputs, targets in make_dataloader(BATCH, tokens=STEPS * BATCH * MAX_SEQ_LEN):
        counts.index_put_((inputs.flatten(), targets.flatten()), torch.ones(inputs.numel()), accumulate=True)
    torch.save(counts, STATE)


def load(state_dir):
    counts = torch.load(f"{state_dir}/{STATE}") + SMOOTHING
    table = (counts / counts.sum(1, keepdim=True)).log()
    return lambda tokens: table[tokens]


if __name__ == "__main__":
    main()
