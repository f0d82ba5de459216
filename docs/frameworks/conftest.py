"""Keras 3.15 asks PyTorch's tensors for arrays in a way that NumPy 2 warns of."""

import pytest


def pytest_collection_modifyitems(items):
    """Let that warning be, in the one guide that meets it."""
    for item in items:
        if item.path.name == "keras.md":
            item.add_marker(
                pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
            )
