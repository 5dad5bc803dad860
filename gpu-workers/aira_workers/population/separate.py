"""The separate proxy for a population; see proxies/separate.py for what it measures.

Task after task, all members train that task's model together; a member that has solved it, or whose loss is no longer
finite, leaves at the end of an epoch. Nothing inside an epoch waits for the device.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from ..errors import Cancelled, Diverged
from ..mad import IGNORE, TASK_NAMES, generate, macro_accuracy
from ..model import StackModel
from ..optim import cosine_per_epoch
from ..primitives import make_frame
from ..proxies import Candidate, Hooks, Measurement, SeparateSettings, TaskScore
from ..proxies.flops import decoder_flops, head_flops, training_flops, trunk_flops
from ..proxies.learner import Rule
from ..proxies.run import CURVE_POINTS, PROGRESS_EVENTS, due
from ..proxies.separate import ADAM_EPS, ORDER_STREAM, projection_dtype, start_of
from .outcome import Outcome
from .trainer import PopulationTrainer, Questions

# Members that have left are trained on, unread, until so few are left that packing the rest again pays.
_REPACK_BELOW = 0.75


class TaskEnd(NamedTuple):
    """How one member's training of one task went: the score after each epoch, the loss of the last, rows trained on."""

    scores: list[float]
    loss: float
    test: float | None
    sequences: int


def measure_separate_together(
    candidates: Sequence[Candidate], settings: SeparateSettings, device: torch.device, hooks: Sequence[Hooks]
) -> list[Outcome]:
    """Each member's measurement, or Diverged; raises Cancelled, or what torch raises when memory ends, for all.

    All candidates must ask for the same measure: it decides how many sequences they train on. `hooks`: one per member;
    whether to stop is asked of the first.
    """
    if len({one.measure for one in candidates}) > 1:
        raise ValueError("a population of the separate proxy asks for one measure")
    ends: list[dict[str, TaskEnd]] = [{} for _ in candidates]
    params = [0] * len(candidates)
    outcomes: list[Outcome | None] = [None] * len(candidates)
    for index, name in enumerate(TASK_NAMES):
        left = [member for member, outcome in enumerate(outcomes) if outcome is None]
        if not left:
            break
        training = _TaskTraining(name, [candidates[member] for member in left], settings, device)
        for member, end, count in zip(left, training.run([hooks[member] for member in left], index), training.params):
            params[member] += count
            if isinstance(end, Diverged):
                outcomes[member] = end
            else:
                ends[member][name] = end
    for member, candidate in enumerate(candidates):
        if outcomes[member] is None:
            outcomes[member] = _measurement(candidate, settings, ends[member], params[member])
    return outcomes


def _measurement(
    candidate: Candidate, settings: SeparateSettings, ends: dict[str, TaskEnd], params: int
) -> Measurement:
    on_test = candidate.measure == "test"
    scores = {name: TaskScore(None if on_test else end.scores[-1], end.loss, end.test) for name, end in ends.items()}
    epochs = max(len(end.scores) for end in ends.values())
    curve: list[tuple[int, float]] = []
    for epoch in range(epochs):
        if due(epoch + 1, settings.epochs, CURVE_POINTS):
            now = [end.scores[min(epoch, len(end.scores) - 1)] for end in ends.values()]
            curve.append(((epoch + 1) * len(ends), float(np.mean(now))))
    forward = 0.0
    for name, end in ends.items():
        task = getattr(settings.tasks, name)
        # Recall sequences lose a token to the shift; what is trained on says how long they are.
        length = generate(name, task, candidate.seed, "train", settings.train_samples, "next").inputs.shape[1]
        rows = end.sequences * length
        forward += trunk_flops(candidate.architecture, settings.model, length, rows)
        forward += head_flops(settings.model, task.vocabulary, rows)
        if name == "compression":
            forward += decoder_flops(settings.model, settings.model.width, rows)
    return Measurement(
        validation=None if on_test else float(np.mean([score.validation for score in scores.values()])),
        test=float(np.mean([score.test for score in scores.values()])) if on_test else None,
        tasks=scores,
        params=params,
        flops=training_flops(forward),
        curve=curve,
    )


class _TaskTraining:
    """One task, all members. `params` counts each member's parameters."""

    def __init__(
        self, name: str, candidates: Sequence[Candidate], settings: SeparateSettings, device: torch.device
    ) -> None:
        self.name, self.settings, self.device = name, settings, device
        self.candidates = list(candidates)
        self.sizes = getattr(settings.tasks, name)
        self.decoded = name == "compression"
        self.on_test = candidates[0].measure == "test"
        cut = settings.train_samples - (0 if self.on_test else settings.held_out_samples)
        asked = [generate(name, self.sizes, one.seed, "train", settings.train_samples, "next") for one in candidates]
        self.inputs = self._stacked([data.inputs[:cut] for data in asked])
        self.targets = self._stacked([data.targets[:cut] for data in asked])
        scored = [generate(name, self.sizes, one.seed, "train", settings.train_samples, "recall") for one in candidates]
        self.held_out = None if self.on_test else [(data.inputs[cut:], data.targets[cut:]) for data in scored]
        self.length = self.inputs.shape[2]
        decoder = "sinusoidal" if self.decoded else "none"
        models = [
            StackModel(
                one.architecture, settings.model, self.sizes.vocabulary, one.seed, decoder, self.length, start_of(name)
            )
            for one in candidates
        ]
        self.params = [sum(parameter.numel() for parameter in model.parameters()) for model in models]
        chosen = settings.optimiser
        rule = Rule(None, None, chosen.lr, chosen.beta1, chosen.beta2, ADAM_EPS, chosen.weight_decay)
        frame = make_frame(self.length, settings.model, device, projection_dtype(settings, device))
        self.trainer = PopulationTrainer(models, frame, settings.model, rule, device)
        key = TASK_NAMES.index(name)
        self.orders = [
            np.random.default_rng(np.random.SeedSequence((ORDER_STREAM, one.seed, key))) for one in candidates
        ]

    def run(self, hooks: Sequence[Hooks], index: int) -> list[Outcome]:
        """Train to the end; per member a TaskEnd or Diverged. `index` places this task in the progress of all."""
        members = len(self.candidates)
        ends: list[Outcome | None] = [None] * members
        scores: list[list[float]] = [[] for _ in range(members)]
        losses = [0.0] * members
        here = list(range(members))  # whose models the trainer holds, in its order
        steps = self.settings.epochs * len(TASK_NAMES)
        for epoch in range(self.settings.epochs):
            epoch_losses, right = self._epoch(epoch, here, hooks[0])
            last = epoch + 1 == self.settings.epochs
            measured = not self.on_test and (last or (epoch + 1) % self.settings.validate_every == 0)
            found = self._accuracies(here, self.held_out) if measured else None
            finite = self.trainer.model.stacks.finite().tolist()
            for place, member in enumerate(here):
                if ends[member] is not None:
                    continue
                if not np.isfinite(epoch_losses[place]) or not finite[place]:
                    ends[member] = Diverged(
                        f"the loss or a weight of {self.name} was no longer finite by epoch {epoch + 1}"
                    )
                    continue
                losses[member] = epoch_losses[place]
                before = scores[member][-1] if scores[member] else 0.0
                scores[member].append(right[place] if self.on_test else found[place] if found else before)
                if last or (measured and scores[member][-1] >= self.settings.stop_at):
                    trained = (epoch + 1) * self.inputs.shape[1]
                    ends[member] = TaskEnd(scores[member], losses[member], None, trained)
                done = index * self.settings.epochs + epoch + 1
                if due(done, steps, PROGRESS_EVENTS):
                    hooks[member].progress(done, steps, scores[member][-1])
            here = self._repack(here, ends)
            if not here:
                break
        if self.on_test:
            self._score_test(here, ends)
        return ends

    def _epoch(self, epoch: int, here: list[int], hook: Hooks) -> tuple[list[float], list[float]]:
        """One pass over the sequences: each remaining member's mean loss and share of right answers."""
        chosen = self.settings.optimiser
        factor = cosine_per_epoch(epoch, self.settings.epochs, chosen.lr, chosen.lr_min) / chosen.lr
        orders = np.stack([self.orders[member].permutation(self.inputs.shape[1]) for member in here])
        order = torch.from_numpy(orders).to(self.device)
        losses, right, rows = [], 0, 0
        for chunk in order.split(self.settings.batch, dim=1):
            if hook.should_stop():
                raise Cancelled("the training was cancelled")
            questions, asked = self._questions(chunk)
            row_losses, hits = self.trainer.step(questions, factor)
            losses.append((row_losses * questions.weights).sum(1))
            right = right + (hits * asked).sum(1)
            rows = rows + asked.sum(1)
        return torch.stack(losses).double().mean(0).tolist(), (right / rows).tolist()

    def _questions(self, chunk: torch.Tensor) -> tuple[Questions, torch.Tensor]:
        """The mean loss over the asked positions of each member's sequences `chunk` (remaining members, batch)."""
        own = torch.arange(len(chunk), device=self.device)[:, None]
        targets = self.targets[own, chunk].flatten(1)
        asked = (targets != IGNORE).to(torch.float32)
        weights = asked / asked.sum(1, keepdim=True)
        count = (0, chunk.shape[1]) if self.decoded else (0, 0)
        questions = Questions(self.inputs[own, chunk], targets.clamp(min=0), weights, not self.decoded, count)
        return questions, asked

    def _accuracies(self, here: list[int], sets) -> list[float]:
        inputs = self._stacked([sets[member][0] for member in here])
        answers = [
            self.trainer.answers(chunk, self.decoded).cpu() for chunk in inputs.split(self.settings.batch, dim=1)
        ]
        found = torch.cat(answers, dim=1)
        targets = [torch.tensor(sets[member][1]).reshape(-1) for member in here]
        return [macro_accuracy(one, asked, self.sizes.vocabulary) for one, asked in zip(found, targets)]

    def _score_test(self, here: list[int], ends: list[Outcome | None]) -> None:
        sets = {}
        for member in here:
            seed = self.candidates[member].seed
            data = generate(self.name, self.sizes, seed, "test", self.settings.test_samples, "recall")
            sets[member] = data.inputs, data.targets
        for member, score in zip(here, self._accuracies(here, sets) if here else []):
            if isinstance(ends[member], TaskEnd):
                ends[member] = ends[member]._replace(test=score)

    def _repack(self, here: list[int], ends: list[Outcome | None]) -> list[int]:
        """Drop the members that have ended once enough have; those on test end together and stay for their scoring."""
        staying = [place for place, member in enumerate(here) if ends[member] is None]
        if self.on_test or len(staying) > _REPACK_BELOW * len(here):
            return here
        if staying:
            self.trainer.keep(staying)
            retained = torch.tensor(staying, device=self.device)
            self.inputs, self.targets = self.inputs[retained], self.targets[retained]
        return [here[place] for place in staying]

    def _stacked(self, arrays: Sequence[np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(np.stack(arrays)).to(self.device)
