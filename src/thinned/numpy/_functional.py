"""Dropout of arrays at an address."""

from typing import Any, SupportsFloat, SupportsIndex

import numpy as np
import numpy.typing as npt

from thinned.errors import DtypeError
from thinned.kernels.execute import DROP, thin
from thinned.kernels.pool import default_threads
from thinned.mask.address import Address
from thinned.mask.sharing import Share, Window
from thinned.methods.dropout import plan

Array = npt.NDArray[Any]

# ml_dtypes registers bfloat16 under this name; it is not imported for it.
_AS_INTEGERS = {"float16": np.int16, "bfloat16": np.uint16}
_DTYPES = ("float32", "float64", "float16", "bfloat16")


def dropout(
    x: npt.ArrayLike,
    rate: SupportsFloat,
    *,
    seed: SupportsIndex,
    site: SupportsIndex | str = 0,
    step: SupportsIndex = 0,
    draw: SupportsIndex = 0,
    share: Share = (),
    window: Window | None = None,
    out: Array | None = None,
) -> Array:
    """Zero each element with probability `rate`, and scale the others so that the expectation stays.

        y = k x / (1 - T / 65536),   k = mask.keep(x.shape, rate, seed=..., ...)

    Args:
        x: array of float32, float64, float16, or `ml_dtypes`' bfloat16; any shape and strides.
        rate: probability of dropping, 0 <= rate <= 1.
        seed: the run.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        share: axes along which one draw is shared.
        window: `(global_shape, index)` where `x` is part of a larger array.
        out: where to write, an array like `x`; may be `x` itself.

    Returns:
        `out`, or a fresh C-contiguous array like `x`.

    Raises:
        RateError, AddressError, ShareError, WindowError, DtypeError: see `thinned.errors`.
        ValueError: an `out` of another shape or dtype, or one that overlaps `x` without being it.

    Example:
        >>> import numpy as np, thinned.numpy
        >>> thinned.numpy.dropout(np.ones(8, np.float32), 0.5, seed=0, site="fc1")
        array([0., 0., 2., 0., 0., 2., 2., 2.], dtype=float32)
    """
    x = np.asarray(x)
    if x.dtype.name not in _DTYPES:
        raise DtypeError(
            f"expected an array of float32, float64, float16 or bfloat16; got {x.dtype} of shape {x.shape}; "
            "convert it with x.astype(np.float32)."
        )
    if not x.dtype.isnative:
        raise DtypeError(
            f"expected an array in this machine's byte order; got {x.dtype.str}; convert it with "
            f"x.astype({x.dtype.newbyteorder('=').name!r})."
        )
    address = Address(seed, site, step, draw)
    how = plan(x.shape, rate, share, window)
    if out is not None:
        _check_out(x, out)
    target = out if out is not None and out.flags.c_contiguous else np.empty(x.shape, x.dtype)
    flat = _flat(target)
    source = flat if target is x else _flat(np.ascontiguousarray(x))
    where = address.seed, address.site, address.step, address.draw
    thin(DROP, source, flat, how, where, threads=default_threads())
    if out is None or target is out:
        return target
    out[...] = target
    return out


def _check_out(x: Array, out: Array) -> None:
    if out.shape != x.shape or out.dtype != x.dtype:
        raise ValueError(
            f"expected an out like x, {x.dtype} of shape {x.shape}; got {out.dtype} of shape {out.shape}."
        )
    if not out.flags.writeable:
        raise ValueError("expected an out that can be written to; got a read-only array.")
    if out is not x and np.may_share_memory(out, x):
        raise ValueError(
            "expected an out that is x itself or shares no memory with it; got one that overlaps x."
        )


def _flat(x: Array) -> Array:
    """The array as kernels take it: half types as the integers that hold them."""
    flat = x.reshape(-1)
    integers = _AS_INTEGERS.get(x.dtype.name)
    return flat if integers is None else flat.view(integers)
