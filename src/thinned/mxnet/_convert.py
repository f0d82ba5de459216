"""Swap a network's dropout blocks for ours, in place, and say what could not be swapped."""

from typing import Any, SupportsIndex

from mxnet import gluon

from thinned.mask.address import seed64
from thinned.mask.rate import threshold
from thinned.methods.conversion import Report
from thinned.mxnet._bind import attach
from thinned.mxnet._blocks import check_block, forget_graphs, named_blocks
from thinned.mxnet._layers import Dropout
from thinned.mxnet._strangers import why_left


def convert(net: Any, seed: SupportsIndex | None = None) -> Report:
    """Swap every `gluon.nn.Dropout` of a network for ours, in place.

    A block stays the same object with another class: its rate, axes, hooks and every reference to it hold, and so
    do files of parameters and `isinstance(block, gluon.nn.Dropout)`.

    Args:
        net: any Gluon block, hybridised or not.
        seed: with one, the network is bound as well; see `bind`.

    Returns:
        A report: what was swapped, and what draws in a way that no block can replace, such as
        calls of `F.Dropout`. Print it.

    Raises:
        RateError: a block whose rate no threshold stands for; nothing is swapped then.
        AddressError: a seed outside its width.
        BindError: `net` is no block.

    Example:
        >>> import mxnet as mx, thinned.mxnet
        >>> net = mx.gluon.nn.HybridSequential()
        >>> net.add(mx.gluon.nn.Dense(8), mx.gluon.nn.Dropout(0.1))
        >>> print(thinned.mxnet.convert(net, seed=0))
        swapped 1, left 0
          1: Dropout(p = 0.1, axes=())
    """
    check_block(net)
    report = Report()
    found = [(name, block) for name, block in named_blocks(net) if type(block) is gluon.nn.Dropout]
    for _, block in found:
        threshold(block._rate)
    if seed is not None:
        seed64(seed)
    for name, block in found:
        block.__class__ = Dropout
        report.swapped[name] = repr(block)
    for name, block in named_blocks(net):
        reason = why_left(block)
        if reason is not None:
            report.left[name] = reason
    forget_graphs(net)
    if seed is not None:
        attach(net, seed)
    return report
