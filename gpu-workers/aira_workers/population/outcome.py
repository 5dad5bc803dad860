"""How a member of a population ends: with its measurement, or with the error that ended it alone."""

from typing import Union

from ..errors import EvaluationError
from ..proxies import Measurement

Outcome = Union[Measurement, EvaluationError]
