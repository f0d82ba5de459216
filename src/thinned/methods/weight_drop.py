"""WeightDrop: DropConnect on the weights between hidden states of a recurrent network, once a sequence."""

from collections.abc import Iterable, Sequence

from thinned.errors import ConfigurationError
from thinned.methods.dropout import moments
from thinned.methods.entry import Entry, Paper, Row

__all__ = ["ENTRY", "moments", "recurrent_weights"]


def recurrent_weights(names: Sequence[str], chosen: Iterable[str] | None = None) -> tuple[str, ...]:
    """The names of the weights that are dropped: by default those from one hidden state to the next.

    Args:
        names: of the network's parameters.
        chosen: names among them, or one name; None is all `weight_hh_*`, of each layer and direction.

    Raises:
        ConfigurationError: a name that is not there, or none.

    Example:
        >>> recurrent_weights(["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"])
        ('weight_hh_l0',)
    """
    if chosen is None:
        chosen = (name for name in names if name.startswith("weight_hh_"))
    found = tuple(dict.fromkeys([chosen] if isinstance(chosen, str) else chosen))
    missing = [name for name in found if name not in names]
    if missing or not found:
        raise ConfigurationError(
            f"expected weights among {', '.join(names)}; got {', '.join(map(repr, missing)) or 'none'}."
        )
    return found


ENTRY = Entry(
    name="WeightDrop",
    row=Row("weights", "Bernoulli(rate)", sharing="batch and time", correction="inverted scale"),
    paper=Paper(
        "Merity, Keskar, Socher",
        "Regularizing and Optimizing LSTM Language Models",
        2018,
        "https://arxiv.org/abs/1708.02182",
    ),
    layers=("torch.WeightDrop", "jax.weight_drop", "keras.layers.WeightDrop"),
    note="in Flax, `jax.weight_drop` of a tree of parameters",
    example="nn.LSTM(16, 12), 0.5",
    shape=(5, 8, 16),
    cost="one pass over the recurrent weights",
    moments=moments,
)
"""The moments are those of each weight."""
