"""The single list of methods: documentation, tests, command line and laboratory read it."""

from thinned.methods import (
    alpha,
    drop_block,
    drop_path,
    dropout,
    embedding_dropout,
    gaussian_dropout,
    gaussian_noise,
    layer_drop,
    locked_dropout,
    patch_dropout,
    spatial,
    stochastic_depth,
    stochastic_relu,
    uniform_dropout,
)
from thinned.methods.entry import Entry


def catalogue() -> list[Entry]:
    """Every method, with its row in the table, its paper, and the front ends that have it.

    Example:
        >>> [entry.name for entry in catalogue()][:4]
        ['Dropout', 'Dropout1d', 'Dropout2d', 'Dropout3d']
    """
    return [
        dropout.ENTRY,
        *spatial.ENTRIES,
        *drop_block.ENTRIES,
        *alpha.ENTRIES,
        gaussian_dropout.ENTRY,
        uniform_dropout.ENTRY,
        stochastic_relu.ENTRY,
        gaussian_noise.ENTRY,
        locked_dropout.ENTRY,
        embedding_dropout.ENTRY,
        patch_dropout.ENTRY,
        drop_path.ENTRY,
        stochastic_depth.ENTRY,
        layer_drop.ENTRY,
    ]
