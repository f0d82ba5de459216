"""Dropout of tensors at an address: pure functions."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor

from thinned.errors import DtypeError, WindowError
from thinned.kernels.execute import Coordinates, Job
from thinned.mask.address import coordinates
from thinned.mask.sharing import Share, Window, shared_axes
from thinned.methods.dropout import plan
from thinned.torch import _kernel, _operator, _plain
from thinned.torch._ticket import Coordinate, is_forward_mode, is_traced, signed, ticket


def dropout(
    x: Tensor,
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Zero each element with probability `rate`, and scale the others so that the expectation stays.

        y = k x / (1 - T / 65536),   k = mask.keep(x.shape, rate, seed=..., ...)

    Nothing is saved for backward but the address. A dropped NaN or infinity becomes 0.

    Args:
        x: float tensor, any shape and strides: float32, float64, bfloat16 or float16.
        rate: probability of dropping, 0 <= rate <= 1; or a tensor of one number, which quantises.
        seed: the run: an integer in [-2^63, 2^64), or an integer tensor.
        site: the place in the network: a name, an integer in [0, 2^32), or an integer tensor.
        step: the training step, in [0, 2^32), or an integer tensor.
        draw: which of several draws, in [0, 2^16), or an integer tensor.
        share: axes along which one draw is shared.
        window: `(global_shape, index)` where `x` is part of a larger tensor; `index` holds, for each axis,
            a start or a tensor or array of global indices.
        out: where to write, a tensor like `x`, or `x` itself; no gradient flows through it.

    Returns:
        Tensor like `x`: same shape, dtype, device, memory format; or `out`.

    Raises:
        RateError, AddressError, ShareError, WindowError, DtypeError: see `thinned.errors`.
        ValueError: an `out` of another shape, dtype or device.
        RuntimeError: an `out` where a gradient would be needed.

    Example:
        >>> import torch, thinned.torch
        >>> thinned.torch.dropout(torch.ones(8), 0.5, seed=0, site="fc1")
        tensor([0., 0., 2., 0., 0., 2., 2., 2.])

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html. We differ: rescaling at training time.
    """
    if out is None and window is None and not is_traced(x, rate, seed, site, step, draw):
        return drop(x, cast(float, rate), coordinates(seed, site, step, draw), share)  # type: ignore[arg-type]
    address = (seed, site, step, draw)
    return (
        thin(x, rate, address, share, window) if out is None else _into(out, x, rate, address, share, window)
    )


def relu_dropout(
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
    """`dropout(relu(x))` in one pass over memory; saves its output for backward, and nothing else.

    Args and errors are those of `dropout`.

    Example:
        >>> import torch, thinned.torch
        >>> thinned.torch.relu_dropout(torch.tensor([-1.0, 1, -1, 1, -1, 1, -1, 1]), 0.5, seed=0, site="fc1")
        tensor([0., 0., 0., 0., 0., 2., 0., 2.])
    """
    address = (seed, site, step, draw)
    if by_operator(x, rate, address, window) or is_forward_mode():
        return thin(torch.relu(x), rate, address, share, window)
    job, where = _ready(x, rate, share, window), checked(address)
    return cast(Tensor, _ReluThin.apply(x, job, where))  # type: ignore[no-untyped-call]


def dropout_add(
    x: Tensor,
    residual: Tensor,
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """`residual + dropout(x)` in one pass over memory, rounded once.

    Args and errors are those of `dropout`; `residual` is like `x`.

    Example:
        >>> import torch, thinned.torch
        >>> x, residual = torch.ones(8), torch.arange(8.0)
        >>> thinned.torch.dropout_add(x, residual, 0.5, seed=0, site="fc1")
        tensor([0., 1., 4., 3., 4., 7., 8., 9.])
    """
    _check_like(x, residual, "a residual")
    address = (seed, site, step, draw)
    if by_operator(x, rate, address, window) or is_traced(residual) or is_forward_mode():
        # In float32 for half types: one rounding, as in the fused kernel.
        exact = torch.float64 if x.dtype == torch.float64 else torch.float32
        return (residual.to(exact) + thin(x.to(exact), rate, address, share, window)).to(x.dtype)
    job, where = _ready(x, rate, share, window), checked(address)
    return cast(Tensor, _ThinAdd.apply(x, residual, job, where))  # type: ignore[no-untyped-call]


def thin(
    x: Tensor,
    rate: float | Tensor,
    address: tuple[Coordinate, Coordinate, Coordinate, Coordinate],
    share: Share = (),
    window: Window | None = None,
    *,
    inplace: bool = False,
) -> Tensor:
    """`dropout` with its address in one piece; `inplace` writes over `x`, under autograd's rules."""
    if by_operator(x, rate, address, window):
        if x.is_nested:
            return ragged(x, share, window, lambda values: thin(values, rate, address))
        result = thin_at(x, ticket(rate, address), share, window)
        return x.copy_(result) if inplace else result
    return drop(x, cast(float, rate), checked(address), share, window, inplace=inplace)


def drop(
    x: Tensor,
    rate: float,
    where: Coordinates,
    share: Share = (),
    window: Window | None = None,
    *,
    inplace: bool = False,
) -> Tensor:
    """The fast path in eager mode, for coordinates that are checked."""
    job = _ready(x, rate, share, window)
    if inplace and is_forward_mode():
        return x.copy_(cast(Tensor, _Thin.apply(x, job, where)))  # type: ignore[no-untyped-call]
    if inplace:
        written = x._base if x._is_view() and x._base is not None else x
        if written.is_leaf and written.requires_grad and torch.is_grad_enabled():
            x.mul_(1)  # raises what autograd says of leaves, before a byte is written
        return cast(Tensor, _ThinInPlace.apply(x, job, where))  # type: ignore[no-untyped-call]
    if not (x.requires_grad and _records()) and not is_forward_mode():
        return _kernel.thin(
            _kernel.DROP, x, job, where
        )  # nobody asks for a gradient: autograd costs as much again
    return cast(Tensor, _apply_thin(_unwrap(x), job, where))


def _into(
    out: Tensor,
    x: Tensor,
    rate: float | Tensor,
    address: tuple[Coordinate, Coordinate, Coordinate, Coordinate],
    share: Share,
    window: Window | None,
) -> Tensor:
    """`dropout(out=...)`."""
    _check_like(x, out, "an out")
    if torch.is_grad_enabled() and (x.requires_grad or out.requires_grad):
        raise RuntimeError(
            "expected tensors that need no gradient with out=..., as in PyTorch; got one that requires it. "
            "Call it under torch.no_grad(), or leave out away."
        )
    if by_operator(x, rate, address, window) or is_traced(out):
        return out.copy_(thin(x, rate, address, share, window))
    _kernel.thin_into(out, _kernel.DROP, x, _ready(x, rate, share, window), checked(address))
    return out


def _ready(x: Tensor, rate: float | Tensor, share: Share, window: Window | None) -> Job:
    # By its type, since arrays of axes have no truth.
    whole = window is None and type(share) is tuple and not share
    if whole and type(rate) is float and x.dtype in _kernel.DTYPES:
        return _usual(x.shape, rate, x.dtype, _threads())
    return _kernel.ready(x, plan(x.shape, cast(float, rate), share, window))


@lru_cache(maxsize=4096)
def _usual(shape: tuple[int, ...], rate: float, dtype: torch.dtype, threads: int) -> Job:
    """The job of a plan without shared axes: one look into a table where `plan` and `ready` take two."""
    return _kernel.ready_for(dtype, plan(shape, rate), threads)


def _check_like(x: Tensor, other: Tensor, what: str) -> None:
    if x.shape != other.shape or x.dtype != other.dtype or x.device != other.device:
        raise ValueError(
            f"expected {what} like x, {x.dtype} of shape {tuple(x.shape)} on {x.device}; got {other.dtype} "
            f"of shape {tuple(other.shape)} on {other.device}."
        )


def thin_at(x: Tensor, at: Tensor, share: Share = (), window: Window | None = None) -> Tensor:
    """The registered operator, for a ticket: an int64 tensor (seed, site, step, draw, threshold)."""
    run: Callable[..., Tensor] = _operator.transformed if is_transformed() else _operator.thin
    return run(*operands(x, at, share, window))


def is_transformed() -> bool:
    """Whether a transformation of eager code is under way that refuses the autograd of registered operators."""
    return not torch.compiler.is_compiling() and (
        torch._C._are_functorch_transforms_active() or is_forward_mode()
    )


def operands(
    x: Tensor, at: Tensor, share: Share, window: Window | None
) -> tuple[Tensor, Tensor, list[int], list[Any], list[Any], list[int]]:
    """What a registered operator is told of a ticket's place."""
    _kernel.check_dtype(x)
    axes = list(shared_axes(x.dim(), share))
    if window is None:
        return x, at, axes, [], [], []
    sizes, index = window
    index = [0 if axis in axes else value for axis, value in enumerate(index)]
    ids = {axis: _ids(axis, value, x.shape[axis]) for axis, value in enumerate(index) if not _is_start(value)}
    starts = [0 if axis in ids else value for axis, value in enumerate(index)]
    at = torch.cat([at, *(values.to(at) for values in ids.values())]) if ids else at
    return x, at, axes, list(sizes), starts, list(ids)


def checked(address: tuple[Coordinate, ...]) -> Coordinates:
    """An address without tensors, as integers in their widths."""
    return coordinates(*address)  # type: ignore[arg-type]


def by_operator(x: Tensor, rate: Any, address: tuple[Coordinate, ...], window: Window | None) -> bool:
    """Whether the registered operator must be used: something traces, or a part of the address is a tensor."""
    if is_traced(x, rate, *address):
        if not isinstance(x, Tensor):
            raise DtypeError(
                f"expected a tensor to drop from; got {type(x).__name__}. Give it as one, torch.as_tensor(x); of a "
                "packed sequence, its data."
            )
        return True
    return window is not None and any(isinstance(value, Tensor) for value in window[1])


def _is_start(value: Any) -> bool:
    return isinstance(value, (int, torch.SymInt))


def _ids(axis: int, value: Any, size: int) -> Tensor:
    """The global indices of an axis, from a traced start or an array."""
    ids = torch.as_tensor(value)
    if ids.dim() == 0:
        return ids + torch.arange(size, device=ids.device)
    if ids.dim() != 1 or ids.shape[0] != size:
        raise WindowError(
            f"expected one global index for each of the {size} positions on axis {axis}; got an array of shape "
            f"{tuple(ids.shape)}."
        )
    return ids


def ragged(x: Any, share: Share, window: object, drop: Callable[[Tensor], Tensor]) -> Tensor:
    """Drop from a nested tensor: the mask is that of its packed values, axes (element of any row, ...).

    Raises:
        DtypeError: not of layout torch.jagged, or with shared axes or a window.
    """
    if x.layout != torch.jagged or window is not None or type(share) is not tuple or share:
        raise DtypeError(
            "expected a dense tensor, or a nested one of layout torch.jagged with no shared axes, no window and no "
            f"batch=; got a nested tensor of layout {x.layout}, share={share!r}, window or batch {window!r}. Drop "
            "from its values(), or pad it."
        )
    return torch.nested.nested_tensor_from_jagged(drop(x.values()), x.offsets(), x.lengths())


def _again(x: Tensor, job: Job, where: Coordinates) -> Tensor:
    """A plan once more at its address: what a gradient is. Itself differentiable, and traceable."""
    if _is_legacy(x):  # autograd's is_grads_batched, which knows no operator
        return _plain.thin(_kernel.DROP, x, job.plan, where, None)
    if is_traced(x):
        layout = job.plan.where
        seed, *rest = where
        at = torch.tensor([signed(seed), *rest, job.plan.threshold], dtype=torch.int64)
        return thin_at(x, at, layout.shared, (layout.logical_shape, layout.index))
    if _records():
        return cast(Tensor, _Thin.apply(x, job, where))  # type: ignore[no-untyped-call]
    return _kernel.thin(_kernel.DROP, x, job, where)


_records, _threads = torch.is_grad_enabled, torch.get_num_threads
_is_legacy = torch._C._functorch.is_legacy_batchedtensor


class _Thin(torch.autograd.Function):
    """The fast path in eager mode: what `_operator.thin` does, without a dispatcher in between."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, job: Job, where: Coordinates) -> Tensor:
        ctx.address = job, where
        return _kernel.thin(_kernel.DROP, x, job, where)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _again(gradient, *ctx.address), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: Any) -> Tensor:
        return _again(tangent, *ctx.address)


# `Function.apply` looks for transformations, which `is_traced` has done; that takes a fifth of a small call's time.
_unwrap = torch._C._functorch.unwrap_if_dead
_apply_thin: Callable[..., Any] = super(torch.autograd.Function, _Thin).apply


class _ThinInPlace(torch.autograd.Function):
    """The same, written over its input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, job: Job, where: Coordinates) -> Tensor:
        ctx.address = job, where
        _kernel.thin_into(x, _kernel.DROP, x, job, where)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _again(gradient, *ctx.address), None, None


class _ReluThin(torch.autograd.Function):
    """Saves its output: an element above zero was positive and kept, which is all a gradient asks."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, job: Job, where: Coordinates) -> Tensor:
        result = _kernel.thin(_kernel.RELU, x, job, where)
        ctx.save_for_backward(result)
        ctx.scale = job.plan.scale
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (output,) = ctx.saved_tensors
        if torch.is_grad_enabled() or is_traced(gradient) or _is_legacy(gradient):
            return _plain.relu_gradient(gradient, output, ctx.scale), None, None
        return _kernel.relu_gradient(gradient, output, ctx.scale), None, None


class _ThinAdd(torch.autograd.Function):
    """The residual's gradient is the gradient; the branch's is thinned."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, residual: Tensor, job: Job, where: Coordinates) -> Tensor:
        ctx.address = job, where
        return _kernel.thin(_kernel.ADD, x, job, where, residual)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        return _again(gradient, *ctx.address), gradient, None, None
