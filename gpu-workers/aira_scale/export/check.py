"""`python3 -m aira_scale.export.check DIRECTORY REFERENCE`: load a directory with transformers and compare its logits.

REFERENCE is a .pt file {tokens (batch, length) int64, logits (batch, length, vocabulary)} of the trained model in float32. Prints one line
of JSON: {"difference", "scale", "missing", "unexpected"}; the difference is the largest absolute one, the scale the largest absolute
logit. A process of its own, so that nothing of this package's model is loaded when transformers builds its own.
"""

import json
import sys


def main(arguments: list[str]) -> int:
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    directory, reference = arguments
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    record = torch.load(reference, weights_only=True)
    model, found = AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, output_loading_info=True, local_files_only=True
    )
    model.eval()
    with torch.no_grad():
        logits = model(record["tokens"]).logits
    print(
        json.dumps(
            {
                "difference": (logits - record["logits"]).abs().max().item(),
                "scale": record["logits"].abs().max().item(),
                "missing": sorted(found["missing_keys"]),
                "unexpected": sorted(found["unexpected_keys"]),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
