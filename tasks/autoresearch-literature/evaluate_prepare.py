"""Write what only the scorer may see and fetch the submission. Use another directory than the agent's."""

from utils import TASK  # isort: skip

from aira_tasks.design import evaluate_prepare

if __name__ == "__main__":
    evaluate_prepare(TASK)
