"""A language model of the published size, for the profile `paper`: 8 layers of width 512 on rows of 2,048 tokens of 8,192 byte pairs.

Rotary positions, normalised queries and keys, squared ReLU, value embeddings on every other layer, a window of half a row on
three layers of four, logits that saturate at 15. Muon turns the layers' matrices, AdamW everything else; on a GPU products are in
bfloat16. Sizes, rates and start values are those of the published baseline (karpathy/autoresearch), the code is not.

Run as a script it trains until the time is over and leaves state.pt in the working directory. `load` returns the model: a function
from tokens (batch, time) to logits (batch, time, vocabulary), and `stream`, which reads rows piece by piece.
"""

import torch
from prepare import DEVICE, MAX_SEQ_LEN, STATE, VOCAB_SIZE, make_dataloader
from torch import nn
from torch.nn import functional as F

DEPTH = 8  # tune: 4|6|8|10|12
WIDTH = 512  # tune: 256|384|512|640|768
HEAD_SIZE = 128  # tune: 32|64|128
MLP_RATIO = 4  # tune: 2|3|4|6
SHORT_WINDOW = 0.5  # tune: 0.125|0.25|0.5|1.0
ROTARY_BASE = 10000  # tune: 10000|50000|200000
CAP = 15.0  # tune: 10..60 log
BATCH = 128  # tune: 32|64|128
BATCHES_PER_STEP = 2  # tune: 1|2|4
MATRIX_RATE = 0.04  # tune: 0.01..0.1 log
EMBEDDING_RATE = 0.6  # tune: 0.1..1.5 log
HEAD_RATE = 0.004  # tune: 0.001..0.02 log
SCALAR_RATE = 0.5  # tune: 0.1..1 log
WEIGHT_DECAY = 0.2  # tune: 0.01..0.5 log
DECAY_FROM = 0.5  # tune: 0.1..0.9
FINAL_RATE = 0.0  # tune: 0.0..0.2

HEADS, GATED = WIDTH // HEAD_SIZE, 32
ON_GPU = DEVICE.type == "cuda"
FUSED = getattr(F, "scaled_dot_product_attention", None)  # torch 2
# Polynomials that take singular values to 1 (Polar Express, arXiv 2505.16932).
POLAR = (
    (8.2872, -23.5959, 17.3004),
    (4.1071, -2.9478, 0.5448),
    (3.9487, -2.9089, 0.5518),
    (3.3184, -2.4885, 0.5100),
    (2.3007, -1.6689, 0.4188),
)


def normed(x):
    return x * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + 1e-6).to(x.dtype)


def rotated(x, begin):
    """x (batch, heads, time, size), whose first token stands at position `begin`, turned pairwise."""
    half = x.shape[-1] // 2
    rates = ROTARY_BASE ** (-torch.arange(half, device=x.device) / half)
    angles = torch.arange(begin, begin + x.shape[-2], device=x.device).unsqueeze(1) * rates
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos + second * sin, second * cos - first * sin], dim=-1)


def attention(q, k, v, window):
    """Causal, `window` positions back. q (batch, heads, new, size) are the last of the positions of k and v (..., time, size)."""
    new, time = q.shape[-2], k.shape[-2]
    if FUSED is not None and window >= time and new in (1, time):
        return FUSED(q, k, v, is_causal=new > 1)
    places = torch.arange(time, device=q.device)
    back = places[time - new :].unsqueeze(1) - places
    seen = (back >= 0) & (back < window)
    if FUSED is not None:
        return FUSED(q, k, v, attn_mask=seen)
    scores = (q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5
    return scores.masked_fill(~seen, float("-inf")).softmax(-1) @ v


class Block(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.inputs, self.output = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.up, self.down = (
            nn.Linear(WIDTH, MLP_RATIO * WIDTH, bias=False),
            nn.Linear(MLP_RATIO * WIDTH, WIDTH, bias=False),
        )
        has_values = layer % 2 == (DEPTH - 1) % 2
        self.values = nn.Embedding(VOCAB_SIZE, WIDTH) if has_values else None
        self.gate = nn.Linear(GATED, HEADS, bias=False) if has_values else None
        self.window = MAX_SEQ_LEN if layer % 4 == 3 or layer == DEPTH - 1 else int(SHORT_WINDOW * MAX_SEQ_LEN)

    def forward(self, x, tokens, memory, begin):
        """x (batch, time, width) with what attention and MLP add. memory (2, batch, heads, row, size) holds earlier keys and values."""
        batch, time, _ = x.shape
        inner = normed(x)
        q, k, v = self.inputs(inner).view(batch, time, 3, HEADS, HEAD_SIZE).permute(2, 0, 3, 1, 4)
        if self.values is not None:
            gates = 2 * torch.sigmoid(self.gate(inner[..., :GATED])).transpose(1, 2).unsqueeze(-1)
            v = v + gates * self.values(tokens).to(v.dtype).view(batch, time, HEADS, HEAD_SIZE).transpose(1, 2)
        q, k = normed(rotated(q, begin)), normed(rotated(k, begin))
        if memory is not None:
            memory[0, :, :, begin : begin + time], memory[1, :, :, begin : begin + time] = k, v
            k, v = memory[:, :, :, : begin + time]
        x = x + self.output(attention(q, k, v, self.window).transpose(1, 2).reshape(batch, time, WIDTH))
        return x + self.down(F.relu(self.up(normed(x))).square())


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(VOCAB_SIZE, WIDTH), nn.Linear(WIDTH, VOCAB_SIZE, bias=False)
        self.blocks = nn.ModuleList([Block(layer) for layer in range(DEPTH)])
        # Each layer reads a mix of what comes from below and of the embedding.
        self.below, self.skip = nn.Parameter(torch.ones(DEPTH)), nn.Parameter(torch.full((DEPTH,), 0.1))
        reach = (3 / WIDTH) ** 0.5
        nn.init.normal_(self.embedding.weight)
        nn.init.normal_(self.head.weight, std=0.001)
        for block in self.blocks:
            for matrix in (block.inputs, block.up, block.values):
                if matrix is not None:
                    nn.init.uniform_(matrix.weight, -reach, reach)
            for matrix in (block.output, block.down, block.gate):
                if matrix is not None:
                    nn.init.zeros_(matrix.weight)

    def forward(self, tokens, memories=None, begin=0):
        """Logits (batch, time, vocabulary) of tokens (batch, time), before which `begin` tokens are in the memories."""
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=ON_GPU):
            x = start = normed(self.embedding(tokens)).to(torch.bfloat16 if ON_GPU else torch.float32)
            for block, below, skip, memory in zip(self.blocks, self.below, self.skip, memories or [None] * DEPTH):
                x = block((below * x + skip * start).to(x.dtype), tokens, memory, begin)
            logits = self.head(normed(x)).float()
        return CAP * torch.tanh(logits / CAP)

    def stream(self, rows):
        """A function from the next tokens of `rows` rows, (rows, new), to logits (rows, vocabulary) of what follows."""
        kind, shown = torch.bfloat16 if ON_GPU else torch.float32, 0
        memories = [torch.empty(2, rows, HEADS, MAX_SEQ_LEN, HEAD_SIZE, dtype=kind, device=DEVICE) for _ in self.blocks]

        def advance(tokens):
            nonlocal shown
            logits = self(tokens, memories, shown)[:, -1]
            shown += tokens.shape[1]
            return logits

        return advance


def polar(matrices):
    """The nearest matrices (n, rows, columns) whose singular values are about 1."""
    x = matrices.to(torch.bfloat16 if ON_GPU else torch.float32)
    tall = x.shape[-2] > x.shape[-1]
    x = x.transpose(-2, -1) if tall else x
    x = x / (1.02 * x.norm(dim=(-2, -1), keepdim=True) + 1e-6)
    for a, b, c in POLAR:
        square = x @ x.transpose(-2, -1)
        x = a * x + (b * square + c * square @ square) @ x
    return (x.transpose(-2, -1) if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Orthogonal steps for matrices of one shape a group, with a second moment per row (NorMuon) and decay where it agrees with the step."""

    def __init__(self, matrices):
        shapes = sorted({tuple(one.shape) for one in matrices})
        groups = [{"params": [one for one in matrices if tuple(one.shape) == shape]} for shape in shapes]
        super().__init__(groups, {"lr": 0.0, "momentum": 0.95, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            grads = torch.stack([one.grad for one in group["params"]])
            state = self.state[group["params"][0]]
            if not state:
                state["mean"], state["rows"] = torch.zeros_like(grads), torch.zeros_like(grads[..., :1])
            mean = state["mean"].lerp_(grads, 1 - group["momentum"])
            turned = polar(grads.lerp(mean, group["momentum"]))
            state["rows"].lerp_(turned.square().mean(-1, keepdim=True), 0.05)
            even = turned / (state["rows"].sqrt() + 1e-8)
            turned = even * (
                turned.norm(dim=(-2, -1), keepdim=True) / even.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-8)
            )
            rate = group["lr"] * max(1.0, grads.shape[-2] / grads.shape[-1]) ** 0.5
            for matrix, one in zip(group["params"], turned):
                decay = group["weight_decay"] * matrix * (one * matrix >= 0)
                matrix.sub_(rate * (one + decay))


def optimisers(model):
    """Muon and AdamW; each group's rate at the start is its `most`."""
    layers = [one for name, one in model.blocks.named_parameters() if "values" not in name]
    tables = [model.embedding.weight, *(block.values.weight for block in model.blocks if block.values is not None)]
    scale = (768 / WIDTH) ** 0.5
    groups = [
        {"params": tables, "lr": EMBEDDING_RATE * scale},
        {"params": [model.head.weight], "lr": HEAD_RATE * scale},
        {"params": [model.below], "lr": 0.01 * SCALAR_RATE},
        {"params": [model.skip], "lr": SCALAR_RATE, "betas": (0.96, 0.95)},
    ]
    both = Muon(layers), torch.optim.AdamW(groups, betas=(0.8, 0.95), eps=1e-10, weight_decay=0.0)
    for group in both[0].param_groups:
        group["lr"] = MATRIX_RATE
    for group in [*both[0].param_groups, *both[1].param_groups]:
        group["most"] = group["lr"]
    return both


def rate(progress):
    """The share of the learning rates at `progress`, 0 to 1: whole, then down from DECAY_FROM to FINAL_RATE."""
    return 1.0 if progress < DECAY_FROM else 1.0 - (1.0 - FINAL_RATE) * (progress - DECAY_FROM) / (1.0 - DECAY_FROM)


def loss_of(model, inputs, targets):
    return F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten()) / BATCHES_PER_STEP


def main():
    model = Model().to(DEVICE)
    muon, adam = optimisers(model)
    fast = torch.compile(model) if ON_GPU and hasattr(torch, "compile") else model
    if ON_GPU:
        # The clock begins with the first batch: compile before it, on tokens that mean nothing.
        chance = torch.randint(VOCAB_SIZE, (BATCH, MAX_SEQ_LEN), device=DEVICE)
        loss_of(fast, chance, chance).backward()
        model.zero_grad(set_to_none=True)
    batches, updates = make_dataloader(BATCH), 0
    for inputs, targets in batches:
        loss = loss_of(fast, inputs, targets)
        loss.backward()
        if batches.steps % BATCHES_PER_STEP:
            continue
        progress = batches.progress()
        for group in [*muon.param_groups, *adam.param_groups]:
            group["lr"] = group["most"] * rate(progress)
        for group in muon.param_groups:
            group["momentum"] = 0.85 + 0.1 * min(1.0, updates / 300)
            group["weight_decay"] = WEIGHT_DECAY * (1.0 - progress)
        muon.step()
        adam.step()
        model.zero_grad(set_to_none=True)
        updates += 1
        if updates % 50 == 0:
            print(f"step {updates}: loss {loss.item() * BATCHES_PER_STEP:.4f}", flush=True)
    torch.save(model.state_dict(), STATE)


def load(state_dir):
    model = Model()
    model.load_state_dict(torch.load(f"{state_dir}/{STATE}", map_location="cpu"))
    return model.to(DEVICE).eval()


if __name__ == "__main__":
    main()
