"""Bound models: every draw of every layer has an address, and the model's step is saved with it."""

from collections.abc import Callable, Iterator
from typing import Any, SupportsIndex, overload

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import nnx

from thinned.errors import BindError
from thinned.flax import linen
from thinned.flax._drawing import Drawing
from thinned.flax._notes import thread
from thinned.flax._root import mark, unmark
from thinned.mask.address import seed64
from thinned.methods.site import check_names, part_name


class Address(nnx.RngState):
    """Seed and step of a bound NNX model: uint32 (seed's low word, high word, step).

    Its type is its own, so that filters find it: `nnx.state(model, thinned.flax.Address)`. It stands in the place
    of keys, and so it is an `nnx.RngState`, for filters such as `nnx.split(model, nnx.Param, nnx.RngState)`. No
    gradient and no optimiser of `nnx.Param` touches it.
    """


@overload
def bind(model: nn.Module, seed: SupportsIndex) -> linen.Bound: ...
@overload
def bind(model: nnx.Module, seed: SupportsIndex) -> Any: ...
def bind(model: Any, seed: SupportsIndex) -> Any:
    """Give every draw of a model an address: its masks become a function of (seed, layer's name, step).

    NNX: in place; the model is returned. Its step counts training calls, those in which a layer of ours is not
    deterministic, from 0. Seed and step are an `nnx.Variable` of type `Address` at the root: `nnx.jit`, `nnx.grad`
    and `nnx.remat` carry it, and it is saved with `nnx.state`. A layer's site is its path, joined by dots; its k-th
    use in one call is `name#k`. Only calls of the model itself count, not of its other methods. Lanes of `nnx.vmap`
    and parts of `nnx.shard_map` have the one address, and so the same mask, whatever keys were split for them.

    Linen: modules own no state, so the model is left as it is, and what is returned applies it at an address: see
    `thinned.flax.linen.Bound`.

    Data-parallel programs need no word about the batch: under automatic sharding arrays are global, and so are
    masks.

    Args:
        model: any NNX or Linen module. A bound model inside it is unbound, and binding again replaces. A layer may
            be part of several bound models: in a call of each it has that one's address.
        seed: the run, in [-2^63, 2^64).

    Raises:
        AddressError: a seed outside its width.
        BindError: two layers that would draw alike.
        TypeError: no module.

    Example:
        >>> import jax.numpy as jnp, thinned, thinned.flax
        >>> from flax import nnx
        >>> model = nnx.Sequential(nnx.Linear(4, 8, rngs=nnx.Rngs(0)), thinned.flax.Dropout(0.5))
        >>> _ = thinned.flax.bind(model, seed=0)
        >>> first = (model(jnp.ones((1, 4))) != 0)[0]
        >>> first.tolist() == thinned.mask.keep((1, 8), 0.5, seed=0, site="layers.1", step=0)[0].tolist()
        True
        >>> int(model.thinned[...][2])
        1
    """
    key = seed64(seed)
    if isinstance(model, nn.Module):
        return linen.Bound(model, key)
    if not isinstance(model, nnx.Module):
        raise TypeError(
            f"expected a module of Flax NNX or Linen; got an object of type {type(model).__name__}."
        )
    layers = site_layers(model)
    for _, module in list(nnx.iter_graph(model)):
        if isinstance(module, nnx.Module):
            unbind(module)
    for name, layer in layers.items():
        layer.bound_name = name
    mark(model, _call)
    bound: Any = model
    bound.thinned = Address(jnp.array([key & 0xFFFFFFFF, key >> 32, 0], jnp.uint32))
    return bound


def unbind(model: nnx.Module) -> None:
    """Take a binding off: its layers are free again. Nothing happens to a model that is not bound."""
    if isinstance(vars(model).get("thinned"), Address):
        for _, layer in list(_layers(model)):
            layer.bound_name = ""
        unmark(model)
        bound: Any = model
        del bound.thinned


def site_layers(model: nnx.Module) -> dict[str, Drawing]:
    """The layers of ours in a model, by the names of their sites.

    Raises:
        BindError: two of them would draw alike.
    """
    found = [(layer.site or path, layer) for path, layer in _layers(model)]
    check_names(part_name(name, part) for name, layer in found for part in layer.parts)
    return dict(found)


def step_of(model: nnx.Module) -> int:
    """The next step of a bound model; 0 of a free one."""
    address = vars(model).get("thinned")
    return int(address[...][2]) if isinstance(address, Address) else 0


def _layers(model: nnx.Module) -> Iterator[tuple[str, Drawing]]:
    for path, module in nnx.iter_graph(model):
        if isinstance(module, Drawing):
            yield ".".join(map(str, path)), module


def _call(model: Any, run: Callable[[], Any]) -> Any:
    """Give the layers this call's address while it lasts; afterwards, count it if one of them drew.

    Names are looked up at each call: a layer may have been put in since, and may belong to two bound models.
    """
    address = vars(model).get("thinned")
    if not isinstance(address, Address) or any(root is model for root in thread.roots):
        return run()  # not bound; or within its own call, as where a class calls the one it derives from
    layers = site_layers(model)
    if not layers:
        return run()
    if address.shape != (3,):
        raise BindError(
            f"expected one address for a bound model; got one of shape {address.shape}, cut into lanes by a "
            "transformation. For one mask: nnx.StateAxes({thinned.flax.Address: None, ...: 0}). "
            "For masks that differ, call thinned.jax.dropout with a draw of each lane."
        )
    low, high, step = address[...]
    given = jnp.stack([low, high, step, jnp.zeros_like(step)])
    before: list[Any] = []
    thread.roots.append(model)
    try:
        for name, layer in layers.items():
            before.append(layer.open(name, given))
        result = run()
        drew = jnp.stack([layer.draws for layer in layers.values()]).max() > 0
    finally:
        thread.roots.pop()
        for layer, earlier in zip(layers.values(), before, strict=False):
            layer.close(*earlier)
    _write(address, jnp.stack([low, high, step + drew.astype(jnp.uint32)]))
    return result


def _write(address: Address, words: Any) -> None:
    """Into the variable, and not into an array of NumPy's that a restored state has left in it."""
    if isinstance(address[...], np.ndarray):
        address.update_from_state(Address(words))
    else:
        address[...] = words
