"""Train the submitted architecture on the train split and print its score on the test split."""

from utils import TASK  # isort: skip

from aira_tasks.compose import evaluate

if __name__ == "__main__":
    evaluate(TASK)
