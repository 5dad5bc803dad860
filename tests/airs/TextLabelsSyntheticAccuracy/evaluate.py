import argparse
import csv
import json
import sys

csv.field_size_limit(2**31)
parser = argparse.ArgumentParser()
parser.add_argument("--submission-file", default="submission.csv")
options = parser.parse_args()
with open("data/test_with_labels/answers.csv", newline="", encoding="utf-8") as stream:
    labels = [row["label"] for row in csv.DictReader(stream)]
try:
    with open(options.submission_file, newline="", encoding="utf-8") as stream:
        answers = [row["answer"] for row in csv.DictReader(stream)]
except (OSError, KeyError) as error:
    sys.exit(f"the submission cannot be read: {error}")
if len(answers) != len(labels):
    sys.exit(f"the submission has {len(answers)} rows; expected {len(labels)}")
right = sum(answer.upper() == label.upper() for answer, label in zip(answers, labels))
print("--- EVALUATION RESULT ---")
print(json.dumps({"Accuracy": right / len(labels)}))
