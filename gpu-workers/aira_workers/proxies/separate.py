"""The separate proxy: six networks, one per task, trained for many epochs on a few hundred sequences as MAD does.

Role: the published setting. Invariants:
1. measure "validation" trains on the first part of the train split and scores the held-out rest at recall positions;
   it may stop early once a task reaches `stop_at`. The test split is not generated.
2. measure "test" trains on all of the train split for all epochs, without early stopping since nothing is held out
   to decide it by, and scores the test split once. There is then no validation score.
3. Recall tasks train on every next token (MAD's training) and are scored at recall positions (MAD's test).
4. Start values are those of mad-lab: its autoencoder's for compression, its language model's for the others.
5. The result is a function of (architecture, seed, settings, arithmetic of the device).
"""

import numpy as np
import torch

from ..errors import Cancelled, Diverged
from ..mad import IGNORE, TASK_NAMES, generate, macro_accuracy
from ..model import StackModel
from ..optim import cosine_per_epoch
from ..primitives import make_frame
from ..primitives.initial import StartKind
from .flops import decoder_flops, head_flops, training_flops, trunk_flops
from .learner import TORCH, Engine, Question, Rule
from .run import CURVE_POINTS, PROGRESS_EVENTS, Candidate, Hooks, Measurement, TaskScore, due
from .settings import SeparateSettings

ORDER_STREAM = 2
ADAM_EPS = 1e-8


def measure_separate(
    candidate: Candidate,
    settings: SeparateSettings,
    device: torch.device,
    hooks: Hooks = Hooks(),
    engine: Engine = TORCH,
) -> Measurement:
    """Train six models and return their scores. Raises Cancelled, Diverged, or what torch raises when memory ends."""
    trainings = [TaskTraining(name, candidate, settings, device, engine) for name in TASK_NAMES]
    steps = settings.epochs * len(trainings)
    curve: list[tuple[int, float]] = []
    for epoch in range(settings.epochs):
        for index, training in enumerate(trainings):
            training.run_epoch(epoch, hooks)
            done = epoch * len(trainings) + index + 1
            if due(done, steps, PROGRESS_EVENTS):
                hooks.progress(done, steps, float(np.mean([one.score for one in trainings])))
        if due(epoch + 1, settings.epochs, CURVE_POINTS):
            curve.append(((epoch + 1) * len(trainings), float(np.mean([one.score for one in trainings]))))
        if all(training.solved for training in trainings):
            break
    scores: dict[str, TaskScore] = {training.name: training.final_score() for training in trainings}

    def mean(values: list[float]) -> float:
        return float(np.mean(values))

    on_test = candidate.measure == "test"
    return Measurement(
        validation=None if on_test else mean([score.validation for score in scores.values()]),
        test=mean([score.test for score in scores.values()]) if on_test else None,
        tasks=scores,
        params=sum(training.learner.flat.values.numel() for training in trainings),
        flops=training_flops(sum(training.forward_flops for training in trainings)),
        curve=curve,
    )


class TaskTraining:
    """One task's model, data and optimiser. `score` is the accuracy last measured: held-out, or on training batches."""

    def __init__(
        self, name: str, candidate: Candidate, settings: SeparateSettings, device: torch.device, engine: Engine
    ) -> None:
        self.name, self.candidate, self.settings, self.device = name, candidate, settings, device
        self.sizes = getattr(settings.tasks, name)
        data = generate(name, self.sizes, candidate.seed, "train", settings.train_samples, "next")
        scored = generate(name, self.sizes, candidate.seed, "train", settings.train_samples, "recall")
        self.on_test = candidate.measure == "test"
        cut = settings.train_samples - (0 if self.on_test else settings.held_out_samples)
        self.inputs = torch.tensor(data.inputs[:cut], device=device)
        self.targets = torch.tensor(data.targets[:cut], device=device)
        self.held_out = None if self.on_test else (scored.inputs[cut:], scored.targets[cut:])
        length = data.inputs.shape[1]
        self.decoded = name == "compression"
        decoder = "sinusoidal" if self.decoded else "none"
        model = StackModel(
            candidate.architecture,
            settings.model,
            self.sizes.vocabulary,
            candidate.seed,
            decoder,
            length,
            start_of(name),
        ).to(device)
        chosen = settings.optimiser
        rule = Rule(
            clip=None,
            muon=None,
            lr=chosen.lr,
            beta1=chosen.beta1,
            beta2=chosen.beta2,
            eps=ADAM_EPS,
            weight_decay=chosen.weight_decay,
        )
        frame = make_frame(length, settings.model, device, projection_dtype(settings, device))
        self.learner = engine.learner(model, frame, settings.model, rule, settings.batch)
        # Each epoch has its own order, keyed by the task so that no task depends on the others' lengths.
        self.order = np.random.default_rng(
            np.random.SeedSequence((ORDER_STREAM, candidate.seed, TASK_NAMES.index(name)))
        )
        self.score, self.loss, self.solved, self.forward_flops = 0.0, 0.0, False, 0.0

    def run_epoch(self, epoch: int, hooks: Hooks) -> None:
        """One pass over the training sequences, then a validation when it is due; nothing once solved."""
        if self.solved:
            return
        chosen = self.settings.optimiser
        factor = cosine_per_epoch(epoch, self.settings.epochs, chosen.lr, chosen.lr_min) / chosen.lr
        order = torch.from_numpy(self.order.permutation(len(self.inputs))).to(self.device)
        losses, rows, right = [], 0, torch.zeros((), device=self.device)
        for chunk in order.split(self.settings.batch):
            if hooks.should_stop():
                raise Cancelled("the training was cancelled")
            question = self._question(chunk)
            row_losses, row_hits = self.learner.gradients(question)
            self.learner.update(factor)
            losses.append(row_losses.dot(question.weights))
            right += row_hits.sum()
            rows += len(row_hits)
            self._count_flops(len(chunk))
        self.loss = float(torch.stack(losses).double().mean())
        if not np.isfinite(self.loss) or not bool(torch.isfinite(self.learner.flat.values).all()):
            raise Diverged(f"the loss or a weight of {self.name} was no longer finite by epoch {epoch + 1}")
        last = epoch + 1 == self.settings.epochs
        if self.on_test:
            self.score = float(right / rows)
        elif last or (epoch + 1) % self.settings.validate_every == 0:
            self.score = self._accuracy(*self.held_out)
            self.solved = self.score >= self.settings.stop_at

    def final_score(self) -> TaskScore:
        """The held-out accuracy, or the test accuracy measured here for the first and only time."""
        if not self.on_test:
            return TaskScore(validation=self.score, loss=self.loss)
        seed, samples = self.candidate.seed, self.settings.test_samples
        test = generate(self.name, self.sizes, seed, "test", samples, "recall")
        return TaskScore(validation=None, loss=self.loss, test=self._accuracy(test.inputs, test.targets))

    def _question(self, chunk: torch.Tensor) -> Question:
        """The mean loss over the asked positions of the sequences `chunk`; the decoder runs for all of them."""
        targets = self.targets[chunk].reshape(-1)
        if self.decoded:
            rows, labels, decoded = targets[:0], targets, (0, len(chunk))
        else:
            rows, decoded = torch.nonzero(targets != IGNORE).squeeze(1), (0, 0)
            labels = targets[rows]
        weights = torch.full(labels.shape, 1 / len(labels), dtype=torch.float32, device=self.device)
        return Question(self.inputs[chunk], rows, labels, weights, decoded)

    def _accuracy(self, inputs: np.ndarray, targets: np.ndarray) -> float:
        chunks = torch.tensor(inputs).split(self.settings.batch)
        answers = [self.learner.answers(chunk, self.decoded) for chunk in chunks]
        return macro_accuracy(torch.cat(answers), torch.tensor(targets).reshape(-1), self.sizes.vocabulary)

    def _count_flops(self, sequences: int) -> None:
        sizes, length = self.settings.model, self.inputs.shape[1]
        rows = sequences * length
        self.forward_flops += trunk_flops(self.candidate.architecture, sizes, length, rows)
        self.forward_flops += head_flops(sizes, self.sizes.vocabulary, rows)
        if self.decoded:
            self.forward_flops += decoder_flops(sizes, sizes.width, rows)


def start_of(task: str) -> StartKind:
    """How the model of `task` starts; see primitives/initial.py."""
    return "small" if task == "compression" else "linear"


def projection_dtype(settings: SeparateSettings, device: torch.device):
    if settings.bfloat16_on_cuda and device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.bfloat16
    return None
