"""Log-probabilities of continuations, and accuracies from them.

Context and continuation are tokenised together and split at the context's own number of tokens; spaces at the end of the context move to
the continuation first. acc takes the largest sum of log-probabilities, acc_norm the largest sum per character of the choice.
"""

from dataclasses import dataclass

import torch

from ..data.tokenizer import Codec
from ..model import ScaleModel
from .tasks import Item


@dataclass(frozen=True)
class Scored:
    """`correct` and `correct_norm` are 0 or 1, for paired comparison over items."""

    log_probabilities: list[float]
    correct: int
    correct_norm: int


def encode_pair(codec: Codec, context: str, continuation: str) -> tuple[list[int], list[int]]:
    """Token ids of context and continuation; an empty context becomes the separator."""
    spaces = len(context) - len(context.rstrip())
    if spaces:
        context, continuation = context[:-spaces], context[-spaces:] + continuation
    if not context:
        return [codec.separator], codec.encode(continuation)
    before = codec.encode(context)
    return before, codec.encode(context + continuation)[len(before) :]


@torch.no_grad()
def log_probability(model: ScaleModel, codec: Codec, context: str, continuation: str, window: int) -> float:
    """Summed over the tokens of the continuation; what exceeds `window` tokens is cut off on the left."""
    before, after = encode_pair(codec, context, continuation)
    tokens = torch.tensor([(before + after)[-(window + 1) :]], device=model.embedding.device)
    logits = model(tokens[:, :-1]).float().log_softmax(-1)[0]
    scored = min(len(after), logits.shape[0])
    targets = tokens[0, -scored:]
    return logits[-scored:].gather(1, targets[:, None]).double().sum().item()


def score(model: ScaleModel, codec: Codec, item: Item, window: int) -> Scored:
    """Log-probability of each choice of `item`, and whether the best one is right by either rule; ties go to the first."""
    sums = [log_probability(model, codec, *pair, window) for pair in zip(item.contexts, item.continuations)]
    per_character = [value / len(choice) for value, choice in zip(sums, item.choices)]
    best, best_norm = sums.index(max(sums)), per_character.index(max(per_character))
    return Scored(sums, int(best == item.gold), int(best_norm == item.gold))
