"""Masks that select rather than scale: the old state or the new, a key or none, heads by their number."""

import math

import torch
from torch import Tensor

from thinned.mask.sharing import Share, Window, shared_axes
from thinned.methods.attention_dropout import HEADS, WITHIN_HEAD, check_heads, head_factor
from thinned.torch._drawing import Address
from thinned.torch._functional import thin
from thinned.torch._kernel import check_dtype
from thinned.torch._raw import keep
from thinned.torch._ticket import Coordinate, is_traced


def zoneout(
    new: Tensor,
    old: Tensor,
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """Each element of `new`, or with probability `rate` that of `old`: zoneout of one step of a recurrent network.

        h = k new + (1 - k) old,   k = mask.keep(new.shape, rate, seed=..., ...)

    It selects: what is not taken may be NaN. Nothing is scaled; `Zoneout` takes the mean in evaluation.

    Args:
        new: what the cell computed, a float tensor of any shape.
        old: the state of the step before, like it.
        rate: probability of keeping the old value, 0 <= rate <= 1; or a tensor of one number, which quantises.
        seed: the run.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        share: axes along which one draw is shared.
        window: where `new` is part of a larger tensor, as in `dropout`.

    Raises:
        RateError, AddressError, ShareError, WindowError, DtypeError: see `thinned.errors`.

    Example:
        >>> import torch, thinned.torch
        >>> thinned.torch.zoneout(torch.ones(8), -torch.ones(8), 0.5, seed=0, site="fc1")
        tensor([-1., -1.,  1., -1., -1.,  1.,  1.,  1.])

    References:
        Krueger et al., "Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations", 2017,
        https://arxiv.org/abs/1606.01305.
    """
    return torch.where(~dropped(new, rate, (seed, site, step, draw), share, window), new, old)


def drop_key(
    x: Tensor,
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """Hide each key from each query with probability `rate`: the logit becomes -inf. A query never loses all.

        y = x where k else -inf,   k = mask.keep(x.shape, rate, seed=..., ...)

    **A row whose every allowed key would be dropped is left as it is**; a key is allowed if its logit is not -inf
    already. So a softmax of `y` is finite where that of `x` is, a query with one allowed key keeps it, and at rate
    1 nothing is dropped. With n allowed keys and the quantised rate q, a key is kept with probability 1 - q + q^n.

    Args:
        x: attention logits, axes (*batch, query, key), after masks were added.
        rate: probability of dropping, 0 <= rate <= 1; or a tensor of one number, which quantises.
        seed: the run.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        share: axes along which one draw is shared: with the query's axis, all queries lose the same keys.
        window: where `x` is part of a larger tensor, as in `dropout`.

    Raises:
        RateError, AddressError, ShareError, WindowError, DtypeError: see `thinned.errors`.

    Example:
        >>> import torch, thinned.torch
        >>> thinned.torch.drop_key(torch.zeros(2, 4), 0.5, seed=0, site="fc1")
        tensor([[-inf, -inf, 0., -inf],
                [-inf, 0., 0., 0.]])

    References:
        Li et al., "DropKey for Vision Transformer", 2023, https://arxiv.org/abs/2208.02646. We differ: it adds
        -1e12 and lets a query lose all its keys, whose weights then are those of no dropping or NaN.
    """
    return drop_keys(x, rate, (seed, site, step, draw), share, window)


def drop_keys(
    x: Tensor, rate: float | Tensor, address: Address, share: Share = (), window: Window | None = None
) -> Tensor:
    """`drop_key` with its address in one piece."""
    if 0 in x.shape[-1:]:
        return x
    hidden = dropped(x, rate, address, share, window)
    left = x.detach().masked_fill(hidden, -math.inf).amax(-1, keepdim=True)
    return x.masked_fill(hidden & (left != -math.inf), -math.inf)


def drop_heads(x: Tensor, rate: float | Tensor, address: Address, window: Window | None = None) -> Tensor:
    """Zero whole heads of (*batch, head, query, key), and scale each sample's others by heads / kept."""
    check_heads(x.dim())
    gone = dropped(x, rate, address, WITHIN_HEAD, window)
    # In float32 for half types, and rounded once, as the law multiplies.
    exact = torch.float64 if x.dtype == torch.float64 else torch.float32
    factor: Tensor = head_factor(x.shape[HEADS], (~gone).sum(HEADS, keepdim=True, dtype=exact))
    kept: Tensor = (x.to(exact) * factor).masked_fill(gone, 0)
    return kept.to(x.dtype)


def dropped(
    x: Tensor, rate: float | Tensor, address: Address, share: Share = (), window: Window | None = None
) -> Tensor:
    """The complement of the law's mask as a bool tensor: the shape of `x`, with 1 on shared axes."""
    check_dtype(x)
    if not is_traced(x, rate, *address):
        seed, site, step, draw = address
        return ~keep(
            x.shape,
            rate,
            seed=seed,
            site=site,
            step=step,
            draw=draw,
            share=share,
            window=window,
            device=x.device,
        )
    # `keep` makes its layout from the sizes of `x`, which would compile anew for each; the operator takes a tensor.
    axes = shared_axes(x.dim(), share)
    sizes = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    return thin(x.new_ones(sizes, dtype=torch.bfloat16), rate, address, axes, window) == 0
