"""Keras has one backend a process: PyTorch here, unless it was told; `test_backends.py` runs the others."""

import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_collection_modifyitems(items):
    """Keras 3.15 asks PyTorch's tensors for arrays in a way that NumPy 2 warns of."""
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(
                pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
            )


@pytest.fixture(autouse=True)
def _fresh():
    """Names that Keras makes up begin anew; draws are the same in whatever order tests run."""
    import keras

    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
