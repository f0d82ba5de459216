"""The law in plain tensor operations, which devices without a kernel run: the same bits."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import RATES, addresses, places
from tests.torch.truth import DTYPES, name, odd_values, same
from thinned.mask import Address, keep
from thinned.methods.dropout import plan
from thinned.torch import _kernel, _plain

CPU = torch.device("cpu")
OPS = {"drop": _kernel.DROP, "relu": _kernel.RELU, "add": _kernel.ADD}


def coordinates(address):
    """An address as kernels take it."""
    where = Address(**address)
    return where.seed, where.site, where.step, where.draw


class TestPlain:
    """Compared on the CPU with the truth and with the kernel."""

    @given(place=places(), rate=RATES, address=addresses())
    def test_mask(self, place, rate, address):
        """For all places, rates and addresses."""
        how = plan(place.shape, rate, place.share, place.window)
        mask = _plain.keep(how.where, coordinates(address), how.threshold, CPU)

        expected = keep(place.shape, rate, share=place.share, window=place.window, **address)
        assert np.array_equal(expected, mask.numpy())

    @given(place=places(), rate=RATES, address=addresses(), dtype=st.sampled_from(DTYPES))
    @pytest.mark.parametrize("op", OPS.values(), ids=OPS)
    def test_operations(self, op, place, rate, address, dtype):
        """The kernel's bits, infinities and negative zeros too."""
        how = plan(place.shape, rate, place.share, place.window)
        x = odd_values(place.shape, dtype)
        r = odd_values(place.shape, dtype, seed=1) if op == _kernel.ADD else None
        at = coordinates(address)

        assert same(_kernel.thin(op, x, _kernel.ready(x, how), at, r), _plain.thin(op, x, how, at, r))

    @given(rate=RATES, dtype=st.sampled_from(DTYPES))
    def test_relu_gradient(self, rate, dtype):
        """From the output alone."""
        x, gradient = odd_values((70,), dtype), odd_values((70,), dtype, seed=1)
        how = plan((70,), rate)
        y = _kernel.thin(_kernel.RELU, x, _kernel.ready(x, how), (1, 2, 3, 4))

        assert same(
            _kernel.relu_gradient(gradient, y, how.scale), _plain.relu_gradient(gradient, y, how.scale)
        )

    def test_elements_beyond_32_bits(self):
        """Blocks are counted in 48 bits."""
        window = ((2**20, 2**31), (2**20 - 2, 2**31 - 9))
        how = plan((2, 9), 0.5, (), window)

        assert np.array_equal(
            keep((2, 9), 0.5, window=window, seed=5, draw=65535),
            _plain.keep(how.where, (5, 0, 0, 65535), how.threshold, CPU).numpy(),
        )

    @pytest.mark.parametrize("dtype", DTYPES, ids=name)
    def test_a_device_without_memory(self, dtype):
        """The meta device gives shapes."""
        x = torch.empty((2, 3), dtype=dtype, device="meta")
        y = _kernel.thin(_kernel.DROP, x, _kernel.ready(x, plan((2, 3), 0.5)), (0, 0, 0, 0))

        assert (torch.Size([2, 3]), dtype, "meta") == (y.shape, y.dtype, y.device.type)
