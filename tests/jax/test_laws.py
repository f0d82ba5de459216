"""The laws beyond plain dropout, as `thinned.jax` has them: against the law's draws, and PyTorch's operations."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings

import thinned.jax as tj
import thinned.torch as tt
from tests.jax.truth import WHERE, odd_values, same
from tests.strategies import RATES, addresses, places
from tests.subprocesses import python
from thinned.errors import DtypeError, RateError
from thinned.jax._draws import _normal
from thinned.mask import keep, normal, quantise

FEW = settings(max_examples=15)
"""Where examples compile."""
X = np.random.default_rng(0).standard_normal((5, 6, 4)).astype(np.float32)
RATE = 0.3

LAWS = {
    "alpha": (tj.alpha_dropout, tt.alpha_dropout),
    "feature alpha": (partial(tj.feature_alpha_dropout, channel_axis=1), tt.feature_alpha_dropout),
    "gaussian": (tj.gaussian_dropout, tt.gaussian_dropout),
    "uniform": (tj.uniform_dropout, tt.uniform_dropout),
    "noise": (tj.gaussian_noise, tt.gaussian_noise),
    "relu": (tj.stochastic_relu, tt.relu_dropout),
    "blocks": (partial(tj.drop_block, block_size=3, channel_axis=1), partial(tt.drop_block, block_size=3)),
}
NORMALS = ("gaussian", "noise")
LINEAR = ("gaussian", "uniform", "blocks")
every = pytest.mark.parametrize("name", LAWS)


def bound(name, x, rate, eps=2.0**-23):
    """How far two correct outputs may lie apart.

    Numbers: `a`, `b` and `c` of a traced rate take up to six roundings of 2^-24 of the value, a multiplication and
    an addition two more, in each of two implementations. Normals: 2^-20 of the largest radius each, times `a`.
    """
    q = quantise(rate)
    factor = 1 if q == 1 else max(1, 1 / (1 - q))
    rounding = 16 * eps * (np.abs(np.asarray(x, np.float64)) + 2) * 2 * factor
    if name not in NORMALS:
        return rounding
    size = rate if name == "noise" else np.sqrt(q / (1 - q)) if q < 1 else 0
    scale = 1 if name == "noise" else np.abs(np.asarray(x, np.float64))
    return rounding * (1 + 7 * size) + 2 * 2.0**-20 * np.sqrt(64 * np.log(2)) * size * scale


def close(name, x, rate, expected, actual):
    """Whether two outputs are one, and drop the same elements."""
    expected, actual = np.asarray(expected, np.float64), np.asarray(actual, np.float64)
    return expected.shape == actual.shape and bool(
        (np.abs(expected - actual) <= bound(name, x, rate)).all() and ((expected == 0) == (actual == 0)).all()
    )


class TestLaws:
    """Each is PyTorch's at the same address, whose tests hold it to the law."""

    @every
    @FEW
    @given(rate=RATES, address=addresses())
    def test_outputs_and_gradients(self, name, rate, address):
        """At constant rates."""
        ours, theirs = LAWS[name]
        x = torch.tensor(X, requires_grad=True)
        gradient = np.random.default_rng(1).standard_normal(X.shape).astype(np.float32)
        try:
            y = theirs(x, rate, **address)
        except RateError:  # blocks that would be too seldom
            with pytest.raises(RateError):
                ours(jnp.asarray(X), rate, **address)
            return
        y.backward(torch.tensor(gradient))
        z, pull = jax.vjp(lambda x: ours(x, rate, **address), jnp.asarray(X))

        assert close(name, X, rate, y.detach(), z)
        assert close(name, gradient, rate, x.grad, pull(jnp.asarray(gradient))[0])

    @every
    def test_traced_rates(self, name):
        """As data of a compiled program, with step and seed."""
        ours, theirs = LAWS[name]

        @jax.jit
        def run(x, rate, seed, step):
            return ours(x, rate, seed=seed, step=step)

        for rate in (0.0, 2**-16, 0.3, 0.75, 1 - 2**-16, 1.0):
            y = theirs(torch.tensor(X), torch.tensor(rate, dtype=torch.float64), seed=7, step=5)
            assert close(name, X, rate, y, run(X, np.float32(rate), 7, 5)), rate

    @every
    def test_half_types_keep_their_type(self, name):
        """Computed in float32, and rounded once."""
        ours, _ = LAWS[name]
        for dtype in (jnp.bfloat16, jnp.float16):
            x = jnp.asarray(X, dtype)
            expected = ours(x.astype(jnp.float32), RATE, **WHERE)
            y = ours(x, RATE, **WHERE)
            assert dtype == y.dtype
            unit = float(jnp.finfo(dtype).eps)
            assert (np.abs(y.astype(np.float32) - expected) <= unit * np.abs(expected) + 1e-7).all()

    @every
    def test_certainties(self, name):
        """Rate 0 changes no bit; rate 1 leaves nothing, not even of NaN; gradients are finite."""
        ours, _ = LAWS[name]
        x = jnp.asarray(X).at[0, 0, 0].set(-0.0)
        rectified = jnp.maximum(x, 0) if name == "relu" else x
        for zero in (0.0, jnp.float32(0)):
            assert same(rectified, ours(x, zero, **WHERE) + (0 if name == "relu" else -0.0))
        if name == "noise":
            return
        for one in (1.0, jnp.float32(1)):
            y, pull = jax.vjp(lambda x, one=one: ours(x, one, **WHERE), x.at[0, 0, 1].set(jnp.nan))
            assert not np.asarray(y).any()
            assert not np.asarray(pull(x)[0]).any()

    @pytest.mark.parametrize("name", [name for name in LAWS if name != "relu"])
    def test_no_mask_is_kept(self, name):
        """Between forward and backward only the address passes; a rectifier alone keeps what `jax.nn.relu` does."""
        ours, _ = LAWS[name]
        kept = jax.vjp(lambda x: ours(x, jnp.float32(RATE), **WHERE), jnp.asarray(X))[1]

        assert sum(np.size(leaf) for leaf in jax.tree.leaves(kept)) < 50

    @every
    def test_vmap(self, name):
        """A batched address draws for each lane, an unbatched one is the same for all."""
        ours, _ = LAWS[name]
        x, rates = jnp.asarray(X), jnp.float32([0, 0.3, 1])

        def one(rate, step, x=x):
            return ours(x, rate, seed=3, step=step)

        lanes = jax.vmap(one)(rates, jnp.arange(3))
        for rate, step, lane in zip(rates, range(3), lanes, strict=True):
            assert close(name, X, float(rate), one(rate, step), lane)
        xs = jnp.stack([x, 2 * x], axis=1)
        shared = jax.vmap(lambda x: ours(x, RATE, **WHERE), 1, 1)(xs)
        for lane in range(2):
            assert close(name, 2 * X, RATE, ours(xs[:, lane], RATE, **WHERE), shared[:, lane])
        slopes = jax.vmap(jax.grad(lambda x, s: (ours(x, RATE, seed=3, step=s) ** 2).sum()), (None, 0))
        one_slope = jax.grad(lambda x: (ours(x, RATE, seed=3, step=2) ** 2).sum())(x)
        np.testing.assert_allclose(one_slope, slopes(x, jnp.arange(3))[2], rtol=1e-5, atol=1e-6)

    @every
    def test_transformations(self, name):
        """Hessians, scan and checkpoint repeat the draws of their address."""
        ours, _ = LAWS[name]
        x = jnp.asarray(X)

        def loss(x, step):
            return (jnp.sin(ours(x, RATE, seed=3, step=step)) ** 2).sum()

        plain = jax.grad(loss)(x, 2)
        again = jax.jit(jax.grad(jax.checkpoint(loss)))(x, 2)
        np.testing.assert_allclose(plain, again, rtol=1e-5, atol=1e-6)
        total = jax.grad(lambda x: jax.lax.scan(lambda t, s: (t + loss(x, s), None), 0.0, jnp.arange(3))[0])(
            x
        )
        np.testing.assert_allclose(
            sum(np.asarray(jax.grad(loss)(x, s)) for s in range(3)), total, rtol=1e-4, atol=1e-5
        )
        tangent = jnp.ones_like(x)
        forward = jax.jvp(lambda x: jax.grad(loss)(x, 2), (x,), (tangent,))[1]
        backward = jax.grad(lambda x: (jax.grad(loss)(x, 2) * tangent).sum())(x)
        np.testing.assert_allclose(forward, backward, rtol=1e-4, atol=1e-4)

    def test_64_bits(self):
        """With x64 in float64, to its own precision, and amounts of both widths as data."""
        python("""
            import jax, jax.numpy as jnp, numpy as np, torch, thinned.jax as tj, thinned.torch as tt
            jax.config.update("jax_enable_x64", True)
            x = np.random.default_rng(0).standard_normal((3, 5, 4))
            for name in ("alpha_dropout", "uniform_dropout"):
                for rate in (0.3, jnp.float32(0.3), jnp.float64(0.3)):
                    y = jax.jit(lambda x: getattr(tj, name)(x, rate, seed=-1))(x)
                    z = getattr(tt, name)(torch.tensor(x), 0.3, seed=-1).numpy()
                    assert y.dtype == np.float64
                    assert (np.abs(y - z) <= 16 * 2.0**-52 * (np.abs(x) + 2) * 2).all(), (name, rate)
            y = tj.drop_block(x, 0.3, 2, seed=1, channel_axis=1)
            assert (np.asarray(y) == tt.drop_block(torch.tensor(x), 0.3, 2, seed=1).numpy()).all()
        """)


class TestDraws:
    """`keep` and `normal`."""

    @FEW
    @given(place=places(), rate=RATES, address=addresses())
    def test_keep(self, place, rate, address):
        """The law's, exactly."""
        where = {"share": place.share, "window": place.window, **address}

        assert same(keep(place.shape, rate, **where), tj.keep(place.shape, rate, **where))

    @FEW
    @given(place=places(max_size=40), address=addresses())
    def test_normal(self, place, address):
        """Within the law's tolerance, whole or in windows, and in float32."""
        where = {"share": place.share, "window": place.window, **address}
        expected, y = normal(place.shape, **where), tj.normal(place.shape, **where)

        assert np.float32 == y.dtype
        assert expected.shape == y.shape
        assert (np.abs(expected - y) <= 2.0**-20 * np.sqrt(64 * np.log(2))).all()

    def test_the_tolerance_is_of_each_radius(self):
        """Of a million pairs each element is within 2^-20 of its own radius; large and small ones too."""
        z = normal((2**20,), seed=3).reshape(-1, 2)
        y = np.asarray(tj.normal((2**20,), seed=3), np.float64).reshape(-1, 2)
        error = np.abs(y - z) / np.hypot(*z.T)[:, None]

        assert error.max() <= 2.0**-20

    @pytest.mark.parametrize("program", ["whole", "cut"])
    def test_extreme_words(self, program):
        """The radius of the words that a draw hardly ever meets: 0, 1, the middle, the last ones."""
        words = np.array([0, 1, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 2, 2**32 - 1], np.uint32)
        w0, w1 = (each.ravel() for each in np.meshgrid(words, np.arange(0, 2**32, 2**27 - 1, np.uint32)))
        r = np.sqrt(-2 * np.log((w0 + 1.0) / 2**32))
        a = 2 * np.pi * (w1 / 2**32)
        run = jax.jit(_normal, static_argnums=2) if program == "whole" else _normal
        for odd, turn in enumerate((np.cos(a), np.sin(a))):
            assert (np.abs(run(w0, w1, odd) - r * turn) <= 2.0**-20 * r).all()


class TestKernel:
    """In a program for one CPU, XLA calls the compiled kernel."""

    @pytest.mark.parametrize("name", [name for name in LAWS if name != "blocks"])
    @pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
    def test_it_is_called_to_the_same_end(self, name, dtype, monkeypatch):
        """XLA's own operations give what it gives, also of odd values, and at the ends of the rates."""
        ours, _ = LAWS[name]
        x, rates = odd_values((3, 40, 5), np.dtype(dtype)), [jnp.float32(rate) for rate in (0, 0.3, 1)]
        fast = jax.jit(lambda x, rate: ours(x, rate, seed=3))
        found = [np.asarray(fast(x, rate), np.float64) for rate in rates]
        assert "thinned.kernel" in fast.lower(x, rates[0]).as_text()
        monkeypatch.setattr("thinned.jax._call._is_known", lambda: False)
        plain = jax.jit(lambda x, rate: ours(x, rate, seed=3))
        assert "thinned.kernel" not in plain.lower(x, rates[0]).as_text()
        for rate, one in zip(rates, found, strict=True):
            two = np.asarray(plain(x, rate), np.float64)
            finite = np.isfinite(one)
            assert np.array_equal(finite, np.isfinite(two))
            assert np.array_equal(one[~finite], two[~finite], equal_nan=True)
            off = bound(
                name, np.nan_to_num(np.asarray(x, np.float64), posinf=0, neginf=0)[finite], float(rate)
            )
            unit = 2 * float(jnp.finfo(dtype).eps)
            assert (abs(one[finite] - two[finite]) <= off + unit * abs(two[finite])).all()
            assert np.array_equal(one == 0, two == 0)


class TestWindows:
    """Parts of a larger array have the draws that they have in the whole."""

    @pytest.mark.parametrize("name", ["alpha", "gaussian", "uniform", "noise", "relu", "blocks"])
    @pytest.mark.parametrize("rows", [2, [4, 0]], ids=["start", "ids"])
    def test_rows(self, name, rows):
        """By a start or by ids, constant or traced."""
        ours, _ = LAWS[name]
        picked = np.arange(2, 4) if rows == 2 else np.array(rows)
        whole, part = np.asarray(ours(jnp.asarray(X), RATE, **WHERE))[picked], jnp.asarray(X[picked])

        def run(x, rows):
            return ours(x, RATE, window=(X.shape, (rows, 0, 0)), **WHERE)

        assert close(name, part, RATE, whole, run(part, rows))
        assert close(name, part, RATE, whole, jax.jit(run)(part, jnp.asarray(rows)))


class TestErrors:
    """Each says what was expected, what came, and what to do."""

    @every
    def test_dtypes(self, name):
        """Floats alone."""
        with pytest.raises(DtypeError, match="expected an array of float32"):
            LAWS[name][0](jnp.ones((2, 3, 4), jnp.int32), RATE, seed=0)

    @every
    def test_amounts(self, name):
        """Rates in [0, 1], sizes from 0 on, one of each."""
        with pytest.raises(RateError, match=r"got -0\.5"):
            LAWS[name][0](X, -0.5, seed=0)
        with pytest.raises(RateError, match=r"array of shape \(2,\)"):
            LAWS[name][0](X, jnp.ones(2), seed=0)


HEAD = """
    import jax, jax.numpy as jnp, numpy as np, thinned.jax as tj
    from functools import partial
    from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
    x = jnp.asarray(np.random.default_rng(0).standard_normal((8, 6, 4)), jnp.float32)
    laws = [tj.alpha_dropout, tj.gaussian_dropout, tj.gaussian_noise, partial(tj.drop_block, block_size=3)]
    def mesh_of(n, kind):
        return jax.make_mesh((n,), ("d",), axis_types=(kind,), devices=jax.devices()[:n])
"""


class TestSharding:
    """One logical array, cut among four devices: draws are those of the whole."""

    def test_automatic(self):
        """XLA divides the work; the gradient too."""
        on_devices("""
    for law in laws:
        whole = np.asarray(law(x, 0.3, seed=1, step=2))
        @jax.jit
        def both(x, rate, step):
            y, pull = jax.vjp(lambda x: law(x, rate, seed=1, step=step), x)
            return y, pull(x)[0]
        for kind in (AxisType.Auto, AxisType.Explicit):
            placed = jax.device_put(x, NamedSharding(mesh_of(4, kind), P("d")))
            y, slope = both(placed, jnp.float32(0.3), 2)
            np.testing.assert_allclose(whole, y, rtol=1e-5, atol=1e-5)
            assert ((whole == 0) == (np.asarray(y) == 0)).all()
            assert y.sharding.is_equivalent_to(placed.sharding, 3)
        """)

    def test_by_hand(self):
        """`shard_map`: each device gives its own window."""
        on_devices("""
    for law in laws:
        @jax.jit
        @partial(jax.shard_map, mesh=mesh_of(4, AxisType.Auto), in_specs=(P("d"), P()), out_specs=P("d"))
        def part(x, rate):
            start = jax.lax.axis_index("d") * x.shape[0]
            return law(x, rate, seed=1, step=2, window=((8, 6, 4), (start, 0, 0)))
        whole = np.asarray(law(x, 0.3, seed=1, step=2))
        np.testing.assert_allclose(whole, part(x, jnp.float32(0.3)), rtol=1e-5, atol=1e-5)
        """)


def on_devices(code):
    """Run code in a process with four devices."""
    python(HEAD + code, XLA_FLAGS="--xla_force_host_platform_device_count=4", JAX_PLATFORMS="cpu")
