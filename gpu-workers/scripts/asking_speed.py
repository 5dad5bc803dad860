"""How fast the scorer of autoresearch takes answers in the profile `paper`: a program that answers at once, at the published vocabulary.

    python3 gpu-workers/scripts/asking_speed.py

Prints microseconds per token and the minutes of the test split's 20,971,520 tokens; the model's own time is beside that.
"""

import os
import socket
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from aira_design.autoresearch.asking import ask
from aira_design.channel import Channel

ROWS, POSITIONS, VOCABULARY, TOKENS = 256, 16, 8192, 20_971_520


def main() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(1, VOCABULARY, (ROWS, POSITIONS + 1)).astype(np.uint16)
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        answer(Channel(theirs, None), rng.normal(size=(ROWS, VOCABULARY)).astype("<f4"))
        os._exit(0)
    theirs.close()
    began = time.monotonic()
    ask(rows, np.arange(POSITIONS)[None], np.array([], int), np.ones(VOCABULARY, np.int64), Channel(ours, 60.0))
    each = (time.monotonic() - began) / (ROWS * POSITIONS)
    print(f"{each * 1e6:.0f} us per token, {each * TOKENS / 60:.0f} minutes for {TOKENS:,} tokens")


def answer(channel: Channel, logits: np.ndarray) -> None:
    channel.send("ready")
    while channel.receive(1 << 20).kind != "done":
        channel.send("answer", {}, {"logits": logits})


if __name__ == "__main__":
    main()
