"""`python3 -m aira_scale.export.check DIRECTORY REFERENCE`: load a directory with transformers and compare its logits.

REFERENCE is a .pt file {tokens (batch, length) int64, logits (batch, length, vocabulary)} of the trained model in float32. Prints one line
of JSON: {"difference", "scale", "missing", "unexpected"}; the difference is the largest absolute one, the scale the largest absolute
logit. A process of its own, so that nothing of this package's model is loaded when transformers builds its own.
"""

import json
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    directory, reference = arguments
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    record = torch.load(reference, weights_only=True)
    # The only code of its own that a directory can have here was written by this package a moment ago.
    own_code = (Path(directory) / "modeling_aira.py").exists()
    model, found = AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, output_loading_info=True, local_files_only=True, trust_remote_code=own_code
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
