"""The CPU kernel inside an XLA program, where that is for one device; see `docs/decisions/0007-xla-handler.md`."""

import ctypes
import math
import re
import threading
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thinned.jax import _place
from thinned.jax._place import Place
from thinned.methods.law import THIN, Law

_TARGET = "thinned.kernel"
_lock = threading.Lock()


def law(x: Array, ticket: Array, *rest: Array, place: Place, law: Law) -> Array:
    """A law by its kernel; `is_ready(law, x.dtype)` must have said so. No lanes."""
    from thinned.jax._handler import KINDS
    from thinned.kernels.noise import COMBINE

    if not x.size:
        return x
    numbers, data = ((), rest) if law is THIN else (rest[:1], rest[1:])
    folded = _place.rows(place)
    low, high = _place.bases(place, data, folded)
    bases = jnp.stack(
        [low, jnp.zeros_like(low) if high is None else jnp.broadcast_to(high, low.shape)], axis=-1
    )
    # The kernel walks the array, so a shared axis among the leading ones repeats its rows.
    shape, masked = place.shape[: folded.axes], place.mask_shape[: folded.axes]
    bases = jnp.broadcast_to(bases.reshape(*masked, 2), (*shape, 2)).reshape(-1, 2)
    sizes = [math.prod(shape), folded.run, folded.inner]
    draw, combine = law.kind
    words = [
        KINDS.index((_name(law), x.dtype.name)),
        *(word for size in sizes for word in (size & 0xFFFFFFFF, size >> 32)),
        draw | combine << COMBINE,
    ]
    header = jnp.concatenate([ticket, np.array(words, np.uint32)])
    like: Any = jax.typeof(x)
    call: Any = jax.ffi.ffi_call(_TARGET, like)
    found: Array = call(x, header, bases, *numbers)
    return found


def is_ready(law: Law, dtype: Any) -> bool:
    """Whether programs of this process can call a law's kernel for a dtype; compiles it, the first time."""
    if not _is_known():
        return False
    with _lock:
        return _prepared(_name(law), dtype.name)


def _name(law: Law) -> str:
    return "thin" if law is THIN else "law"


@cache
def _prepared(name: str, dtype: str) -> bool:
    try:
        from thinned.jax._handler import prepare

        address = prepare(name, dtype)
    except Exception:  # no compiler for this processor, say: XLA's own operations give the same bits
        return False
    _register(address)
    return True


@cache
def _register(address: int) -> None:
    capsule: Any = jax.ffi.pycapsule
    jax.ffi.register_ffi_target(_TARGET, capsule(ctypes.c_void_p(address)), platform="cpu")


@cache
def _is_known() -> bool:
    """Whether jaxlib's foreign function interface is the version that the handler was written for.

    Asked of its header and not of XLA, which refuses another version only when a client starts, and so ends it.
    """
    from thinned.jax._handler import VERSION

    try:
        header = (Path(jax.ffi.include_dir()) / "xla/ffi/api/c_api.h").read_text(encoding="utf-8")
    except (AttributeError, OSError):
        return False
    found = dict(re.findall(r"#define XLA_FFI_API_(MAJOR|MINOR) (\d+)", header))
    return (int(found.get("MAJOR", -1)), int(found.get("MINOR", -1))) == VERSION and ctypes.sizeof(
        ctypes.c_void_p
    ) == 8
