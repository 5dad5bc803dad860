"""`python3 -m aira_rehearsal --settings FILE --prepared DIR --seed N --share S --rows N --out DIR [--script]`, for programs;
`python3 -m aira_rehearsal --settings FILE --seed N --rows N --out DIR [--own NAME ...]`, for scripts about stacks."""

import argparse
import sys
from pathlib import Path

from aira_design.layout import read_json, write_json
from aira_design.settings import LraSettings, parse_settings
from aira_workers.errors import InvalidCandidate

from . import arena, text


def main() -> int:
    options = _parse()
    try:
        given = read_json(options.settings)
        if "proxy" in given:
            from . import stacks  # imports torch

            options.out.mkdir(parents=True)
            stacks.for_script(given, options.seed, options.rows, options.own, options.out)
            return 0
        settings = parse_settings(given)
        if not 0 < options.share <= 1:
            raise ValueError("the share of the training must be above 0 and at most 1")
        family = arena if isinstance(settings, LraSettings) else text
        options.out.mkdir(parents=True)
        if options.script:
            family.for_script(settings, options.prepared, options.seed, options.out)
            return 0
        manifest = family.split(settings, options.prepared, options.seed, options.rows, options.out)
        write_json(options.out / "manifest.json", {**read_json(options.prepared / "manifest.json"), **manifest})
        write_json(options.out / "settings.json", family.shortened(given, options.share))
    except (OSError, ValueError, InvalidCandidate) as error:
        print(f"aira_rehearsal: {error}", file=sys.stderr)
        return 2
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="aira_rehearsal", description=__doc__)
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--prepared", type=Path, help="prepared data of a task of programs")
    parser.add_argument("--seed", type=int, required=True, help="decides which training rows are set apart")
    parser.add_argument("--share", type=float, default=1.0, help="part of the training, above 0 and at most 1")
    parser.add_argument(
        "--rows",
        type=int,
        required=True,
        help="most rows that are set apart for a score; for scripts about stacks, of a task in all",
    )
    parser.add_argument("--out", type=Path, required=True, help="must not exist")
    parser.add_argument(
        "--script", action="store_true", help="write the rows that an agent's own script may read instead"
    )
    parser.add_argument("--own", nargs="*", default=[], help="primitives of the user that the stacks may have")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
