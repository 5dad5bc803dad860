"""Raw series to what only the scorer may see."""

import shutil

from prepare import HORIZON
from utils import arguments, series, write_rows


def main():
    options = arguments(__doc__)
    rows = [[values[:-HORIZON], values[-HORIZON:]] for values in series(options.global_shared_data_dir)]
    write_rows(options.agent_data_mount_dir / "test_with_labels", ["target", "label_target"], rows)
    if options.agent_log_dir is not None:
        shutil.copyfile(options.agent_log_dir / "submission.csv", options.agent_data_mount_dir / "submission.csv")


if __name__ == "__main__":
    main()
