from pathlib import Path

from utils import arguments, documents, write

options = arguments()
mount = Path(options.agent_data_mount_dir)
write(mount / "train", "docs.csv", documents(options.global_shared_data_dir, "train"), ["text", "label"])
write(mount / "test", "questions.csv", documents(options.global_shared_data_dir, "test"), ["text"])
