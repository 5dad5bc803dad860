"""`export`: a model as a checked Hugging Face directory, or with `--as config` its sizes, counts and pattern as JSON.

Prints one line of JSON: {"format", "parameters", "difference", "scale"} of a directory, or the configuration itself. `--fresh` takes
{"model": as in a job, "seed"} instead of a trained model.
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
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", type=Path, help="a folder models/<budget> of a run")
    source.add_argument("--fresh", type=Path, help="a JSON file with a model to initialise")
    parser.add_argument("--as", dest="form", choices=("auto", "config", *FORMATS), default="auto", help="default: auto")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json (default: plain bytes)")
    parser.add_argument(
        "--context", type=int, default=2048, help="tokens that the configuration states (default: 2048)"
    )
    parser.add_argument("--out", type=Path, help="the directory, which must not exist")
    parser.add_argument("--provenance", type=Path, help="a JSON object of text, for the model card")
    options = parser.parse_args(arguments)
    try:
        fresh = _fresh(options.fresh) if options.fresh else None
        if options.form == "config":
            print(json.dumps(configuration(fresh or options.model), allow_nan=False))
            return 0
        if options.out is None:
            raise InvalidCandidate("export needs --out, except with --as config")
        from ..export.write import export

        provenance = _provenance(options.provenance)
        source = fresh or options.model
        record = export(source, options.tokenizer, options.out, options.form, options.context, provenance)
    except (InvalidCandidate, OSError) as error:
        print(f"aira_scale: {error}", file=sys.stderr)
        return 1
    print(json.dumps(record, allow_nan=False))
    return 0


def configuration(source: Any) -> dict[str, Any]:
    """Pattern, shape, counts and outcome of a trained model's folder or a Fresh one, for other trainers."""
    from aira_workers.strict import parse

    from ..counts import parameters, training_flops
    from ..model import ModelSpec, ScaleModel

    if isinstance(source, Path):
        try:
            record = json.loads((source / "model.json").read_text(encoding="utf-8"))
            spec = parse(ModelSpec, record["model"], "model")
            data, seed, outcome = record["data"], record["seed"], record["outcome"]
        except (ValueError, KeyError) as error:
            raise InvalidCandidate(f"{source} is no trained model: {error}") from error
    else:
        spec, data, seed, outcome = source.model, None, source.seed, None
    counted = parameters(spec.pattern, spec.family, spec.shape, spec.vocabulary)
    built = sum(parameter.numel() for parameter in ScaleModel(spec, "meta").parameters())
    if built != counted.total:
        raise AssertionError(f"the formula counts {counted.total} parameters, the model has {built}")
    flops = training_flops(spec.pattern, spec.family, spec.shape, spec.vocabulary, 1)
    return {
        "model": asdict(spec),
        "parameters": counted.total,
        "nonEmbedding": counted.layers,
        "flopsPerTokenWithoutLength": {"layers": flops.layers, "head": flops.head},
        "data": data,
        "seed": seed,
        "outcome": outcome,
    }


def _fresh(file: Path):
    from aira_workers.strict import parse

    from ..export.write import Fresh
    from ..job import read_object

    return parse(Fresh, read_object(file.read_text(encoding="utf-8")), "fresh")


def _provenance(file: Any) -> dict[str, str]:
    if file is None:
        return {}
    value = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise InvalidCandidate(f"{file} is not an object of text")
    return {str(key): text.replace("\n", " ").replace("|", "/") for key, text in value.items()}
