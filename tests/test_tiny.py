"""The whole, in two seconds: `pytest tests/test_tiny.py` is the first thing to run after a change."""

import numpy as np
import pytest

from thinned.kernels.execute import ADD, DROP, RELU, relu_gradient, thin
from thinned.mask import keep, normal, quantise, uniform
from thinned.methods.dropout import plan

SEED, SITE, STEP, DRAW = ADDRESS = (1, 2, 3, 4)
WHERE = {"seed": SEED, "site": SITE, "step": STEP, "draw": DRAW}
SHAPE = (64, 33)
RATE = float(uniform((1,), **WHERE)[0]) - 0.5 / 65536
"""A rate whose threshold the first element meets exactly, so that it is kept, and no more."""


def run(op, x, **arguments):
    """The kernel's answer for an array of `SHAPE`."""
    y = np.empty_like(x)
    thin(op, x.reshape(-1), y.reshape(-1), plan(SHAPE, RATE), ADDRESS, threads=2, **arguments)
    return y


class TestTiny:
    """One fact of each room."""

    def test_mask(self):
        """The first block of the zero address is Random123's first known answer, read as half-words."""
        words = [0xE8D5, 0x6627, 0xC58D, 0xE169, 0xAC4C, 0xBC57, 0xDBD8, 0x9B00]

        assert [(word + 0.5) / 65536 for word in words] == uniform((8,), seed=0).tolist()
        assert [word >= 32768 for word in words] == keep((8,), 0.5, seed=0).tolist()
        assert normal((3,), seed=0).round(6).tolist() == [0.991138, -0.924663, -0.617609]

    def test_threshold(self):
        """An element is kept where its half-word is at least T: the first one here is equal to it."""
        assert keep((1,), RATE, **WHERE).all()
        assert not keep((1,), RATE + 1 / 65536, **WHERE).any()

    def test_window(self):
        """A part has the mask that it has in the whole."""
        ids = [5, 0, 63]
        part = keep((3, 33), RATE, window=(SHAPE, (ids, 0)), **WHERE)

        assert np.array_equal(keep(SHAPE, RATE, **WHERE)[ids], part)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_kernel(self, dtype):
        """All three operations and the relu's gradient, against the mask."""
        x, r = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(dtype)
        kept, scale = keep(SHAPE, RATE, **WHERE), dtype(1 / (1 - quantise(RATE)))
        dropped = np.where(kept, x * scale, dtype(0))
        rectified = np.where(kept & (x > 0), x * scale, dtype(0))
        gradient = np.empty_like(r)
        relu_gradient(r.reshape(-1), rectified.reshape(-1), gradient.reshape(-1), float(scale), threads=2)

        assert np.array_equal(dropped, run(DROP, x))
        assert np.array_equal(rectified, run(RELU, x))
        assert np.array_equal(dropped + r, run(ADD, x, residual=r.reshape(-1)))
        assert np.array_equal(np.where(rectified > 0, r * scale, dtype(0)), gradient)

    def test_torch(self):
        """A tensor, a layer in a bound model, and the gradient, against the mask."""
        torch = pytest.importorskip("torch")
        tt = pytest.importorskip("thinned.torch")
        x = torch.ones(SHAPE, requires_grad=True)
        model = tt.bind(torch.nn.Sequential(tt.Dropout(RATE)), SEED)
        kept = keep(SHAPE, RATE, seed=SEED, site="0", step=1)
        model(x)
        y = model(x)
        y.sum().backward()

        assert np.array_equal(keep(SHAPE, RATE, **WHERE), (tt.dropout(x, RATE, **WHERE) != 0).numpy())
        assert np.array_equal(kept, (y != 0).numpy())
        assert torch.equal(y, x.grad)
