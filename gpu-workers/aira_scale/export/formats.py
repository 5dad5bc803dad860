"""Configuration and weights of each format. Pure functions of model and weights (float32, as `ScaleModel.state_dict` names them).

Facts on the formats (transformers 5): NemotronH clamps dt at `time_step_min`, so that is written as 1e-8; it has no tied head, so
the embedding is written twice; its configuration keeps the pattern as one string, which vLLM and llama.cpp read. Granite multiplies
attention by `attention_multiplier`, whose default 1 is not ours; an MLP of width 0 is refused by servers, so zeros have full width.
"""

from typing import Any

import torch
from aira_workers.errors import InvalidCandidate

from ..layers.norm import EPS
from ..model import ModelSpec
from ..shapes import PRIMITIVES

Weights = dict[str, torch.Tensor]
FORMATS = ("nemotron_h", "llama", "granitemoehybrid", "custom")
_NEMOTRON_LETTERS = {"Mb": "M", "mA": "*", "M": "-"}


def choose(spec: ModelSpec) -> str:
    """The format of `--as auto`."""
    if spec.family == "nemotron":
        return "nemotron_h"
    plain = len(spec.pattern) % 2 == 0 and all(t == ("mA", "M")[d % 2] for d, t in enumerate(spec.pattern))
    return "llama" if plain else "granitemoehybrid"


def convert(
    form: str, spec: ModelSpec, weights: Weights, context: int, separator: int
) -> tuple[dict[str, Any], Weights]:
    """config.json and tensors; raises InvalidCandidate when the model cannot be written in the format exactly.

    `context` is the training length in tokens, `separator` the token between documents.
    """
    own = sorted({token for token in spec.pattern if token not in PRIMITIVES})
    if own:
        raise InvalidCandidate(
            f"no Hugging Face format holds {', '.join(own)}: export the configuration with --as config"
        )
    if form not in FORMATS:
        raise InvalidCandidate(f"format must be one of auto, {', '.join(FORMATS)}, got {form!r}")
    if form != "custom" and (form == "nemotron_h") != (spec.family == "nemotron"):
        raise InvalidCandidate(f"{form} cannot hold the {spec.family} family: its MLP and positions differ")
    if form == "llama" and choose(spec) != "llama":
        raise InvalidCandidate("llama holds the pattern mA M mA M ... only; use granitemoehybrid")
    shape = spec.shape
    common = {
        "vocab_size": spec.vocabulary,
        "hidden_size": shape.width,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "max_position_embeddings": context,
        "bos_token_id": separator,
        "eos_token_id": separator,
        "pad_token_id": separator,
        "dtype": "float32",
        "attention_bias": False,
    }
    if form == "custom":
        return _custom(spec, weights, common)
    if form == "nemotron_h":
        return _nemotron(spec, weights, common)
    if form == "llama":
        return _llama(spec, weights, common)
    return _granite(spec, weights, common)


def _nemotron(spec: ModelSpec, weights: Weights, common: dict[str, Any]) -> tuple[dict[str, Any], Weights]:
    shape = spec.shape
    config = {
        **common,
        "model_type": "nemotron_h",
        "architectures": ["NemotronHForCausalLM"],
        "hybrid_override_pattern": "".join(_NEMOTRON_LETTERS[token] for token in spec.pattern),
        "num_hidden_layers": len(spec.pattern),
        "head_dim": shape.head_dim,
        "intermediate_size": shape.ungated_inner,
        "mlp_hidden_act": "relu2",
        "mlp_bias": False,
        "ssm_state_size": shape.ssm_state,
        "mamba_num_heads": shape.ssm_heads,
        "mamba_head_dim": shape.ssm_head_dim,
        "mamba_hidden_act": "silu",
        "mamba_proj_bias": False,
        "n_groups": shape.ssm_groups,
        "conv_kernel": shape.ssm_conv,
        "chunk_size": shape.ssm_chunk,
        "use_conv_bias": True,
        "use_bias": False,
        "time_step_min": 1e-8,
        "layer_norm_epsilon": EPS,
        "residual_in_fp32": False,
        "tie_word_embeddings": False,
        # Without attention there are no keys and values for transformers' hybrid cache to measure the past by.
        "use_cache": "mA" in spec.pattern,
    }
    out: Weights = {"backbone.embeddings.weight": weights["embedding"], "lm_head.weight": weights["embedding"].clone()}
    for name, tensor in weights.items():
        if name.startswith("layers."):
            out[f"backbone.{name}"] = tensor
    out["backbone.norm_f.weight"] = weights["norm.weight"]
    return config, out


def _custom(spec: ModelSpec, weights: Weights, common: dict[str, Any]) -> tuple[dict[str, Any], Weights]:
    """Every layer as it is, for the modelling code in custom/."""
    shape = spec.shape
    config = {
        **{name: value for name, value in common.items() if name != "attention_bias"},
        "model_type": "aira_stack",
        "architectures": ["AiraStackForCausalLM"],
        "auto_map": {
            "AutoConfig": "configuration_aira.AiraStackConfig",
            "AutoModelForCausalLM": "modeling_aira.AiraStackForCausalLM",
        },
        "family": spec.family,
        "pattern": list(spec.pattern),
        "num_hidden_layers": len(spec.pattern),
        "intermediate_size": shape.ffn_inner if spec.family == "llama" else shape.ungated_inner,
        "head_dim": shape.head_dim,
        "ssm_inner": shape.ssm_inner,
        "ssm_head_dim": shape.ssm_head_dim,
        "ssm_state": shape.ssm_state,
        "ssm_groups": shape.ssm_groups,
        "ssm_conv": shape.ssm_conv,
        "ssm_chunk": shape.ssm_chunk,
        "rope_theta": shape.rotary_base,
        "norm_eps": EPS,
        "use_cache": False,
        "tie_word_embeddings": False,
    }
    return config, {("embedding.weight" if name == "embedding" else name): tensor for name, tensor in weights.items()}


def _llama(spec: ModelSpec, weights: Weights, common: dict[str, Any]) -> tuple[dict[str, Any], Weights]:
    shape = spec.shape
    config = {
        **common,
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "num_hidden_layers": len(spec.pattern) // 2,
        "head_dim": shape.head_dim,
        "intermediate_size": shape.ffn_inner,
        "hidden_act": "silu",
        "mlp_bias": False,
        "rms_norm_eps": EPS,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.rotary_base},
        "rope_theta": shape.rotary_base,
        "tie_word_embeddings": True,
    }
    out: Weights = {"model.embed_tokens.weight": weights["embedding"], "model.norm.weight": weights["norm.weight"]}
    for layer in range(len(spec.pattern) // 2):
        to = f"model.layers.{layer}"
        attention, mlp = f"layers.{2 * layer}", f"layers.{2 * layer + 1}"
        out[f"{to}.input_layernorm.weight"] = weights[f"{attention}.norm.weight"]
        out[f"{to}.post_attention_layernorm.weight"] = weights[f"{mlp}.norm.weight"]
        out.update(_under(f"{to}.self_attn.", weights, f"{attention}.mixer."))
        out.update(_under(f"{to}.mlp.", weights, f"{mlp}.mixer."))
    return config, out


def pairs(pattern: list[str]) -> list[tuple[int | None, int | None]]:
    """(mixer, MLP) of each granite layer as places in the pattern; None where zeros stand in."""
    found: list[tuple[int | None, int | None]] = []
    depth = 0
    while depth < len(pattern):
        if pattern[depth] == "M":
            found.append((None, depth))
        elif depth + 1 < len(pattern) and pattern[depth + 1] == "M":
            found.append((depth, depth + 1))
            depth += 1
        else:
            found.append((depth, None))
        depth += 1
    return found


def _granite(spec: ModelSpec, weights: Weights, common: dict[str, Any]) -> tuple[dict[str, Any], Weights]:
    shape = spec.shape
    if shape.heads * shape.head_dim != shape.width:
        raise InvalidCandidate("granitemoehybrid needs heads x head_dim = width")
    if "Mb" in spec.pattern and shape.ssm_inner % shape.width:
        raise InvalidCandidate("granitemoehybrid needs ssm_inner to be a multiple of width")
    layers = pairs(spec.pattern)
    kinds = ["mamba" if mixer is not None and spec.pattern[mixer] == "Mb" else "attention" for mixer, _ in layers]
    config = {
        **common,
        "model_type": "granitemoehybrid",
        "architectures": ["GraniteMoeHybridForCausalLM"],
        "num_hidden_layers": len(layers),
        "layer_types": kinds,
        "intermediate_size": shape.ffn_inner,
        "shared_intermediate_size": shape.ffn_inner,
        "num_local_experts": 0,
        "num_experts_per_tok": 0,
        "hidden_act": "silu",
        "rms_norm_eps": EPS,
        "position_embedding_type": "rope",
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.rotary_base},
        "rope_theta": shape.rotary_base,
        "attention_multiplier": shape.head_dim**-0.5,
        "embedding_multiplier": 1.0,
        "residual_multiplier": 1.0,
        "logits_scaling": 1.0,
        "mamba_n_heads": shape.ssm_heads,
        "mamba_d_head": shape.ssm_head_dim,
        "mamba_expand": shape.ssm_inner // shape.width,
        "mamba_d_state": shape.ssm_state,
        "mamba_n_groups": shape.ssm_groups,
        "mamba_d_conv": shape.ssm_conv,
        "mamba_chunk_size": shape.ssm_chunk,
        "mamba_conv_bias": True,
        "mamba_proj_bias": False,
        "tie_word_embeddings": True,
        "use_cache": "attention" in kinds,
    }
    out: Weights = {"model.embed_tokens.weight": weights["embedding"], "model.norm.weight": weights["norm.weight"]}
    ones, width, inner = torch.ones(shape.width), shape.width, shape.ffn_inner
    shared = shape.kv_heads * shape.head_dim
    for layer, (mixer, mlp) in enumerate(layers):
        to = f"model.layers.{layer}"
        out[f"{to}.input_layernorm.weight"] = (
            weights[f"layers.{mixer}.norm.weight"] if mixer is not None else ones.clone()
        )
        out[f"{to}.post_attention_layernorm.weight"] = (
            weights[f"layers.{mlp}.norm.weight"] if mlp is not None else ones.clone()
        )
        if mixer is None:
            sizes = {"q": (width, width), "k": (shared, width), "v": (shared, width), "o": (width, width)}
            out.update({f"{to}.self_attn.{name}_proj.weight": torch.zeros(size) for name, size in sizes.items()})
        else:
            name = "mamba" if kinds[layer] == "mamba" else "self_attn"
            out.update(_under(f"{to}.{name}.", weights, f"layers.{mixer}.mixer."))
        if mlp is None:
            out[f"{to}.shared_mlp.input_linear.weight"] = torch.zeros(2 * inner, width)
            out[f"{to}.shared_mlp.output_linear.weight"] = torch.zeros(width, inner)
        else:
            own = f"layers.{mlp}.mixer"
            gate_over_up = torch.cat((weights[f"{own}.gate_proj.weight"], weights[f"{own}.up_proj.weight"]))
            out[f"{to}.shared_mlp.input_linear.weight"] = gate_over_up
            out[f"{to}.shared_mlp.output_linear.weight"] = weights[f"{own}.down_proj.weight"]
    return config, out


def _under(prefix: str, weights: Weights, own: str) -> Weights:
    return {prefix + name[len(own) :]: tensor for name, tensor in weights.items() if name.startswith(own)}
