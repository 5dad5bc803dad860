import argparse
import csv
from pathlib import Path

from utils import documents

parser = argparse.ArgumentParser()
parser.add_argument("--global-shared-data-dir", required=True)
parser.add_argument("--output-directory", required=True)
options = parser.parse_args()
with (Path(options.output_directory) / "gold_submission.csv").open("w", newline="", encoding="utf-8") as stream:
    writer = csv.writer(stream)
    writer.writerow(["answers"])  # not the name that the description says
    writer.writerows([row["label"].upper()] for row in documents(options.global_shared_data_dir, "test"))
