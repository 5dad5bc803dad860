"""Write what the agent may see: the train split, the test inputs without targets, and the search space."""

import numpy as np
from utils import data_sets, directories, import_trainer, load_profile, write_json


def main() -> None:
    options = directories(__doc__)
    import_trainer()
    evaluation = load_profile(options.profile)
    train, test = options.agent_data_mount_dir / "train", options.agent_data_mount_dir / "test"
    train.mkdir(exist_ok=True)
    test.mkdir(exist_ok=True)
    trained_on = "recall" if evaluation["settings"]["proxy"] == "joint" else "next"
    for name, data in data_sets(evaluation, "train", trained_on).items():
        np.savez_compressed(train / f"{name}.npz", inputs=data.inputs, targets=data.targets)
    for name, data in data_sets(evaluation, "test", "recall").items():
        np.savez_compressed(test / f"{name}.npz", inputs=data.inputs)
    write_json(options.agent_data_mount_dir / "space.json", evaluation["compose"])
    print(f"prepared profile {options.profile}: {len(list(train.iterdir()))} tasks")


if __name__ == "__main__":
    main()
