"""The laws as one JAX primitive; but for an affine one's shift it is linear in its array.

    thin x ticket *rest; place, lanes, law -> y

`ticket` and what follows are small arrays: behind the ticket, of every law but plain dropout and DropBlock, stand
its numbers (`_law.py`), then the data of the place (`_place.py`). With `lanes` leading axes of all operands each
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

from thinned.jax import _blocks, _call, _plain
from thinned.jax._blocks import Blocks
from thinned.jax._draws import CUT, LOCAL, WHOLE
from thinned.jax._mesh import alike, lanes_in_front
from thinned.jax._place import Place
from thinned.methods.law import THIN, Law

thin_p: Any = Primitive("thinned_thin")


def thin(x: Array, ticket: Any, rest: tuple[Any, ...], place: Place, law: Law | Blocks = THIN) -> Array:
    """What a law makes of an array at a ticket: of plain dropout, `y = k x s`."""
    found: Array = _bind(x, ticket, *rest, place=place, lanes=0, law=law)
    return found


def _bind(*operands: Any, **known: Any) -> Any:
    return thin_p.bind(*alike(*operands), **known)


@partial(jax.jit, static_argnames=("place", "lanes", "law"))
def _compiled(*operands: Array, place: Place, lanes: int, law: Law | Blocks) -> Any:
    return thin_p.bind(*operands, place=place, lanes=lanes, law=law)


@thin_p.def_impl  # type: ignore[untyped-decorator]
def _run(*operands: Array, **known: Any) -> Any:
    with jax.disable_jit(False):  # else, where the user disabled it, this would come back here
        return _compiled(*operands, **known)


@thin_p.def_abstract_eval  # type: ignore[untyped-decorator]
def _abstract(x: Any, *_: Any, **__: Any) -> Any:
    return x.update(weak_type=False)


def _jvp(primals: Any, tangents: Any, *, law: Law | Blocks, **known: Any) -> tuple[Any, Any]:
    x, *address = primals
    y = _bind(x, *address, law=law, **known)
    if type(tangents[0]) is ad.Zero:
        return y, ad.Zero(jax.typeof(y).to_tangent_aval())
    slope = law if isinstance(law, Blocks) else law.gradient
    if slope is None:  # as it is
        return y, tangents[0]
    if slope is not law:
        ticket, numbers, *data = address
        address = [ticket, numbers[..., 1:, :], *data]
    return y, _bind(tangents[0], *address, law=slope, **known)


def _transpose(gradient: Any, x: Any, *address: Any, **known: Any) -> list[Any]:
    if type(gradient) is ad.Zero:
        return [ad.Zero(x.aval)] + [None] * len(address)
    return [_bind(gradient, *address, **known)] + [None] * len(address)


def _batch(operands: Any, dims: Any, *, place: Place, lanes: int, law: Law | Blocks) -> tuple[Any, int]:
    """What `vmap` means: a batched address draws for each lane, an unbatched one is one mask for all."""
    x, *address = operands
    x_dim, *address_dims = dims
    if all(dim is None for dim in address_dims):
        behind = place.behind(x.shape[x_dim])
        return _bind(jnp.moveaxis(x, x_dim, lanes), *address, place=behind, lanes=lanes, law=law), lanes
    fronted = lanes_in_front(operands, dims)
    return _bind(*fronted, place=place, lanes=lanes + 1, law=law), 0


ad.primitive_jvps[thin_p] = _jvp
ad.primitive_transposes[thin_p] = _transpose
batching.primitive_batchers[thin_p] = _batch


def _execute(x: Array, *address: Array, lanes: int, place: Place, law: Law | Blocks, program: str) -> Array:
    """By XLA's own operations, for each of the leading `lanes` axes with a ticket of its own."""
    if lanes:
        one: Any = jax.vmap(partial(_execute, lanes=lanes - 1, place=place, law=law, program=program))
        return one(x, *address)  # type: ignore[no-any-return]
    if not x.size:
        return x
    if isinstance(law, Blocks):
        return _blocks.execute(x, *address, place=place, law=law, program=program)
    if law is THIN:
        return _plain.thin(x, *address, place=place, program=program)
    return _plain.law(x, *address, place=place, law=law, program=program)


def _lower(context: Any, *operands: Any, **known: Any) -> Any:
    run = partial(_execute, program=_program(context))
    return mlir.lower_fun(run, multiple_results=False)(context, *operands, **known)


def _lower_on_cpu(context: Any, *operands: Any, place: Place, lanes: int, law: Law | Blocks) -> Any:
    dtype = context.avals_in[0].dtype
    elsewhere = lanes or _program(context) != WHOLE
    if elsewhere or isinstance(law, Blocks) or not _call.is_ready(law, dtype):
        return _lower(context, *operands, place=place, lanes=lanes, law=law)
    return mlir.lower_fun(_call.law, multiple_results=False)(context, *operands, place=place, law=law)


def _program(context: Any) -> str:
    """Whom the program is for; an exported one is for anybody."""
    module = context.module_context
    if module.lowering_parameters.for_export:
        return CUT
    by_hand = getattr(module.axis_context, "manual_axes", None)
    if by_hand is not None:
        return LOCAL if by_hand == frozenset(module.axis_context.mesh.axis_names) else CUT
    return WHOLE if getattr(module.axis_context, "num_devices", None) == 1 else CUT


mlir.register_lowering(thin_p, _lower)
mlir.register_lowering(thin_p, _lower_on_cpu, platform="cpu")
