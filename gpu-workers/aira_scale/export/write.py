"""Write a Hugging Face directory, check it in a fresh process, then give it its name.

    config.json, generation_config.json, model.safetensors, tokenizer.json, tokenizer_config.json, README.md (the model card),
    aira.json (model, data, outcome and check as they were); configuration_aira.py and modeling_aira.py of a custom export

The model is a trained one, <run>/models/<budget>, or a `Fresh` one with start values.
"Checked" means: transformers loads it with no missing and no unexpected tensor, and its logits on 2 x 64 tokens differ from the
model's by at most 1e-4 of their largest magnitude. Else nothing is left behind and InvalidCandidate says the figures.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from aira_workers.errors import InvalidCandidate
from aira_workers.strict import parse

from ..counts import parameters
from ..data.tokenizer import Codec, bytes_tokenizer
from ..files import sha256_of
from ..initial import initialise
from ..job import LARGEST_SEED
from ..model import ModelSpec, ScaleModel
from .card import model_card
from .formats import choose, convert

TOLERANCE = 1e-4
_PACKAGES = Path(__file__).resolve().parents[2]
_CUSTOM = Path(__file__).resolve().parent / "custom"


@dataclass(frozen=True)
class Fresh:
    """A model that was never trained: `pattern` has a token per layer, `seed` draws the start values (initial.py)."""

    model: ModelSpec
    seed: int

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ValueError(f"seed must be between 0 and {LARGEST_SEED}, got {self.seed}")


def export(
    source: Path | Fresh, tokenizer: Path | None, target: Path, form: str, context: int, provenance: dict[str, Any]
) -> dict[str, Any]:
    """Export `source` to `target`, which must not exist, and return what the check found. Without a tokenizer, plain bytes."""
    if target.exists():
        raise InvalidCandidate(f"{target} is there already; name another folder or remove it")
    require("safetensors", "transformers")
    import safetensors.torch as safetensors

    codec = Codec(tokenizer.read_text(encoding="utf-8") if tokenizer else json.dumps(bytes_tokenizer()))
    record, model = made(source) if isinstance(source, Fresh) else load_trained(source)
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
            {name: tensor.contiguous() for name, tensor in weights.items()},
            partial / "model.safetensors",
            metadata={"format": "pt"},
        )
        if form == "custom":
            for name in ("configuration_aira.py", "modeling_aira.py"):
                shutil.copyfile(_CUSTOM / name, partial / name)
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
    return {"format": form, "parameters": counted.total, **found}


def require(*packages: str) -> None:
    """Raise InvalidCandidate naming the Python packages that are missing."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise InvalidCandidate(
            f"export needs the Python package{'s' if len(missing) > 1 else ''} {' and '.join(missing)}; "
            f"install them with: {sys.executable} -m pip install transformers safetensors"
        )


def made(fresh: Fresh):
    """(what model.json would say, the model with its start values)."""
    model = ScaleModel(fresh.model)
    initialise(model, fresh.seed)
    return {"model": asdict(fresh.model), "data": None, "seed": fresh.seed, "outcome": None}, model.eval()


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
        # Where transformers copies a directory's own code to before it imports it.
        environment["HF_MODULES_CACHE"] = scratch
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
