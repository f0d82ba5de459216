"""Dropout of arrays at an address."""

import ctypes
import sys
from typing import Any, SupportsFloat, SupportsIndex

import numpy as np
import numpy.typing as npt

from thinned.errors import DtypeError
from thinned.kernels.execute import DROP, crew, own_threads, ready
from thinned.mask.address import coordinates
from thinned.mask.sharing import Share, Window
from thinned.methods.dropout import plan

Array = npt.NDArray[Any]

_DTYPES = {np.dtype(name): name for name in ("float32", "float64", "float16")}
"""By dtype, which takes two microseconds to say its name. `ml_dtypes`, whose bfloat16 is, is not imported here."""


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
        `out`, or a fresh array like `x`, which lies in memory as `x` does.

    Raises:
        RateError, AddressError, ShareError, WindowError, DtypeError: see `thinned.errors`.
        ValueError: an `out` of another shape or dtype, or one that overlaps `x` without being it.

    Example:
        >>> import numpy as np, thinned.numpy
        >>> thinned.numpy.dropout(np.ones(8, np.float32), 0.5, seed=0, site="fc1")
        array([0., 0., 2., 0., 0., 2., 2., 2.], dtype=float32)
    """
    if out is x:
        out = np.asarray(out)
        x = out
    x = np.asarray(x)
    dtype = _DTYPES.get(x.dtype) or _dtype(x)
    where = coordinates(seed, site, step, draw)
    how = plan(x.shape, rate, share, window)
    if out is not None:
        _check_out(x, out)
    target = out if out is not None and out.flags.c_contiguous else np.empty(x.shape, x.dtype)
    source = target if target is x else np.ascontiguousarray(x)
    job = ready(how, dtype, own_threads(x.size), crew)
    job.run(DROP, _address(source), None, _address(target), where, (source, target))
    if out is None:
        if x.flags.c_contiguous:
            return target
        out = np.empty_like(x, subok=False)
    if target is out:
        return target
    out[...] = target
    return out


def _dtype(x: Array) -> str:
    """The name of a dtype that is none of NumPy's own.

    Raises:
        DtypeError: no kernel can drop from it.
    """
    if not x.dtype.isnative:
        raise DtypeError(
            f"expected an array in this machine's byte order; got {x.dtype.str}; convert it with "
            f"x.astype({x.dtype.newbyteorder('=').name!r})."
        )
    if x.dtype.name != "bfloat16":
        raise DtypeError(
            f"expected an array of float32, float64, float16 or bfloat16; got {x.dtype} of shape {x.shape}; "
            "convert it with x.astype(np.float32)."
        )
    return "bfloat16"


_POINTER = object.__basicsize__
"""Where an array object keeps the address of its values: the first field of NumPy's binary interface."""


def _read_address(x: Array) -> int:
    return ctypes.c_void_p.from_address(id(x) + _POINTER).value or 0


def _ask_address(x: Array) -> int:
    found: int = x.__array_interface__["data"][0]
    return found


def _reads() -> bool:
    """Whether an interpreter's objects, and NumPy's arrays, are laid out as `_read_address` has it."""
    probes = np.arange(8.0), np.arange(8.0)[3:], np.zeros(0)
    return sys.implementation.name == "cpython" and all(_read_address(x) == _ask_address(x) for x in probes)


_address = _read_address if _reads() else _ask_address
"""Asking takes a microsecond and a half, reading a third of one."""


def _check_out(x: Array, out: Array) -> None:
    if out.shape != x.shape or out.dtype != x.dtype:
        raise ValueError(
            f"expected an out like x, {x.dtype} of shape {x.shape}; got {out.dtype} of shape {out.shape}."
        )
    if not out.flags.writeable:
        raise ValueError("expected an out that can be written to; got a read-only array.")
    if out is not x and _overlap(out, x):
        raise ValueError(
            "expected an out that is x itself or shares no memory with it; got one that overlaps x."
        )


def _overlap(a: Array, b: Array) -> bool:
    """Whether two arrays have a byte in common, as far as can be told quickly; else yes."""
    try:
        return np.shares_memory(a, b, max_work=1000)  # type: ignore[arg-type, unused-ignore]
    except RuntimeError:  # NumPy's TooHardError, which has moved between its versions
        return True
