"""DropKey: keys that a query cannot see, chosen before the softmax."""

from typing import SupportsFloat

from thinned.mask.rate import quantise
from thinned.methods.entry import Entry, Paper, Row


def chance_kept(keys: int, rate: SupportsFloat) -> float:
    """The chance that a query sees a key: `1 - q + q^n`, with `n` keys allowed to it and the quantised rate `q`.

    A query that would lose all its keys loses none; that is the last term.

    Args:
        keys: how many the query is allowed, n.
        rate: probability of dropping, a constant in [0, 1].

    Raises:
        RateError: a rate that no threshold stands for.

    Example:
        >>> chance_kept(2, 0.5), chance_kept(1, 0.5)
        (0.75, 1.0)
    """
    q = quantise(rate)
    return 1 - q + q**keys


ENTRY = Entry(
    name="DropKey",
    row=Row(
        "attention logits",
        "Bernoulli(rate)",
        sharing="none",
        correction="none; the softmax normalises what is left",
    ),
    paper=Paper(
        "Li, Hu, Nie, Han, Jiang, Guo, Liu",
        "DropKey for Vision Transformer",
        2023,
        "https://arxiv.org/abs/2208.02646",
    ),
    layers=("torch.DropKey", "flax.DropKey", "flax.linen.DropKey", "keras.layers.DropKey"),
    shape=(4, 8, 5, 5),
    note="attention that holds it: as AttentionDropout",
    cost="four passes over memory",
)
