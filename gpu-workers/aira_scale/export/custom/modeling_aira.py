"""A stack of layers, one primitive each, as transformers loads it with `trust_remote_code=True`.

    x <- x + layer(norm(x))  for each token of the pattern;  logits = norm(x) embedding^T

Exact and without padding. It has no cache: generation computes the whole sequence at each token. Sequences may be padded on the
right, where a causal model needs no mask; padding on the left is refused.
"""

import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedModel
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import CausalLMOutput

from .configuration_aira import AiraStackConfig


class Norm(nn.Module):
    """RMS norm with a gain over each of `groups` equal parts of the last dimension, in float32."""

    def __init__(self, width, eps, groups=1):
        super().__init__()
        self.groups, self.eps = groups, eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        parts = x.float().unflatten(-1, (self.groups, -1))
        parts = parts * torch.rsqrt(parts.pow(2).mean(-1, keepdim=True) + self.eps)
        return (parts.flatten(-2) * self.weight).to(x.dtype)


class Attention(nn.Module):
    """Causal grouped-query attention; pairs (i, i + head_dim / 2) turn with the position in the llama family."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        inner = config.num_attention_heads * config.head_dim
        shared = config.num_key_value_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, inner, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, shared, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, shared, bias=False)
        self.o_proj = nn.Linear(inner, config.hidden_size, bias=False)

    def forward(self, h):
        batch, length, _ = h.shape
        q, k, v = (
            matrix(h).view(batch, length, -1, self.config.head_dim).transpose(1, 2)
            for matrix in (self.q_proj, self.k_proj, self.v_proj)
        )
        if self.config.family == "llama":
            cos, sin = self._turns(length, h.device)
            q, k = _turn(q, cos, sin), _turn(k, cos, sin)
        repeats = self.config.num_attention_heads // self.config.num_key_value_heads
        k, v = k.repeat_interleave(repeats, dim=1), v.repeat_interleave(repeats, dim=1)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, length, -1))

    def _turns(self, length, device):
        size = self.config.head_dim
        frequency = self.config.rope_theta ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
        angle = torch.outer(torch.arange(length, dtype=torch.float64), frequency)
        angle = torch.cat((angle, angle), dim=1)
        return angle.cos().float().to(device), angle.sin().float().to(device)


def _turn(x, cos, sin):
    first, second = x.float().chunk(2, dim=-1)
    return (x.float() * cos + torch.cat((-second, first), dim=-1) * sin).to(x.dtype)


class Mlp(nn.Module):
    """SwiGLU, or an ungated MLP with squared ReLU."""

    def __init__(self, config):
        super().__init__()
        self.gated = config.family == "llama"
        if self.gated:
            self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, h):
        if self.gated:
            return self.down_proj(F.silu(self.gate_proj(h)) * self.up_proj(h))
        return self.down_proj(F.relu(self.up_proj(h)).square())


class Convolution(nn.Module):
    """Depthwise causal convolution with bias."""

    def __init__(self, channels, taps):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, 1, taps))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        taps = self.weight.shape[-1]
        padded = F.pad(x.transpose(1, 2), (taps - 1, 0))
        return F.conv1d(padded, self.weight, self.bias, groups=self.weight.shape[0]).transpose(1, 2)


class Mamba2(nn.Module):
    """Mamba-2 (arXiv 2405.21060), chunk by chunk, the state space in float32. Rows of in_proj: z, x, B, C, dt."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.heads = config.ssm_inner // config.ssm_head_dim
        self.channels = config.ssm_inner + 2 * config.ssm_groups * config.ssm_state
        rows = config.ssm_inner + self.channels + self.heads
        self.in_proj = nn.Linear(config.hidden_size, rows, bias=False)
        self.conv1d = Convolution(self.channels, config.ssm_conv)
        self.dt_bias = nn.Parameter(torch.zeros(self.heads))
        self.A_log = nn.Parameter(torch.zeros(self.heads))
        self.D = nn.Parameter(torch.ones(self.heads))
        self.norm = Norm(config.ssm_inner, config.norm_eps, config.ssm_groups)
        self.out_proj = nn.Linear(config.ssm_inner, config.hidden_size, bias=False)

    def forward(self, h):
        config, (batch, length, _) = self.config, h.shape
        z, xbc, dt = self.in_proj(h).split((config.ssm_inner, self.channels, self.heads), dim=-1)
        xbc = F.silu(self.conv1d(xbc)).float()
        grouped = config.ssm_groups * config.ssm_state
        x, b, c = xbc.split((config.ssm_inner, grouped, grouped), dim=-1)
        x = x.view(batch, length, self.heads, config.ssm_head_dim)
        dt = F.softplus(dt.float() + self.dt_bias.float())
        repeats = self.heads // config.ssm_groups
        b, c = (
            part.view(batch, length, config.ssm_groups, config.ssm_state).repeat_interleave(repeats, dim=2)
            for part in (b, c)
        )
        y = _scan(x * dt[..., None], -dt * self.A_log.float().exp(), b, c, min(length, config.ssm_chunk))
        y = (y + x * self.D.float()[:, None]).reshape(batch, length, config.ssm_inner)
        return self.out_proj(self.norm(y * F.silu(z.float())).to(h.dtype))


def _scan(u, decay, b, c, chunk):
    """S_t = exp(decay_t) S_(t-1) + b_t u_t^T, y_t = c_t^T S_t per head: (batch, length, heads, .) -> like u."""
    batch, length, heads, width = u.shape
    missing = -length % chunk
    if missing:
        u, b, c = (F.pad(part, (0, 0, 0, 0, 0, missing)) for part in (u, b, c))
        decay = F.pad(decay, (0, 0, 0, missing))
    lower = torch.ones(chunk, chunk, dtype=torch.bool, device=u.device).tril()
    state = u.new_zeros(batch, heads, b.shape[-1], width)
    out = []
    for start in range(0, length, chunk):
        part = slice(start, start + chunk)
        uc, bc, cc = (each[:, part].transpose(1, 2) for each in (u, b, c))
        running = decay[:, part].transpose(1, 2).cumsum(-1)
        # Masked before the exponential: above the diagonal the difference is positive and would overflow.
        factors = (running[..., :, None] - running[..., None, :]).masked_fill(~lower, -torch.inf).exp()
        inside = ((cc @ bc.transpose(-1, -2)) * factors) @ uc
        out.append(inside + running.exp()[..., None] * (cc @ state))
        to_end = (running[..., -1:] - running).exp()[..., None]
        state = running[..., -1].exp()[..., None, None] * state + bc.transpose(-1, -2) @ (uc * to_end)
    return torch.cat(out, dim=2).transpose(1, 2)[:, :length]


_LAYERS = {"mA": Attention, "M": Mlp, "Mb": Mamba2}


class Block(nn.Module):
    def __init__(self, token, config):
        super().__init__()
        self.norm = Norm(config.hidden_size, config.norm_eps)
        self.mixer = _LAYERS[token](config)

    def forward(self, x):
        return x + self.mixer(self.norm(x))


class AiraStackForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = AiraStackConfig
    _no_split_modules = ["Block"]

    def __init__(self, config):
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([Block(token, config) for token in config.pattern])
        self.norm = Norm(config.hidden_size, config.norm_eps)
        self.post_init()

    def get_input_embeddings(self):
        return self.embedding

    def set_input_embeddings(self, value):
        self.embedding = value

    def _init_weights(self, module):
        """Nothing: an export holds every weight."""

    def prepare_inputs_for_generation(self, input_ids, attention_mask=None, **kwargs):
        return {"input_ids": input_ids, "attention_mask": attention_mask}

    def forward(self, input_ids, attention_mask=None, labels=None, **kwargs):
        if attention_mask is not None and attention_mask.dim() == 2 and bool((attention_mask.diff(dim=1) > 0).any()):
            raise ValueError("pad on the right: this model has no mask for padding on the left")
        x = self.embedding(input_ids)
        for layer in self.layers:
            x = layer(x)
        logits = F.linear(self.norm(x), self.embedding.weight)
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=-100)
        return CausalLMOutput(loss=loss, logits=logits)
