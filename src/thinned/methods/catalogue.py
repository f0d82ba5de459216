"""The single list of methods: documentation, tests, command line and laboratory read it."""

from thinned.methods import (
    alpha,
    attention_dropout,
    batch_dropout,
    concrete_dropout,
    drop_block,
    drop_key,
    drop_path,
    dropconnect,
    dropout,
    embedding_dropout,
    gaussian_dropout,
    gaussian_noise,
    layer_drop,
    locked_dropout,
    max_norm,
    mixout,
    patch_dropout,
    r_drop,
    spatial,
    stochastic_depth,
    stochastic_relu,
    uniform_dropout,
    weight_drop,
    zoneout,
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
        *alpha.ENTRIES,
        gaussian_dropout.ENTRY,
        uniform_dropout.ENTRY,
        stochastic_relu.ENTRY,
        gaussian_noise.ENTRY,
        *drop_block.ENTRIES,
        locked_dropout.ENTRY,
        batch_dropout.ENTRY,
        *dropconnect.ENTRIES,
        weight_drop.ENTRY,
        mixout.ENTRY,
        embedding_dropout.ENTRY,
        patch_dropout.ENTRY,
        drop_path.ENTRY,
        stochastic_depth.ENTRY,
        layer_drop.ENTRY,
        zoneout.ENTRY,
        *attention_dropout.ENTRIES,
        drop_key.ENTRY,
        r_drop.ENTRY,
        concrete_dropout.ENTRY,
        max_norm.ENTRY,
    ]
