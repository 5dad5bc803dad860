"""The six tasks of Mechanistic Architecture Design (MAD, arXiv 2403.17844): generators and metric."""

from .metric import IGNORE, macro_accuracy
from .tasks import TASK_NAMES, TaskSet, TaskSizes, generate

__all__ = ["IGNORE", "TASK_NAMES", "TaskSet", "TaskSizes", "generate", "macro_accuracy"]
