"""TensorFlow's dropout beside ours, as ratios in one process; see PROTOCOL.md.

TF_CPP_MIN_LOG_LEVEL=2 python benchmarks/tensorflow_speed.py [eager] [graph] [xla]
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import tensorflow as tf
from measure import Row, compare
from rich.console import Console
from rich.table import Table

import thinned.tensorflow

GOAL = 2.0
POWERS = (16, 20, 24)


def ours(x: Any, step: Any) -> Any:
    return thinned.tensorflow.dropout(x, 0.5, seed=0, step=step)


def theirs(x: Any, step: Any) -> Any:
    return tf.nn.dropout(x, 0.5)


def forward_backward(layer: Callable[..., Any]) -> Callable[..., Any]:
    def run(x: Any, step: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, step)
        return tape.gradient(y, x, x)

    return run


def rows(kind: str, wrap: Callable[..., Any], goal: float) -> Iterator[Row]:
    """The step is a tensor in each call, so nothing is folded into a constant."""
    step = tf.constant(3, tf.int64)
    for name, each in (("forward", lambda layer: layer), ("forward + backward", forward_backward)):
        for power in POWERS:
            x = tf.random.normal([1 << power])
            mine, peer = wrap(each(ours)), wrap(each(theirs))
            yield compare(
                f"{kind}, {name}, float32, 2^{power}",
                lambda mine=mine, x=x: mine(x, step),  # type: ignore[misc]
                "tf.nn.dropout",
                lambda peer=peer, x=x: peer(x, step),  # type: ignore[misc]
                goal,
            )


KINDS: dict[str, tuple[Callable[..., Any], float]] = {
    "eager": (lambda function: function, 0.0),
    "graph": (tf.function, GOAL),
    "xla": (partial(tf.function, jit_compile=True), GOAL),
}


def main(names: list[str]) -> None:
    """Run the named kinds, or all."""
    table = Table("case", "against", "ratio", "goal", "ours", "peer")
    for kind in names or KINDS:
        for row in rows(kind, *KINDS[kind]):
            goal = f">= {row.goal:g}{'' if row.holds() else ' (missed)'}" if row.goal else ""
            times = (f"{seconds * 1e3:.3g} ms" for seconds in (row.ours_s, row.peer_s))
            table.add_row(row.case, row.against, f"{row.ratio:.2f}", goal, *times)
    Console(width=120).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
