"""An honest submission, small enough to be trained in a second: what follows each token, counted and smoothed by a layer."""

import torch
from prepare import DEVICE, STEP_BUDGET, VOCAB_SIZE, make_dataloader
from torch.nn import functional as F

BATCH = 8
LEARNING_RATE = 0.5


def main():
    torch.manual_seed(0)
    table = torch.zeros(VOCAB_SIZE, VOCAB_SIZE, device=DEVICE, requires_grad=True)
    optimiser = torch.optim.SGD([table], LEARNING_RATE * VOCAB_SIZE)
    batches = make_dataloader(BATCH)
    for _ in range(STEP_BUDGET):
        inputs, targets = next(batches)
        loss = F.cross_entropy(table[inputs].flatten(0, 1), targets.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.save(table.detach(), "table.pt")


def load(folder):
    table = torch.load(folder + "/table.pt")
    return lambda tokens: table[tokens]


if __name__ == "__main__":
    main()
