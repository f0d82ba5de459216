"""The table of a network's sites."""

from collections import Counter
from typing import Any

import mxnet as mx
from mxnet import autograd

from thinned.mask.address import site_id
from thinned.mask.sharing import layout
from thinned.methods.site import Site, Sites, use_name
from thinned.mxnet._blocks import named_blocks, site_layers


def sites(net: Any, *inputs: Any) -> Sites:
    """Name, site id, rate and mask shape of every layer of ours in a network, bound or to be bound.

    Args:
        net: any Gluon block, hybridised or not.
        *inputs: of one call; with them the network is run once in prediction mode, which takes no step, and the
            masks' shapes and repeated uses are known.

    Raises:
        BindError: two layers would draw alike, or `net` is no block.

    Example:
        >>> import mxnet as mx, thinned.mxnet
        >>> net = mx.gluon.nn.HybridSequential()
        >>> net.add(mx.gluon.nn.Dense(8), thinned.mxnet.Dropout(0.5))
        >>> print(thinned.mxnet.sites(net))
        name        site  rate  mask shape
        1     1941079659   0.5  ?
    """
    layers = site_layers(net)
    if not inputs:
        return Sites(Site(name, site_id(name), float(layer._rate)) for name, layer in layers.items())
    names = {id(layer): name for name, layer in layers.items()}
    uses: Counter[str] = Counter()
    found = []

    def note(layer: Any, given: tuple[Any, ...]) -> None:
        (x,) = given
        if isinstance(x, mx.sym.Symbol):  # Gluon infers shapes
            return
        name = names[id(layer)]
        used = use_name(name, uses[name])
        uses[name] += 1
        found.append(Site(used, site_id(used), float(layer._rate), layout(x.shape, layer.shared).mask_shape))

    hybrid = [block for _, block in named_blocks(net) if getattr(block, "_active", False)]
    handles = [layer.register_forward_pre_hook(note) for layer in layers.values()]
    try:
        for block in hybrid:
            block._active = False  # a graph would not call its layers
        with autograd.pause(train_mode=False):
            net(*inputs)
    finally:
        for block in hybrid:
            block._active = True
        for handle in handles:
            handle.detach()
    return Sites(found)
