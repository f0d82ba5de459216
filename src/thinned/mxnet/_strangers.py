"""Draws that are not ours: blocks of Gluon's own, and functions that a block's code names."""

import json
from collections.abc import Iterator
from typing import Any

import mxnet as mx
from mxnet import gluon

from thinned.methods.conversion import drawn_by
from thinned.mxnet._operator import NAME

_FUNCTIONS = {"Dropout", "dropout", "bernoulli"}
_PLACES = (mx.nd, mx.npx, mx.np.random)


def of_its_own(block: Any) -> str | None:
    """Why a block of Gluon's own draws as MXNet does, whatever is bound; None where it does not."""
    if hasattr(type(block), "is_thinned"):
        return None
    kind = type(block).__name__
    if isinstance(block, gluon.nn.Dropout):
        return f"{kind} is a class of its own; derive it from thinned.mxnet.Dropout" if block._rate else None
    if isinstance(block, gluon.rnn.rnn_layer._RNNLayer):
        if block._dropout == 0 or block._num_layers == 1:
            return None
        return f"{kind}(dropout={block._dropout}) draws between its layers, inside one fused call"
    if isinstance(
        block, (gluon.rnn.DropoutCell, gluon.rnn.ZoneoutCell, gluon.contrib.rnn.VariationalDropoutCell)
    ):
        return f"{kind} draws in a functional call; put a thinned.mxnet.Dropout between cells"
    if type(block) in {gluon.nn.Lambda, gluon.nn.HybridLambda}:
        return _calls(sorted(set(_drawn_by_lambda(block))))
    if isinstance(block, gluon.SymbolBlock):
        nodes = sorted(set(_drawn_in(json.loads(block._cached_graph[1].tojson()))))
        if nodes:
            return f"its graph holds {', '.join(nodes)}; build it from blocks, and load its parameters there"
    return None


def why_left(block: Any) -> str | None:
    """Why a block's own draws stay MXNet's; None where it makes none."""
    if type(block).__module__.partition(".")[0] == "mxnet" or hasattr(type(block), "is_thinned"):
        return of_its_own(block)
    calls = sorted(
        {
            name
            for method in ("forward", "hybrid_forward")
            for name in drawn_by(getattr(type(block), method, None), _FUNCTIONS, _is_block)
        }
    )
    return of_its_own(block) if not calls else _calls(calls)


def _calls(names: list[str]) -> str | None:
    if not names:
        return None
    return f"calls {', '.join(names)}; call thinned.mxnet.dropout there, or a block thinned.mxnet.Dropout"


def _drawn_by_lambda(block: Any) -> Iterator[str]:
    """What Gluon's block around a function, or around the name of an operator, draws."""
    function, name = (
        (block._func_impl, block._func_impl.__name__)
        if isinstance(block, gluon.nn.Lambda)
        else (block._func, block._func_name)
    )
    given_by_name = function.__module__ == type(block).__module__  # Gluon's own function around the operator
    if given_by_name or any(getattr(place, name, None) is function for place in _PLACES):
        yield from {name} & _FUNCTIONS
    else:
        yield from drawn_by(function, _FUNCTIONS, _is_block)


def _drawn_in(graph: dict[str, Any]) -> Iterator[str]:
    """The nodes of a graph, and of the loops in it, that draw."""
    for node in graph["nodes"]:
        attributes = node.get("attrs", {})
        rate = float(attributes.get("p", 0.5 if node["op"] == "Dropout" else 0))
        if (node["op"] in {"Dropout", "RNN"} and rate > 0) or "bernoulli" in node["op"]:
            yield node["op"]
        if attributes.get("op_type") == NAME:
            yield "a draw at the one address that it was exported with"
        for inner in node.get("subgraphs", []):
            yield from _drawn_in(inner)


def _is_block(found: Any) -> bool:
    return isinstance(found, gluon.Block)
