"""Write what the agent may see: the train split, inputs of the hidden ones without targets, and notes on literature."""

from utils import TASK  # isort: skip

from aira_tasks.design import prepare

if __name__ == "__main__":
    prepare(TASK, with_literature=True)
