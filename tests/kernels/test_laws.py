"""The kernel of laws gives what NumPy gives: exact bits for masks and uniforms, 2^-20 of the radius for normals."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings

from tests.kernels.arrays import DTYPES, HALVES, random_stored
from tests.strategies import RATES, addresses, places
from thinned.kernels import execute, laws, pool
from thinned.kernels.noise import BLOCK
from thinned.mask import Address, normal, threshold, uniform
from thinned.mask.sharing import layout
from thinned.mask.truth import half_words, words
from thinned.methods.law import (
    ADD,
    EVERYTHING,
    HALF,
    MULTIPLY,
    NORMAL,
    NOTHING,
    SELECT,
    THIN,
    UNIFORM,
    WORD,
    WRITE,
    LawPlan,
    Setting,
)

EACH_DTYPE = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
WHERE = {"seed": 11, "site": 12, "step": 13, "draw": 14}
STRETCH = 8 * BLOCK
SIZES = [1, 2, 3, 7, 8, 9, 17, 33, STRETCH // 2 + 1, STRETCH - 1, STRETCH + 1, 2 * STRETCH + 5]
SETTINGS = {
    "affine": Setting(HALF, SELECT, 20_000, 0.8, 0.75, -0.7),
    "wide": Setting(WORD, SELECT, 3 << 29, 1.6),
    "mask": Setting(HALF, WRITE, 20_000, b=1.0),
    "wide mask": Setting(WORD, WRITE, 3 << 29, b=1.0),
    "uniform": Setting(UNIFORM, MULTIPLY, a=0.6, b=1.0),
    "uniform added": Setting(UNIFORM, ADD, a=0.6),
    "uniform written": Setting(UNIFORM, WRITE, a=0.5, b=0.5),
    "normal": Setting(NORMAL, MULTIPLY, a=0.6, b=1.0),
    "normal added": Setting(NORMAL, ADD, a=0.6),
    "normal written": Setting(NORMAL, WRITE, b=0.0),
}
EACH_SETTING = pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)


def run(setting, dtype, x, where, address, *, threads=1, in_place=False):
    """The kernel on stored values."""
    y = x.copy() if in_place else np.full_like(x, 7)
    source = y if in_place else x
    at = Address(**address)
    laws.run(
        dtype.name,
        source.__array_interface__["data"][0],
        y.__array_interface__["data"][0],
        LawPlan(where, THIN, 0, setting),
        (at.seed, at.site, at.step, at.draw),
        threads=threads,
        owners=(source, y),
    )
    return y


def normals(where, address):
    """The kernel's own normals, as float32; `TestNormals` checks them."""
    size = int(np.prod(where.shape))
    return run(Setting(NORMAL, WRITE, b=0.0), DTYPES[0], np.zeros(size, np.float32), where, address)


def expected(setting, dtype, x, where, address):
    """What a setting says, in NumPy: each product and sum rounded by itself."""
    elements, at = where.elements(), Address(**address)
    real, values = dtype.factor, dtype.values(x)
    a, b, c = (real(value) for value in setting[3:])

    def spread(mask):
        return np.broadcast_to(mask, where.shape).reshape(-1)

    with np.errstate(over="ignore", invalid="ignore"):
        if setting.draw in {HALF, WORD}:
            drawn = half_words(elements, at) if setting.draw == HALF else words(elements, at)
            kept = spread(drawn.astype(np.int64) >= setting.level)
            return dtype.stored_from(np.where(kept, values * a + b if setting.combine == SELECT else b, c))
        if setting.draw == UNIFORM:
            z = spread((2 * half_words(elements, at).astype(np.float64) - 65535) / 65536).astype(real)
        else:
            z = normals(where, address).astype(real)
        f = b + a * z
        results = {MULTIPLY: values * f, ADD: values + f, WRITE: f}
        return dtype.stored_from(results[setting.combine])


def check(setting, dtype, shape, *, share=(), window=None, address=WHERE, **how):
    """Compare every bit."""
    where = layout(shape, share, window, wide=setting.draw in {WORD, NORMAL})
    x = random_stored(dtype, int(np.prod(shape)))
    wanted = expected(setting, dtype, x, where, address)
    found = run(setting, dtype, x, where, address, **how)

    assert dtype.bits(wanted).tolist() == dtype.bits(found).tolist()


def small_pieces():
    """Make pieces so small that every test has several."""
    return mock.patch.object(execute, "GRAIN", 1)


class TestBits:
    """Every setting, in every type."""

    @EACH_SETTING
    @EACH_DTYPE
    @pytest.mark.parametrize("size", SIZES)
    def test_equal_numpy(self, dtype, setting, size):
        """Around the edges of blocks and of the stretches that a kernel makes at once."""
        check(setting, dtype, (size,))

    @EACH_SETTING
    @EACH_DTYPE
    def test_in_place(self, dtype, setting):
        """The output may be the input."""
        check(setting, dtype, (STRETCH + 9,), in_place=True)

    @EACH_SETTING
    @EACH_DTYPE
    def test_pieces_do_not_show(self, dtype, setting):
        """Cutting the work anywhere changes nothing, in the middle of a pair neither."""
        with small_pieces():
            for size in (33, 2 * STRETCH + 5):
                check(setting, dtype, (size,), threads=3)

    @EACH_SETTING
    def test_large_arrays_on_two_threads(self, setting):
        """Pieces of the real size, by the real crew."""
        calls = []
        with mock.patch.object(pool, "run", lambda work, threads: calls.append(threads) or work()):
            check(setting, DTYPES[0], (execute.GRAIN * 8 * 4 + 3,), threads=2)
        assert 2 in calls
        check(setting, DTYPES[0], (execute.GRAIN * 8 * 4 + 3,), threads=2)

    @EACH_SETTING
    @EACH_DTYPE
    def test_nothing_is_done_to_nothing(self, dtype, setting):
        """Arrays without elements."""
        check(setting, dtype, (3, 0, 2), share=(0,))

    @pytest.mark.parametrize("draw", [HALF, WORD])
    @EACH_DTYPE
    def test_levels_at_the_edges(self, dtype, draw):
        """None, one, all but one, all: a select never lets a dropped NaN through."""
        top = 1 << (16 if draw == HALF else 32)
        for level in (0, 1, top - 1, top):
            for combine in (SELECT, WRITE):
                check(Setting(draw, combine, level, 1.5, 0.5, -0.25), dtype, (STRETCH + 9,))
                check(Setting(draw, combine, level, 1.5, 0.5, -0.25), dtype, (9, 5), share=1)

    @EACH_DTYPE
    def test_everything_and_nothing(self, dtype):
        """The identity, bit for bit, -0 and NaN too; and +0 everywhere."""
        x = random_stored(dtype, 999)

        assert np.array_equal(dtype.bits(x), dtype.bits(run(EVERYTHING, dtype, x, layout((999,)), WHERE)))
        assert not run(NOTHING, dtype, x, layout((999,)), WHERE).tobytes().strip(b"\0")

    @settings(max_examples=25)
    @given(address=addresses(), rate=RATES)
    def test_any_address(self, address, rate):
        """Every coordinate up to its full width."""
        for setting in (Setting(HALF, SELECT, threshold(rate), 1.1, 0.1, 0.3), SETTINGS["wide"]):
            check(setting, DTYPES[0], (37,), address=address)


class TestLayouts:
    """Sharing and windows."""

    @EACH_SETTING
    @settings(max_examples=40)
    @given(place=places())
    def test_equal_numpy(self, setting, place):
        """Shared axes, shards, shuffled and repeated samples, in one piece and in many."""
        where = {"share": place.share, "window": place.window}
        check(setting, DTYPES[0], place.shape, **where)
        with small_pieces():
            check(setting, DTYPES[0], place.shape, threads=3, **where)

    @EACH_SETTING
    @EACH_DTYPE
    @pytest.mark.parametrize("inner", [2, 9, STRETCH + 1])
    def test_a_draw_spread_over_many_elements(self, dtype, setting, inner):
        """Channels, also larger than what a kernel makes at once; in place too."""
        check(setting, dtype, (3, 3, inner), share=2)
        check(setting, dtype, (3, 3, inner), share=2, in_place=True)

    @EACH_SETTING
    @pytest.mark.parametrize("start", [2**32 - 5, 2**34 - 5, 2**35 - 5, 2**50 - 40])
    def test_elements_far_along(self, setting, start):
        """Element and block indices beyond 32 bits do not wrap."""
        check(setting, DTYPES[0], (40,), window=((2**50,), (start,)))


def radius(where, address):
    """Of each element's pair."""
    elements = where.elements()
    first = words(elements - elements % 2, Address(**address)).astype(np.float64)
    return np.sqrt(-2 * np.log1p(-(2.0**32 - 1 - first) / 2.0**32))


def check_normals(shape, *, share=(), window=None, address=WHERE):
    """Within the law's tolerance of the truth."""
    where = layout(shape, share, window, wide=True)
    found = normals(where, address).astype(np.float64).reshape(where.shape)
    exact = normal(shape, share=share, window=window, **address)

    assert (np.abs(found - exact) <= 2.0**-20 * radius(where, address)).all()


class TestNormals:
    """Box-Muller in float32."""

    def test_are_within_tolerance(self):
        """A million of them."""
        check_normals((1 << 20,))

    @given(place=places(), address=addresses())
    def test_lie_where_they_should(self, place, address):
        """A row may begin in the middle of a pair."""
        check_normals(place.shape, share=place.share, window=place.window, address=address)

    def test_words_at_the_edges(self):
        """Powers of two, their neighbours, and those of sqrt(1/2) times them, as radius and as angle."""
        near = [
            int(2**power * share) + offset
            for power in range(33)
            for share in (1, 0.5**0.5)
            for offset in range(-2, 3)
        ]
        edges = np.unique(np.array(near, np.int64) % 2**32).astype(np.uint32)
        pairs = np.stack(np.meshgrid(edges, edges), -1).reshape(-1, 2)
        found = from_words(pairs.reshape(-1)).astype(np.float64).reshape(-1, 2)
        first, second = pairs.astype(np.float64).T
        exact_radius = np.sqrt(-2 * np.log1p(-(2.0**32 - 1 - first) / 2.0**32))
        exact_radius = np.where(first < 2**31, np.sqrt(-2 * np.log((first + 1) / 2.0**32)), exact_radius)
        angle = 2 * np.pi * second / 2.0**32
        exact = exact_radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)

        # 2^-50: the angle itself, in float64.
        assert (np.abs(found - exact) <= (2.0**-20 + 2.0**-50) * exact_radius[:, None]).all()

    def test_an_element_is_the_same_everywhere(self):
        """Bit for bit: in another window, spread, in another type."""
        whole = normals(layout((40, 13)), WHERE).reshape(40, 13)
        part = normals(layout((9, 7), window=((40, 13), (3, 5))), WHERE).reshape(9, 7)
        wide = run(SETTINGS["normal written"], DTYPES[1], np.zeros(520), layout((40, 13)), WHERE)
        spread = normals(layout((40, 13, 3), share=2), WHERE).reshape(40, 13, 3)

        assert np.array_equal(whole[3:12, 5:12], part)
        assert np.array_equal(whole.astype(np.float64).reshape(-1), wide)
        assert (spread == whole[:, :, None]).all()

    def test_uniforms_are_the_truth(self):
        """`(h + 0.5) / 65536`."""
        found = run(SETTINGS["uniform written"], DTYPES[0], np.zeros(999, np.float32), layout((999,)), WHERE)

        assert np.array_equal(uniform((999,), **WHERE), found)


def from_words(given_words):
    """The kernel's normals from words of our own."""
    from numba import int64, njit

    from thinned.kernels.normals import GROUP, write_normals

    @njit
    def made(source, target):
        for i in range(0, target.size, GROUP):
            write_normals(int64(source.ctypes.data) + 4 * i, int64(target.ctypes.data) + 4 * i)

    source = np.zeros(-(-given_words.size // GROUP) * GROUP, np.uint32)
    source[: given_words.size] = given_words
    target = np.empty(source.size, np.float32)
    made(source, target)
    return target[: given_words.size]


@pytest.mark.parametrize("dtype", HALVES, ids=lambda dtype: dtype.name)
@EACH_SETTING
def test_every_bit_pattern(dtype, setting):
    """Half types: normals, subnormals, zeros, infinities and NaNs are rounded once, ties to even."""
    x = np.arange(2**16, dtype=np.uint16).view(dtype.stored)
    where = layout((2**16,), wide=setting.draw in {WORD, NORMAL})

    assert np.array_equal(
        dtype.bits(expected(setting, dtype, x, where, WHERE)),
        dtype.bits(run(setting, dtype, x, where, WHERE)),
    )
