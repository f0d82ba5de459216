"""What every layer of the catalogue does in NNX and in Linen: free and bound, in training and evaluation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

import thinned
import thinned.flax as tf
import thinned.jax as tj
from tests.jax.truth import same
from thinned.errors import BindError, ConfigurationError, RateError, ShapeError, ShareError
from thinned.mask import keep
from thinned.methods import drop_block

SEED = 3
X = jnp.asarray(np.random.default_rng(0).standard_normal((4, 5, 6, 3)), jnp.float32)

CASES = {
    "Dropout": {},
    "AlphaDropout": {},
    "FeatureAlphaDropout": {},
    "GaussianDropout": {},
    "UniformDropout": {},
    "GaussianNoise": {},
    "StochasticReLU": {},
    "LockedDropout": {},
    "DropPath": {},
    "DropPath unscaled": {"scale_by_keep": False},
    "BatchDropout": {"groups": 2},
    "DropBlock2d": {"block_size": 2},
    "AttentionDropout": {},
    "AttentionDropout of heads": {"per": "head"},
    "DropKey": {},
}
every = pytest.mark.parametrize("name", CASES)
linear = pytest.mark.parametrize("per", ["example", "batch"])


def made(name, rate=0.5, **kw):
    """An NNX layer."""
    return getattr(tf, name.split()[0])(rate, **CASES[name], **kw)


def written(kind, rate=0.5, **kw):
    """A Linen layer."""
    amount = "std" if kind == "GaussianNoise" else "rate"
    return getattr(tf.linen, kind.split()[0])(**{amount: rate}, **CASES[kind], deterministic=False, **kw)


def law(name, x, rate, **where):
    """The method at an address, by the functions of `thinned.jax`."""
    return {
        "Dropout": lambda: tj.dropout(x, rate, **where),
        "AlphaDropout": lambda: tj.alpha_dropout(x, rate, **where),
        "FeatureAlphaDropout": lambda: tj.feature_alpha_dropout(x, rate, **where),
        "GaussianDropout": lambda: tj.gaussian_dropout(x, rate, **where),
        "UniformDropout": lambda: tj.uniform_dropout(x, rate, **where),
        "GaussianNoise": lambda: tj.gaussian_noise(x, rate, **where),
        "StochasticReLU": lambda: tj.dropout(jax.nn.relu(x), rate, **where),
        "LockedDropout": lambda: tj.dropout(x, rate, share=1, **where),
        "DropPath": lambda: tj.dropout(x, rate, share=(1, 2, 3), **where),
        "DropPath unscaled": lambda: x * keep((4, 1, 1, 1), rate, **where),
        "BatchDropout": lambda: tj.dropout(
            x, rate, share=(1, 2), window=((2, 5, 6, 3), ([0, 0, 1, 1], 0, 0, 0)), **where
        ),
        "DropBlock2d": lambda: tj.drop_block(x, rate, 2, **where),
        "AttentionDropout": lambda: tj.dropout(x, rate, **where),
        "AttentionDropout of heads": lambda: tj.drop_head(x, rate, **where),
        "DropKey": lambda: tj.drop_key(x, rate, **where),
    }[name]()


def near(expected, actual):
    """Within the roundings that XLA saves or spends where it fuses a multiplication and an addition."""
    np.testing.assert_allclose(expected, actual, rtol=1e-6, atol=1e-6)
    assert ((np.asarray(expected) == 0) == (np.asarray(actual) == 0)).all()


def rested(name):
    """What evaluation returns."""
    return jax.nn.relu(X) if name == "StochasticReLU" else X


@every
class TestFree:
    """Keys govern a layer that is not bound."""

    def test_nnx(self, name):
        """One key, one draw; evaluation and rate 0 draw nothing, also where they are set later."""
        one, two, other = (made(name, rngs=nnx.Rngs(seed))(X) for seed in (0, 0, 1))
        layer = made(name, rngs=nnx.Rngs(0))
        first, second = layer(X), layer(X)

        assert same(one, two)
        assert same(one, first)
        assert not same(one, second) or name == "BatchDropout"
        assert not same(one, other) or name == "BatchDropout"
        layer.eval()
        assert same(rested(name), layer(X))
        layer.train()
        setattr(layer, "std" if name == "GaussianNoise" else "rate", 0)
        assert same(rested(name), layer(X))
        assert same(rested(name), made(name, deterministic=True)(X))

    def test_linen(self, name):
        """The same, by `rngs` of apply."""
        layer = written(name)
        keys = [{"dropout": jax.random.key(seed)} for seed in (0, 1)]

        assert same(layer.apply({}, X, rngs=keys[0]), layer.apply({}, X, rngs=keys[0]))
        assert not same(layer.apply({}, X, rngs=keys[0]), layer.apply({}, X, rngs=keys[1]))
        assert same(rested(name), layer.clone(deterministic=None).apply({}, X, deterministic=True))
        assert same(rested(name), written(name, 0.0).apply({}, X))

    def test_errors(self, name):
        """Each says what is wrong before anything is drawn."""
        with pytest.raises(ValueError, match="no `rngs` argument"):
            made(name)(X)
        with pytest.raises(ValueError, match="No `deterministic` argument"):
            made(name, deterministic=None)(X)
        with pytest.raises(RateError):
            made(name, -0.5)
        with pytest.raises(TypeError, match="unexpected"):
            made(name, size=3)
        with pytest.raises(BindError, match=r"expected a bound model for .* linear\(0.0, 0.5, steps=4\)"):
            made(name, thinned.linear(0.0, 0.5, steps=4), rngs=nnx.Rngs(0))(X)
        with pytest.raises(BindError, match="expected a bound model"):
            written(name, thinned.linear(0.0, 0.5, steps=4)).apply({}, X, rngs={"dropout": jax.random.key(0)})


@every
class TestBound:
    """The law's draws at the layer's name and the model's step."""

    def test_nnx(self, name):
        """Eager and compiled, once for all steps; gradients; a saved state goes on."""
        net = tf.bind(nnx.Sequential(made(name)), SEED)
        traces = []

        @nnx.jit
        def run(net, x):
            traces.append(1)
            return net(x)

        for step in range(4):
            expected = law(name, X, 0.5, seed=SEED, site="layers.0", step=step)
            near(expected, run(net, X) if step % 2 else net(X))
        assert [1] == traces
        saved = nnx.to_pure_dict(nnx.state(net))
        slope = jax.grad(lambda x: (law(name, x, 0.5, seed=SEED, site="layers.0", step=4) ** 2).sum())(X)
        near(slope, nnx.grad(lambda net, x: (net(x) ** 2).sum(), argnums=1)(net, X))
        other = tf.bind(nnx.Sequential(made(name)), SEED + 1)
        state = nnx.state(other)
        nnx.replace_by_pure_dict(state, saved)
        nnx.update(other, state)
        near(law(name, X, 0.5, seed=SEED, site="layers.0", step=4), other(X))

    def test_linen(self, name):
        """The step is the key."""

        class Net(nn.Module):
            @nn.compact
            def __call__(self, x):
                return written(name, name="drop")(x)

        net = tf.bind(Net(), SEED)
        run = jax.jit(lambda step: net.apply({}, X, step=step))
        for step in range(2):
            expected = law(name, X, 0.5, seed=SEED, site="drop", step=step)
            near(expected, net.apply({}, X, step=step))
            near(expected, run(step))

    def test_schedules(self, name):
        """The rate of the step, exactly as in every framework, without another compilation."""
        schedule = thinned.cosine(0.0, 0.5, steps=3)
        net = tf.bind(nnx.Sequential(made(name, schedule)), SEED)
        traces = []

        @nnx.jit
        def run(net, x):
            traces.append(1)
            return net(x)

        for step in range(4):
            expected = law(name, X, schedule(step), seed=SEED, site="layers.0", step=step)
            near(expected, run(net, X) if step % 2 else net(X))
        assert [1] == traces
        assert 0.5 == thinned.sites(net)[0].rate

    def test_certainties(self, name):
        """Rate 1 leaves nothing, with finite gradients; rate 0 is the identity, and takes its step."""
        if name in {"GaussianNoise", "DropKey"}:
            return
        net = tf.bind(nnx.Sequential(made(name, 1.0)), SEED)
        y, slope = nnx.value_and_grad(lambda net, x: net(x).sum(), argnums=1)(net, X)
        assert 0 == y
        assert not np.asarray(slope).any()
        net.layers[0].rate = 0.0
        assert same(rested(name), net(X))
        assert 2 == int(net.thinned[...][2])

    def test_sites(self, name):
        """Names, rates and shapes of masks, and nothing is drawn."""
        net = tf.bind(nnx.Sequential(made(name)), SEED)
        (line,) = thinned.sites(net, X)
        (same_line,) = thinned.sites(written(name), X)

        assert ("layers.0", 0.5) == (line.name, line.rate)
        assert line.mask_shape == same_line.mask_shape
        shape = {
            "FeatureAlphaDropout": (4, 1, 1, 3),
            "LockedDropout": (4, 1, 6, 3),
            "BatchDropout": (2, 1, 1, 3),
        }
        shape |= {"AttentionDropout of heads": (4, 5, 1, 1)}
        shape |= {"DropPath": (4, 1, 1, 1), "DropPath unscaled": (4, 1, 1, 1), "DropBlock2d": (4, 6, 7, 3)}
        assert shape.get(name, X.shape) == line.mask_shape


class TestDropConnect:
    """`DropConnectLinear` and `DropConnectDense`."""

    @linear
    def test_masks(self, per):
        """Weights as PyTorch keeps them, for each example or once, and biases at a site of their own."""
        layer = tf.DropConnectLinear(6, 4, 0.5, per=per, rngs=nnx.Rngs(0))
        layer.bias[...] = jnp.arange(4.0)
        net, x = tf.bind(nnx.Sequential(layer), SEED), X[..., 0]
        kernel, bias = np.asarray(layer.kernel[...]), np.arange(4.0)
        copies = (4,) if per == "example" else ()
        for step in range(2):
            masks = [
                2 * keep((*copies, *shape), 0.5, seed=SEED, site=f"layers.0/{part}", step=step)
                for part, shape in (("weight", (4, 6)), ("bias", (4,)))
            ]
            weights = np.broadcast_to(masks[0] * kernel.T, (4, 4, 6))
            biases = np.broadcast_to(masks[1] * bias, (4, 4))
            expected = np.einsum("bti,boi->bto", x, weights) + biases[:, None]
            y = nnx.jit(lambda net, x: net(x))(net, x) if step else net(x)
            np.testing.assert_allclose(expected, y, rtol=1e-5, atol=1e-5)
        assert ["layers.0/weight", "layers.0/bias"] == [line.name for line in thinned.sites(net, x)]
        net.eval()
        np.testing.assert_allclose(nnx.Linear.__call__(layer, x), net(x), rtol=1e-6, atol=1e-6)

    @linear
    def test_gradients(self, per):
        """Of weights and inputs, through the same masks."""
        layer = tf.DropConnectLinear(6, 4, 0.5, per=per, rngs=nnx.Rngs(0))
        net, x = tf.bind(nnx.Sequential(layer), SEED), X[..., 0]
        shape = (4, 4, 6) if per == "example" else (4, 6)
        mask = np.broadcast_to(2.0 * keep(shape, 0.5, seed=SEED, site="layers.0/weight"), (4, 4, 6))
        kernel = np.asarray(layer.kernel[...])
        weights, inputs = nnx.grad(lambda net, x: net(x).sum(), argnums=(0, 1))(net, x)

        np.testing.assert_allclose(
            np.einsum("bti,boi->io", x, mask), weights["layers"][0]["kernel"][...], rtol=1e-5, atol=1e-5
        )
        slope = np.broadcast_to(np.einsum("boi,io->bi", mask, kernel)[:, None], x.shape)
        np.testing.assert_allclose(slope, inputs, rtol=1e-5, atol=1e-5)

    @linear
    def test_linen(self, per):
        """Equals the NNX layer at one address; parameters are those of `Dense`."""
        layer = tf.linen.DropConnectDense(4, rate=0.5, per=per, deterministic=False, site="layers.0")
        x = X[..., 0]
        bound = tf.bind(layer, SEED)
        variables = bound.init(jax.random.key(0), x)
        assert {"kernel": (6, 4), "bias": (4,)} == jax.tree.map(jnp.shape, variables["params"])
        twin = tf.DropConnectLinear(6, 4, 0.5, per=per, rngs=nnx.Rngs(0))
        twin.kernel[...] = variables["params"]["kernel"]
        expected = tf.bind(nnx.Sequential(twin), SEED)(x)

        np.testing.assert_allclose(expected, bound.apply(variables, x, step=0), rtol=1e-6, atol=1e-6)
        assert ["layers.0/weight", "layers.0/bias"] == [line.name for line in thinned.sites(layer, x)]
        dense = nn.Dense(4).apply({"params": variables["params"]}, x)
        y = layer.clone(deterministic=True).apply(variables, x)
        np.testing.assert_allclose(dense, y, rtol=1e-6, atol=1e-6)

    @linear
    def test_no_examples(self, per):
        """An empty batch has an empty output, and gradients of zeros."""
        net = tf.bind(nnx.Sequential(tf.DropConnectLinear(6, 4, 0.5, per=per, rngs=nnx.Rngs(0))), SEED)
        gradient = nnx.grad(lambda net: net(jnp.ones((0, 6))).sum())(net)

        assert (0, 4) == net(jnp.ones((0, 6))).shape
        assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient))

    def test_free(self):
        """Keys of its own stream."""
        one, two = (tf.DropConnectLinear(6, 4, rngs=nnx.Rngs(0)) for _ in range(2))
        assert same(one(X[..., 0]), two(X[..., 0]))
        assert not same(one(X[..., 0]), two.eval() or two(X[..., 0]))

    def test_memory(self):
        """No loop keeps a copy of the weights for each example."""
        net, x = tf.bind(tf.linen.DropConnectDense(32, deterministic=False), SEED), jnp.ones((50, 64))
        variables = net.init(jax.random.key(0), x)
        pull = jax.vjp(lambda x: net.apply(variables, x, step=0), x)[1]

        assert sum(np.size(leaf) for leaf in jax.tree.leaves(pull)) < 50 * 64 * 3

    def test_errors(self):
        """Words that it does not know."""
        with pytest.raises(ConfigurationError, match="expected per as one of"):
            tf.DropConnectLinear(6, 4, per="row", rngs=nnx.Rngs(0))
        with pytest.raises(ConfigurationError, match="without dot_general"):
            tf.linen.DropConnectDense(4, dot_general=jax.lax.dot_general).init(jax.random.key(0), X)


class TestOptions:
    """What single layers have to say."""

    def test_locked(self):
        """Time first, or in the middle."""
        net = tf.bind(nnx.Sequential(tf.LockedDropout(0.5, time_major=True)), SEED)
        assert same(tj.dropout(X, 0.5, seed=SEED, site="layers.0", share=0), net(X))
        with pytest.raises(ShareError, match="expected a sequence"):
            net(X[0, 0, 0])

    def test_blocks(self):
        """One to three axes, shared channels, and shapes that do not fit."""
        for layer, x in ((tf.DropBlock1d, X[0, 0]), (tf.DropBlock3d, X)):
            net = tf.bind(nnx.Sequential(layer(0.3, 2, share_channels=True)), SEED)
            mask = drop_block.keep((1, 3, *x.shape[:-1]), 0.3, 2, seed=SEED, site="layers.0", share=1)
            assert np.array_equal(np.moveaxis(mask, 1, -1) & np.ones(3, bool), np.asarray(net(x[None])) != 0)
            with pytest.raises(ShapeError, match=r"\(batch, \*positions, channel\)"):
                net(x)
        with pytest.raises(ShapeError, match="expected block_size"):
            tf.DropBlock2d(0.1, (2, 3, 4))

    def test_groups(self):
        """One mask for the whole batch is one for all; groups are whole numbers."""
        y = tf.bind(nnx.Sequential(tf.BatchDropout(0.5)), SEED)(jnp.ones((4, 9)))
        assert all(same(y[0], row) for row in y)
        with pytest.raises(ShareError, match="groups="):
            tf.BatchDropout(0.5, groups=0)
        with pytest.raises(ShareError, match="axis="):
            tf.BatchDropout(0.5, axis="units")

    def test_a_ramp_over_the_depth(self):
        """Is no rate of one layer."""
        net = tf.bind(nnx.Sequential(tf.DropPath(thinned.linear(0.0, 0.2))), SEED)
        with pytest.raises(RateError, match=r"a ramp over the depth .* schedule.along\(place, count\)"):
            net(X)

    def test_steps_beyond_float32(self):
        """A schedule's threshold is exact at every step of 32 bits."""
        schedule = thinned.linear(0.0, 1.0, steps=2**32 - 1)
        layer = tf.bind(tf.linen.Dropout(schedule, deterministic=False), SEED)
        for step in (2**24 + 1, 2**31 - 1, 2**32 - 2):
            y = layer.apply({}, X, step=np.uint32(step))
            assert same(tj.dropout(X, schedule(step), seed=SEED, site="", step=step), y)
