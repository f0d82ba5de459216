"""Nothing is kept for backward but the address."""

import sys

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

import thinned.torch as tt
from tests.subprocesses import python


def saved(function, *inputs):
    """The number of elements of every tensor that a call saves for backward."""
    sizes = []
    with saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
        function(*inputs)
    return sizes


@pytest.fixture
def x():
    """Large enough that a mask would show."""
    return torch.randn(1000, requires_grad=True)


class TestSaved:
    """Seen through PyTorch's own hooks."""

    def test_nothing(self, x):
        """By dropout, free, bound or at an address."""
        model = tt.bind(torch.nn.Sequential(tt.Dropout(0.5)), seed=0)

        assert saved(lambda: tt.dropout(x, 0.5, seed=0)) == []
        assert saved(lambda: tt.Dropout(0.5)(x)) == []
        assert saved(lambda: tt.Dropout(0.5, inplace=True)(x * 1)) == []
        assert saved(model, x) == []
        assert saved(lambda: tt.dropout_add(x, x, 0.5, seed=0)) == []

    def test_the_hooks_can_see(self, x):
        """PyTorch's own dropout saves as many elements as it has, twice or once."""
        assert 1000 in saved(lambda: torch.nn.functional.dropout(x, 0.5))

    def test_five_numbers(self, x):
        """By the registered operator: its ticket."""
        assert [5] == saved(lambda: tt.dropout(x, 0.5, seed=torch.tensor(0)))

    def test_the_output(self, x):
        """By relu and dropout as one: its output, which is alive anyway."""
        kept = []
        with saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
            y = tt.relu_dropout(x, 0.5, seed=0)

        assert [y.data_ptr()] == [t.data_ptr() for t in kept]

    def test_twice_differentiated(self, x):
        """A graph of a graph holds no masks either."""
        y = tt.dropout(x, 0.5, seed=0)
        sizes = saved(lambda: torch.autograd.grad(y.sum(), x, create_graph=True))

        assert max(sizes, default=0) <= 5


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
class TestProcess:
    """Seen from outside."""

    def test_grows_by_the_outputs(self):
        """Sixteen layers on 32 MiB: 512 MiB of outputs, and less than one more output of anything else."""
        python("""
            import torch, thinned.torch as tt
            torch.set_num_threads(1)

            def resident():
                for line in open("/proc/self/status"):
                    if line.startswith("VmRSS"):
                        return int(line.split()[1]) / 1024

            x = torch.ones(8 << 20, requires_grad=True)
            tt.dropout(x, 0.5, seed=0).sum().backward()
            x.grad = None
            before = resident()
            outputs = [tt.dropout(x, 0.5, seed=turn) for turn in range(16)]
            grown = resident() - before
            assert 500 < grown < 512 + 24, grown
        """)
