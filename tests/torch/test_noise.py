"""Alpha, Gaussian and uniform dropout and noise as pure functions: the law's draws, eager, traced, transformed."""

import math

import pytest
import torch
from hypothesis import given
from torch._dynamo.testing import CompileCounterWithBackend
from torch.autograd import forward_ad

import thinned.torch as tt
from tests.strategies import RATES, addresses, places
from tests.torch.truth import DTYPES, WHERE, name, odd_values, same
from thinned import mask
from thinned.errors import AddressError, DtypeError, RateError, ShareError, WindowError
from thinned.mask import Address, quantise
from thinned.mask.rate import threshold
from thinned.methods import alpha
from thinned.methods.law import NORMAL, WORD, plan
from thinned.methods.laws import LAWS
from thinned.torch import _kernel, _law, _plain

CALLS = {
    "alpha": (tt.alpha_dropout, 0.3),
    "gaussian": (tt.gaussian_dropout, 0.3),
    "uniform": (tt.uniform_dropout, 0.3),
    "noise": (tt.gaussian_noise, 0.7),
}
EACH = pytest.mark.parametrize(("call", "value"), CALLS.values(), ids=CALLS)
DROPOUTS = pytest.mark.parametrize("call", [CALLS[k][0] for k in ("alpha", "gaussian", "uniform")])
EACH_DTYPE = pytest.mark.parametrize("dtype", DTYPES, ids=name)
WINDOW = ((9, 4, 5), ([8, 0, 8], 0, 0))


def at(address):
    """An address as kernels take it."""
    where = Address(**address)
    return where.seed, where.site, where.step, where.draw


def traced(where):
    """Every coordinate as a tensor."""
    return {key: torch.tensor(value) for key, value in where.items()}


class TestTruth:
    """What each of them is, in the truth's words."""

    @EACH_DTYPE
    def test_alpha(self, dtype):
        """An affine map where the mask keeps, a constant where it drops: also of NaN and infinity."""
        x = odd_values((20, 30), dtype)
        exact = torch.float64 if dtype == torch.float64 else torch.float32
        a, b, c = (torch.tensor(value, dtype=exact) for value in alpha.affine(quantise(0.3)))
        kept = torch.from_numpy(mask.keep((20, 30), 0.3, **WHERE))

        expected = torch.where(kept, x.to(exact) * a + b, c).to(dtype)
        assert same(expected, tt.alpha_dropout(x, 0.3, **WHERE))

    def test_features(self):
        """One draw a channel, for any number of positions."""
        x = torch.randn(3, 4, 5, 2)

        assert same(
            tt.alpha_dropout(x, 0.3, share=(2, 3), **WHERE), tt.feature_alpha_dropout(x, 0.3, **WHERE)
        )
        with pytest.raises(ShareError, match="got 1 axes"):
            tt.feature_alpha_dropout(x[0, 0, 0], 0.3, seed=0)

    @EACH_DTYPE
    def test_uniform(self, dtype):
        """Products with the truth's uniforms, rounded once to the stored type."""
        x = odd_values((20, 30), dtype)
        exact = torch.float64 if dtype == torch.float64 else torch.float32
        w = torch.tensor(math.sqrt(3 * threshold(0.3) / (65536 - threshold(0.3))), dtype=exact)
        u = torch.from_numpy(mask.uniform((20, 30), **WHERE)).to(exact)

        assert same((x.to(exact) * (1 + w * (2 * u - 1))).to(dtype), tt.uniform_dropout(x, 0.3, **WHERE))

    def test_normals(self):
        """Within 2^-20 of the largest radius, and rounding."""
        x, z = torch.randn(64, 65), torch.from_numpy(mask.normal((64, 65), **WHERE)).float()
        s = math.sqrt(threshold(0.3) / (65536 - threshold(0.3)))
        near = {"rtol": 2**-22, "atol": 2**-20 * 6.67}

        torch.testing.assert_close(x + 0.7 * z, tt.gaussian_noise(x, 0.7, **WHERE), **near)
        torch.testing.assert_close((1 + s * z), tt.gaussian_dropout(torch.ones(64, 65), 0.3, **WHERE), **near)

    @given(place=places(), rate=RATES, address=addresses())
    def test_draws(self, place, rate, address):
        """The mask, uniforms and normals themselves, wherever they lie."""
        where = {"share": place.share, "window": place.window, **address}

        assert mask.keep(place.shape, rate, **where).tolist() == tt.keep(place.shape, rate, **where).tolist()
        found = tt.uniform(place.shape, dtype=torch.float64, **where)
        assert mask.uniform(place.shape, **where).tolist() == found.tolist()
        exact = torch.from_numpy(mask.normal(place.shape, **where))
        found = tt.normal(place.shape, dtype=torch.float64, **where)
        assert exact.shape == found.shape
        assert (exact - found).abs().le(2**-20 * 6.67).all()

    def test_wide_masks(self):
        """Rates that half-words do not know."""
        kept = tt.keep((1 << 20,), 2**-18, seed=3, wide=True)
        words = mask.truth.words(mask.sharing.layout((1 << 20,), wide=True).elements(), Address(3))

        assert torch.equal(torch.from_numpy(words >= 2**14), kept)
        with pytest.raises(RateError):
            tt.keep((4,), 2**-18, seed=3)

    def test_types_of_draws(self):
        """The default one, or the one that is asked for."""
        assert torch.bool == tt.keep((3,), 0.5, seed=0).dtype
        assert torch.float32 == tt.normal((3,), seed=0).dtype
        assert torch.float16 == tt.uniform((3,), seed=0, dtype=torch.float16).dtype
        assert "meta" == tt.normal((3,), seed=0, device="meta").device.type
        with pytest.raises(DtypeError):
            tt.normal((3,), seed=0, dtype=torch.int32)


class TestEdges:
    """Rates 0 and 1, NaN and infinity, odd memory."""

    @DROPOUTS
    @EACH_DTYPE
    def test_certainties(self, call, dtype):
        """The identity, bit for bit; and +0, whatever came, with gradients that are finite."""
        x = odd_values((7, 9), dtype)
        assert same(x, call(x, 0, seed=1))
        leaf = x.clone().requires_grad_()
        y = call(leaf, 1, seed=1)
        y.backward(torch.ones_like(y))

        assert same(torch.zeros_like(x), y.detach())
        assert same(torch.zeros_like(x), leaf.grad)

    def test_no_noise(self):
        """The identity too."""
        x = odd_values((7, 9), torch.float32)

        assert same(x, tt.gaussian_noise(x, 0, seed=1))

    @EACH
    def test_strides(self, call, value):
        """The mask is that of the row-major index; the memory format stays."""
        x = torch.randn(2, 3, 4, 5)
        for order in (x.contiguous(memory_format=torch.channels_last), x.transpose(1, 3)):
            y = call(order, value, seed=1)
            assert same(call(order.contiguous(), value, seed=1), y)
            assert order.stride() == y.stride()
        assert same(call(torch.ones(3, 4), value, seed=1), call(torch.ones(1).expand(3, 4), value, seed=1))

    @EACH
    def test_arguments_that_are_wrong(self, call, value):
        """Each in the words of what is wrong with it."""
        x = torch.ones(4)
        for bad in (-0.1, float("nan"), "0.5", None):
            with pytest.raises(RateError):
                call(x, bad, seed=0)
        with pytest.raises(RateError, match="tensor of shape"):
            call(x, torch.ones(2), seed=0)
        with pytest.raises(DtypeError):
            call(torch.ones(4, dtype=torch.int64), value, seed=0)
        with pytest.raises(AddressError):
            call(x, value, seed=0, step=-1)
        with pytest.raises(ShareError):
            call(x, value, seed=0, share=3)
        with pytest.raises(WindowError):
            call(x, value, seed=0, window=((3,), (0,)))
        with pytest.raises(TypeError):
            call(x, value, seed=0, rates=1)

    def test_a_device_without_memory(self):
        """The meta device gives shapes."""
        for call, value in CALLS.values():
            y = call(torch.empty(2, 3, device="meta"), value, seed=0)
            assert (torch.Size([2, 3]), "meta") == (y.shape, y.device.type)


class TestGradient:
    """Linear in the input: the slope of forward's own draws."""

    @EACH
    def test_is_the_slope(self, call, value):
        """Of what forward did, by its differences."""
        x = torch.randn(40, 30, dtype=torch.float64).requires_grad_()
        y, above = call(x, value, **WHERE), call(x + 1, value, **WHERE)
        (gradient,) = torch.autograd.grad(y.sum(), x)

        torch.testing.assert_close((above - y).detach(), gradient)

    @EACH
    def test_nothing_is_saved(self, call, value):
        """No tensor stays for backward."""
        saved = []
        with torch.autograd.graph.saved_tensors_hooks(saved.append, lambda _: None):
            call(torch.ones(9, requires_grad=True), value, seed=0)

        assert saved == []

    @EACH
    def test_numerically(self, call, value):
        """PyTorch's own checks, of first and second order, and of tangents."""
        x = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)

        def f(x):
            return call(x, value, share=0, **WHERE).square()

        assert torch.autograd.gradcheck(f, x, check_forward_ad=True, check_batched_grad=True)
        assert torch.autograd.gradgradcheck(f, x)

    @EACH
    def test_many_at_once(self, call, value):
        """Gradients that `vmap` carries through an eager output, of an array that is part of a larger one."""
        x, gradients = torch.randn(3, 4, 5, requires_grad=True), torch.randn(6, 3, 4, 5)
        y = call(x, value, share=1, window=WINDOW, **WHERE)

        def back(gradient):
            return torch.autograd.grad(y, x, gradient, retain_graph=True)[0]

        assert same(torch.stack(list(map(back, gradients))), torch.func.vmap(back)(gradients))


class TestTraced:
    """The registered operator: the eager function's bits."""

    @EACH
    @EACH_DTYPE
    @pytest.mark.parametrize("share", [(), 0, (0, 2)], ids=str)
    @pytest.mark.parametrize("window", [None, ((9, 4, 5), (6, 0, 0)), WINDOW], ids=["whole", "start", "ids"])
    def test_is_the_fast_path(self, call, value, dtype, share, window):
        """Outputs and gradients, with an address and a rate that are tensors."""
        found = []
        for where, amount in ((WHERE, value), (traced(WHERE), torch.tensor(value, dtype=torch.float64))):
            x = odd_values((3, 4, 5), dtype).requires_grad_()
            y = call(x, amount, share=share, window=window, **where)
            y.backward(odd_values((3, 4, 5), dtype, seed=1))
            found.append((y.detach(), x.grad))

        assert same(found[0][0], found[1][0])
        assert same(found[0][1], found[1][1])

    @pytest.mark.parametrize("law", LAWS)
    def test_opcheck(self, law):
        """PyTorch's own check of schema, fake tensors, autograd and tracing."""
        x, ticket = torch.randn(3, 5).requires_grad_(), torch.tensor([1, 2, 3, 4, 30_000])

        torch.library.opcheck(torch.ops.thinned.law.default, (x, ticket, [1], [], [], [], law))
        torch.library.opcheck(torch.ops.thinned.law.default, (x, ticket, [], [8, 5], [4, 0], [], law))

    @EACH
    @pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
    def test_compiled(self, call, value, backend):
        """Steps and rates that change compile nothing anew."""
        counter = CompileCounterWithBackend(backend)

        def loss(x, step, value):
            return call(x, value, seed=3, step=step).sum()

        run, frames = torch.compile(loss, backend=counter, fullgraph=True), 0
        for step in range(4):
            amount = torch.tensor(value / (step + 1), dtype=torch.float64)
            found = []
            for each in (loss, run):
                x = torch.linspace(-1, 1, 50).requires_grad_()
                each(x, torch.tensor(step), amount).backward()
                found.append(x.grad)
            assert same(*found)
            frames = (
                frames or counter.frame_count
            )  # the first call may begin anew: a float64 makes PyTorch do so
        assert counter.frame_count == frames

    @EACH
    def test_compiled_with_constants(self, call, value):
        """A rate that is a number."""
        run = torch.compile(lambda x: call(x, value, seed=3), backend="aot_eager", fullgraph=True)
        x = torch.randn(50)

        assert same(call(x, value, seed=3), run(x))

    def test_draws(self):
        """Compiled and with traced addresses."""

        def f(seed):
            return tt.keep((9,), 0.5, seed=seed), tt.uniform((9,), seed=seed), tt.normal((9,), seed=seed)

        for one, two in zip(
            f(3),
            torch.compile(f, backend="aot_eager", fullgraph=True)(torch.tensor(3)),
            strict=True,
        ):
            assert same(one, two)

    @EACH
    def test_seeds_by_vmap(self, call, value):
        """A batched seed draws for each lane, an unbatched one is one mask for all."""
        x, seeds = torch.randn(3, 7), torch.arange(3)
        each = torch.func.vmap(lambda x, seed: call(x, value, seed=seed))(x, seeds)
        one = torch.func.vmap(lambda x: call(x, value, seed=5))(x)

        assert same(torch.stack([call(x[i], value, seed=i) for i in range(3)]), each)
        assert same(torch.stack([call(x[i], value, seed=5) for i in range(3)]), one)

    @EACH
    def test_functional_gradients(self, call, value):
        """`torch.func.grad` and `jvp`, and a tangent by hand."""
        x, t = torch.randn(7), torch.randn(7)
        leaf = x.clone().requires_grad_()
        call(leaf, value, **WHERE).square().sum().backward()
        grad = torch.func.grad(lambda x: call(x, value, **WHERE).square().sum())(x)
        y, tangent = torch.func.jvp(lambda x: call(x, value, **WHERE), (x,), (t,))
        with forward_ad.dual_level():
            dual = forward_ad.unpack_dual(call(forward_ad.make_dual(x, t), value, **WHERE))

        assert same(leaf.grad, grad)
        assert same(call(x, value, **WHERE), y)
        assert same(tangent, dual.tangent)
        torch.testing.assert_close(tangent, call(x + t, value, **WHERE) - y)

    def test_nested(self):
        """Packed values, one by one."""
        values = torch.randn(9, 4)
        rows = torch.nested.nested_tensor_from_jagged(values, torch.tensor([0, 3, 9]))

        assert same(tt.alpha_dropout(values, 0.5, seed=0), tt.alpha_dropout(rows, 0.5, seed=0).values())

    def test_rates_that_no_threshold_stands_for(self):
        """Traced ones quantise: below 0 keeps all, NaN drops all."""
        x = torch.ones(9)
        assert same(x, tt.gaussian_dropout(x, torch.tensor(-1.0), seed=0))
        assert not tt.gaussian_dropout(x, torch.tensor(float("nan")), seed=0).any()


class TestPlain:
    """Plain tensor operations, for devices without a kernel."""

    @pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
    @given(place=places(), address=addresses())
    def test_is_the_kernel(self, law, place, address):
        """Bit for bit, but normals within their tolerance."""
        for dtype in DTYPES:
            x = odd_values(place.shape, dtype)
            amount = law.amount(0.3)
            how = plan(place.shape, law, amount, place.share, place.window)
            one, two = _kernel.law(x, how, at(address)), _plain.law(x, how, at(address))
            if how.setting.draw != NORMAL:
                assert same(one, two)
            else:
                size = 2**-9 if dtype in {torch.bfloat16, torch.float16} else 2**-20
                torch.testing.assert_close(one, two, rtol=8 * size, atol=64 * size, equal_nan=True)

    def test_wide_laws_are_wide(self):
        """A whole word an element."""
        assert WORD == LAWS["wide"].setting(5).draw
        x = torch.ones(1 << 16)
        y = _law.apply(x, LAWS["wide"], 2**-10, (3, 0, 0, 0))

        assert torch.equal(tt.keep((1 << 16,), 2**-10, seed=3, wide=True), y != 0)
        assert same(torch.tensor(1 / (1 - 2**-10)), y.max())
