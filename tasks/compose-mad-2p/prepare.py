"""Write what the agent may see: the train split, the test inputs without targets, and the search space."""

from utils import TASK  # isort: skip

from aira_tasks.compose import prepare

if __name__ == "__main__":
    prepare(TASK)
