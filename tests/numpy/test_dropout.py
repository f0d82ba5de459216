"""`thinned.numpy.dropout`: the law on arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import RATES, addresses, places
from thinned.errors import DtypeError, RateError
from thinned.mask import keep, threshold
from thinned.mask.rate import scale
from thinned.numpy import _functional, dropout
from thinned.numpy._functional import _ask_address, _read_address, _reads


def expected(x, rate, place, address):
    """The law, written out: a float32 or float64 product, rounded once, or +0."""
    mask = keep(place.shape, rate, share=place.share, window=place.window, **address)
    exact = np.float64 if x.dtype == np.float64 else np.float32
    scaled = x.astype(exact) * exact(scale(threshold(rate)))
    return np.where(mask, scaled, exact(0)).astype(x.dtype)


class TestDropout:
    """`dropout`."""

    @given(place=places(), rate=RATES, address=addresses(), dtype=st.sampled_from(["f2", "f4", "f8"]))
    def test_is_the_law(self, place, rate, address, dtype):
        """Each kept element is scaled, each other is +0, for any shape, sharing and window."""
        x = np.random.default_rng(0).standard_normal(place.shape).astype(dtype)

        actual = dropout(x, rate, share=place.share, window=place.window, **address)

        assert (x.shape, x.dtype) == (actual.shape, actual.dtype)
        np.testing.assert_array_equal(expected(x, rate, place, address), actual)

    def test_strides_do_not_matter(self):
        """An element's index is its place in row-major order, wherever it lies in memory."""
        x = np.arange(60.0).reshape(3, 4, 5)
        for view in (x.T, x[:, ::2], x[::-1], np.broadcast_to(x[:1], (6, 4, 5))):
            np.testing.assert_array_equal(dropout(view.copy(), 0.5, seed=1), dropout(view, 0.5, seed=1))

    def test_reads_what_it_may_not_write(self):
        """A read-only input is an input."""
        x = np.ones(8, np.float32)
        x.flags.writeable = False

        assert dropout(x, 0.5, seed=0).tolist() == dropout(np.ones(8, np.float32), 0.5, seed=0).tolist()

    def test_writes_where_it_is_told(self):
        """`out` may be another array, a strided one, or the input itself."""
        x = np.ones((4, 6), np.float32)
        whole = dropout(x, 0.5, seed=0)
        other, strided = np.empty_like(x), np.empty((6, 4), np.float32).T

        assert dropout(x, 0.5, seed=0, out=other) is other
        assert dropout(x, 0.5, seed=0, out=strided) is strided
        assert dropout(x, 0.5, seed=0, out=x) is x
        for written in (other, strided, x):
            np.testing.assert_array_equal(whole, written)


class TestErrors:
    """What it refuses."""

    @pytest.mark.parametrize("dtype", [np.int64, np.complex64, np.bool_, object])
    def test_a_dtype_that_cannot_be_scaled(self, dtype):
        """The message names the dtype and the shape."""
        with pytest.raises(DtypeError, match=r"got (int64|complex64|bool|object) of shape \(3,\)"):
            dropout(np.zeros(3, dtype), 0.5, seed=0)

    def test_a_rate_outside_its_range(self):
        """As everywhere."""
        with pytest.raises(RateError, match="probability of dropping"):
            dropout(np.zeros(3), 1.5, seed=0)

    def test_an_out_that_does_not_fit(self):
        """Shape and dtype are said, both of them."""
        with pytest.raises(ValueError, match=r"float64 of shape \(3,\); got float32 of shape \(4,\)"):
            dropout(np.zeros(3), 0.5, seed=0, out=np.zeros(4, np.float32))

    def test_an_out_that_overlaps(self):
        """A shifted view of the input would be read after it was written."""
        x = np.zeros(9)
        with pytest.raises(ValueError, match="overlaps x"):
            dropout(x[1:], 0.5, seed=0, out=x[:-1])

    def test_an_out_that_is_read_only(self):
        """It is not written to."""
        out = np.ones(8, np.float32)
        out.flags.writeable = False
        with pytest.raises(ValueError, match="read-only"):
            dropout(np.ones(8, np.float32), 0.5, seed=0, out=out)

    def test_a_foreign_byte_order(self):
        """The kernel reads this machine's; the message says how to get there."""
        with pytest.raises(DtypeError, match=r"byte order; got >f4; convert it with x.astype\('float32'\)"):
            dropout(np.ones(3, ">f4"), 0.5, seed=0)


class TestAddress:
    """Where an array's values are."""

    def test_read_from_the_object(self, tmp_path):
        """As NumPy says, of views, empty arrays and subclasses."""
        x = np.arange(24.0).reshape(2, 3, 4)
        mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=(100,))
        arrays = [x, x[1:, ::2], x.T, np.zeros((0, 3)), np.zeros(()), mapped, mapped[7:]]

        assert [_read_address(a) for a in arrays] == [_ask_address(a) for a in arrays]

    def test_asked_where_objects_are_laid_out_otherwise(self, monkeypatch):
        """Which is tried with arrays, once."""
        assert _reads()
        monkeypatch.setattr(_functional, "_POINTER", _functional._POINTER + 8)

        assert not _reads()


class TestOut:
    """`out=` that is the input, and that only looks like it."""

    def test_a_subclass_in_place(self, tmp_path):
        """A file mapped to memory is written over."""
        x = np.memmap(tmp_path / "x", np.float32, "w+", shape=(100,))
        x[:] = 1
        y = dropout(x, 0.5, seed=3, out=x)

        assert np.array_equal(keep((100,), 0.5, seed=3), np.asarray(x) != 0)
        assert np.shares_memory(x, y)

    def test_interleaved_arrays_share_no_byte(self):
        """Every second element read, the others written."""
        a = np.ones(200, np.float32)
        dropout(a[::2], 0.5, seed=3, out=a[1::2])

        assert np.array_equal(keep((100,), 0.5, seed=3), a[1::2] != 0)
        assert a[::2].all()
