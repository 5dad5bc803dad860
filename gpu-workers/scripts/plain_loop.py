"""The yardstick of the benchmark: the nano training as an ordinary PyTorch program.

`nn.Module` layers, autograd, `torch.optim.AdamW`, Muon in a loop over the matrices, the head at the asked positions. No
hand-written backward, no flat parameters, no allocator tuning: what one would write who only wants the result. It starts
from the weights of `StackModel` and sees the same batches, so its loss is comparable digit by digit.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


def norm(x):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)


class SwiGlu(nn.Module):
    def __init__(self, start):
        super().__init__()
        self.input, self.output = nn.Parameter(start.input.clone()), nn.Parameter(start.output.clone())

    def forward(self, x):
        gate, up = (x @ self.input).chunk(2, dim=-1)
        return (F.silu(gate) * up) @ self.output


class Attention(nn.Module):
    def __init__(self, start, length):
        super().__init__()
        self.heads = start.heads
        self.input, self.output = nn.Parameter(start.input.clone()), nn.Parameter(start.output.clone())
        head = start.input.shape[0] // start.heads
        angle = torch.arange(length)[:, None] * 10_000.0 ** (-torch.arange(0, head, 2) / head)
        self.register_buffer("cos", angle.cos().repeat(1, 2))
        self.register_buffer("sin", angle.sin().repeat(1, 2))
        self.register_buffer("mask", torch.full((length, length), -math.inf).triu(1))

    def rotate(self, x):
        low, high = x.chunk(2, dim=-1)
        return x * self.cos + torch.cat([-high, low], dim=-1) * self.sin

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, -1).transpose(1, 2) for part in (x @ self.input).chunk(3, dim=-1)
        )
        scores = self.rotate(q) @ self.rotate(k).transpose(-1, -2) / math.sqrt(q.shape[-1])
        mixed = (scores + self.mask).softmax(-1) @ v
        return mixed.transpose(1, 2).reshape(batch, length, width) @ self.output


class Mamba2(nn.Module):
    def __init__(self, start, length):
        super().__init__()
        self.inner, self.state, self.heads = start.inner, start.state, start.heads
        for name in ("input", "output", "conv_bias", "dt_bias", "a", "skip"):
            setattr(self, name, nn.Parameter(getattr(start, name).detach().clone()))
        self.conv = nn.Parameter(start.conv.detach().t().unsqueeze(1).clone())
        self.register_buffer("mask", torch.full((length, length), -math.inf).triu(1))

    def forward(self, x):
        batch, length, _ = x.shape
        z, xbc, dt = (x @ self.input).split((self.inner, self.inner + 2 * self.state, self.heads), dim=-1)
        taps = self.conv.shape[-1]
        xbc = F.conv1d(F.pad(xbc.transpose(1, 2), (taps - 1, 0)), self.conv, self.conv_bias, groups=self.conv.shape[0])
        u, b, c = F.silu(xbc.transpose(1, 2)).split((self.inner, self.state, self.state), dim=-1)
        u = u.reshape(batch, length, self.heads, -1)
        dt = F.softplus(dt + self.dt_bias)
        running = (-dt * self.a.exp()).cumsum(1).transpose(1, 2)
        decay = (running[..., :, None] - running[..., None, :] + self.mask).exp()
        form = (c @ b.transpose(1, 2))[:, None] * decay
        y = (form @ (u * dt[..., None]).transpose(1, 2)).transpose(1, 2) + u * self.skip[:, None]
        return norm(y.reshape(batch, length, self.inner) * F.silu(z)) @ self.output


class PlainModel(nn.Module):
    def __init__(self, start, length):
        super().__init__()
        kinds = {"SwiGlu": SwiGlu, "Attention": Attention, "Mamba2": Mamba2}
        self.layers = nn.ModuleList(
            SwiGlu(layer) if type(layer).__name__ == "SwiGlu" else kinds[type(layer).__name__](layer, length)
            for layer in start.layers
        )
        self.embedding = nn.Parameter(start.embedding.detach().clone())
        self.head = nn.Parameter(start.head.detach().clone())
        self.code = nn.Parameter(start.decoder.code.detach().clone())
        self.widen = nn.Parameter(start.decoder.widen.detach().clone())
        self.narrow = nn.Parameter(start.decoder.narrow.detach().clone())

    def forward(self, tokens, rows, decoded):
        x = self.embedding[tokens]
        for layer in self.layers:
            x = x + layer(norm(x))
        first, count = decoded
        packed = norm(x[first : first + count, -1])[:, None] + self.code
        rebuilt = packed + F.gelu(packed @ self.widen) @ self.narrow
        width = x.shape[-1]
        return norm(torch.cat([x.reshape(-1, width)[rows], rebuilt.reshape(-1, width)])) @ self.head


class Muon:
    def __init__(self, parameters, lr, momentum, steps):
        self.parameters, self.lr, self.momentum, self.steps = list(parameters), lr, momentum, steps
        self.buffers = [torch.zeros_like(parameter) for parameter in self.parameters]

    @torch.no_grad()
    def step(self, factor):
        for parameter, buffer in zip(self.parameters, self.buffers):
            buffer.mul_(self.momentum).add_(parameter.grad)
            x = parameter.grad + self.momentum * buffer
            rows, columns = x.shape
            x = x.t() if rows > columns else x
            x = x / (x.norm() + 1e-7)
            for _ in range(self.steps):
                gram = x @ x.t()
                x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
            x = x.t() if rows > columns else x
            parameter.add_(x, alpha=-self.lr * factor * max(1.0, columns / rows) ** 0.5)


def train(start, batches, settings, schedule):
    """Train from the weights of `start` on `batches`; return the loss of every step."""
    chosen = settings.optimiser
    model = PlainModel(start, settings.tasks.recall.length)
    matrices = [matrix for layer in model.layers for matrix in (layer.input, layer.output)]
    of_muon = {id(matrix) for matrix in matrices}
    muon = Muon(matrices, chosen.matrix_lr, chosen.momentum, chosen.newton_schulz_steps)
    adam = torch.optim.AdamW(
        [parameter for parameter in model.parameters() if id(parameter) not in of_muon],
        lr=chosen.lr,
        betas=(chosen.beta1, chosen.beta2),
        eps=chosen.eps,
        weight_decay=0.0,
    )
    losses = []
    for step, (question, _) in enumerate(batches):
        logits = model(question.tokens, question.rows, question.decoded)
        loss = F.cross_entropy(logits, question.labels, reduction="none").dot(question.weights)
        model.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), chosen.clip)
        factor = schedule(step)
        muon.step(factor)
        adam.param_groups[0]["lr"] = chosen.lr * factor
        adam.step()
        losses.append(loss.item())
    return losses
