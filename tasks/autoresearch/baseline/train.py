"""A small decoder-only Transformer, trained by AdamW with warm-up and linear decay: where every search starts.

Run as a script it trains on batches of `prepare` until the budget is spent and leaves state.pt in the working directory.
`load` returns the model: a function from tokens (batch, time) to logits (batch, time, vocabulary), and `stream`, by which it
reads rows piece by piece without computing anything twice.
"""

import torch
from prepare import DEVICE, FLOP_BUDGET, MAX_SEQ_LEN, STATE, VOCAB_SIZE, flops_per_token, make_dataloader
from torch import nn
from torch.nn import functional as F

DEPTH = 2  # tune: 1|2|3|4
WIDTH = 64  # tune: 32|48|64|96|128
HEADS = 4  # tune: 1|2|4|8
MLP_RATIO = 4  # tune: 1|2|3|4
ACTIVATION = "gelu"  # tune: gelu|relu2|silu
SHORT_CONV = 0  # tune: 0|2|3|4
POSITIONS = "rotary"  # tune: learned|rotary
BATCH = 4  # tune: 4|8|16|32
LEARNING_RATE = 0.008  # tune: 0.0003..0.03 log
WEIGHT_DECAY = 0.1  # tune: 0.001..0.3 log
BETA2 = 0.95  # tune: 0.9..0.999
WARMUP = 0.1  # tune: 0.01..0.3 log
DECAY_FROM = 0.5  # tune: 0.0..0.9
FINAL_RATE = 0.0  # tune: 0.0..0.3
EMBEDDING_STD = 0.02  # tune: 0.01..1 log
CLIP = 1.0  # tune: 0.1..10 log

ACTIVATIONS = {"gelu": F.gelu, "relu2": lambda x: F.relu(x).square(), "silu": F.silu}


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.inputs, self.output = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        # A causal filter per channel lets attention match what stands before a token.
        self.conv = nn.Conv1d(WIDTH, WIDTH, SHORT_CONV, groups=WIDTH) if SHORT_CONV else None

    def forward(self, x, angles, mask, memory):
        batch, time, width = x.shape
        if self.conv is not None:
            seen = SHORT_CONV - 1 + time
            inputs = recalled(memory, "inputs", x, 1)[:, -seen:]
            x = x + self.conv(F.pad(inputs.transpose(1, 2), (seen - inputs.shape[1], 0))).transpose(1, 2)
        q, k, v = self.inputs(x).view(batch, time, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        if POSITIONS == "rotary":
            q, k = rotated(q, angles), rotated(k, angles)
        k, v = recalled(memory, "keys", k, 2), recalled(memory, "values", v, 2)
        scores = q @ k.transpose(2, 3) * (width // HEADS) ** -0.5 + mask
        return self.output((scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, time, width))


def recalled(memory, name, new, dim):
    """What the memory of a stream holds of `name`, with `new` behind it; in training there is no memory."""
    if memory is not None:
        new = memory[name] = torch.cat([memory[name], new], dim) if name in memory else new
    return new


def rotated(x, angles):
    """x (batch, heads, time, size) turned pairwise by angles (time, size / 2)."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = Attention()
        self.up, self.down = nn.Linear(WIDTH, MLP_RATIO * WIDTH), nn.Linear(MLP_RATIO * WIDTH, WIDTH)

    def forward(self, x, angles, mask, memory):
        x = x + self.attention(self.attention_norm(x), angles, mask, memory)
        return x + self.down(ACTIVATIONS[ACTIVATION](self.up(self.mlp_norm(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCAB_SIZE, WIDTH), nn.Embedding(MAX_SEQ_LEN, WIDTH)
        for table in (self.embedding, self.positions):
            nn.init.normal_(table.weight, std=EMBEDDING_STD)
        self.blocks = nn.ModuleList([Block() for _ in range(DEPTH)])
        for block in self.blocks:
            for matrix in (block.attention.output, block.down):
                nn.init.normal_(matrix.weight, std=(2 * DEPTH * matrix.in_features) ** -0.5)
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCAB_SIZE)

    def forward(self, tokens, memories=None, begin=0):
        """Logits (batch, time, vocabulary) of tokens (batch, time), before which `begin` tokens are in the memories."""
        end = begin + tokens.shape[1]
        x = self.embedding(tokens)
        if POSITIONS == "learned":
            x = x + self.positions.weight[begin:end]
        rates = 10_000.0 ** (-torch.arange(WIDTH // HEADS // 2, device=tokens.device) / (WIDTH // HEADS // 2))
        angles = torch.arange(begin, end, device=tokens.device).unsqueeze(1) * rates
        mask = torch.full((end - begin, end), float("-inf"), device=tokens.device).triu(begin + 1)
        for block, memory in zip(self.blocks, memories or [None] * DEPTH):
            x = block(x, angles, mask, memory)
        return self.head(self.norm(x))

    def stream(self, rows):
        """A function from the next tokens of `rows` rows, (rows, new), to logits (rows, vocabulary) of what follows."""
        memories, shown = [{} for _ in self.blocks], 0

        def advance(tokens):
            nonlocal shown
            logits = self(tokens, memories, shown)[:, -1]
            shown += tokens.shape[1]
            return logits

        return advance


def rate(progress):
    """The share of the learning rate at `progress`, 0 to 1: up over WARMUP, down from DECAY_FROM to FINAL_RATE."""
    if progress < WARMUP:
        return progress / WARMUP + 0.01
    begin = max(WARMUP, DECAY_FROM)
    return 1.0 if progress < begin else 1.0 - (1.0 - FINAL_RATE) * (progress - begin) / (1.0 - begin)


def main():
    model = Model().to(DEVICE)
    matrices = [one for one in model.parameters() if one.dim() > 1]
    others = [one for one in model.parameters() if one.dim() <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}],
        lr=LEARNING_RATE,
        betas=(0.9, BETA2),
    )
    # Larger models train on fewer tokens, so that they take no more time.
    batches = make_dataloader(BATCH, tokens=FLOP_BUDGET / flops_per_token(model))
    for inputs, targets in batches:
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * rate(batches.progress())
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimiser.step()
        if batches.steps % 25 == 0:
            print(f"step {batches.steps}: loss {loss.item():.4f}", flush=True)
    torch.save(model.state_dict(), STATE)


def load(state_dir):
    model = Model()
    model.load_state_dict(torch.load(f"{state_dir}/{STATE}", map_location="cpu"))
    return model.to(DEVICE).eval()


if __name__ == "__main__":
    main()
