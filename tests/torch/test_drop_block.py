"""`drop_block`: the truth's masks, each sample's own scale, one operation for every way of running it."""

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch.autograd import forward_ad
from torch.func import grad, jvp, vjp, vmap
from torch.utils.checkpoint import checkpoint

import thinned.torch as tt
from tests.torch.test_memory import saved
from tests.torch.truth import DTYPES, WHERE, name, odd_values, same
from thinned.errors import DtypeError, RateError, ShapeError, ShareError, WindowError
from thinned.methods.drop_block import keep, plan
from thinned.torch._blocks import plain

SHAPES = {
    "plane": ((3, 4, 9, 7), 3),
    "even": ((2, 5, 7, 8), 4),
    "larger than the map": ((4, 2, 3, 3), 7),
    "oblong": ((3, 2, 12, 5), (1, 5)),
    "length": ((3, 4, 70), 5),
    "volume": ((2, 3, 4, 5, 6), (2, 3, 9)),
}
WINDOWS = {"whole": None, "start": ((9, 4, 9, 7), (6, 0, 0, 0)), "ids": ((9, 4, 9, 7), ([8, 0, 8], 0, 0, 0))}
SHAPE, SIZE, RATE = (3, 4, 9, 7), 3, 0.3


def truth(x, rate, size, **where):
    """`y = x m n / sum(m)`, multiplied in float32, or float64, and rounded once."""
    mask = torch.from_numpy(keep(tuple(x.shape), rate, size, **where)).expand(x.shape)
    exact = torch.float64 if x.dtype == torch.float64 else torch.float32
    scale = [mask[0].numel() / kept if kept else 0.0 for kept in mask.flatten(1).sum(1).tolist()]
    scale = torch.tensor(scale, dtype=exact).reshape(-1, *[1] * (x.dim() - 1))
    return torch.where(mask, x.detach().to(exact) * scale, 0).to(x.dtype)


def traced(where):
    """An address as tensors, which takes the registered operator."""
    return {key: torch.tensor(value) for key, value in where.items()}


class TestTruth:
    """Forward and backward, bit for bit."""

    @pytest.mark.parametrize(("shape", "size"), SHAPES.values(), ids=SHAPES)
    @pytest.mark.parametrize("rate", [0.0, 0.1, 0.6, 1.0])
    @pytest.mark.parametrize("share", [(), 1, (0, 1)], ids=str)
    def test_every_way(self, shape, size, rate, share):
        """The kernel, the registered operator, and plain tensor operations."""
        x, g = odd_values(shape, torch.float32), odd_values(shape, torch.float32, seed=1)
        for where in (WHERE, traced(WHERE)):
            leaf = x.clone().requires_grad_()
            y = tt.drop_block(leaf, rate, size, share=share, **where)
            y.backward(g)
            assert same(truth(x, rate, size, share=share, **WHERE), y)
            assert same(truth(g, rate, size, share=share, **WHERE), leaf.grad)

        how = plan(shape, rate, size, share)
        assert same(truth(x, rate, size, share=share, **WHERE), plain(x, how, tuple(WHERE.values())))

    @pytest.mark.parametrize("dtype", DTYPES, ids=name)
    @pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
    def test_types_and_windows(self, dtype, window):
        """Dropped NaN and infinities are +0, kept ones stay."""
        x = odd_values(SHAPE, dtype)
        expected = truth(x, RATE, SIZE, window=window, **WHERE)

        assert same(expected, tt.drop_block(x, RATE, SIZE, window=window, **WHERE))
        assert same(expected, tt.drop_block(x, RATE, SIZE, window=window, **traced(WHERE)))
        how = plan(SHAPE, RATE, SIZE, (), window)
        assert same(expected, plain(x, how, tuple(WHERE.values())))

    def test_a_start_that_is_a_tensor(self):
        """Is a window as well."""
        x = torch.randn(SHAPE)
        expected = tt.drop_block(x, RATE, SIZE, seed=1, window=((9, 4, 9, 7), (6, 0, 0, 0)))

        for start in (torch.tensor(6), torch.tensor([6, 7, 8])):
            window = ((9, 4, 9, 7), (start, 0, 0, 0))
            assert same(expected, tt.drop_block(x, RATE, SIZE, seed=1, window=window))

    @pytest.mark.parametrize("view", ["transposed", "channels last", "expanded", "sliced"])
    def test_strides(self, view):
        """Of any kind; the memory format stays."""
        x = {
            "transposed": lambda: torch.randn(3, 4, 7, 9).transpose(2, 3),
            "channels last": lambda: torch.randn(SHAPE).contiguous(memory_format=torch.channels_last),
            "expanded": lambda: torch.randn(3, 1, 9, 7).expand(SHAPE),
            "sliced": lambda: torch.randn(3, 4, 9, 15)[..., 1::2],
        }[view]()
        y = tt.drop_block(x, RATE, SIZE, **WHERE)

        assert same(truth(x, RATE, SIZE, **WHERE), y)
        assert torch.empty_like(x).stride() == y.stride()

    def test_batches_of_nothing(self):
        """Empty in, empty out."""
        for shape in ((0, 4, 9, 7), (3, 0, 9, 7), (3, 4, 0, 7)):
            x = torch.empty(shape, requires_grad=True)
            y = tt.drop_block(x, RATE, SIZE, **WHERE)
            y.sum().backward()
            assert y.shape == x.grad.shape == shape
            assert tt.drop_block(x, RATE, SIZE, **traced(WHERE)).shape == shape
            assert plain(x, plan(shape, RATE, SIZE), (1, 2, 3, 4)).shape == shape


class TestSamples:
    """Each is scaled by what it keeps itself."""

    def test_the_mean_of_ones_stays(self):
        """In every sample of which something is kept."""
        y = tt.drop_block(torch.ones(50, 4, 8, 8, dtype=torch.float64), 0.5, 5, seed=1)

        torch.testing.assert_close(y.mean(dim=(1, 2, 3)), torch.ones(50, dtype=torch.float64))

    def test_the_rest_of_the_batch_has_no_say(self):
        """The others may hold anything, or not be there."""
        x = torch.randn(6, 4, 8, 8)
        other = torch.full_like(x, torch.nan)
        other[2] = x[2]
        whole = tt.drop_block(x, 0.5, 5, seed=1)
        alone = tt.drop_block(x[2:3], 0.5, 5, seed=1, window=((6, 4, 8, 8), (2, 0, 0, 0)))

        assert torch.equal(whole[2], tt.drop_block(other, 0.5, 5, seed=1)[2])
        assert torch.equal(whole[2:3], alone)

    def test_one_of_which_nothing_is_kept(self):
        """Is 0, and so is its gradient, beside others that keep something."""
        x = torch.randn(64, 1, 2, 2, requires_grad=True)
        y = tt.drop_block(x, 0.7, 3, seed=1)
        y.sum().backward()
        nothing = ~torch.from_numpy(keep((64, 1, 2, 2), 0.7, 3, seed=1)).flatten(1).any(1)

        assert 0 < int(nothing.sum()) < 64
        assert not y[nothing].any()
        assert not x.grad[nothing].any()
        assert bool(x.grad.isfinite().all())

    @pytest.mark.parametrize("rate", [0.0, 1.0])
    def test_certainties(self, rate):
        """All or nothing, exactly, and so the gradient."""
        x = torch.randn(SHAPE, requires_grad=True)
        y = tt.drop_block(x, rate, SIZE, seed=1)
        y.sum().backward()

        assert torch.equal(x * (1 - rate), y)
        assert torch.equal(torch.full_like(x, 1 - rate), x.grad)

    def test_half_precision_counts_exactly(self):
        """More kept elements than float16 can count, 65504."""
        y = tt.drop_block(torch.ones(1, 8, 128, 128, dtype=torch.float16), 0.1, 7, seed=1)
        kept = float((y > 0).double().mean())

        assert {0.0, float(torch.tensor(1 / kept).half())} == set(y.unique().tolist())


class TestTransforms:
    """Derivatives and `vmap`."""

    @pytest.mark.parametrize("seed", [3, torch.tensor(3)], ids=["constant", "tensor"])
    def test_gradcheck(self, seed):
        """First and second derivatives, backward, forward, and batched."""
        x = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)

        def call(x):
            return tt.drop_block(x**2, RATE, SIZE, seed=seed)

        assert torch.autograd.gradcheck(call, x, check_batched_grad=True)
        assert torch.autograd.gradgradcheck(call, x)

    @pytest.mark.parametrize("seed", [3, torch.tensor(3)], ids=["constant", "tensor"])
    def test_linear(self, seed):
        """A tangent and a gradient are treated as the input is."""
        x, t = torch.randn(2, *SHAPE)

        def call(x):
            return tt.drop_block(x, RATE, SIZE, seed=seed)

        expected = truth(t, RATE, SIZE, seed=3)
        assert torch.equal(expected, jvp(call, (x,), (t,))[1])
        assert torch.equal(expected, vjp(call, x)[1](t)[0])
        assert torch.equal(expected, grad(lambda x: (call(x) * t).sum())(x))
        with forward_ad.dual_level():
            assert torch.equal(expected, forward_ad.unpack_dual(call(forward_ad.make_dual(x, t))).tangent)

    def test_vmap(self):
        """Over inputs one mask, over seeds and rates one each; inside `grad` too."""
        x, rates, seeds = torch.randn(4, *SHAPE), torch.tensor([0.0, 0.25, 0.5, 1.0]), torch.arange(4)
        inputs = torch.stack([tt.drop_block(lane, RATE, SIZE, seed=1) for lane in x])
        by_rate = torch.stack([tt.drop_block(x[0], float(rate), SIZE, seed=1) for rate in rates])
        by_seed = torch.stack([tt.drop_block(x[0], RATE, SIZE, seed=seed) for seed in range(4)])

        assert torch.equal(inputs, vmap(lambda v: tt.drop_block(v, RATE, SIZE, seed=1))(x))
        assert torch.equal(by_rate, vmap(lambda r: tt.drop_block(x[0], r, SIZE, seed=1))(rates))
        assert torch.equal(by_seed, vmap(lambda s: tt.drop_block(x[0], RATE, SIZE, seed=s))(seeds))
        each = vmap(grad(lambda v, s: tt.drop_block(v, RATE, SIZE, seed=s).square().sum()))(x, seeds)
        twice = [tt.drop_block(v, RATE, SIZE, seed=s) for s, v in enumerate(x)]
        again = [tt.drop_block(2 * v, RATE, SIZE, seed=s) for s, v in enumerate(twice)]
        assert torch.equal(torch.stack(again), each)

    @pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
    def test_many_gradients_of_one_output(self, window):
        """`vmap` over the gradients of an eager call finds its address again."""
        x, gradients = torch.randn(SHAPE, requires_grad=True), torch.randn(2, *SHAPE)
        y = tt.drop_block(x, RATE, SIZE, share=1, window=window, **WHERE)
        found = vmap(lambda g: torch.autograd.grad(y, x, g, retain_graph=True)[0])(gradients)

        for expected, actual in zip(gradients, found, strict=True):
            assert same(truth(expected, RATE, SIZE, share=1, window=window, **WHERE), actual)

    def test_opcheck(self):
        """PyTorch's own check of schema, fake tensors, autograd and tracing."""
        x = torch.randn(SHAPE, requires_grad=True)
        at, rate = torch.tensor([1, 2, 3, 4]), torch.tensor(RATE, dtype=torch.float64)

        for window in ((0, 0), (9, 6)):
            torch.library.opcheck(
                torch.ops.thinned.drop_block.default, (x, at, rate, [SIZE, SIZE], [1], *window)
            )

    def test_checkpoint(self):
        """An address repeats without any generator."""
        x = torch.randn(SHAPE, requires_grad=True)

        def call(x):
            return tt.drop_block(x.sin(), RATE, SIZE, seed=1).square()

        one = torch.autograd.grad(call(x).sum(), x)[0]
        y = checkpoint(call, x, use_reentrant=False, preserve_rng_state=False)
        assert torch.equal(one, torch.autograd.grad(y.sum(), x)[0])


class TestMemory:
    """What is kept for backward."""

    def test_nothing(self):
        """But the address: no tensor in eager mode, five numbers by the operator."""
        x = torch.randn(SHAPE, requires_grad=True)

        assert [] == saved(lambda: tt.drop_block(x, RATE, SIZE, seed=0))
        assert [4, 1] == saved(lambda: tt.drop_block(x, RATE, SIZE, seed=torch.tensor(0)))


class TestCompile:
    """`torch.compile`."""

    @pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
    @pytest.mark.parametrize("dynamic", [False, True])
    def test_steps_and_rates_that_move(self, backend, dynamic):
        """Tensors of a step and a rate compile once."""
        counter = CompileCounterWithBackend(backend)

        @torch.compile(fullgraph=True, backend=counter, dynamic=dynamic)
        def call(x, step, rate):
            return tt.drop_block(x * 1, rate, SIZE, seed=3, site="a", step=step)

        x = torch.randn(SHAPE, requires_grad=True)
        for step in range(6):
            rate = step / 8
            y = call(x, torch.tensor(step), torch.tensor(rate))
            (gradient,) = torch.autograd.grad(y, x, x.detach())
            expected = truth(x, rate, SIZE, seed=3, site="a", step=step)
            assert same(expected, y)
            assert same(expected, gradient)
        assert 1 == counter.frame_count

    def test_a_number_that_moves(self):
        """The second rate, and the second step, make it data; both are exact."""
        counter = CompileCounterWithBackend("aot_eager")
        call = torch.compile(
            lambda x, step, rate: tt.drop_block(x, rate, SIZE, seed=3, step=step),
            fullgraph=True,
            backend=counter,
        )
        x = torch.randn(SHAPE)
        for turn in range(12):
            step, rate = turn + 2, 0.1 + turn / 17
            assert same(truth(x, rate, SIZE, seed=3, step=step), call(x, step, rate))
        assert counter.frame_count <= 3

    def test_windows(self):
        """Of stretches and of ids."""
        call = torch.compile(tt.drop_block, fullgraph=True, backend="aot_eager")
        x = torch.randn(SHAPE)
        for window in (None, WINDOWS["start"], ((9, 4, 9, 7), (torch.tensor([8, 0, 8]), 0, 0, 0))):
            expected = truth(x, RATE, SIZE, window=window, **WHERE)
            assert same(expected, call(x, RATE, SIZE, window=window, **WHERE))


class TestErrors:
    """Each says what, where, and what to do; traced calls say the same."""

    @pytest.mark.parametrize("seed", [3, torch.tensor(3)], ids=["constant", "tensor"])
    @pytest.mark.parametrize(
        ("error", "words", "change"),
        [
            (RateError, "expected a rate in", {"rate": 1.5}),
            (RateError, "expected a rate in", {"rate": float("nan")}),
            (RateError, "rounds to 0", {"rate": 1e-9}),
            (ShapeError, "expected block_size", {"block_size": 0}),
            (ShapeError, "expected block_size", {"block_size": (3, 3, 3)}),
            (ShapeError, "axes of positions", {"x": torch.ones(3, 4)}),
            (ShareError, "axes 0 .batch. or 1 .channel.", {"share": 2}),
            (WindowError, "batch alone", {"window": ((3, 4, 10, 7), (0, 0, 1, 0))}),
            (DtypeError, "float32", {"x": torch.ones(SHAPE, dtype=torch.int64)}),
        ],
    )
    def test_wrong_arguments(self, seed, error, words, change):
        """One at a time."""
        arguments = {"x": torch.ones(SHAPE), "rate": RATE, "block_size": SIZE, "seed": seed, **change}
        with pytest.raises(error, match=words):
            tt.drop_block(**arguments)

    @pytest.mark.parametrize("rate", [torch.tensor([0.1, 0.2]), torch.tensor(True)])
    def test_tensors_that_are_no_rate(self, rate):
        """One number is."""
        with pytest.raises(RateError, match="one number"):
            tt.drop_block(torch.ones(SHAPE), rate, SIZE, seed=0)

    def test_traced_rates_are_clamped(self):
        """As everywhere in the law; NaN drops everything and is seen."""
        x = torch.randn(SHAPE)

        assert torch.equal(x, tt.drop_block(x, torch.tensor(-1.0), SIZE, seed=0))
        # Blocks could be more seldom, but a rate is a multiple of 1/65536, traced or scheduled.
        many, rate = torch.ones(1, 1, 1024, 1024), 0.4 / 65536
        assert torch.equal(many, tt.drop_block(many, torch.tensor(rate), 1, seed=0))
        assert not torch.equal(many, tt.drop_block(many, torch.tensor(1.4 / 65536), 1, seed=0))
        assert not tt.drop_block(x, torch.tensor(2.0), SIZE, seed=0).any()
        assert not tt.drop_block(x, torch.tensor(torch.nan), SIZE, seed=0).any()
