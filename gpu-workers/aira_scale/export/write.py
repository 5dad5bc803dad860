"""Write a Hugging Face directory from a trained model's folder, check it in a fresh process, then give it its name.

    config.json, generation_config.json, model.safetensors, tokenizer.json, tokenizer_config.json, README.md (the model card),
    aira.json (model, data, outcome and check as they were)

"Checked" means: transformers loads it with no missing and no unexpected tensor, and its logits on 2 x 64 tokens differ from the
trained model's by at most 1e-4 of their largest magnitude. Else nothing is left behind and InvalidCandidate says the figures.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from aira_workers.errors import InvalidCandidate
from aira_workers.strict import parse

from ..counts import parameters
from ..data.tokenizer import Codec
from ..files import sha256_of
from ..model import ModelSpec, ScaleModel
from .card import model_card
from .formats import choose, convert

TOLERANCE = 1e-4
_PACKAGES = Path(__file__).resolve().parents[2]


def export(
    source: Path, tokenizer: Path, target: Path, form: str, context: int, provenance: dict[str, Any]
) -> dict[str, Any]:
    """Export <run>/models/<budget> to `target`, which must not exist, and return what the check found."""
    if target.exists():
        raise InvalidCandidate(f"{target} is there already; name another folder or remove it")
    try:
        import safetensors.torch as safetensors
    except ImportError as error:
        raise InvalidCandidate("export needs the Python packages safetensors and transformers; install them") from error
    record, model = load_trained(source)
    codec = Codec(tokenizer.read_text(encoding="utf-8"))
    if codec.vocabulary != model.spec.vocabulary:
        raise InvalidCandidate(f"the tokenizer has {codec.vocabulary} tokens, the model {model.spec.vocabulary}")
    form = choose(model.spec) if form == "auto" else form
    config, weights = convert(form, model.spec, model.state_dict(), context, codec.separator)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    try:
        _write_json(partial / "config.json", config)
        ids = {name: config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
        _write_json(partial / "generation_config.json", {**ids, "do_sample": True})
        safetensors.save_file(
            {name: tensor.contiguous().clone() for name, tensor in weights.items()},
            partial / "model.safetensors",
            metadata={"format": "pt"},
        )
        (partial / "tokenizer.json").write_text(codec.text, encoding="utf-8")
        special = codec.token(codec.separator)
        _write_json(
            partial / "tokenizer_config.json",
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": special,
                "eos_token": special,
                "pad_token": special,
                "model_max_length": context,
                "clean_up_tokenization_spaces": False,
            },
        )
        found = _check(partial, model)
        counted = parameters(model.spec.pattern, model.spec.family, model.spec.shape, model.spec.vocabulary)
        described = {**record, "format": form, "check": found, "provenance": provenance, "context": context}
        described["exportedParameters"] = sum(tensor.numel() for tensor in weights.values())
        _write_json(partial / "aira.json", described)
        (partial / "README.md").write_text(model_card(described, model.spec, counted), encoding="utf-8")
        os.rename(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {"format": form, **found}


def load_trained(source: Path):
    """(model.json, the model with its weights) of <run>/models/<budget>; raises InvalidCandidate when they do not belong together."""
    try:
        record = json.loads((source / "model.json").read_text(encoding="utf-8"))
        weights = source / "weights.pt"
        if sha256_of(weights) != record["outcome"]["weightsSha256"]:
            raise InvalidCandidate(f"{weights} was changed after training: its SHA-256 does not match")
        model = ScaleModel(parse(ModelSpec, record["model"], "model"))
        model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except (OSError, ValueError, KeyError) as error:
        raise InvalidCandidate(f"{source} is no trained model: {error}") from error
    return record, model.eval()


def _check(directory: Path, model: ScaleModel) -> dict[str, Any]:
    tokens = torch.randint(model.spec.vocabulary, (2, 64), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = model(tokens)
    with tempfile.TemporaryDirectory() as scratch:
        reference = Path(scratch) / "reference.pt"
        torch.save({"tokens": tokens, "logits": logits}, reference)
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_PACKAGES), os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-m", "aira_scale.export.check", str(directory), str(reference)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise InvalidCandidate(f"transformers does not load the export: {done.stderr.strip()[-300:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    if found["missing"] or found["unexpected"]:
        raise InvalidCandidate(
            f"transformers misses {found['missing'][:3]} and does not expect {found['unexpected'][:3]}"
        )
    if not found["difference"] <= TOLERANCE * found["scale"]:
        raise InvalidCandidate(
            f"the re-loaded model differs by {found['difference']:.3g} on logits of {found['scale']:.3g}"
        )
    return {"difference": found["difference"], "scale": found["scale"]}


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")
