"""`drop_connect`: the product with a thinned matrix for each example, against one that is made."""

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

import thinned.torch as tt
from tests.subprocesses import python
from tests.torch.test_memory import saved
from tests.torch.truth import DTYPES, WHERE, mask, name, same
from thinned.errors import DtypeError, ShapeError, ShareError, WindowError
from thinned.mask import threshold
from thinned.mask.rate import scale

TICKET = torch.tensor([1, 2, 3, 4, 30_000])
WINDOWS = {
    "whole": None,
    "start": ((9, 5, 6), (4, 0, 0)),
    "ids": ((9, 5, 6), ([8, 0, 8, 3], 0, 0)),
    "rows and columns": ((4, 9, 10), (0, [7, 1, 3, 2, 0], 4)),
    "ids of columns": ((4, 5, 9), (0, 0, [7, 1, 3, 2, 0, 8])),
}


def made(x, weight, rate, *, share=(), window=None, **address):
    """The same with the thinned weights made, in float64."""
    axes = (len(x), *weight.shape)
    kept = mask(torch.empty(axes), rate, share=share, window=window, **address)
    thinned = torch.where(kept, weight.double() * scale(threshold(rate)), 0)
    return torch.einsum("boi,b...i->b...o", thinned.expand(axes), x.double())


def numbers(*shape, dtype=torch.float64, seed=0):
    """Small integers, whose products and sums are exact at rate 0.5, and need no tolerance."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-4, 5, shape, generator=generator).to(dtype).requires_grad_()


def output_and_gradients(function, x, weight):
    """All that a layer gives."""
    y = function(x, weight)
    gradient = numbers(*y.shape, seed=3).detach().to(y.dtype)
    return [y.detach(), *torch.autograd.grad(y, (x, weight), gradient)]


class TestProduct:
    """In integers, where it has no rounding."""

    @pytest.mark.parametrize("dtype", DTYPES, ids=name)
    @pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
    @pytest.mark.parametrize("middle", [(), (2, 3), (4, 5)], ids=str)
    @pytest.mark.parametrize("traced", [False, True], ids=["integers", "tensors"])
    def test_is_the_made_one(self, dtype, window, middle, traced):
        """Output and gradients, bit for bit, by every path."""
        x, weight = numbers(4, *middle, 6, dtype=dtype), numbers(5, 6, dtype=dtype, seed=1)
        where = {key: torch.tensor(value) if traced else value for key, value in WHERE.items()}

        expected = output_and_gradients(
            lambda x, weight: made(x, weight, 0.5, window=window, **WHERE), x, weight
        )
        found = output_and_gradients(
            lambda x, weight: tt.drop_connect(x, weight, 0.5, window=window, **where), x, weight
        )

        assert all(same(one.to(dtype), two) for one, two in zip(expected, found, strict=True))

    @pytest.mark.parametrize("share", [0, (1,), (0, -1)], ids=str)
    def test_shared_axes(self, share):
        """One mask for the batch, among others."""
        x, weight = numbers(4, 6), numbers(5, 6, seed=1)
        expected = made(x, weight, 0.5, share=share, **WHERE)

        assert torch.equal(expected, tt.drop_connect(x, weight, 0.5, share=share, **WHERE))

    @pytest.mark.parametrize("rate", [0, 1])
    def test_certainties(self, rate):
        """All or nothing, with gradients that are finite."""
        x, weight = numbers(4, 6), numbers(5, 6, seed=1)
        y, dx, dw = output_and_gradients(lambda x, w: tt.drop_connect(x, w, rate, seed=0), x, weight)
        expected = output_and_gradients(torch.nn.functional.linear, x, weight)

        assert all(torch.equal(one * (1 - rate), two) for one, two in zip(expected, (y, dx, dw), strict=True))

    @pytest.mark.parametrize("shape", [(0, 6), (4, 0), (4, 0, 6)])
    def test_empty(self, shape):
        """No rows, no columns, no positions."""
        x, weight = torch.ones(shape, requires_grad=True), torch.ones(5, shape[-1], requires_grad=True)
        y = tt.drop_connect(x, weight, 0.5, seed=0)
        y.sum().backward()

        assert torch.equal(torch.zeros(*shape[:-1], 5), y)
        assert not weight.grad.any()

    def test_strides(self):
        """Of neither matter."""
        x, weight = numbers(6, 4).detach().t(), numbers(6, 5, seed=1).detach().t()

        assert torch.equal(made(x, weight, 0.5, **WHERE), tt.drop_connect(x, weight, 0.5, **WHERE))

    def test_twice_differentiated(self):
        """PyTorch's own check, of first and second derivatives, and in batches."""
        x, weight = (
            torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((3, 4), (2, 4))
        )

        def function(x, weight):
            return tt.drop_connect(x, weight, 0.3, seed=1)

        assert torch.autograd.gradcheck(function, (x, weight), check_batched_grad=True)
        assert torch.autograd.gradgradcheck(function, (x, weight))

    def test_transformations(self):
        """`vmap` of an unbatched address is one mask for all lanes; `jvp` is linear."""
        x, weight = numbers(2, 4, 6).detach(), numbers(5, 6, seed=1).detach()

        def function(x):
            return tt.drop_connect(x, weight, 0.5, **WHERE)

        each = torch.stack([function(lane) for lane in x])
        assert torch.equal(each, torch.func.vmap(function)(x))
        assert torch.equal(each[1], torch.func.jvp(function, (x[0],), (x[1],))[1])

    def test_compiled(self):
        """The same bits, at all steps by one graph."""
        x, weight = torch.randn(4, 3, 70, requires_grad=True), torch.randn(5, 70, requires_grad=True)
        counter = CompileCounterWithBackend("aot_eager")

        def function(x, weight, step):
            return tt.drop_connect(x, weight, 0.3, seed=1, step=step)

        compiled = torch.compile(function, backend=counter, fullgraph=True)
        for number in range(4):
            step = torch.tensor(number)
            expected = output_and_gradients(lambda x, w, s=number: function(x, w, s), x, weight)
            found = output_and_gradients(lambda x, w, s=step: compiled(x, w, s), x, weight)

            assert all(map(torch.equal, expected, found))
        assert 1 == counter.frame_count


class TestOperator:
    """`thinned::connect` and `thinned::connect_gradients`."""

    @pytest.mark.parametrize("window", [([], []), ([9, 5, 6], [4, 0, 0])], ids=["whole", "start"])
    def test_opcheck(self, window):
        """PyTorch's own check of schema, fake tensors, autograd and tracing."""
        x, weight = torch.randn(4, 3, 6, requires_grad=True), torch.randn(5, 6, requires_grad=True)
        torch.library.opcheck(torch.ops.thinned.connect.default, (x, weight, TICKET, *window))
        inputs = (torch.randn(4, 3, 5), x.detach(), weight.detach(), TICKET, *window)
        torch.library.opcheck(torch.ops.thinned.connect_gradients.default, inputs)


class TestRefusals:
    """What no product has."""

    def test_shapes(self):
        """Axes that do not meet, or are not there."""
        for x, weight in ((torch.ones(4, 6), torch.ones(5, 7)), (torch.ones(6), torch.ones(5, 6))):
            with pytest.raises(ShapeError, match=r"axes \(batch, ..., in\) and weight with axes \(out, in\)"):
                tt.drop_connect(x, weight, 0.5, seed=0)

    def test_dtypes(self):
        """Integers, and two at a time."""
        with pytest.raises(DtypeError, match="float32"):
            tt.drop_connect(torch.ones(4, 6, dtype=int), torch.ones(5, 6), 0.5, seed=0)
        with pytest.raises(DtypeError, match="of one dtype"):
            tt.drop_connect(torch.ones(4, 6), torch.ones(5, 6, dtype=torch.float64), 0.5, seed=0)

    def test_places(self):
        """Windows of two axes, axes that are not there."""
        x, weight = torch.ones(4, 6), torch.ones(5, 6)
        with pytest.raises(WindowError):
            tt.drop_connect(x, weight, 0.5, seed=0, window=((9, 6), (0, 0)))
        with pytest.raises(ShareError):
            tt.drop_connect(x, weight, 0.5, seed=0, share=3)


class TestMemory:
    """No weight is made for an example."""

    def test_saves_its_inputs(self):
        """And nothing else, as every product does."""
        x, weight = torch.randn(4, 6, requires_grad=True), torch.randn(5, 6, requires_grad=True)

        assert [24, 30] == saved(lambda: tt.drop_connect(x, weight, 0.5, seed=0))

    def test_forward_and_backward_take_a_hundredth(self):
        """At 256 x 784 -> 256, where the weights of all examples are 196 MiB."""
        python("""
            import resource, torch, thinned.torch as tt
            torch.set_num_threads(2)

            def peak():
                return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

            weight = torch.ones(256, 784, requires_grad=True)
            def step(size):
                x = torch.ones(size, 784, requires_grad=True)
                tt.drop_connect(x, weight, 0.5, seed=0).sum().backward()

            step(1)
            step(64)
            before = peak()
            step(256)
            assert peak() - before < 1.96, peak() - before
        """)
