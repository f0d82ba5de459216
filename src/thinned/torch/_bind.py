"""Bound models: every draw of every layer has an address, and the model's step is saved with it."""

import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any, SupportsIndex, TypeVar, cast

import torch
from torch import nn

from thinned.errors import BindError
from thinned.methods.batch import Batch, as_batch
from thinned.methods.site import check_names
from thinned.torch._binding import Binding, site_names
from thinned.torch._strangers import of_its_own

Model = TypeVar("Model", bound=nn.Module)

_WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
_DATA_PARALLEL = (nn.parallel.DistributedDataParallel, nn.DataParallel)


def bind(model: Model, seed: SupportsIndex, batch: Batch | None = None) -> Model:
    """Give every draw of a model an address: its masks become a function of (seed, layer's name, step).

    In place. The step counts training calls of `model`, from 0, and is part of its state dict, beside the seed.
    A training call is one in which the model, or a layer of ours in it, is in training mode; so Monte-Carlo
    dropout in a model in evaluation draws anew at each call. Activation checkpointing, eager and compiled,
    repeats the draws of the call it belongs to. Layers that are not from `thinned.torch` are left alone: see
    `convert`.

    Args:
        model: any module; wrappers such as DDP and `torch.compile`'s are seen through. A bound model inside
            it is unbound, and binding again replaces.
        seed: the run, in [-2^63, 2^64).
        batch: `(axis, global_size, start)`: where the local rows lie in the global batch. By default, under
            torch.distributed, ranks hold contiguous equal shards of axis 0; where they turn out unequal, a rank
            raises a BindError in that call.

    Returns:
        `model`.

    Raises:
        AddressError: a seed outside its width.
        BindError: a `batch` that is not three integers, or two layers with one `site`.

    Example:
        >>> import torch, thinned.torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), thinned.torch.Dropout(0.5))
        >>> _ = thinned.torch.bind(model, seed=0)
        >>> first = (model(torch.ones(1, 4)) != 0)[0]
        >>> import thinned
        >>> first.tolist() == thinned.mask.keep((1, 8), 0.5, seed=0, site="1", step=0)[0].tolist()
        True
    """
    strangers = attach(model, seed, batch)
    if strangers:
        warnings.warn(
            f"{', '.join(map(repr, strangers))}: PyTorch's own dropout, whose masks this seed does not govern; "
            "thinned.torch.convert(model, seed=...) replaces what it can and reports the rest.",
            stacklevel=2,
        )
    return model


def attach(model: nn.Module, seed: SupportsIndex, batch: Batch | None = None) -> list[str]:
    """`bind`, which returns the names of PyTorch's own layers and does not warn of them."""
    batch = as_batch(batch)
    root = unwrapped(model)
    layers = site_layers(root)
    strangers = [name for name, module in named_modules(root) if of_its_own(module) is not None]
    for module in root.modules():
        unbind(module)
    binding = Binding(seed, batch, layers)
    first = 0
    for name, module in layers.items():
        module.join(binding, name, first)
        first += len(module.parts)
    binding.handles = [
        root.register_forward_pre_hook(binding.begin, prepend=True, with_kwargs=True),
        root.register_forward_hook(binding.end, always_call=True),
        # A partial, because PyTorch sets an attribute on this hook.
        root.register_state_dict_post_hook(partial(Binding.save, binding)),
        root.register_load_state_dict_pre_hook(binding.load),
    ]
    root.__dict__["_thinned"] = binding
    # torch.distributed.checkpoint looks a key of the state dict up as a path of attributes.
    if not hasattr(root, "thinned"):
        root.__dict__["thinned"] = binding
    return strangers


def site_layers(root: nn.Module) -> dict[str, Any]:
    """The layers of ours in a model, by the names of their sites.

    Raises:
        BindError: two of them would draw alike.
    """
    found: list[tuple[str, Any]] = [
        (name if cast(Any, module).site is None else cast(Any, module).site, module)
        for name, module in named_modules(root)
        if hasattr(type(module), "is_thinned")
    ]
    check_names(site_names(found))
    return dict(found)


def unbind(model: nn.Module) -> None:
    """Take a binding off: its layers are free again. Nothing happens to a model that is not bound."""
    root = unwrapped(model)
    binding = root.__dict__.pop("_thinned", None)
    if binding is not None:
        if root.__dict__.get("thinned") is binding:
            del root.__dict__["thinned"]
        for handle in binding.handles:
            handle.remove()
        for layer in binding.layers.values():
            layer.leave(binding)


def binding_of(model: nn.Module) -> Binding | None:
    """The binding of a bound model, else None."""
    found: Binding | None = unwrapped(model).__dict__.get("_thinned")
    return found


def named_modules(root: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every module once, with its path but for the parts that wrappers put in it."""
    for path, module in root.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise BindError(
                f"expected modules of Python; got {path or 'the model'!r}, compiled by torch.jit, whose draws no "
                "address can reach. Use the model that it was compiled from."
            )
        yield site_name(root, path), module


def site_name(root: nn.Module, path: str) -> str:
    """The path of a module but for the parts that wrappers put in it."""
    owner, kept = root, []
    for part in path.split(".") if path else []:
        if not _is_wrapped(owner, part):
            kept.append(part)
        owner = owner.get_submodule(part)
    return ".".join(kept)


def _is_wrapped(owner: nn.Module, part: str) -> bool:
    """`module` is also what people call parts of their own, beside which a wrapper has nothing."""
    return part in _WRAPPERS and (part != "module" or isinstance(owner, _DATA_PARALLEL))


def unwrapped(model: nn.Module) -> nn.Module:
    """A model without DDP's and `torch.compile`'s wrappers.

    Raises:
        TypeError: no module.
    """
    while isinstance(model, (nn.parallel.DistributedDataParallel, torch._dynamo.OptimizedModule)):
        inner = model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model._orig_mod
        model = inner
    if not isinstance(model, nn.Module):
        raise TypeError(f"expected a module of PyTorch; got {model!r:.60} of type {type(model).__name__}.")
    return model
