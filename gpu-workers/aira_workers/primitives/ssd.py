"""State space duality (Mamba-2, arXiv 2405.21060, section 6): the scalar-decay state space in chunks.

The recurrence, per head, with state S (state, channels) starting at zero:

    S_t = exp(log_decay_t) S_{t-1} + b_t u_t^T        y_t = c_t^T S_t

Inside a chunk it is evaluated as one masked quadratic form, y = (c b^T * L) u with L_ts = exp(sum of log_decay over
s+1..t) for s <= t; between chunks only the state is carried. With chunk = length the first part is the whole answer.
"""

import torch
import torch.nn.functional as F
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from .frame import Frame


class ChunkForm(Function):
    """y = (c b^T * L) u, one chunk: u (n, h, q, p), running log decay (n, h, q), b and c (n, q, s), mask (q, q).

    Returns y like u. The mask is added before the exponential: above the diagonal the difference is positive and would overflow.
    """

    @staticmethod
    def forward(ctx, u, running, b, c, mask):
        n, heads, q, p = u.shape
        decay = (running[..., :, None] - running[..., None, :]).add_(mask).exp_()
        form = torch.bmm(c, b.transpose(1, 2))[:, None] * decay
        ctx.save_for_backward(u, b, c, decay, form)
        return torch.bmm(form.view(n * heads, q, q), u.view(n * heads, q, p)).view(n, heads, q, p)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        u, b, c, decay, form = ctx.saved_tensors
        n, heads, q, p = u.shape
        grad = grad.reshape(n * heads, q, p)
        grad_u = torch.bmm(form.view(n * heads, q, q).transpose(1, 2), grad).view(n, heads, q, p)
        grad_form = torch.bmm(grad, u.view(n * heads, q, p).transpose(1, 2)).view(n, heads, q, q)
        inner = (decay * grad_form).sum(1)
        through_exp = grad_form.mul_(form)
        grad_running = through_exp.sum(3).sub_(through_exp.sum(2))
        return grad_u, grad_running, torch.bmm(inner.transpose(1, 2), c), torch.bmm(inner, b), None


def ssd(u: torch.Tensor, log_decay: torch.Tensor, b: torch.Tensor, c: torch.Tensor, frame: Frame) -> torch.Tensor:
    """u (batch, t, heads, p), log_decay (batch, t, heads) <= 0, b and c (batch, t, state) -> y like u.

    The length t may be any; it is padded to whole chunks with tokens that write nothing.
    """
    batch, length, heads, p = u.shape
    q = frame.chunk
    chunks = -(-length // q)
    padding = chunks * q - length
    if padding:
        u = F.pad(u, (0, 0, 0, 0, 0, padding))
        log_decay = F.pad(log_decay, (0, 0, 0, padding))
        b, c = F.pad(b, (0, 0, 0, padding)), F.pad(c, (0, 0, 0, padding))
    n = batch * chunks
    u = u.reshape(n, q, heads, p).transpose(1, 2).contiguous()
    running = log_decay.reshape(n, q, heads).transpose(1, 2).contiguous() @ frame.chunk_sum
    b, c = b.reshape(n, q, -1), c.reshape(n, q, -1)
    y = ChunkForm.apply(u, running, b, c, frame.chunk_causal)
    if chunks > 1:
        y = y + _carried(u, running, b, c, batch, chunks)
    return y.transpose(1, 2).reshape(batch, chunks * q, heads, p)[:, :length]


def _carried(u, running, b, c, batch: int, chunks: int) -> torch.Tensor:
    """What earlier chunks contribute: (n, heads, q, p), in the shapes of ChunkForm."""
    n, heads, q, p = u.shape
    state = b.shape[-1]
    last = running[..., -1:]
    to_end = (last - running).exp()
    written = torch.einsum("nqs,nhqp->nhsp", b, u * to_end[..., None]).view(batch, chunks, heads, state, p)
    retained = last.exp().view(batch, chunks, heads, 1, 1)
    carry = [torch.zeros_like(written[:, 0])]
    for index in range(chunks - 1):
        carry.append(carry[-1] * retained[:, index] + written[:, index])
    before = torch.stack(carry, dim=1).view(n, heads, state, p)
    return torch.einsum("nqs,nhsp->nhqp", c, before) * running.exp()[..., None]


def ssd_step_by_step(u: torch.Tensor, log_decay: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """The recurrence itself, one token at a time: the definition that `ssd` is tested against. Shapes as `ssd`."""
    batch, length, heads, p = u.shape
    state = u.new_zeros(batch, heads, b.shape[-1], p)
    outputs = []
    for t in range(length):
        write = torch.einsum("bs,bhp->bhsp", b[:, t], u[:, t])
        state = state * log_decay[:, t].exp()[..., None, None] + write
        outputs.append(torch.einsum("bs,bhsp->bhp", c[:, t], state))
    return torch.stack(outputs, dim=1)
