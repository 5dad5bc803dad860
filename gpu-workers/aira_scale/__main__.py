"""`python3 -m aira_scale <command>`: see protocol.py for what a host reads and writes."""

import argparse
import importlib
import sys

COMMANDS = {
    "describe": ("aira_scale.commands.describe", "print sizes, families and versions as JSON"),
    "price": ("aira_scale.commands.price", "print counts and memory of a job without training it"),
    "data": ("aira_scale.commands.data", "turn text into a data folder"),
    "run": ("aira_scale.commands.run", "train a job, or resume it"),
    "score": ("aira_scale.commands.score", "zero-shot accuracies of a trained model"),
    "sweep": ("aira_scale.commands.sweep", "check the learning rate at three points"),
    "export": ("aira_scale.commands.export", "write a trained model as a Hugging Face directory, or as configuration"),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="aira_scale", description="Train found patterns at growing sizes.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    modules = {}
    for name, (module, text) in COMMANDS.items():
        # Only the chosen command imports torch and the optional libraries that it needs.
        modules[name] = (module, commands.add_parser(name, help=text, add_help=False))
    known, rest = parser.parse_known_args(sys.argv[1:2]), sys.argv[2:]
    return importlib.import_module(modules[known[0].command][0]).main(rest)


if __name__ == "__main__":
    sys.exit(main())
