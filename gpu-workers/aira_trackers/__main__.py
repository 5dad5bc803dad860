"""`python3 -m aira_trackers --to T --tables FOLDER --out DIR` prints one line of JSON.

{"library": "mlflow", "version": "3.1.0", "runs": 13}
{"missing": "mlflow"}                                           the library is not installed in this Python
{"taken": "the experiment toy-1"}                               DIR has this search already; nothing was written

FOLDER has the tables of one search as JSON lines (docs/export.md). All text in them is data: it is never run, formatted or used as a path.
"""

import argparse
import importlib.util
import json
import os
import sys
from pathlib import Path

from .rows import Taken, read_tables

LIBRARIES = {"mlflow": "mlflow", "wandb": "wandb", "tensorboard": "tensorboard"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="aira_trackers", description=__doc__)
    parser.add_argument("--to", choices=sorted(LIBRARIES), required=True)
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    library = LIBRARIES[options.to]
    # Libraries print on standard output; the answer is the only line of ours.
    answer = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    if importlib.util.find_spec(library) is None:
        print(json.dumps({"missing": library}), file=answer, flush=True)
        return 0
    tables = read_tables(options.tables)
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        if options.to == "mlflow":
            from .mlflow_store import write
        elif options.to == "wandb":
            from .wandb_offline import write
        else:
            from .tensorboard_logs import write
        line = {"library": library, **write(tables, options.out.resolve())}
    except Taken as taken:
        line = {"taken": str(taken)}
    print(json.dumps(line, allow_nan=False), file=answer, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
