"""Write what only the scorer may see: test inputs with targets and the settings to train by; fetch the submission.

Use another mount directory than the agent's.
"""

import shutil
import sys

import numpy as np
from utils import data_sets, directories, import_trainer, load_profile, write_json


def main() -> None:
    options = directories(__doc__)
    import_trainer()
    evaluation = load_profile(options.profile)
    labelled = options.agent_data_mount_dir / "test_with_labels"
    labelled.mkdir(exist_ok=True)
    for name, data in data_sets(evaluation, "test", "recall").items():
        np.savez_compressed(labelled / f"{name}.npz", inputs=data.inputs, targets=data.targets)
    write_json(labelled / "evaluation.json", evaluation)
    if options.agent_log_dir is not None:
        submission = options.agent_log_dir / "submission.csv"
        if not submission.is_file():
            print(f"{submission} does not exist: the agent left no submission", file=sys.stderr)
            sys.exit(1)
        shutil.copyfile(submission, options.agent_data_mount_dir / "submission.csv")


if __name__ == "__main__":
    main()
