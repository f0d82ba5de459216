"""The catalogue in NNX and Linen is PyTorch's: masks at one address, outputs and gradients within rounding."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

import thinned.flax as tf
import thinned.torch as tt
from tests.jax.truth import same

SEED, SITE = 2**40 + 9, "here"
RNG = np.random.default_rng(0)
LOGITS = np.where(np.tril(np.ones((6, 6))), RNG.standard_normal((3, 4, 6, 6)), -np.inf).astype("float32")
WEIGHTS = RNG.random((3, 4, 6, 6)).astype("float32")
TOKENS = RNG.standard_normal((5, 1 + 12, 3)).astype("float32")

ROUNDING = 4 * 2.0**-24
"""A factor that is a quotient, a product, and what XLA fuses: each rounded once, in either framework."""

CASES = {
    "AttentionDropout": (tf.AttentionDropout, tf.linen.AttentionDropout, tt.AttentionDropout, {}, WEIGHTS),
    "DropHead": (
        tf.AttentionDropout, tf.linen.AttentionDropout, tt.AttentionDropout, {"per": "head"}, WEIGHTS,
    ),
    "DropKey": (tf.DropKey, tf.linen.DropKey, tt.DropKey, {}, LOGITS),
    "PatchDropout": (tf.PatchDropout, tf.linen.PatchDropout, tt.PatchDropout, {}, TOKENS),
    "PatchDropout in order": (
        tf.PatchDropout, tf.linen.PatchDropout, tt.PatchDropout,
        {"ordered": True, "num_prefix_tokens": 0}, TOKENS,
    ),
}  # fmt: skip


def close(expected, actual):
    """Within the rounding; what is dropped is dropped, to the bit."""
    expected, actual = np.asarray(expected), np.asarray(actual)
    np.testing.assert_allclose(actual, expected, rtol=ROUNDING, atol=0)


@pytest.mark.parametrize("name", CASES)
class TestLayers:
    """Layers without weights."""

    def test_outputs_and_gradients(self, name):
        """Of three steps, the last two compiled."""
        ours, written, theirs, options, x = CASES[name]
        net = tf.bind(nnx.Sequential(ours(0.5, **options, site=SITE)), SEED)
        linen = tf.bind(written(rate=0.5, **options, site=SITE, deterministic=False), SEED)
        other = tt.bind(torch.nn.Sequential(theirs(0.5, **options, site=SITE)), SEED)

        def pulled(x, run):
            """A sum, finite where logits are not."""
            y = run(x)
            return jnp.where(jnp.isfinite(y), y, 0).sum(), y

        def run(net, x):
            return nnx.value_and_grad(lambda net, x: pulled(x, net), argnums=1, has_aux=True)(net, x)

        compiled = nnx.jit(run)
        for step in range(3):
            given = torch.tensor(x, requires_grad=True)
            y = other(given)
            torch.where(y.isfinite(), y, 0).sum().backward()
            (_, found), slope = (compiled if step else run)(net, jnp.asarray(x))
            close(y.detach(), found)
            close(given.grad, slope)
            assert same(linen.apply({}, x, step=step), found)

    def test_evaluation(self, name):
        """Is the identity."""
        ours, written, _, options, x = CASES[name]
        assert same(ours(0.5, **options, deterministic=True)(x), x)
        assert same(written(rate=0.5, **options).apply({}, x, deterministic=True), x)


class TestEmbedding:
    """A look-up that drops words."""

    IDS = np.array([[3, 8, 3, -1], [0, 8, 7, 2]])

    def made(self):
        """NNX, Linen and PyTorch, with one matrix."""
        nnx_layer = tf.EmbeddingDropout(9, 4, rate=0.5, site=SITE, rngs=nnx.Rngs(0))
        matrix = np.asarray(nnx_layer.embedding[...])
        linen = tf.linen.EmbeddingDropout(9, 4, rate=0.5, site=SITE, deterministic=False)
        other = tt.EmbeddingDropout(9, 4, p=0.5, site=SITE)
        other.weight.data = torch.tensor(matrix)
        bound = tf.bind(linen, SEED)
        return tf.bind(nnx.Sequential(nnx_layer), SEED), bound, tt.bind(torch.nn.Sequential(other), SEED)

    def test_is_pytorch_s(self):
        """Rows, and the gradient of the matrix; a negative id is a row counted from the end."""
        net, linen, other = self.made()
        matrix = net.layers[0].embedding[...]
        for step in range(3):
            other.zero_grad()
            y = other(torch.tensor(self.IDS % 9))
            y.square().sum().backward()
            run = nnx.grad(lambda net: ((y := net(self.IDS)) ** 2).sum() + 0 * y.sum())
            slope = (nnx.jit(run) if step else run)(net)
            close(other[0].weight.grad, slope["layers"][0]["embedding"][...])
            close(y.detach(), linen.apply({"params": {"embedding": matrix}}, self.IDS, step=step))
        net.eval()
        assert same(net(self.IDS), matrix[self.IDS])

    def test_sites(self):
        """One draw for each row of the matrix."""
        net, linen, _ = self.made()
        assert [(9, 1)] == [line.mask_shape for line in tf.sites(net, self.IDS)]
        assert [(9, 1)] == [line.mask_shape for line in tf.sites(linen, self.IDS)]
