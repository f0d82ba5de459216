"""The single list of methods: documentation, tests, command line and laboratory read it."""

from thinned.methods import dropout, spatial
from thinned.methods.entry import Entry


def catalogue() -> list[Entry]:
    """Every method, with its row in the table, its paper, and the front ends that have it.

    Example:
        >>> [entry.name for entry in catalogue()]
        ['Dropout', 'Dropout1d', 'Dropout2d', 'Dropout3d']
    """
    return [dropout.ENTRY, *spatial.ENTRIES]
