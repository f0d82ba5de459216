"""What a layer changes besides its output."""

from typing import Any


def changes_state(layer: Any) -> bool:
    """Whether a layer, or one in it, may write to a variable or add to the loss as it is called.

    Statistics and random generators are such variables; the generators of our own layers are not, while a binding
    gives them their addresses.
    """
    inside = list(layer._flatten_layers())
    idle = [
        id(each.seed_generator.state)
        for each in inside
        if hasattr(type(each), "is_thinned") and each._binding is not None
    ]
    writes = any(id(variable) not in idle for variable in layer.non_trainable_variables)
    return writes or any(each.activity_regularizer is not None for each in inside)
