"""Linen: the layer, and modules applied at an address."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax.training.train_state import TrainState

import thinned
import thinned.flax as tf
from tests.jax.truth import dropped, same
from thinned.errors import BindError, RateError
from thinned.flax.linen import Dropout
from thinned.mask.address import site_id

X = jnp.ones((4, 8))


class Block(nn.Module):
    """One layer, used twice."""

    def setup(self):
        """Named by its attribute."""
        self.drop = Dropout(0.5)

    def __call__(self, x, train):
        """The second use is `#1`."""
        return self.drop(self.drop(x, deterministic=not train), deterministic=not train)


class Net(nn.Module):
    """Names as a PyTorch or NNX model would have them."""

    remat: bool = False

    @nn.compact
    def __call__(self, x, train):
        """The masks' product at 1, and something to learn."""
        x = x * self.param("scale", nn.initializers.ones, (8,))
        x = Dropout(0.5, deterministic=not train, name="drop1")(x)
        block = nn.remat(Block, static_argnums=(2,)) if self.remat else Block
        return block(name="block")(x, train)


PARAMETERS = {"scale": jnp.ones(8)}


def expected(step, seed=3):
    """What `Net` gives of ones."""
    y = np.ones((4, 8), np.float32)
    for name in ("drop1", "block.drop", "block.drop#1"):
        y = dropped(y, 0.5, seed=seed, site=name, step=step)
    return y


class TestLayer:
    """`thinned.flax.linen.Dropout`, not bound."""

    def test_it_is_flaxs_own(self):
        """By type, by mode, by its key."""
        layer = Dropout(0.5)
        on = {"deterministic": False, "rngs": {"dropout": jax.random.key(0)}}

        assert isinstance(layer, nn.Dropout)
        assert same(X, layer.apply({}, X, deterministic=True))
        assert same(layer.apply({}, X, **on), layer.apply({}, X, **on))
        assert not same(
            layer.apply({}, X, **on), layer.apply({}, X, **on | {"rngs": {"dropout": jax.random.key(1)}})
        )
        assert same(
            layer.apply({}, X, False, jax.random.key(4)), layer.apply({}, X, False, jax.random.key(4))
        )
        assert 1 == np.unique(Dropout(0.5, (0,)).apply({}, jnp.ones((50, 8)), **on), axis=0).shape[0]

    def test_errors(self):
        """Flax's own, and those of the rate."""
        with pytest.raises(Exception, match="needs PRNG for"):
            Dropout(0.5).apply({}, X, deterministic=False)
        with pytest.raises(RateError, match="expected a rate"):
            Dropout(1.5).apply({}, X, deterministic=False, rngs={"dropout": jax.random.key(0)})


class TestBind:
    """`thinned.flax.bind` of a Linen module."""

    @pytest.mark.parametrize("remat", [False, True])
    def test_the_step_is_the_key(self, remat):
        """A `TrainState` counts steps already: nothing else is passed, inside `jit`, gradient and remat."""
        net = tf.bind(Net(remat), seed=3)
        state = TrainState.create(apply_fn=net.apply, params=PARAMETERS, tx=optax.sgd(0.0))
        traces = []

        @jax.jit
        def train(state, x):
            traces.append(1)

            def loss(params, x):
                y = state.apply_fn({"params": params}, x, True, step=state.step)
                return (y * y).sum() / 2, y

            (_, y), slopes = jax.value_and_grad(loss, (0, 1), has_aux=True)(state.params, x)
            return state.apply_gradients(grads=slopes[0]), y, slopes[1]

        for step in range(3):
            state, y, slope = train(state, X)
            assert same(expected(step), y)
            assert same(expected(step) ** 2, slope)
        assert len(traces) <= 2  # the first step is a Python integer

    def test_the_collection(self):
        """Seed and step among the variables, advanced with other mutable collections or alone."""
        net = tf.bind(Net(), seed=2**40 + 3)
        variables = net.init(jax.random.key(0), X, False)
        apply = jax.jit(lambda variables: net.apply(variables, X, True, mutable=["thinned"]))
        for step in range(3):
            y, changed = apply(variables)
            assert same(expected(step, 2**40 + 3), y)
            variables = {**variables, **changed}

        assert [3, 2**8, 3] == variables["thinned"]["address"].tolist()
        assert same(expected(9, 2**40 + 3), net.apply(variables, X, True, step=9))
        assert same(X, net.apply(variables, X, False))
        _, changed = net.apply(variables, X, True, mutable=["thinned", "batch_stats"])
        assert [3, 2**8, 4] == changed["thinned"]["address"].tolist()

    def test_a_key_given_by_hand_is_used(self):
        """Whoever passes one means it."""
        layer = tf.bind(Dropout(0.5), seed=3)
        key = jax.random.key(0)

        assert same(Dropout(0.5).apply({}, X, False, key), layer.apply({}, X, False, key, step=0))

    def test_a_draw_without_a_step_is_an_error(self):
        """And evaluation needs none."""
        net = tf.bind(Net(), seed=3)
        assert same(X, net.apply({"params": PARAMETERS}, X, False))

        for mutable in (False, ["thinned"]):
            with pytest.raises(BindError, match=r"expected a step .* Pass step=state.step"):
                net.apply({"params": PARAMETERS}, X, True, mutable=mutable)


class Repeats(nn.Module):
    """One block, lifted, called twice."""

    lift: str

    @nn.compact
    def __call__(self, x, train):
        """Both outputs."""
        block = getattr(nn, self.lift)(Block, static_argnums=(2,))(name="block")
        return block(x, train), block(x, train)


class TestLifted:
    """Flax's transformations of modules."""

    @pytest.mark.parametrize("outer", [lambda f: f, jax.jit], ids=["eager", "jit"])
    def test_remat(self, outer):
        """Each use has its own mask."""
        net = tf.bind(Repeats("remat"), seed=3)
        run = outer(lambda step: net.apply({}, X, True, step=step))
        for step in range(2):
            one = dropped(X, 0.5, seed=3, site="block.drop", step=step)
            two = dropped(X, 0.5, seed=3, site="block.drop#2", step=step)
            found = run(step)
            assert same(dropped(one, 0.5, seed=3, site="block.drop#1", step=step), found[0])
            assert same(dropped(two, 0.5, seed=3, site="block.drop#3", step=step), found[1])

    def test_jit(self):
        """Nothing of the last step or use is left in what was compiled."""
        net = tf.bind(Repeats("jit"), seed=3)
        for step in range(2):
            one = dropped(X, 0.5, seed=3, site="block.drop", step=step)
            two = dropped(X, 0.5, seed=3, site="block.drop#2", step=step)
            found = net.apply({}, X, True, step=step)
            assert same(dropped(one, 0.5, seed=3, site="block.drop#1", step=step), found[0])
            assert same(dropped(two, 0.5, seed=3, site="block.drop#3", step=step), found[1])


class TestSites:
    """`thinned.sites`."""

    def test_every_use_has_a_line(self):
        """Bound or not; with the names of the other frameworks."""
        table = thinned.sites(Net(), X, True)

        assert ["drop1", "block.drop", "block.drop#1"] == [line.name for line in table]
        assert all(line.id == site_id(line.name) and line.mask_shape == (4, 8) for line in table)
        assert table == tf.sites(tf.bind(Net(), seed=0), X, False)

    def test_without_inputs(self):
        """There are no layers yet."""
        with pytest.raises(TypeError, match="expected the inputs of one call"):
            thinned.sites(Net())

    def test_a_given_name_is_the_site(self):
        """Wherever the layer stands; two alike are refused."""

        class One(nn.Module):
            @nn.compact
            def __call__(self, x):
                return Dropout(0.5, deterministic=False, site="a")(x)

        class Two(nn.Module):
            @nn.compact
            def __call__(self, x):
                return [Dropout(0.5, deterministic=False, site="a")(x) for _ in range(2)]

        y = tf.bind(One(), seed=3).apply({}, X, step=0)
        assert same(dropped(X, 0.5, seed=3, site="a"), y)
        with pytest.raises(BindError, match="'a' twice"):
            thinned.sites(Two(), X)


class TestFields:
    """Layers that a root was given, and did not make in its call."""

    @pytest.mark.parametrize("inside", [False, True], ids=["root", "inside"])
    def test_have_addresses(self, inside):
        """`nn.Sequential`, as the root and inside one."""

        class Holder(nn.Module):
            inner: nn.Module

            @nn.compact
            def __call__(self, x):
                return self.inner(x)

        stack = nn.Sequential([tf.linen.Dropout(0.5, deterministic=False)])
        bound = tf.bind(Holder(stack) if inside else stack, 5)
        site = "inner.layers_0" if inside else "layers_0"
        y = bound.apply({}, X, step=3)

        assert [site] == [line.name for line in tf.sites(bound, X)]
        assert same(dropped(X, 0.5, seed=5, site=site, step=3), y)
