"""Train the submitted files on the train split and print their score on the test split."""

from utils import TASK  # isort: skip

from aira_tasks.design import evaluate

if __name__ == "__main__":
    evaluate(TASK)
