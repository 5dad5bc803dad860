"""`python3 -m aira_primitives <command>`; a fault is one line on standard error and status 2.

describe REQUEST NAME...   {"sizes": [...], "context": n} (describe.py) -> {"primitives": [...]}, one line
list                       names, titles and files of all primitives
check FILE                 the validation of one file
"""

import argparse
import json
import os
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="aira_primitives", description="Find and check primitives of your own.")
    commands = parser.add_subparsers(dest="command", required=True)
    describing = commands.add_parser("describe", help="print the manifest of primitives as JSON")
    describing.add_argument("request", type=json.loads)
    describing.add_argument("names", nargs="+")
    commands.add_parser("list", help="list all primitives")
    checking = commands.add_parser("check", help="validate one file")
    checking.add_argument("file", type=Path)
    options = parser.parse_args()

    import torch

    from .discover import PrimitiveFault

    torch.set_num_threads(1)
    # What a module prints, C code included, must not reach the answer.
    answer, sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8"), sys.stderr
    os.dup2(2, 1)
    try:
        if options.command == "describe":
            lines = [_describe(options.request, options.names)]
        elif options.command == "list":
            lines = _list()
        else:
            lines = _check(options.file)
        for line in lines:
            print(line, file=answer, flush=True)
    except PrimitiveFault as fault:
        print(" ".join(str(fault).split()), file=sys.stderr)
        return 2
    return 0


def _describe(request: dict, names: list[str]) -> str:
    from .describe import described

    entries = [described(name, request["sizes"], request["context"]) for name in names]
    return json.dumps({"primitives": entries}, allow_nan=False)


def _list():
    from .discover import BUILT_IN, PrimitiveFault
    from .own import available, own

    discovery = available()
    for token in BUILT_IN:
        yield f"{token:<16} built in"
    for token, found in sorted(discovery.found.items()):
        try:
            yield f"{token:<16} {own(token).title}  {found.origin}"
        except PrimitiveFault as fault:
            yield f"{token:<16} refused: {fault}"
    for token, problem in sorted(discovery.refused.items()):
        yield f"{token:<16} refused: {problem}"


def _check(file: Path):
    from .check import validate
    from .discover import found_in
    from .own import load

    one = load(found_in(file.resolve()))
    for name, found in validate(one):
        yield f"ok  {name:<18} {found}"
    yield f"{one.token} ({one.title}) is valid; digest {one.digest[:12]}"


if __name__ == "__main__":
    sys.exit(main())
