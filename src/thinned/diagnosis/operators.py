"""What PyTorch's operators do with draws: which draw, which multiply, which select."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from thinned.diagnosis.graph import Kind

ELEMENTWISE = {
    "_to_copy", "abs", "add", "alias", "bitwise_not", "broadcast_to", "clone", "copy", "detach", "div", "eq",
    "expand", "floor", "full", "full_like", "ge", "gt", "le", "lift_fresh", "logical_not", "lt", "mul", "ne",
    "neg", "ones_like", "permute", "reciprocal", "reshape", "rsub", "select", "slice", "squeeze", "sub", "t",
    "to", "transpose", "unsqueeze", "view", "where", "zeros_like", "_unsafe_view", "empty_like", "empty",
    "new_empty", "sign", "round", "clamp", "unbind", "split", "chunk", "scalar_tensor", "new_full", "new_ones",
}  # fmt: skip
"""Through these, a draw stays one draw."""

VIEWS = {
    "_reshape_alias", "_unsafe_view", "alias", "chunk", "clone", "contiguous", "detach", "expand", "permute",
    "reshape", "select", "slice", "split", "split_with_sizes", "squeeze", "t", "transpose", "unbind",
    "unsqueeze", "view", "_to_copy", "flatten",
}  # fmt: skip
"""What they return holds the same numbers."""

ACTIVATIONS = {
    "relu", "gelu", "silu", "sigmoid", "tanh", "leaky_relu", "elu", "hardswish", "hardtanh", "mish", "softplus",
    "clamp_min", "selu", "celu", "hardsigmoid", "log_sigmoid_forward", "_prelu_kernel",
}  # fmt: skip

WEIGHTED = {
    "addmm", "mm", "bmm", "matmul", "linear", "baddbmm", "mkldnn_linear", "_addmm_activation",
}  # fmt: skip
CONVOLUTIONS = {"convolution", "_convolution", "mkldnn_convolution", "cudnn_convolution", "conv2d", "conv1d"}
POOLS = {
    "max_pool2d_with_indices", "avg_pool2d", "max_pool2d", "avg_pool1d", "max_pool1d", "avg_pool3d",
    "max_pool3d_with_indices",
}  # fmt: skip
SOFTMAX = {"_softmax", "_safe_softmax", "_log_softmax", "softmax", "log_softmax"}
FUNCTIONALS = {
    "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
    "feature_dropout", "scaled_dot_product_attention", "multi_head_attention_forward", "lstm", "gru", "rnn_tanh",
    "rnn_relu",
}  # fmt: skip
"""Functions that state a rate."""


class Parameter(NamedTuple):
    """A parameter of a function: its name, its place, and what it is where nothing is given."""

    name: str
    place: int
    default: float


RATE_OF = {
    name: Parameter("p", 1, 0.5)
    for name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
} | {"scaled_dot_product_attention": Parameter("dropout_p", 4, 0.0)}
"""The rate of functions that may be called without one."""


def base(func: Any) -> str:
    """An operator's name: `aten.mul_.Tensor` is `mul`."""
    name = str(func.overloadpacket.__name__)
    return name[:-1] if name.endswith("_") and not name.startswith("_") else name


def draws(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a call of an operator draws numbers."""
    if func.namespace == "thinned":
        return True
    if torch.Tag.nondeterministic_seeded not in func.tags:
        return False
    name = base(func)
    if "attention" in name:
        return attention_rate(func, args, kwargs) > 0
    if name == "native_dropout":
        return args[2] is not False and args[1] > 0
    return True


def attention_rate(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    """`dropout_p` of one of the fused attentions."""
    for place, argument in enumerate(func._schema.arguments):
        if argument.name == "dropout_p":
            value = args[place] if place < len(args) else kwargs.get("dropout_p", argument.default_value)
            return float(value or 0.0)
    return 0.0


def stated(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[float | None, bool | None]:
    """The rate and the mode that a functional was given: (None, None) where it has none to give."""
    if name == "scaled_dot_product_attention":
        return float(kwargs.get("dropout_p", args[4] if len(args) > 4 else 0.0)), None
    if name == "multi_head_attention_forward":
        p = kwargs.get("dropout_p", args[10] if len(args) > 10 else 0.0)
        training = kwargs.get("training", args[13] if len(args) > 13 else True)
        return float(p), bool(training)
    if name in {"lstm", "gru", "rnn_tanh", "rnn_relu"}:
        place = next((i for i, value in enumerate(args) if isinstance(value, bool)), None)
        if place is None:
            return None, None
        return float(args[place + 2]), bool(args[place + 3])
    p = kwargs.get("p", args[1] if len(args) > 1 else 0.5)
    default = name == "dropout" or name.startswith("dropout")
    training = kwargs.get("training", kwargs.get("train", args[2] if len(args) > 2 else default))
    return float(p), bool(training)


def is_zero(value: Any) -> bool:
    """Whether a constant is zero everywhere."""
    if isinstance(value, Tensor):
        return bool((value == 0).all())
    return isinstance(value, (int, float)) and value == 0


def meeting(
    name: str, args: tuple[Any, ...], noisy: Any, learned: Any
) -> tuple[Kind, Tensor | None, int] | None:
    """How an operator lets draws meet data: the kind, the numbers multiplied by, and which argument is the data.

    Args:
        name: of the operator.
        args: its arguments.
        noisy: says of an argument whether it is made of draws alone.
        learned: says of one whether it is made of weights: a learned token may begin at zero, and drops nothing.

    Returns:
        None where it does not.
    """
    if (
        name in {"mul", "div"}
        and len(args) > 1
        and isinstance(args[1], Tensor)
        and isinstance(args[0], Tensor)
    ):
        if noisy(args[1]) and not noisy(args[0]):
            return "mask", args[1] if name == "mul" else args[1].reciprocal(), 0
        return ("mask", args[0], 1) if name == "mul" and noisy(args[0]) and not noisy(args[1]) else None
    if name == "where" and len(args) == 3 and noisy(args[0]):
        first, second = isinstance(args[1], Tensor), isinstance(args[2], Tensor)
        if second and not noisy(args[2]) and is_zero(args[1]) and not learned(args[1]):
            return "mask", ~args[0], 2
        if first and not noisy(args[1]):
            drops = is_zero(args[2]) and not learned(args[2])
            return ("mask", args[0], 1) if drops else ("replaced", args[0], 1)
        return None
    if name == "masked_fill" and noisy(args[1]) and not noisy(args[0]):
        return ("mask" if is_zero(args[2]) else "replaced"), ~args[1], 0
    if name == "index_put" and not noisy(args[0]):
        (*others, index) = [each for each in args[1] if each is not None] or [None]
        if index is not None and not others and noisy(index) and index.dtype is torch.bool:
            return ("mask" if is_zero(args[2]) else "replaced"), _spread(~index, args[0]), 0
        return None
    if name in {"add", "sub"} and len(args) > 1:
        tensors = [isinstance(each, Tensor) for each in args[:2]]
        if all(tensors) and noisy(args[1]) != noisy(args[0]):
            return "additive", args[1] if noisy(args[1]) else args[0], 0 if noisy(args[1]) else 1
        return None
    if name in {"index", "gather", "index_select", "embedding"} and not noisy(args[0]):
        rest = [each for each in tree_leaves(args[1:]) if isinstance(each, Tensor)]
        return ("selected", None, 0) if any(noisy(each) for each in rest) else None
    return None


def _spread(mask: Tensor, x: Tensor) -> Tensor:
    """A mask of the first axes, as one that broadcasts to the data."""
    return mask.reshape(tuple(mask.shape) + (1,) * (x.dim() - mask.dim()))
