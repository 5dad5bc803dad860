import os
import shutil
from pathlib import Path

from utils import arguments, documents, write

options = arguments()
mount = Path(options.agent_data_mount_dir)
write(mount / "test_with_labels", "answers.csv", documents(options.global_shared_data_dir, "test"), ["text", "label"])
shutil.copy2(os.path.join(options.agent_log_dir, "submission.csv"), mount / "submission.csv")
