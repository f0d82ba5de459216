"""What is not collected where it cannot run, and a line that says so."""

import importlib.util
import os

# Keras has one backend a process, and whatever imports TensorFlow first would choose it.
os.environ.setdefault("KERAS_BACKEND", "torch")

HAS_MXNET = importlib.util.find_spec("mxnet") is not None

# MXNet 1.9.1 needs NumPy 1.23.5, so it has an environment and a command of its own: `make test-mxnet`.
_MXNET = [
    "src/thinned/mxnet",
    "src/thinned/conformance/adapters/mxnet.py",
    "src/thinned/lab/frameworks/mxnet.py",
    "tests/mxnet",
    "docs/frameworks/mxnet.md",
]
HAS_TRITON = importlib.util.find_spec("triton") is not None

# Triton comes with PyTorch's builds for GPUs; `make test-gpu` brings it to a machine without one.
_TRITON = ["src/thinned/kernels/gpu.py", "tests/kernels/test_gpu.py"]
collect_ignore = ([] if HAS_MXNET else _MXNET) + ([] if HAS_TRITON else _TRITON)


def pytest_report_header() -> list[str]:
    """Name what is left out."""
    found = [] if HAS_MXNET else ["mxnet: not installed here; `make test-mxnet` runs its tests"]
    return found if HAS_TRITON else [*found, "triton: not installed here; `make test-gpu` runs its tests"]
