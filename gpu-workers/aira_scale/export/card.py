"""The model card: what was trained, on what, what it came to, how it was checked. States nothing that `described` does not hold."""

from typing import Any

from ..counts import Parameters
from ..model import ModelSpec


def model_card(described: dict[str, Any], spec: ModelSpec, counted: Parameters) -> str:
    """Markdown with the front matter that model hubs read."""
    outcome, check = described["outcome"], described["check"]
    trained = (
        [
            f"| training tokens | {outcome['tokens']:,} in {outcome['steps']:,} steps, context {described['context']} |",
            f"| training FLOPs | {outcome['flops']:.3e} |",
            f"| validation loss | {outcome['validationLoss']:.4f} nats per token |",
            f"| data | SHA-256 of the token index {described['data']} |",
        ]
        if outcome
        else ["| training | none: start values only |"]
    )
    made = "trained by Aira" if outcome else "initialised by Aira and not trained"
    loads = " Load it with `trust_remote_code=True`." if described["format"] == "custom" else ""
    family = {
        "llama": "RoPE attention, SwiGLU, Mamba-2",
        "nemotron": "attention without positions, squared-ReLU MLP, Mamba-2 with grouped gated norm",
    }[spec.family]
    lines = [
        "---",
        "library_name: transformers",
        "pipeline_tag: text-generation",
        "tags: [aira, architecture-search]",
        "---",
        "",
        f"# {_runs(spec.pattern)}",
        "",
        f"A pattern of {len(spec.pattern)} layers ({family}), {made} and exported as `{described['format']}`.{loads}",
        "",
        "| | |",
        "| --- | --- |",
        f"| pattern | {' '.join(spec.pattern)} |",
        f"| parameters | {counted.total:,} ({counted.layers:,} without the embedding, which the head shares) |",
        f"| parameters in this directory | {described['exportedParameters']:,} |",
        *trained,
        f"| seed | {described['seed']} |",
        f"| check | re-loaded by transformers in a fresh process: logits differ by {check['difference']:.1e} on a scale of {check['scale']:.1f} |",
        *(f"| {key} | {value} |" for key, value in described["provenance"].items()),
        "",
        "No safety training. A research model: what it writes says nothing about facts.",
        "",
    ]
    return "\n".join(lines)


def _runs(pattern) -> str:
    """['mA', 'M', 'M'] -> '1mA + 2M'."""
    parts, depth = [], 0
    while depth < len(pattern):
        end = depth
        while end < len(pattern) and pattern[end] == pattern[depth]:
            end += 1
        parts.append(f"{end - depth}{pattern[depth]}")
        depth = end
    return " + ".join(parts)
