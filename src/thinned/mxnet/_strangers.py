"""Draws that are not ours: blocks of Gluon's own, and functions that a block's code names."""

from typing import Any

from mxnet import gluon

from thinned.methods.conversion import drawn_by

_FUNCTIONS = {"Dropout", "dropout", "bernoulli"}


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
    if not calls:
        return of_its_own(block)
    return f"calls {', '.join(calls)}; call thinned.mxnet.dropout there, or a block thinned.mxnet.Dropout"


def _is_block(found: Any) -> bool:
    return isinstance(found, gluon.Block)
