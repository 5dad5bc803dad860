"""`python3 -m aira_data --kind K --folder F` prints one line of JSON: the contents of a data set, or its first error.

{"files": 3, "bytes": 10, "documents": 2, "tables": [{"file", "rows", "encoding", "columns": [...]}], "notes": [...]}
{"wrong": {"file": "part.jsonl", "row": 3, "problem": "...", "remedy": "..."}}      row is null for a whole file
"""

import argparse
import json
import sys
from pathlib import Path

from .benchmarks import aan, imdb, listops
from .corpus import corpus
from .findings import Found, Wrong
from .raw import raw

KINDS = {"listops": listops, "imdb": imdb, "aan": aan, "corpus": corpus, "raw": raw}


def main() -> int:
    parser = argparse.ArgumentParser(prog="aira_data", description=__doc__)
    parser.add_argument("--kind", choices=sorted(KINDS), required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    files = sorted(path for path in options.folder.rglob("*") if path.is_file())
    found = Found(files=len(files), bytes=sum(path.stat().st_size for path in files))
    try:
        KINDS[options.kind](options.folder, files, found)
        line = found.as_json()
    except Wrong as wrong:
        file = wrong.file.relative_to(options.folder).as_posix() if wrong.file != options.folder else ""
        line = {"wrong": {"file": file, "row": wrong.row, "problem": wrong.problem, "remedy": wrong.remedy}}
    # ASCII, so that a stray byte of a name or a column cannot break the line.
    print(json.dumps(line, allow_nan=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
