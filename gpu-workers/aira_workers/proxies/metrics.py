"""What the two figures of a training are: one name for one quantity.

    MacroAccuracy           accuracy per class, averaged over the classes that occur (mad/metric.py), then over the six tasks;
                            measured after training on sequences that were not trained on
    PrequentialAccuracy     micro accuracy: right answers among all asked positions of a batch before the update from it,
                            per task, averaged over the tasks and over all steps of the training
    CrossEntropyLoss        nats per token on blocks that were not trained on, after training
    PrequentialCrossEntropy nats per token on the batches of the last half of training, each before the update from it

A prequential figure averages over a training and a test figure is of its end, so the two differ whatever the architecture:
their difference says nothing about generalisation.
"""

from typing import NamedTuple

from .settings import JointSettings, LanguageSettings, RepeatedSettings, Settings


class MetricNames(NamedTuple):
    validation: str
    test: str


def metric_names(settings: Settings) -> MetricNames:
    """The quantities that a Measurement of these settings holds in `validation` and `test`."""
    if isinstance(settings, (JointSettings, RepeatedSettings)):
        return MetricNames("PrequentialAccuracy", "MacroAccuracy")
    if isinstance(settings, LanguageSettings):
        held_out = settings.score == "held-out"
        return MetricNames("CrossEntropyLoss" if held_out else "PrequentialCrossEntropy", "CrossEntropyLoss")
    return MetricNames("MacroAccuracy", "MacroAccuracy")
