"""`thin`: the law as one JAX primitive, linear in its array.

    thin x ticket *data; place, lanes -> y

`ticket` and `data` are uint32 arrays (`_ticket.py`, `_place.py`); with `lanes` leading axes of all operands each
lane has its own. A primitive and no composed function, because then forward and backward are this one operation at
one ticket, and no transformation can take it apart and keep a mask for later.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from thinned.jax import _call, _plain
from thinned.jax._mesh import alike, lanes_in_front
from thinned.jax._place import Place

thin_p: Any = Primitive("thinned_thin")


def thin(x: Array, ticket: Any, data: tuple[Any, ...], place: Place) -> Array:
    """`y = k x s` for the mask at a ticket."""
    found: Array = _bind(x, ticket, *data, place=place, lanes=0)
    return found


def _bind(*operands: Any, place: Place, lanes: int) -> Any:
    return thin_p.bind(*alike(*operands), place=place, lanes=lanes)


@partial(jax.jit, static_argnames=("place", "lanes"))
def _compiled(*operands: Array, place: Place, lanes: int) -> Any:
    return thin_p.bind(*operands, place=place, lanes=lanes)


@thin_p.def_impl  # type: ignore[untyped-decorator]
def _run(*operands: Array, place: Place, lanes: int) -> Any:
    with jax.disable_jit(False):  # else, where the user disabled it, this would come back here
        return _compiled(*operands, place=place, lanes=lanes)


@thin_p.def_abstract_eval  # type: ignore[untyped-decorator]
def _abstract(x: Any, *_: Any, place: Place, lanes: int) -> Any:
    return x.update(weak_type=False)


def _jvp(primals: Any, tangents: Any, **known: Any) -> tuple[Any, Any]:
    x, *address = primals
    y = _bind(x, *address, **known)
    if type(tangents[0]) is ad.Zero:
        return y, ad.Zero(jax.typeof(y).to_tangent_aval())
    return y, _bind(tangents[0], *address, **known)


def _transpose(gradient: Any, x: Any, *address: Any, **known: Any) -> list[Any]:
    if type(gradient) is ad.Zero:
        return [ad.Zero(x.aval)] + [None] * len(address)
    return [_bind(gradient, *address, **known)] + [None] * len(address)


def _batch(operands: Any, dims: Any, *, place: Place, lanes: int) -> tuple[Any, int]:
    """What `vmap` means: a batched address draws for each lane, an unbatched one is one mask for all."""
    x, *address = operands
    x_dim, *address_dims = dims
    if all(dim is None for dim in address_dims):
        behind = place.behind(x.shape[x_dim])
        return _bind(jnp.moveaxis(x, x_dim, lanes), *address, place=behind, lanes=lanes), lanes
    fronted = lanes_in_front(operands, dims)
    return _bind(*fronted, place=place, lanes=lanes + 1), 0


ad.primitive_jvps[thin_p] = _jvp
ad.primitive_transposes[thin_p] = _transpose
batching.primitive_batchers[thin_p] = _batch


def _lower(context: Any, *operands: Any, place: Place, lanes: int) -> Any:
    run = partial(_plain.thin, program=_program(context))
    return mlir.lower_fun(run, multiple_results=False)(context, *operands, place=place, lanes=lanes)


def _lower_on_cpu(context: Any, *operands: Any, place: Place, lanes: int) -> Any:
    if lanes or _program(context) != _plain.WHOLE or not _call.is_ready(context.avals_in[0].dtype):
        return _lower(context, *operands, place=place, lanes=lanes)
    return mlir.lower_fun(_call.thin, multiple_results=False)(context, *operands, place=place, lanes=lanes)


def _program(context: Any) -> str:
    """Whom the program is for; an exported one is for anybody."""
    module = context.module_context
    if module.lowering_parameters.for_export:
        return _plain.CUT
    by_hand = getattr(module.axis_context, "manual_axes", None)
    if by_hand is not None:
        return _plain.LOCAL if by_hand == frozenset(module.axis_context.mesh.axis_names) else _plain.CUT
    return _plain.WHOLE if getattr(module.axis_context, "num_devices", None) == 1 else _plain.CUT


mlir.register_lowering(thin_p, _lower)
mlir.register_lowering(thin_p, _lower_on_cpu, platform="cpu")
