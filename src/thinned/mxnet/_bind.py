"""Bound networks: every draw of every layer has an address, and the step is saved with the parameters."""

import os
import warnings
from functools import partial
from typing import Any, SupportsIndex, TypeVar

from thinned.errors import BindError
from thinned.methods.batch import Batch, as_batch
from thinned.mxnet._binding import Binding
from thinned.mxnet._blocks import check_block, forget_graphs, named_blocks, site_layers
from thinned.mxnet._strangers import of_its_own

Net = TypeVar("Net", bound=Any)


def bind(net: Net, seed: SupportsIndex, batch: Batch | None = None) -> Net:
    """Give every draw of a network an address: its masks become a function of (seed, block's name, step).

    In place. The step counts training calls of `net`, from 0 (calls under `autograd.record` or `train_mode`), and
    is part of what `save_parameters` writes, beside the seed; a file from before loads too, and leaves them. Bind
    before or after `initialize` and `hybridize`. A layer that is added later is bound by the network's
    next training call. Blocks that are not from `thinned.mxnet` are left alone: see `convert`.

    Args:
        net: any Gluon block. A bound network inside it is unbound, and binding again replaces.
        seed: the run, in [-2^63, 2^64).
        batch: `(axis, global_size, start)`: where the local rows lie in the global batch. With MXNet's
            distributed key-value stores it must be given.

    Returns:
        `net`.

    Raises:
        AddressError: a seed outside its width.
        BindError: a `batch` that is not three integers, or is missing among several workers; two blocks with
            one `site`; or `net` is no block.

    Example:
        >>> import mxnet as mx, thinned, thinned.mxnet
        >>> net = mx.gluon.nn.HybridSequential()
        >>> net.add(mx.gluon.nn.Dense(8), thinned.mxnet.Dropout(0.5))
        >>> net.initialize(mx.init.One())
        >>> _ = thinned.mxnet.bind(net, seed=0)
        >>> with mx.autograd.record():
        ...     first = (net(mx.nd.ones((1, 4))) != 0).asnumpy()
        >>> bool((first == thinned.mask.keep((1, 8), 0.5, seed=0, site="1", step=0)).all())
        True
    """
    strangers = attach(net, seed, batch)
    if strangers:
        warnings.warn(
            f"{', '.join(map(repr, strangers))}: Gluon's own dropout, whose masks this seed does not govern; "
            "thinned.mxnet.convert(net, seed=...) replaces what it can and reports the rest.",
            stacklevel=2,
        )
    return net


def attach(net: Any, seed: SupportsIndex, batch: Batch | None = None) -> list[str]:
    """`bind`, which returns the names of Gluon's own layers and does not warn of them."""
    batch = _batch(batch)
    layers = site_layers(net)
    binding = Binding(seed, batch, layers)
    blocks = dict(named_blocks(net))
    for block in blocks.values():
        unbind(block)
    for name, layer in layers.items():
        layer.join(binding, name)
    binding.watch(net, binding.root_call)
    binding.watch_parts(net)
    net.__dict__["_collect_params_with_prefix"] = partial(binding.collect, net._collect_params_with_prefix)
    net.__dict__["_thinned"] = binding
    forget_graphs(net)
    return [name for name, block in blocks.items() if of_its_own(block) is not None]


def unbind(net: Any) -> None:
    """Take a binding off: its layers are free again, or with the binding before it.

    Nothing happens to a network that is not bound.
    """
    check_block(net)
    binding: Binding | None = net.__dict__.pop("_thinned", None)
    if binding is None:
        return
    binding.unwatch()
    net.__dict__.pop("_collect_params_with_prefix", None)
    for layer in binding.layers.values():
        layer.leave(binding)
    forget_graphs(net)


def _batch(batch: Batch | None) -> Batch | None:
    if batch is None:
        workers = os.environ.get("DMLC_NUM_WORKER", "1")
        if workers.isdecimal() and int(workers) > 1:
            raise BindError(
                f"expected batch=(axis, global_size, start) among {workers} workers, whose samples must not share "
                "masks; got none. With kv = mx.kv.create('dist_sync') and n local rows it is "
                "(0, n * kv.num_workers, n * kv.rank)."
            )
    return as_batch(batch)
