"""A small decoder-only Transformer, trained by AdamW with warm-up and linear decay: where every search starts.

Run as a script it trains on batches of `prepare` until the budget is spent and leaves weights.pt in the working
directory; `load` answers with a function from tokens (batch, time) to logits (batch, time, vocabulary).
"""

import torch
from prepare import DEVICE, MAX_SEQ_LEN, VOCAB_SIZE, Budget, flops_per_token, make_dataloader
from torch import nn
from torch.nn import functional as F

DEPTH = 2  # tune: 1|2|3|4
WIDTH = 64  # tune: 32|48|64|96|128
HEADS = 4  # tune: 1|2|4|8
MLP_RATIO = 4  # tune: 1|2|3|4
ACTIVATION = "gelu"  # tune: gelu|relu2|silu
SHORT_CONV = 0  # tune: 0|2|3|4
POSITIONS = "learned"  # tune: learned|rotary
BATCH = 16  # tune: 4|8|16|32
LEARNING_RATE = 0.003  # tune: 0.0003..0.03 log
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

    def forward(self, x, angles, mask):
        batch, time, width = x.shape
        if self.conv is not None:
            x = x + self.conv(F.pad(x.transpose(1, 2), (SHORT_CONV - 1, 0))).transpose(1, 2)
        q, k, v = self.inputs(x).view(batch, time, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        if POSITIONS == "rotary":
            q, k = rotated(q, angles), rotated(k, angles)
        scores = q @ k.transpose(2, 3) * (width // HEADS) ** -0.5 + mask
        return self.output((scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, time, width))


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

    def forward(self, x, angles, mask):
        x = x + self.attention(self.attention_norm(x), angles, mask)
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

    def forward(self, tokens):
        time = tokens.shape[1]
        x = self.embedding(tokens)
        if POSITIONS == "learned":
            x = x + self.positions.weight[:time]
        rates = 10_000.0 ** (-torch.arange(WIDTH // HEADS // 2, device=tokens.device) / (WIDTH // HEADS // 2))
        angles = torch.arange(time, device=tokens.device).unsqueeze(1) * rates
        mask = torch.full((time, time), float("-inf"), device=tokens.device).triu(1)
        for block in self.blocks:
            x = block(x, angles, mask)
        return self.head(self.norm(x))


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
        lr=LEARNING_RATE, betas=(0.9, BETA2),
    )
    budget = Budget(flops_per_token(model))
    for inputs, targets in make_dataloader(BATCH):
        if not budget.left(inputs.numel()):
            break
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * rate(budget.progress())
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimiser.step()
        budget.spend(inputs.numel())
        if budget.steps % 25 == 0:
            print(f"step {budget.steps}: loss {loss.item():.4f}", flush=True)
    torch.save(model.state_dict(), "weights.pt")


def load(state_dir):
    model = Model()
    model.load_state_dict(torch.load(f"{state_dir}/weights.pt", map_location="cpu"))
    return model.to(DEVICE).eval()


if __name__ == "__main__":
    main()
