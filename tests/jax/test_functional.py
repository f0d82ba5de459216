"""`thinned.jax.dropout`, against the law."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thinned.jax as tj
from tests.jax.truth import DTYPES, WHERE, dropped, odd_values, same
from tests.strategies import RATES, addresses, places
from tests.subprocesses import python
from thinned.errors import AddressError, DtypeError, RateError, ShareError, WindowError
from thinned.mask import keep, quantise, uniform

FEW = settings(max_examples=30)
"""Where each example compiles."""


@jax.jit
def traced(x, rate, seed, site, step, draw):
    """Everything but the shape is data."""
    return tj.dropout(x, rate, seed=seed, site=site, step=step, draw=draw)


def words(seed):
    """A seed as two words."""
    return np.array([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF], np.uint32)


class TestDropout:
    """`y = k x s`, for every array there is."""

    @given(dtype=st.sampled_from(DTYPES), rate=RATES, address=addresses())
    def test_output_and_gradient(self, dtype, rate, address):
        """They are the law's mask applied, bit for bit; dropped NaN becomes +0."""
        x, gradient = odd_values((3, 37), dtype), odd_values((3, 37), dtype, seed=1)
        y, pull = jax.vjp(lambda x: tj.dropout(x, rate, **address), x)

        assert same(dropped(x, rate, **address), y)
        assert same(dropped(gradient, rate, **address), pull(gradient)[0])

    @given(rate=RATES, address=addresses())
    def test_traced(self, rate, address):
        """Every coordinate and the rate as data of one compiled program, seeds as two words."""
        x = odd_values((70,), np.float32)
        step, site = np.uint32(address["step"]), np.uint32(address["site"])
        y = traced(x, np.float32(rate), words(address["seed"]), site, step, address["draw"])

        assert same(dropped(x, quantise_float32(rate), **address), y)

    @FEW
    @given(place=places(), dtype=st.sampled_from(DTYPES), rate=RATES, address=addresses())
    def test_share_and_window(self, place, dtype, rate, address):
        """Shared axes, and windows of starts and ids."""
        x = odd_values(place.shape, dtype)
        where = {"share": place.share, "window": place.window, **address}

        assert same(dropped(x, rate, **where), tj.dropout(x, rate, **where))

    @FEW
    @given(place=places(max_size=20), rate=RATES, address=addresses())
    def test_traced_windows(self, place, rate, address):
        """The same with starts and ids as data."""
        x = odd_values(place.shape, np.float32)

        @jax.jit
        def part(x, index):
            return tj.dropout(x, rate, share=place.share, window=(place.global_shape, index), **address)

        index = [np.asarray(at, np.int32) for at in place.index]
        where = {"share": place.share, "window": place.window, **address}
        assert same(dropped(x, rate, **where), part(x, index))

    @pytest.mark.parametrize("start", [0, 2**31 - 41, 2**31 - 48], ids=["whole", "odd", "even"])
    @pytest.mark.parametrize("rows", [2**20 - 2, [2**20 - 1, 0]], ids=["start", "ids"])
    @pytest.mark.parametrize("size", [5, 41])
    def test_elements_beyond_32_bits(self, start, rows, size):
        """Blocks are counted in 48 bits, without 64-bit integers, also from starts that are data."""
        start = min(start, 2**31 - size)
        x = jnp.ones((2, size))
        global_shape = (2**20, 2**31)
        expected = dropped(x, 0.5, window=(global_shape, (rows, start)), seed=5, draw=65535)

        def part(rows, start):
            return tj.dropout(x, 0.5, seed=5, draw=65535, window=(global_shape, (rows, start)))

        assert same(expected, part(rows, start))
        assert same(expected, jax.jit(part)(jnp.asarray(rows), jnp.asarray(start)))

    @pytest.mark.parametrize("rate", [0.0, 1.0])
    def test_certainties(self, rate):
        """Rate 0 keeps and rate 1 drops everything, with finite gradients, to the second order."""
        x = jnp.arange(1.0, 101.0)

        def loss(x):
            return (tj.dropout(x, rate, seed=0) ** 2).sum()

        assert same(np.asarray(x * 2 * (1 - rate)), jax.grad(loss)(x))
        assert same(np.diag(np.full(100, 2 * (1 - rate), np.float32)), jax.hessian(loss)(x))

    @pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2)])
    def test_hardly_any_elements(self, shape):
        """Scalars and empty arrays keep their shape."""
        x = jnp.ones(shape)

        assert same(dropped(x, 0.5, **WHERE), tj.dropout(x, 0.5, **WHERE))
        assert shape == jax.grad(lambda x: tj.dropout(x, 0.5, **WHERE).sum())(x).shape

    def test_large_arrays_are_cut_among_threads(self):
        """To the same bits."""
        x = odd_values((300_001,), np.float32)

        assert same(dropped(x, 0.3, **WHERE), tj.dropout(x, 0.3, **WHERE))

    def test_64_bits(self):
        """With x64: float64, seeds and starts of 64 bits as data."""
        python("""
            import jax, jax.numpy as jnp, numpy as np, thinned.jax as tj
            from tests.jax.truth import dropped, same
            jax.config.update("jax_enable_x64", True)
            x = jnp.asarray(np.random.default_rng(0).standard_normal((3, 50)))
            f = jax.jit(lambda x, seed, start: tj.dropout(
                x, 0.3, seed=seed, window=((2**10, 2**40), (0, start))))
            for seed in (-(2**63), -1, 2**40 + 1):
                start = 2**40 - 50
                expected = dropped(x, 0.3, seed=seed, window=((2**10, 2**40), (0, start)))
                assert x.dtype == np.float64 and same(expected, f(x, jnp.int64(seed), start)), seed
            g = jax.jit(lambda x, rate: tj.dropout(x, rate, seed=1))
            rate = np.nextafter(1.5 / 65536, 1)  # in float32 a tie, which rounds to 2 too; as float64 above it
            assert same(dropped(x, rate, seed=1), g(x, rate))
            for dtype in (np.float32, np.float64, jnp.bfloat16, jnp.float16):
                assert same(dropped(x.astype(dtype), 0.3, seed=1), tj.dropout(x.astype(dtype), 0.3, seed=1))
        """)

    def test_generator_settings_do_not_matter(self):
        """An address needs no generator."""
        python("""
            import jax, jax.numpy as jnp, thinned.jax as tj
            from tests.jax.truth import dropped, same
            x = jnp.ones(100)
            for name in ("threefry2x32", "rbg", "unsafe_rbg"):
                for partitionable in (True, False):
                    jax.config.update("jax_default_prng_impl", name)
                    jax.config.update("jax_threefry_partitionable", partitionable)
                    jax.clear_caches()
                    assert same(dropped(x, 0.3, seed=1), tj.dropout(x, 0.3, seed=1))
        """)


class TestUniform:
    """`thinned.jax.uniform`."""

    @FEW
    @given(place=places(), address=addresses())
    def test_values(self, place, address):
        """The law's, exactly."""
        where = {"share": place.share, "window": place.window, **address}
        expected = uniform(place.shape, **where)

        assert same(expected.astype(np.float32), tj.uniform(place.shape, **where))


class TestErrors:
    """Each says what was expected, what came, and what to do."""

    @pytest.mark.parametrize("dtype", ["int32", "bool", "complex64", "float8_e4m3fn"])
    def test_dtype(self, dtype):
        """Only floats of 16 bits and more drop."""
        with pytest.raises(DtypeError, match=rf"float32, .* got {dtype} of shape \(3,\); "):
            tj.dropout(jnp.ones(3).astype(dtype), 0.5, seed=0)

    @pytest.mark.parametrize("x", [None, "abc", object()], ids=["None", "str", "object"])
    def test_what_is_no_array(self, x):
        """It is refused by name."""
        for function in (tj.dropout, tj.stochastic_relu, tj.gaussian_noise, tj.drop_block):
            with pytest.raises(DtypeError, match=rf"an array to drop from; got {type(x).__name__}\..*jnp\."):
                function(x, 0.5, *((3,) if function is tj.drop_block else ()), seed=0)

    def test_symbolic_shape(self):
        """A program for all sizes cannot know where an element lies."""
        rows = jax.export.symbolic_shape("rows")
        for shape in ((*rows, 8), (8, *rows)):
            with pytest.raises(
                WindowError, match=r"shape of integers; got \(.*rows.*\), .* once for each shape"
            ):
                jax.eval_shape(lambda x: tj.dropout(x, 0.5, seed=0), jax.ShapeDtypeStruct(shape, jnp.float32))

    @pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), 1e-6, 1 - 1e-6, "0.5", True])
    def test_rate(self, rate):
        """Nor does a rate without a threshold, inside `jit` too."""
        for run in (tj.dropout, jax.jit(tj.dropout, static_argnums=1, static_argnames="seed")):
            with pytest.raises(RateError, match=r"expected a rate|rounds to"):
                run(jnp.ones(3), rate, seed=0)

    @pytest.mark.parametrize("rate", [jnp.array([0.5]), jnp.array(True), jnp.array(0.5j)])
    def test_rate_array(self, rate):
        """One real number, or vmap."""
        with pytest.raises(RateError, match=r"one number or an array of one; .* use jax.vmap"):
            tj.dropout(jnp.ones(3), rate, seed=0)

    @pytest.mark.parametrize(
        "wrong", [jnp.array([1]), jnp.array(1.0), jnp.array(True), np.array([1, 2]), np.array([1.0])]
    )
    def test_address_array(self, wrong):
        """One integer, or vmap."""
        with pytest.raises(AddressError, match=r"expected step as an integer .* use jax.vmap"):
            tj.dropout(jnp.ones(3), 0.5, seed=0, step=wrong)

    @pytest.mark.parametrize("key", [jax.random.key(0), jax.random.key(0, impl="rbg")])
    def test_keys_are_not_seeds(self, key):
        """What to pass instead is said, and works."""
        with pytest.raises(AddressError, match=r"got a key .* jax.random.bits\(key, \(2,\), 'uint32'\)"):
            tj.dropout(jnp.ones(3), 0.5, seed=key)

        assert (3,) == tj.dropout(jnp.ones(3), 0.5, seed=jax.random.bits(key, (2,), "uint32")).shape

    def test_the_rest(self):
        """Widths, axes and windows."""
        x = jnp.ones((2, 3))
        with pytest.raises(AddressError, match=r"expected step in \[0, 2\^32\); got -1"):
            tj.dropout(x, 0.5, seed=0, step=-1)
        with pytest.raises(ShareError, match="got axis 2"):
            tj.dropout(x, 0.5, seed=0, share=2)
        with pytest.raises(WindowError, match="start 3 and 2 local elements"):
            tj.dropout(x, 0.5, seed=0, window=((4, 3), (3, 0)))
        with pytest.raises(WindowError, match="one global index for each of the 2 positions"):
            tj.dropout(x, 0.5, seed=0, window=((4, 3), (jnp.arange(3), 0)))
        with pytest.raises(
            WindowError, match="expected integers as the window's index on axis 1; got a float"
        ):
            tj.dropout(x, 0.5, seed=0, window=((4, 3), (0, jnp.array(0.0))))
        with pytest.raises(WindowError, match="expected window=\\(global_shape, index\\)"):
            tj.dropout(x, 0.5, seed=0, window=3)

    @pytest.mark.parametrize(
        ("given", "meant"), [(jnp.int32(-1), -1), (jnp.uint32(2**32 - 1), 2**32 - 1), (jnp.int8(-3), -3)]
    )
    def test_traced_seeds(self, given, meant):
        """A negative one is its two's complement, an unsigned one itself."""
        x = jnp.ones(100)

        assert same(dropped(x, 0.5, seed=meant), traced(x, 0.5, given, 0, 0, 0))

    def test_wide_values_of_arrays_count_modulo(self):
        """A traced coordinate has no error, it wraps."""
        x = jnp.ones(100)
        expected = dropped(x, 0.5, seed=0, site=2**32 - 2, step=2**32 - 1, draw=5)

        assert same(expected, traced(x, 0.5, 0, jnp.int32(-2), jnp.int32(-1), jnp.int32(5 + 2**16)))

    @pytest.mark.parametrize(
        ("rate", "quantised"),
        [(-1.0, 0.0), (2.0, 1.0), (np.nan, 1.0), (np.inf, 1.0), (1e-9, 0.0), (2.5 / 65536, 2 / 65536)],
    )
    def test_traced_rates_quantise(self, rate, quantised):
        """So has a traced rate; ties go to even, NaN drops everything."""
        x = jnp.ones(100_000)

        assert same(dropped(x, quantised, seed=0), traced(x, rate, 0, 0, 0, 0))


def quantise_float32(rate):
    """The rate that a float32 stands for."""
    level = round(float(np.float32(rate)) * 65536)
    assert keep((1,), level / 65536, seed=0).shape == (1,)
    return quantise(level / 65536)
