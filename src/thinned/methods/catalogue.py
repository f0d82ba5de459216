"""The single list of methods: documentation, tests, command line and laboratory read it."""

from thinned.methods import (
    drop_path,
    dropout,
    embedding_dropout,
    layer_drop,
    locked_dropout,
    patch_dropout,
    spatial,
    stochastic_depth,
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
        locked_dropout.ENTRY,
        embedding_dropout.ENTRY,
        patch_dropout.ENTRY,
        drop_path.ENTRY,
        stochastic_depth.ENTRY,
        layer_drop.ENTRY,
    ]
