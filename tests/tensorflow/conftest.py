"""TensorFlow says less of itself, and what it warns of in its own code fails no test."""

import os
from pathlib import Path

import pytest

# Read when TensorFlow is imported, which the files beside this one do.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

OWN = [
    # `vectorized_map` and saving look at parts of the standard library that are leaving.
    "ast\\..* is deprecated:DeprecationWarning",
]


def pytest_collection_modifyitems(items):
    """No test here fails for what TensorFlow says of its own code."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for warning in OWN:
                item.add_marker(pytest.mark.filterwarnings(f"ignore:{warning}"))
