"""One thread, and a compiler that remembers nothing of the test before."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _fresh_torch():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch._dynamo.reset()
    yield
    torch.set_num_threads(threads)
