"""The door of the helper: `python3 -m aira_workers.bayes` answers questions on stdin until it is closed.

Not its role: it keeps nothing between questions and knows neither searches nor agents. Invariants:
1. One line in, one line out, in order; nothing else is ever written to the host's pipe.
2. The answer is a function of the question alone: same question, same engine, same answer.
3. A question that cannot be read is refused and the next one served; a fault in the computation ends the process, with
   the traceback on stderr, because the host decides whether to try again.
"""

import os

# Before numpy loads its BLAS: the matrices are small, and one thread adds up in one order.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import dataclasses
import json
import signal
import sys

import sklearn

from .protocol import PROTOCOL, RefusedQuestion, read_request
from .surrogate import suggest


def main() -> None:
    # A terminal interrupts the whole process group; the host closes stdin to end this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    sys.stdout = sys.stderr

    def say(message: dict) -> None:
        pipe.write(json.dumps(message, allow_nan=False) + "\n")

    say({"kind": "hello", "protocol": PROTOCOL, "engine": f"scikit-learn {sklearn.__version__}"})
    for line in sys.stdin:
        try:
            identity, question = read_request(line)
        except RefusedQuestion as error:
            say({"kind": "refused", "id": error.identity, "message": str(error)})
        else:
            say({"kind": "suggestion", "id": identity, **dataclasses.asdict(suggest(question))})


if __name__ == "__main__":
    main()
