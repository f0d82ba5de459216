"""Gluon's dropout beside ours, imperative and hybridised, as ratios in one process; see PROTOCOL.md.

Runs in MXNet's own environment: `make bench-mxnet`. Both sides are waited for with `wait_to_read`.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from unittest import mock

import mxnet as mx
from measure import Row, compare, run
from mxnet import autograd, gluon

import thinned.mxnet
from thinned.mxnet import _gradient, _operator

POWERS = (16, 20, 24)


def net(layer: Any, hybrid: bool) -> Any:
    found = gluon.nn.HybridSequential()
    found.add(layer)
    if hybrid:
        found.hybridize()
    return found


def once(block: Any, x: Any) -> None:
    with autograd.train_mode():
        block(x).wait_to_read()


def both(block: Any, x: Any) -> None:
    with autograd.record():
        y = block(x)
    y.backward()
    x.grad.wait_to_read()


def rows(what: str, call: Any, hybrid: bool) -> Iterator[Row]:
    how = "hybridised" if hybrid else "imperative"
    for power in POWERS:
        x = mx.nd.ones((1 << power,))
        x.attach_grad()
        ours = thinned.mxnet.bind(net(thinned.mxnet.Dropout(0.5), hybrid), seed=0)
        peer = net(gluon.nn.Dropout(0.5), hybrid)
        yield compare(
            f"{what}, {how}, float32, 2^{power}",
            partial(call, ours, x),
            "gluon.nn.Dropout",
            partial(call, peer, x),
            2,
        )


def dispatch() -> Iterator[Row]:
    """How long MXNet takes to call an operator that is not its own, and that does nothing."""
    with mock.patch.object(_operator, "run"), mock.patch.object(_gradient, "run"):
        for what, call, hybrid in (
            ("forward", once, True),
            ("forward + backward", both, False),
            ("forward + backward", both, True),
        ):
            row = next(rows(what, call, hybrid))
            yield replace(row, case=f"{row.case}, nothing drawn", goal=0)


CASES: dict[str, Callable[[], Iterator[Row]]] = {
    "forward": partial(rows, "forward", once, False),
    "forward-hybrid": partial(rows, "forward", once, True),
    "backward": partial(rows, "forward + backward", both, False),
    "backward-hybrid": partial(rows, "forward + backward", both, True),
    "dispatch": dispatch,
}

if __name__ == "__main__":
    run("mxnet", CASES, ["mxnet"])
