"""A rate that is learned, in NNX and Linen: PyTorch's, in outputs, gradients and regulariser."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen as nn
from flax import nnx

import thinned
import thinned.flax as tf
import thinned.jax as tj
import thinned.torch as tt
from thinned.errors import RateError

pytestmark = pytest.mark.long

SEED, SITE, T = 2**40 + 9, "here", 0.1
RNG = np.random.default_rng(0)

ROUNDING = 3 * 16 * 2.0**-24 / T
"""A factor's argument is below 16, is rounded three times to a share of 2^-24, and divided by the temperature."""


def pair(convolution):
    """NNX, Linen with its variables, and PyTorch, with the same weights; an input, and PyTorch's."""
    rngs = nnx.Rngs(0)
    if convolution:
        x = RNG.standard_normal((3, 6, 5, 4)).astype("float32")
        layer, other = nnx.Conv(4, 2, (3, 3), padding="VALID", rngs=rngs), torch.nn.Conv2d(4, 2, 3)
        other.weight.data = torch.tensor(np.asarray(layer.kernel[...]).transpose(3, 2, 0, 1).copy())
        written, given = nn.Conv(2, (3, 3), padding="VALID"), torch.tensor(x.transpose(0, 3, 1, 2).copy())
    else:
        x = RNG.standard_normal((8, 4)).astype("float32")
        layer, other = nnx.Linear(4, 2, rngs=rngs), torch.nn.Linear(4, 2)
        other.weight.data = torch.tensor(np.asarray(layer.kernel[...]).T.copy())
        written, given = nn.Dense(2), torch.tensor(x)
    other.bias.data = torch.tensor(np.asarray(layer.bias[...]))
    kernel, bias = layer.kernel[...], layer.bias[...]
    options = {"weight_regulariser": 0.01, "dropout_regulariser": 0.1, "site": SITE}
    net = tf.bind(nnx.Sequential(tf.ConcreteDropout(layer, 0.3, **options)), SEED)
    linen = tf.bind(tf.linen.ConcreteDropout(written, 0.3, **options, deterministic=False), SEED)
    params = {"layer": {"kernel": kernel, "bias": bias}, "p_logit": net.layers[0].p_logit[...]}
    theirs = tt.bind(torch.nn.Sequential(tt.ConcreteDropout(other, 0.3, **options)), SEED)
    return net, (linen, params), theirs, x, given


@pytest.mark.parametrize("convolution", [False, True], ids=["linear", "convolution"])
class TestConcreteDropout:
    """One layer."""

    def test_is_pytorch_s(self, convolution):
        """The loss with its regulariser, and the gradients of rate, weights and input, over three steps."""
        net, (linen, params), other, x, given = pair(convolution)

        def run(net, x):
            def loss(net, x):
                y = net(x)
                return (y**2).mean() + tf.concrete_regulariser(net), y

            return nnx.value_and_grad(loss, argnums=(0, 1), has_aux=True)(net, x)

        compiled = nnx.jit(run)
        for step in range(3):
            other.zero_grad()
            leaf = given.clone().requires_grad_()
            y = other(leaf)
            loss = y.square().mean() + tt.concrete_regulariser(other)
            loss.backward()
            (found, out), (slopes, slope) = (compiled if step else run)(net, x)
            order = (0, 2, 3, 1) if convolution else (0, 1)
            np.testing.assert_allclose(out, y.detach().permute(order), rtol=0, atol=100 * ROUNDING)
            np.testing.assert_allclose(found, loss.detach(), rtol=100 * ROUNDING)
            np.testing.assert_allclose(slope, leaf.grad.permute(order), rtol=0, atol=100 * ROUNDING)
            ours, theirs = slopes["layers"][0], other[0]
            np.testing.assert_allclose(ours["p_logit"][...], theirs.p_logit.grad, rtol=1e-3)
            np.testing.assert_allclose(ours["layer"]["bias"][...], theirs.layer.bias.grad, rtol=0, atol=1e-3)
            again, changed = linen.apply({"params": params}, x, step=step, mutable=["losses"])
            np.testing.assert_allclose(again, out, rtol=0, atol=100 * ROUNDING)
            penalty = tf.concrete_regulariser(changed["losses"])
            np.testing.assert_allclose(penalty, tt.concrete_regulariser(other).detach(), rtol=1e-5)

    def test_evaluation_and_sites(self, convolution):
        """The layer alone; one draw for all positions."""
        net, (linen, _), other, x, given = pair(convolution)
        (line,) = thinned.sites(net, x)
        assert line.mask_shape == ((3, 1, 1, 4) if convolution else (8, 4))
        assert abs(line.rate - 0.3) < 1e-6
        assert np.isnan(tf.sites(linen, x)[0].rate)
        net.eval()
        y = other.eval()(given).detach().permute((0, 2, 3, 1) if convolution else (0, 1))
        np.testing.assert_allclose(net(x), y, rtol=0, atol=1e-5)


def test_learns():
    """Where dropping only hurts, the rate falls; the regulariser holds it up."""
    for factor, falls in ((0.0, True), (1.0, False)):
        layer = tf.ConcreteDropout(
            nnx.Linear(4, 2, rngs=nnx.Rngs(0)), 0.3, dropout_regulariser=factor, rngs=nnx.Rngs(1)
        )
        x = jnp.ones((16, 4))
        y = layer.layer(x)

        @nnx.jit
        def slope(layer, x=x, y=y):
            return nnx.grad(lambda layer: ((layer(x) - y) ** 2).mean() + layer.regulariser())(layer)[
                "p_logit"
            ]

        for _ in range(30):
            layer.p_logit[...] = layer.p_logit[...] - 0.5 * slope(layer)[...]
        assert (float(layer.rate) < 0.25) == falls


def test_errors():
    """What cannot be learned."""
    with pytest.raises(TypeError, match="to learn the dropout of"):
        tf.ConcreteDropout(nnx.BatchNorm(3, rngs=nnx.Rngs(0)))
    with pytest.raises(RateError, match="between 0 and 1"):
        tf.linen.ConcreteDropout(nn.Dense(3), 0.0)
    with pytest.raises(RateError, match="a temperature"):
        tf.ConcreteDropout(nnx.Linear(3, 3, rngs=nnx.Rngs(0)), temperature=0.0)
    with pytest.raises(RateError, match="floating-point array of one"):
        tj.concrete_dropout(jnp.ones(3), jnp.ones(2), seed=0)
    assert jax.numpy.isfinite(tj.concrete_dropout(jnp.ones(3), 0.5, seed=0)).all()
