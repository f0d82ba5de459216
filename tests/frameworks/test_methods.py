"""Every method that Flax has is PyTorch's at one address: seed, name, step, and what is left of the input."""

import numpy as np
import pytest
import torch

import thinned
import thinned.torch as tt

jax = pytest.importorskip("jax")
nnx = pytest.importorskip("flax.nnx")
tf = pytest.importorskip("thinned.flax")

SEED, RATE, STEPS = 5, 0.25, 3
X = np.random.default_rng(0).standard_normal((4, 5, 6, 3)).astype(np.float32)

CASES = {
    "Dropout": ({}, {}),
    "AlphaDropout": ({}, {}),
    "FeatureAlphaDropout": ({}, {}),
    "GaussianDropout": ({}, {}),
    "UniformDropout": ({}, {}),
    "GaussianNoise": ({}, {}),
    "StochasticReLU": ({}, {}),
    "LockedDropout": ({"batch_first": True}, {}),
    "DropPath": ({}, {}),
    "BatchDropout": ({"groups": 3, "axis": -1}, {"groups": 3}),
    "DropBlock2d": ({"block_size": 3, "share_channels": True},) * 2,
}
"""PyTorch's arguments, and Flax's."""

CHANNELS_FIRST = ("FeatureAlphaDropout", "DropBlock2d")
"""Layers that take channels where their framework has them."""


def in_torch(name, rate):
    """Outputs and input gradients of some steps."""
    layer = getattr(tt, name)(rate, **CASES[name][0], site="it")
    net, found = tt.bind(torch.nn.Sequential(layer), SEED), []
    for _ in range(STEPS):
        x = torch.tensor(X)
        x = (x.movedim(-1, 1) if name in CHANNELS_FIRST else x).requires_grad_()
        y = net(x)
        y.backward(x.detach())
        pair = (y.detach(), x.grad)
        found += [(v.movedim(1, -1) if name in CHANNELS_FIRST else v).numpy() for v in pair]
    return found


def in_nnx(name, rate):
    """The same."""
    net = tf.bind(nnx.Sequential(getattr(tf, name)(rate, **CASES[name][1], site="it")), SEED)

    @nnx.jit
    def run(net, x):
        def loss(net, x):
            y = net(x)
            return (y * X).sum(), y

        (_, y), slope = nnx.value_and_grad(loss, argnums=1, has_aux=True)(net, x)
        return y, slope

    return [value for _ in range(STEPS) for value in run(net, X)]


def in_linen(name, rate):
    """The same."""
    amount = "std" if name == "GaussianNoise" else "rate"
    layer = getattr(tf.linen, name)(**{amount: rate}, **CASES[name][1], deterministic=False, site="it")
    net, found = tf.bind(layer, SEED), []
    for step in range(STEPS):
        y, pull = jax.vjp(lambda x, step=step: net.apply({}, x, step=step), X)
        found += [y, pull(jax.numpy.asarray(X))[0]]
    return found


@pytest.mark.parametrize("rate", [RATE, thinned.linear(0.1, 0.7, steps=2)], ids=["constant", "schedule"])
@pytest.mark.parametrize("name", CASES)
def test_methods(name, rate):
    """Masks are one bit by bit; values are within roundings, and normals within 2^-20 of their radius, each.

    Of the numbers and the arithmetic there are at most 16 roundings in each framework; no scale is above 4. Two
    normals at one address lie at most 2 x 2^-20 x 6.66 apart, and are multiplied by at most sqrt(0.7 / 0.3) < 2.
    """
    bound = 2 * 16 * 2.0**-24 * 4 * (np.abs(X) + 2)
    if name in {"GaussianDropout", "GaussianNoise"}:
        bound = bound + 2 * 2.0**-20 * 6.66 * 2 * np.maximum(np.abs(X), name == "GaussianNoise")
    expected = in_torch(name, rate)
    for framework in (in_nnx, in_linen):
        for ours, theirs in zip(expected, framework(name, rate), strict=True):
            assert np.array_equal(ours == 0, np.asarray(theirs) == 0)
            assert (np.abs(ours - theirs) <= bound).all()


@pytest.mark.parametrize("per", ["example", "batch"])
def test_dropconnect(per):
    """The same weights have the same masks, though Flax keeps them the other way round."""
    x = X[:, :, 0]
    theirs = tt.DropConnectLinear(3, 4, 0.5, per=per, site="it")
    ours = tf.DropConnectLinear(3, 4, 0.5, per=per, site="it", rngs=nnx.Rngs(0))
    ours.kernel[...] = theirs.weight.detach().numpy().T
    ours.bias[...] = theirs.bias.detach().numpy()
    one, two = tt.bind(torch.nn.Sequential(theirs), SEED), tf.bind(nnx.Sequential(ours), SEED)

    for _ in range(2):
        np.testing.assert_allclose(one(torch.tensor(x)).detach().numpy(), two(x), rtol=1e-5, atol=1e-5)
