"""Bound models and threads."""

import os
import threading

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import thinned.torch
from tests.subprocesses import python
from thinned.errors import BindError


class Checkpointed(nn.Module):
    """One draw, recomputed in the backward pass by a node that was made without gradients."""

    def __init__(self):
        super().__init__()
        self.drop = thinned.torch.Dropout(0.5)

    def forward(self, x):
        """The layer, under a reentrant checkpoint."""
        return checkpoint(lambda z: self.drop(z * 1), x, use_reentrant=True)


def wrong_gradients(model, steps=20):
    """In how many of a few steps the gradient is not the forward's mask."""
    wrong = 0
    for _ in range(steps):
        x = torch.ones(64, requires_grad=True)
        y = model(x)
        y.sum().backward()
        wrong += not torch.equal(x.grad, y.detach())
    return wrong


class TestThreads:
    """Autograd numbers its nodes anew in each thread, and the system gives out threads' numbers again."""

    def test_one_after_the_other(self):
        """A thread is not taken for one that is gone."""
        model, found = thinned.torch.bind(Checkpointed(), seed=0), []
        for _ in range(4):
            thread = threading.Thread(target=lambda: found.append(wrong_gradients(model)))
            thread.start()
            thread.join()

        assert [0, 0, 0, 0] == found


class TestRefusals:
    """What would be silently wrong is an error."""

    def test_jit_trace(self):
        """A traced graph would keep one step for ever."""
        model = thinned.torch.bind(nn.Sequential(thinned.torch.Dropout(0.5)), seed=0)

        with (
            pytest.warns(DeprecationWarning, match="torch.jit.trace"),
            pytest.raises(BindError, match="freeze its step"),
        ):
            torch.jit.trace(model, torch.ones(8), check_trace=False)

    @pytest.mark.parametrize("address", [torch.tensor([0.0, 1.0]), torch.tensor([1, -5]), torch.tensor([1])])
    def test_an_address_that_was_cast(self, address):
        """A seed that was rounded is another seed."""
        model = thinned.torch.bind(nn.Sequential(thinned.torch.Dropout(0.5)), seed=0)

        with pytest.raises(BindError, match="exact to the last bit"):
            model.load_state_dict({"thinned.address": address})

    def test_a_rate_that_is_a_tensor_is_read_each_time(self):
        """A learned or scheduled rate may change in place."""
        layer = thinned.torch.bind(thinned.torch.Dropout(0.5), seed=0)
        layer.p = torch.tensor(1.0)
        assert 0 == layer(torch.ones(100)).count_nonzero()

        layer.p.fill_(2**-16)
        assert 90 < layer(torch.ones(100)).count_nonzero()


FORK = """
    import os, signal
    import numpy as np
    import torch, thinned.torch
    from thinned.mask import keep
    from thinned.torch._kernel import _TEAM

    torch.set_num_threads(4)
    x = torch.ones(1 << 18)
    expected = keep((1 << 18,), 0.5, seed=3)

    def right():
        y, z = thinned.torch.dropout(x, 0.5, seed=3), thinned.torch.uniform_dropout(x, 0.5, seed=3)
        return np.array_equal(expected, y.numpy() != 0), z.numpy().tobytes()

    before = right()
    assert before[0]
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # threads that are gone are waited for without end
        os._exit(0 if right() == before and not _TEAM.parallel else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert right() == before
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_has_threads_of_its_own():
    """OpenMP's do not survive a fork; what its parent has made ready is run by others."""
    python(FORK)
