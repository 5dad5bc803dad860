"""`data`: turn a folder of text, or the generator, into a data folder; print {"digest", "vocabulary", "tokens", "documents"}."""

import argparse
import json
import sys
from pathlib import Path

from aira_workers.errors import InvalidCandidate

from ..data.build import build, from_folder, from_generator


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="aira_scale data")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--from", dest="source", type=Path, help="a folder of .txt, .jsonl and .parquet files")
    source.add_argument("--generate", type=int, metavar="N", help="N generated documents instead")
    parser.add_argument("--seed", type=int, default=1, help="of the generated documents (default: 1)")
    parser.add_argument(
        "--tokenizer", default="bytes", help="bytes, bpe:N or the path of a tokenizer.json (default: bytes)"
    )
    parser.add_argument("--validation", type=float, default=0.02, help="share of the documents (default: 0.02)")
    parser.add_argument("--out", type=Path, required=True, help="the data folder, which must not exist")
    options = parser.parse_args(arguments)
    try:
        read, sources = (
            from_folder(options.source) if options.source else from_generator(options.seed, options.generate)
        )
        index = build(read, sources, options.tokenizer, options.validation, options.out)
    except InvalidCandidate as error:
        print(f"aira_scale: {error}", file=sys.stderr)
        return 1
    tokens = {split: sum(shard.tokens for shard in getattr(index, split)) for split in ("train", "validation")}
    record = {"digest": index.digest, "vocabulary": index.vocabulary, "tokens": tokens, "documents": index.documents}
    print(json.dumps(record))
    return 0
