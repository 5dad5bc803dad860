"""`python3 -m aira_tasks submissions | holdout | leaks | modules`: the host's questions about a task's folders.

Each prints one line of JSON. Status 2 and one sentence when a folder is not of a known format.
"""

import argparse
import importlib.util
import json
import sys
from pathlib import Path

from .rehearsal import hold_out, scoring_columns, submissions, visible_answers
from .tables import NoTable


def main() -> int:
    parser = argparse.ArgumentParser(prog="aira_tasks", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    made = verbs.add_parser("submissions", help="gold, permuted, NaN and truncated submissions")
    made.add_argument("--labelled", type=Path, required=True)
    held = verbs.add_parser("holdout", help="hidden rows made of training rows")
    held.add_argument("--agent", type=Path, required=True)
    held.add_argument("--share", type=float, required=True)
    held.add_argument("--seed", type=int, required=True)
    leaks = verbs.add_parser("leaks", help="what of the answers an agent could see")
    leaks.add_argument("--agent", type=Path, required=True)
    leaks.add_argument("--labelled", type=Path, required=True)
    for verb in (made, held, leaks):
        verb.add_argument("--columns", required=True, help="scoring_column of the metadata, as JSON")
    for verb in (made, held):
        verb.add_argument("--out", type=Path, required=True)
    modules = verbs.add_parser("modules", help="which modules this Python lacks")
    modules.add_argument("names", nargs="*")
    options = parser.parse_args()
    if options.verb == "modules":
        print(json.dumps([name for name in options.names if importlib.util.find_spec(name) is None]))
        return 0
    columns = scoring_columns(json.loads(options.columns))
    try:
        if options.verb == "submissions":
            found = submissions(options.labelled, columns, options.out)
        elif options.verb == "holdout":
            found = hold_out(options.agent, columns, options.share, options.seed, options.out)
        else:
            found = visible_answers(options.agent, options.labelled, columns)
    except NoTable as error:
        print(f"aira_tasks: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
