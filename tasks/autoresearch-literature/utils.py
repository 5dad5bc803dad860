"""Finding this project's Python packages: installed ones, $AIRA_WORKERS_DIR, or the checkout that this task lies in."""

import os
import sys
from pathlib import Path

TASK = Path(__file__).resolve().parent

for place in (os.environ.get("AIRA_WORKERS_DIR"), str(TASK.parents[1] / "gpu-workers")):
    if place and (Path(place) / "aira_tasks").is_dir():
        sys.path.insert(0, place)
        break
