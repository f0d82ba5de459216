"""One thread, a compiler that remembers nothing of the test before, and PyTorch's warnings of itself."""

from pathlib import Path

import pytest
import torch

from tests.torch.torchvision_operators import declare

_TORCHVISION = declare()

OWN = [
    # Its compiler and its forward mode script parts of themselves when they are first used.
    "`torch.jit.script` is deprecated:DeprecationWarning",
    "`torch.jit.script_method` is deprecated:DeprecationWarning",
    # Its compiler looks at inputs that come from another graph.
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed:UserWarning",
]


def pytest_collection_modifyitems(items):
    """No test here fails for what PyTorch says of its own code."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for warning in OWN:
                item.add_marker(pytest.mark.filterwarnings(f"ignore:{warning}"))


@pytest.fixture(autouse=True)
def _fresh_torch():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch._dynamo.reset()
    yield
    torch.set_num_threads(threads)
