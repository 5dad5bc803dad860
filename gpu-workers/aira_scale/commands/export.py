"""`export`: a trained model as a checked Hugging Face directory, or with `--as config` its sizes, counts and pattern as JSON.

Prints one line of JSON: {"format", "difference", "scale"} of a directory, or the configuration itself.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aira_workers.errors import InvalidCandidate

from ..export.formats import FORMATS


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="aira_scale export")
    parser.add_argument("--model", type=Path, required=True, help="a folder models/<budget> of a run")
    parser.add_argument("--as", dest="form", choices=("auto", "config", *FORMATS), default="auto", help="default: auto")
    parser.add_argument("--data", type=Path, help="the data folder that it was trained on, for its tokenizer")
    parser.add_argument(
        "--context", type=int, default=2048, help="tokens that the configuration states (default: 2048)"
    )
    parser.add_argument("--out", type=Path, help="the directory, which must not exist")
    parser.add_argument("--provenance", type=Path, help="a JSON object of text, for the model card")
    options = parser.parse_args(arguments)
    try:
        if options.form == "config":
            print(json.dumps(configuration(options.model), allow_nan=False))
            return 0
        if options.data is None or options.out is None:
            raise InvalidCandidate("export needs --data and --out, except with --as config")
        from ..export.write import export

        provenance = _provenance(options.provenance)
        record = export(
            options.model, options.data / "tokenizer.json", options.out, options.form, options.context, provenance
        )
    except (InvalidCandidate, OSError) as error:
        print(f"aira_scale: {error}", file=sys.stderr)
        return 1
    print(json.dumps(record, allow_nan=False))
    return 0


def configuration(model: Path) -> dict[str, Any]:
    """Pattern, shape, counts and outcome of a trained model, for other trainers."""
    from aira_workers.strict import parse

    from ..counts import parameters, training_flops
    from ..model import ModelSpec

    try:
        record = json.loads((model / "model.json").read_text(encoding="utf-8"))
        spec = parse(ModelSpec, record["model"], "model")
    except (ValueError, KeyError) as error:
        raise InvalidCandidate(f"{model} is no trained model: {error}") from error
    counted = parameters(spec.pattern, spec.family, spec.shape, spec.vocabulary)
    flops = training_flops(spec.pattern, spec.family, spec.shape, spec.vocabulary, 1)
    return {
        "model": asdict(spec),
        "parameters": counted.total,
        "nonEmbedding": counted.layers,
        "flopsPerTokenWithoutLength": {"layers": flops.layers, "head": flops.head},
        "data": record["data"],
        "seed": record["seed"],
        "outcome": record["outcome"],
    }


def _provenance(file: Any) -> dict[str, str]:
    if file is None:
        return {}
    value = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise InvalidCandidate(f"{file} is not an object of text")
    return {str(key): text.replace("\n", " ").replace("|", "/") for key, text in value.items()}
