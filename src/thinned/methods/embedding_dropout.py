"""Embedding dropout: whole rows of an embedding matrix, the types of words, wherever they occur."""

from typing import Any

from thinned.mask.sharing import Window
from thinned.methods.dropout import moments
from thinned.methods.entry import Entry, Paper, Row


def rows_window(words: int, width: int, ids: Any) -> Window:
    """Where looked-up rows lie in the mask of a matrix: each row has one draw, at its own index.

    Args:
        words: rows of the matrix.
        width: columns, which share a draw.
        ids: the global row of each local one: an array of integers, axis (row).

    Example:
        >>> rows_window(1000, 16, [7, 3, 7])
        ((1000, 16), ([7, 3, 7], 0))
    """
    return (words, width), (ids, 0)


ENTRY = Entry(
    name="EmbeddingDropout",
    row=Row("weights", "Bernoulli(rate)", sharing="row", correction="inverted scale"),
    paper=Paper(
        "Gal, Ghahramani",
        "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks",
        2016,
        "https://arxiv.org/abs/1512.05287",
    ),
    layers=(
        "torch.EmbeddingDropout",
        "flax.EmbeddingDropout",
        "flax.linen.EmbeddingDropout",
        "keras.layers.EmbeddingDropout",
    ),
    example="100, 16, p=0.5",
    shape=(8, 5),
    cost="one pass over the rows that are looked up",
    moments=moments,
)
