"""Dropout of arrays and symbols at an address."""

from collections.abc import Iterable
from typing import Any, SupportsFloat, TypeAlias, cast

import mxnet as mx

from thinned.errors import AddressError
from thinned.kernels.execute import Coordinates
from thinned.mask.address import coordinate, seed64, site_id
from thinned.mask.rate import threshold
from thinned.mask.sharing import Share, Window
from thinned.methods.dropout import plan
from thinned.mxnet._gradient import drop
from thinned.mxnet._memory import Array, check, planned
from thinned.mxnet._operator import FIELDS, WIDTHS, node

Coordinate: TypeAlias = Any
"""An integer, a site's name, or an array or symbol of one integer."""


def dropout(
    x: Array,
    rate: SupportsFloat,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Array:
    """Zero each element with probability `rate`, and scale the others so that the expectation stays.

        y = k x / (1 - T / 65536),   k = mask.keep(x.shape, rate, seed=..., ...)

    It drops in every mode: whether to train is the caller's business. Under `autograd.record` the tape keeps the
    address and no array. A dropped NaN or infinity becomes 0.

    Args:
        x: dense array of float32, float64 or float16 in the CPU's memory, an `mx.nd.NDArray` or an
            `mx.np.ndarray`; or a symbol, in a `hybrid_forward`.
        rate: probability of dropping, 0 <= rate <= 1.
        seed: the run: an integer in [-2^63, 2^64), or an array or symbol of one int32 or int64.
        site: the place in the network: a name, an integer in [0, 2^32), or an array or symbol of one.
        step: the training step, in [0, 2^32), or an array or symbol of one; as such it moves without a new graph.
        draw: which of several draws, in [0, 2^16), or an array or symbol of one.
        share: axes along which one draw is shared.
        window: `(global_shape, index)` where `x` is part of a larger array.

    Returns:
        What `x` is: an array or symbol of the same interface, shape and dtype.

    Raises:
        RateError, AddressError, ShareError, WindowError, DtypeError: see `thinned.errors`.

    Example:
        >>> import mxnet as mx, thinned.mxnet
        >>> thinned.mxnet.dropout(mx.nd.ones(8), 0.5, seed=0, site="fc1").asnumpy()
        array([0., 0., 2., 0., 0., 2., 2., 2.], dtype=float32)

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html. We differ: rescaling at training time.
    """
    given = dict(zip(FIELDS, (seed, site, step, draw), strict=True))
    if isinstance(rate, mx.nd.NDArray):
        rate = rate.asnumpy().item()  # a number, since plans are found again by what they were made of
    axes = tuple(share) if isinstance(share, Iterable) else (share,)
    if isinstance(x, mx.sym.Symbol):
        return _graph(x, rate, given, axes, window)
    check(x)
    how = planned(x.shape, cast(Any, rate), axes) if window is None else plan(x.shape, rate, axes, window)
    return drop(x, how, address(given))


def _graph(
    x: Any, rate: SupportsFloat, given: dict[str, Any], share: tuple[Any, ...], window: Window | None
) -> Any:
    threshold(rate)
    known, traced = {}, {}
    for name, value in given.items():
        if isinstance(value, mx.sym.Symbol):
            traced[name] = value
        else:
            known[name] = _checked(name, value)
    return node(x, float(rate), known, traced, share, window, always=True)


def address(given: dict[str, Coordinate]) -> Coordinates:
    """Checked integers of four coordinates."""
    seed, site, step, draw = (_checked(name, value) for name, value in given.items())
    return seed, site, step, draw


def _checked(name: str, value: Coordinate) -> int:
    if isinstance(value, mx.sym.Symbol):
        raise AddressError(f"expected {name} as an integer or an array, as x is an array; got a symbol.")
    if isinstance(value, mx.nd.NDArray):
        return _one(name, value) % (1 << WIDTHS[name])
    if name == "seed":
        return seed64(value)
    return site_id(value) if name == "site" else coordinate(name, value)


def _one(name: str, value: Array) -> int:
    found = value.asnumpy()
    if found.dtype.kind not in "iu" or found.size != 1:
        raise AddressError(
            f"expected {name} as an integer or an array of one; got a {found.dtype} array of shape {found.shape}."
        )
    return int(found.reshape(()))
