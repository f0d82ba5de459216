"""The table of a model's sites."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

from thinned.mask.address import site_id
from thinned.methods.site import Site, Sites, part_name, use_name
from thinned.torch._bind import binding_of, site_layers, unwrapped
from thinned.torch._binding import site_names


def sites(model: nn.Module, *inputs: Any) -> Sites:
    """Name, site id, rate and mask shape of every layer of ours in a model, bound or to be bound.

    Args:
        model: any module; wrappers are seen through.
        *inputs: of one call; with them the model is run once in evaluation, which takes no step, and the
            masks' shapes and repeated uses are known.

    Raises:
        BindError: two layers would draw alike.

    Example:
        >>> import torch, thinned.torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), thinned.torch.Dropout(0.5))
        >>> print(thinned.torch.sites(model))
        name        site  rate  mask shape
        1     1941079659   0.5  ?
    """
    root = unwrapped(model)
    binding = binding_of(root)
    layers: dict[str, Any] = site_layers(root) if binding is None else binding.layers
    if not inputs:
        return Sites(
            Site(name, site_id(name), layer.stated_rate(part))
            for owner, layer in layers.items()
            for part, name in zip(layer.parts, site_names([(owner, layer)]), strict=True)
        )
    names = {id(layer): name for name, layer in layers.items()}
    uses: Counter[str] = Counter()
    found = []

    def note(layer: Any, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
        x: Any = args[0] if args else next(iter(kwargs.values()))
        x = x.values() if isinstance(x, Tensor) and x.is_nested else x
        for part, mask_shape in layer.draws(x):
            name = part_name(names[id(layer)], part)
            used = use_name(name, uses[name])
            uses[name] += 1
            found.append(Site(used, site_id(used), layer.stated_rate(part), mask_shape))

    modes = {module: module.training for module in root.modules()}
    handles = [layer.register_forward_pre_hook(note, with_kwargs=True) for layer in layers.values()]
    try:
        root.eval()
        with torch.no_grad():
            root(*inputs)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training
    return Sites(found)
