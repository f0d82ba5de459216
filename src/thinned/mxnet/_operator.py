"""Dropout in MXNet's graphs: the operator `thinned` of hybridised blocks and symbols.

What is known when a graph is made is an attribute of the node; what may change from call to call is an input,
a small integer array. So the step moves and nothing is compiled again. The backward pass is given the gradient
and these small arrays, and neither the input nor a mask.
"""

import ctypes
import json
from collections.abc import Iterable, Mapping, Sequence
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_uint, c_void_p
from typing import Any, SupportsInt

import mxnet as mx
from mxnet.base import _LIB, MXCallbackList, check_call

from thinned.kernels.execute import Coordinates
from thinned.mask.address import site_id
from thinned.mask.plan import Plan
from thinned.mask.sharing import Window
from thinned.methods.batch import Batch, batch_window
from thinned.methods.site import use_name
from thinned.mxnet._callbacks import Callbacks, Compute, Table, guarded, run
from thinned.mxnet._memory import CODES, data, free, planned

NAME = "thinned"
FIELDS = ("seed", "site", "step", "draw")
TICKET = "ticket"
"""An input of three integers: seed, step, and how often the layer was used before the graph was called."""

WIDTHS = dict(zip(FIELDS, (64, 32, 32, 16), strict=True))
_INTEGERS = {"int32": ctypes.c_int32, "int64": ctypes.c_int64}
_INT64 = next(code for code, dtype in CODES.items() if getattr(dtype, "__name__", "") == "int64")
_DTYPES = {code: dtype.__name__ for code, dtype in CODES.items() if isinstance(dtype, type)}


class Node:
    """One node of a graph: a draw whose address is known but for its inputs.

    Args:
        text: its attributes as JSON: what `node` was given, with `known`, coordinates by name, and `inputs`, the
            names of those that arrive as arrays.
    """

    def __init__(self, text: str) -> None:
        found = json.loads(text)
        self.rate: float = found["rate"]
        self.share: tuple[int, ...] = tuple(found["share"])
        window = found["window"]
        self.window = window and (tuple(window[0]), tuple(_hashable(index) for index in window[1]))
        self.batch = found["batch"]
        self.always: bool = found["always"]
        self.known: dict[str, Any] = found["known"]
        self.inputs: list[str] = found["inputs"]
        names = ["data", *self.inputs]
        self.arguments = (c_char_p * (len(names) + 1))(*(name.encode() for name in names), None)
        self.alive: list[Any] = []

    def plan(self, shape: Sequence[int]) -> Plan:
        """The plan for an input of this shape."""
        window = self.window or batch_window(tuple(shape), self.batch)
        return planned(tuple(shape), self.rate, self.share, window)

    def address(self, values: Sequence[Sequence[int]]) -> Coordinates:
        """The address, given what came in."""
        known = dict(self.known)
        for name, value in zip(self.inputs, values, strict=True):
            if name == TICKET:
                seed, step, before = value
                site = site_id(use_name(known["site"], before + known["use"]))
                return seed % (1 << 64), site, step, 0
            known[name] = value[0]
        seed, site, step, draw = (known[name] % (1 << WIDTHS[name]) for name in FIELDS)
        return seed, site, step, draw


class Call:
    """One execution of a node: what its forward pass did, its backward pass repeats."""

    def __init__(self, node: Node, shapes: list[tuple[int, ...]], dtypes: list[str]) -> None:
        self.node, self.dtypes = node, dtypes
        self.counts = [_product(shape) for shape in shapes]
        self.plan = node.plan(shapes[0])
        self.is_train = False
        self.alive: Any = None

    def address(self, addresses: Sequence[int]) -> Coordinates:
        """Read the inputs behind the first."""
        return self.node.address(
            [
                list((_INTEGERS[dtype] * count).from_address(where))
                for where, count, dtype in zip(addresses, self.counts[1:], self.dtypes[1:], strict=True)
            ]
        )

    def run(self, request: int, result: int, source: int, address: Sequence[int]) -> None:
        """Drop where the call trains; hand on where it predicts."""
        where = self.address(address) if self.is_train else (0, 0, 0, 0)
        how = self.plan if self.is_train else planned(self.plan.where.shape, 0.0)
        run(request, result, source, self.dtypes[0], self.counts[0], how, where)


def node(
    x: Any,
    rate: float,
    known: Mapping[str, int | str],
    traced: Mapping[str, Any],
    share: Iterable[SupportsInt] = (),
    window: Window | None = None,
    batch: Batch | None = None,
    always: bool = False,
) -> Any:
    """Put the operator behind a symbol.

    Args:
        x: a symbol of either interface; the result is of the same.
        rate: probability of dropping.
        known: coordinates that are the same in each call.
        traced: symbols of integers for the others.
        share: axes along which one draw is shared.
        window: where the array is part of a larger one.
        batch: the same for its rows alone, `(axis, global_size, start)`, whatever its shape.
        always: drop where MXNet predicts too.
    """
    attributes = {
        "rate": rate,
        "share": [int(axis) for axis in share],
        "window": window and [[int(size) for size in window[0]], [_listed(index) for index in window[1]]],
        "batch": batch,
        "always": always,
        "known": dict(known),
        "inputs": list(traced),
    }
    is_np = type(x) is not mx.sym.Symbol
    inputs = [_classic(value) for value in (x, *traced.values())]
    y = mx.sym.Custom(*inputs, op_type=NAME, at=json.dumps(attributes))
    return y.as_np_ndarray() if is_np else y


def _classic(x: Any) -> Any:
    return x if type(x) is mx.sym.Symbol else x.as_nd_ndarray()


def _listed(index: Any) -> Any:
    return (
        index
        if isinstance(index, int)
        else [int(i) for i in index]
        if hasattr(index, "__len__")
        else int(index)
    )


def _hashable(index: Any) -> Any:
    return tuple(index) if isinstance(index, list) else index


def _product(shape: Sequence[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


# The C side. `number` stands for a node or a call in these tables.

_nodes, _calls = Table(), Table()
_NO_NAMES = (c_char_p * 1)(None)
_OUTPUT = (c_char_p * 2)(b"output", None)


def _create(_: bytes, count: int, keys: Any, values: Any, into: Any) -> None:
    given = {keys[i]: values[i] for i in range(count)}
    new = Node(given[b"at"].decode())
    _, numbers = _node_callbacks.listed(_nodes.keep(new), into[0])
    new.alive.append(numbers)


def _arguments(into: Any, number: int) -> None:
    into[0] = ctypes.cast(_nodes[number].arguments, c_void_p)


def _outputs(into: Any, _: int) -> None:
    into[0] = ctypes.cast(_OUTPUT, c_void_p)


def _states(into: Any, _: int) -> None:
    into[0] = ctypes.cast(_NO_NAMES, c_void_p)


def _infer_shape(count: int, axes: Any, shapes: Any, number: int) -> None:
    """The output is like the input; integers are arrays of one, a ticket of three."""
    found: Node = _nodes[number]
    kept = []
    for i, name in enumerate(found.inputs, 1):
        if axes[i] < 1 and name != TICKET and axes[i] == 0 and mx.util.is_np_shape():
            continue  # one integer without axes
        size = 3 if name == TICKET else 1
        kept.append((c_int * 1)(size))
        axes[i], shapes[i] = 1, ctypes.cast(kept[-1], POINTER(c_int))
    axes[count - 1], shapes[count - 1] = axes[0], shapes[0]
    found.alive[1:] = [kept]


def _infer_type(count: int, types: Any, number: int) -> None:
    for i, name in enumerate(_nodes[number].inputs, 1):
        if types[i] == -1:
            types[i] = _INT64
        elif _DTYPES[types[i]] not in _INTEGERS:
            raise TypeError(f"expected {name} as int32 or int64; got {_DTYPES[types[i]]}.")
    if types[0] != -1 and _DTYPES.get(types[0]) not in {"float32", "float64", "float16"}:
        raise TypeError(
            f"expected an array of float32, float64 or float16; got {_DTYPES.get(types[0])}; convert it with "
            "x.astype('float32')."
        )
    types[count - 1] = types[0]


def _dependencies(gradients: Any, inputs: Any, _: Any, count: Any, into: Any, number: int) -> None:
    """Backward needs the gradient and the address."""
    found: Node = _nodes[number]
    needed = [gradients[0], *(inputs[i] for i in range(1, len(found.inputs) + 1))]
    kept = (c_int * len(needed))(*needed)
    found.alive[2:] = [kept]
    count[0], into[0] = len(needed), ctypes.cast(kept, POINTER(c_int))


def _create_call(
    where: bytes, count: int, shapes: Any, axes: Any, types: Any, into: Any, number: int
) -> None:
    if not where.startswith(b"cpu"):
        raise TypeError(f"expected arrays in the CPU's memory; got them on {where.decode()}.")
    found = [tuple(shapes[i][j] for j in range(axes[i])) for i in range(count)]
    call = Call(_nodes[number], found, [_DTYPES[types[i]] for i in range(count)])
    _, call.alive = _call_callbacks.listed(_calls.keep(call), into[0])


def _forward(count: int, pointers: Any, _: Any, requests: Any, is_train: int, number: int) -> None:
    """Arrays: the inputs, then the output."""
    try:
        call: Call = _calls[number]
        call.is_train = bool(is_train) or call.node.always
        x, *address, y = (data(pointers[i]) for i in range(count))
        call.run(requests[0], y, x, address)
    finally:
        free(pointers, count)


def _backward(count: int, pointers: Any, tags: Any, requests: Any, _: int, number: int) -> None:
    """Arrays by their tags: 0 inputs, 1 outputs, 2 gradients to be made, 3 gradients that came."""
    try:
        call: Call = _calls[number]
        by_tag: dict[int, list[Any]] = {tag: [] for tag in range(5)}
        for i in range(count):
            by_tag[tags[i]].append(pointers[i])
        gradient, result = by_tag[3][0], by_tag[2][0]
        call.run(requests[0], data(result), data(gradient), [data(each) for each in by_tag[0][1:]])
    finally:
        free(pointers, count)


_List = CFUNCTYPE(c_int, POINTER(c_void_p), c_void_p)
_InferShape = CFUNCTYPE(c_int, c_int, POINTER(c_int), POINTER(POINTER(c_int)), c_void_p)
_InferType = CFUNCTYPE(c_int, c_int, POINTER(c_int), c_void_p)
_Dependencies = CFUNCTYPE(
    c_int, POINTER(c_int), POINTER(c_int), POINTER(c_int), POINTER(c_int), POINTER(POINTER(c_int)), c_void_p
)
_CreateCall = CFUNCTYPE(
    c_int, c_char_p, c_int, POINTER(POINTER(c_uint)), POINTER(c_int), POINTER(c_int),
    POINTER(MXCallbackList), c_void_p,
)  # fmt: skip
_Create = CFUNCTYPE(
    c_int, c_char_p, c_int, POINTER(c_char_p), POINTER(c_char_p), POINTER(MXCallbackList)
)  # fmt: skip

_node_callbacks = Callbacks(
    _nodes.deleter(),
    _List(guarded("thinned's arguments", _arguments)),
    _List(guarded("thinned's outputs", _outputs)),
    _List(guarded("thinned's states", _states)),
    _InferShape(guarded("thinned's shapes", _infer_shape)),
    _Dependencies(guarded("thinned's dependencies", _dependencies)),
    _CreateCall(guarded("thinned's call", _create_call)),
    _InferType(guarded("thinned's types", _infer_type)),
)
_call_callbacks = Callbacks(
    _calls.deleter(),
    Compute(guarded("thinned's forward pass", _forward)),
    Compute(guarded("thinned's backward pass", _backward)),
)
_creator = _Create(guarded("thinned's operator", _create))
check_call(_LIB.MXCustomOpRegister(NAME.encode(), _creator))
