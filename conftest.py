"""What is not collected where it cannot run, and a line that says so."""

import importlib.util
import os

# Keras has one backend a process, and whatever imports TensorFlow first would choose it.
os.environ.setdefault("KERAS_BACKEND", "torch")

HAS_MXNET = importlib.util.find_spec("mxnet") is not None

# MXNet 1.9.1 needs NumPy 1.23.5, so it has an environment and a command of its own: `make test-mxnet`.
_MXNET = [
    "src/thinned/mxnet",
    "src/thinned/lab/frameworks/mxnet.py",
    "tests/mxnet",
    "docs/frameworks/mxnet.md",
]
collect_ignore = [] if HAS_MXNET else _MXNET


def pytest_report_header() -> str | None:
    """Name what is left out."""
    return None if HAS_MXNET else "mxnet: not installed here; `make test-mxnet` runs its tests"
