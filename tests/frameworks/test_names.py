"""One architecture with the same names has the same sites in every framework: what docs/names.md says."""

import pytest
import torch

import thinned
import thinned.torch
from thinned.mask import keep

SEED, RATE, ROWS, WIDTH = 5, 0.5, 3, 16
NAMES = ["drop1", "block.drop", "block.drop#1", "chosen"]


def in_torch():
    """The table and the first training call's masks, PyTorch."""

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = thinned.torch.Dropout(RATE)

        def forward(self, x):
            return self.drop(x + 1), self.drop(x + 1)

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.drop1, self.block = thinned.torch.Dropout(RATE), Block()
            self.last = thinned.torch.Dropout(RATE, site="chosen")

        def forward(self, x):
            return self.drop1(x), *self.block(x), self.last(x)

    net, x = thinned.torch.bind(Net(), SEED), torch.ones(ROWS, WIDTH)
    return thinned.sites(net, x), [y.numpy() for y in net(x)]


def in_nnx():
    """The same, Flax NNX."""
    nnx = pytest.importorskip("flax.nnx")
    jnp = pytest.importorskip("jax.numpy")
    flax = pytest.importorskip("thinned.flax")

    class Block(nnx.Module):
        def __init__(self):
            self.drop = flax.Dropout(RATE)

        def __call__(self, x):
            return self.drop(x + 1), self.drop(x + 1)

    class Net(nnx.Module):
        def __init__(self):
            self.drop1, self.block, self.last = flax.Dropout(RATE), Block(), flax.Dropout(RATE, site="chosen")

        def __call__(self, x):
            return self.drop1(x), *self.block(x), self.last(x)

    net, x = flax.bind(Net(), SEED), jnp.ones((ROWS, WIDTH))
    return thinned.sites(net, x), net(x)


def in_linen():
    """The same, Flax Linen."""
    linen = pytest.importorskip("flax.linen")
    jnp = pytest.importorskip("jax.numpy")
    ours = pytest.importorskip("thinned.flax.linen")
    flax = pytest.importorskip("thinned.flax")

    class Block(linen.Module):
        def setup(self):
            self.drop = ours.Dropout(RATE, deterministic=False)

        def __call__(self, x):
            return self.drop(x + 1), self.drop(x + 1)

    class Net(linen.Module):
        def setup(self):
            self.drop1, self.block = ours.Dropout(RATE, deterministic=False), Block()
            self.last = ours.Dropout(RATE, deterministic=False, site="chosen")

        def __call__(self, x):
            return self.drop1(x), *self.block(x), self.last(x)

    net, x = Net(), jnp.ones((ROWS, WIDTH))
    return thinned.sites(net, x), flax.bind(net, SEED).apply({}, x, step=0)


def in_keras():
    """The same, Keras, on the backend of this process."""
    keras = pytest.importorskip("keras")
    ours = pytest.importorskip("thinned.keras")

    class Block(keras.Layer):
        def __init__(self):
            super().__init__()
            self.drop = ours.layers.Dropout(RATE)

        def call(self, x, training=False):
            return self.drop(x + 1, training=training), self.drop(x + 1, training=training)

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.drop1, self.block = ours.layers.Dropout(RATE), Block()
            self.last = ours.layers.Dropout(RATE, site="chosen")

        def call(self, x, training=False):
            return (
                self.drop1(x, training=training),
                *self.block(x, training=training),
                self.last(x, training=training),
            )

    net, x = Net(), keras.ops.ones((ROWS, WIDTH))
    net(x)
    ours.bind(net, SEED)
    table = thinned.sites(net, x)
    return table, [keras.ops.convert_to_numpy(y) for y in net(x, training=True)]


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras asks PyTorch's tensors in the old way
@pytest.mark.parametrize(
    "framework", [in_torch, in_nnx, in_linen, in_keras], ids=["torch", "nnx", "linen", "keras"]
)
class TestNames:
    """The same attribute names, one layer used twice, one with a site of its own."""

    def test_sites_and_masks(self, framework):
        """The table names them alike, and the masks are the law's at those names."""
        table, outputs = framework()

        assert NAMES == [site.name for site in table]
        assert [(ROWS, WIDTH)] * 4 == [site.mask_shape for site in table]
        for name, y in zip(NAMES, outputs, strict=True):
            assert keep((ROWS, WIDTH), RATE, seed=SEED, site=name).tolist() == (y != 0).tolist()
