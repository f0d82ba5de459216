"""Follows data through operations: where it came from, and where it goes."""

from collections.abc import Callable, Iterator

from thinned.diagnosis.graph import Drop, Node
from thinned.diagnosis.operators import ACTIVATIONS, CONVOLUTIONS, VIEWS, WEIGHTED

LOSSES = {
    "_log_softmax", "_softmax", "softmax", "log_softmax", "sigmoid", "nll_loss_forward", "nll_loss", "mse_loss",
    "cross_entropy_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "nll_loss2d_forward",
    "log_sigmoid_forward", "nll_loss_nd",
}  # fmt: skip
"""What is made of logits."""


SCORED = {"_softmax", "_safe_softmax", "softmax"}
"""What attention makes its weights with."""


def is_scored(node: Node) -> bool:
    """Whether a score stays a score: scaled, seen otherwise, masked, or with a bias that is no activation."""
    alone = sum(parent.data == 2 for parent in node.parents) == 1
    return is_view(node) or (alone and node.op in {"add", "masked_fill", "where"})


def is_view(node: Node) -> bool:
    """Whether the same numbers come out, or these times a constant."""
    return node.op in VIEWS or node.number is not None


def is_pointwise(node: Node) -> bool:
    """Whether each element goes its own way."""
    return is_view(node) or node.op in ACTIVATIONS


def has_weights(node: Node) -> bool:
    """Whether it mixes units by weights."""
    return node.op in WEIGHTED or node.op in CONVOLUTIONS or node.op in {"mkldnn_rnn_layer", "embedding"}


def sources(node: Node, through: Callable[[Node], bool]) -> list[Node]:
    """Where data comes from, seen back through the operations that `through` lets pass."""
    ends, stack, seen = [], [node], set()
    while stack:
        each = stack.pop()
        if each in seen:
            continue
        seen.add(each)
        if through(each):
            stack.extend(parent for parent in each.parents if parent.data == 2)
        else:
            ends.append(each)
    return ends


def following(node: Node) -> Iterator[Node]:
    """Everything in the forward pass that was made of it, in no order."""
    stack, seen = [node], set()
    while stack:
        for child in stack.pop().children:
            if child not in seen and not child.backward:
                seen.add(child)
                stack.append(child)
                yield child


def leads_to(node: Node, ends: set[Node], through: Callable[[Node], bool]) -> list[Node] | None:
    """The operations of one way from here to any of these ends by what `through` lets pass; None without one."""
    stack: list[tuple[Node, list[Node]]] = [(node, [])]
    seen = set()
    while stack:
        each, way = stack.pop()
        if each in ends:
            return way
        for child in each.children:
            if child not in seen and not child.backward and (through(child) or child in ends):
                seen.add(child)
                stack.append((child, [*way, child]))
    return None


def is_last(drop: Drop) -> bool:
    """Whether no weights come after it."""
    return not any(has_weights(each) for each in following(drop.node))


def origin(drop: Drop) -> set[str]:
    """The operators that what is dropped comes from, seen back through pointwise ones."""
    return {each.op for each in sources(drop.x, is_pointwise)}
