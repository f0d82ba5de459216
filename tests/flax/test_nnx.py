"""NNX: layers that are Flax's own, and bound models."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import thinned
import thinned.flax as tf
from tests.jax.truth import dropped, same
from thinned.errors import AddressError, BindError, RateError
from thinned.mask import keep
from thinned.mask.address import site_id

X = jnp.ones((4, 8))


class Block(nnx.Module):
    """A layer inside a module inside the model."""

    def __init__(self, rate=0.5, rngs=None):
        self.drop = tf.Dropout(rate, rngs=rngs)

    def __call__(self, x):
        """Drop twice: the second use is `#1`."""
        return self.drop(self.drop(x))


class Net(nnx.Module):
    """Names as a PyTorch model would have them."""

    def __init__(self, rngs):
        self.fc1 = nnx.Linear(8, 8, rngs=rngs)
        self.drop1 = tf.Dropout(0.5)
        self.blocks = nnx.List([Block(), Block()])
        self.norm = nnx.BatchNorm(8, rngs=rngs)

    def __call__(self, x):
        """The masks' product at 1, and something to learn."""
        x = self.drop1(x)
        for block in self.blocks:
            x = block(x)
        return x * self.norm(self.fc1(jnp.ones_like(x)) * 0 + 1) * 0 + x


def expected(step, seed=3):
    """What `Net` gives of ones."""
    names = ("drop1", "blocks.0.drop", "blocks.0.drop#1", "blocks.1.drop", "blocks.1.drop#1")
    y = np.ones((4, 8), np.float32)
    for name in names:
        y = dropped(y, 0.5, seed=seed, site=name, step=step)
    return y


@pytest.fixture(name="net")
def _net():
    return tf.bind(Net(nnx.Rngs(0)), seed=3)


class TestLayer:
    """`thinned.flax.Dropout`, not bound."""

    def test_it_is_flaxs_own(self):
        """By type, by mode, by what it returns when it does not drop."""
        layer = tf.Dropout(0.5, rngs=nnx.Rngs(0))

        assert isinstance(layer, nnx.Dropout)
        assert layer(X, deterministic=True) is X
        layer.eval()
        assert layer(X) is X
        layer.train()
        layer.rate = 0.0
        assert layer(X) is X

    def test_rngs_govern(self):
        """The same keys give the same masks, other keys others; each call takes a new one."""
        one, two, other = (tf.Dropout(0.5, rngs=nnx.Rngs(seed)) for seed in (0, 0, 1))
        first = one(X)

        assert same(first, two(X))
        assert not same(first, other(X))
        assert not same(first, one(X))
        assert not same(first, two(X, rngs=nnx.Rngs(dropout=9)))
        assert same(two(X, rngs=jax.random.key(9)), tf.Dropout(0.5)(X, rngs=jax.random.key(9)))

    def test_broadcast_dims(self):
        """Axes with one draw in common; channels, say."""
        y = tf.Dropout(0.5, broadcast_dims=(0,), rngs=nnx.Rngs(0))(jnp.ones((50, 8)))

        assert np.unique(y, axis=0).shape[0] == 1

    def test_errors(self):
        """Flax's own, and those of the rate."""
        with pytest.raises(ValueError, match="no `rngs` argument"):
            tf.Dropout(0.5)(X)
        with pytest.raises(ValueError, match="No `deterministic` argument"):
            tf.Dropout(0.5, deterministic=None)(X)
        with pytest.raises(RateError, match="expected a rate"):
            tf.Dropout(1.5)

    def test_rates_set_later(self):
        """A number, or what a schedule computes inside a compiled step."""
        layer = tf.Dropout(0.5, rngs=nnx.Rngs(0))

        @nnx.jit
        def run(layer, rate):
            layer.rate = rate
            y = layer(jnp.ones(10_000))
            layer.rate = 0.5
            return y

        for rate in (0.0, 0.25, 1.0):
            assert abs(np.mean(run(layer, rate) == 0) - rate) < 0.05
        layer.rate = 1.0
        assert not layer(X).any()


class TestBind:
    """`thinned.flax.bind`."""

    def test_every_use_has_its_mask(self, net):
        """Names are paths, repeated uses are numbered, steps are training calls."""
        for step in range(2):
            assert same(expected(step), net(X))
        net.eval()
        assert same(X, net(X))
        net.train()
        assert same(expected(2), net(X))

    def test_jit(self, net):
        """One program for all steps; the step moves in the caller's model."""
        traces = []

        @nnx.jit
        def run(net, x):
            traces.append(1)
            return net(x)

        for step in range(3):
            assert same(expected(step), run(net, X))
        assert [1] == traces

    def test_a_part_that_is_compiled_by_itself(self):
        """Its second use is not traced again, and has a mask of its own all the same."""

        class Twice(nnx.Module):
            def __init__(self):
                self.drop = tf.Dropout(0.5)

            def __call__(self, x):
                part = nnx.jit(lambda drop, x: drop(x))
                return part(self.drop, x), part(self.drop, x)

        net = tf.bind(Twice(), seed=3)
        for step in range(2):
            one, two = net(X)
            assert same(dropped(X, 0.5, seed=3, site="drop", step=step), one)
            assert same(dropped(X, 0.5, seed=3, site="drop#1", step=step), two)

    def test_training(self, net):
        """Gradients are of parameters alone, and the optimiser leaves the address where it is."""
        optimizer = nnx.Optimizer(net, optax.sgd(0.1), wrt=nnx.Param)

        @nnx.jit
        def train(net, optimizer):
            def loss(net):
                y = net(X)
                return y.sum(), y

            (_, y), gradients = nnx.value_and_grad(loss, has_aux=True)(net)
            optimizer.update(net, gradients)
            return y

        for step in range(3):
            assert same(expected(step), train(net, optimizer))
        assert [3, 0, 3] == net.thinned[...].tolist()

    def test_remat(self):
        """A recomputation repeats its masks, and counts nothing twice."""

        class Deep(nnx.Module):
            def __init__(self, remat):
                self.block = Block()
                self.remat = remat

            def __call__(self, x):
                run = (
                    nnx.remat(lambda block, x: jnp.sin(block(x)))
                    if self.remat
                    else (lambda block, x: jnp.sin(block(x)))
                )
                return run(self.block, x)

        x = jnp.arange(32.0).reshape(4, 8)
        found = []
        for remat in (False, True):
            net = tf.bind(Deep(remat), seed=3)
            slope = nnx.jit(nnx.grad(lambda net, x: (net(x) ** 2).sum(), argnums=1))
            found.append([np.asarray(slope(net, x)) for _ in range(2)])
            assert 2 == int(net.thinned[...][2])
        np.testing.assert_allclose(*found, rtol=1e-6)
        assert (
            (found[1][0] != 0)
            == (dropped(dropped(x, 0.5, seed=3, site="block.drop"), 0.5, seed=3, site="block.drop#1") != 0)
        ).all()

    def test_a_loop(self):
        """`nnx.scan` with the layer in its carry: every turn has a mask of its own."""

        class Loop(nnx.Module):
            def __init__(self):
                self.drop = tf.Dropout(0.5)

            def __call__(self, xs):
                run = nnx.scan(in_axes=(nnx.Carry, 0), out_axes=(nnx.Carry, 0))(
                    lambda drop, x: (drop, drop(x))
                )
                return run(self.drop, xs)[1]

        ys = tf.bind(Loop(), seed=3)(jnp.ones((3, 4, 8)))

        for name, y in zip(("drop", "drop#1", "drop#2"), ys, strict=True):
            assert same(dropped(X, 0.5, seed=3, site=name), y)

    def test_split_and_merge(self, net):
        """JAX's own transformations, with the state handed round by hand."""
        graph, parameters, rest = nnx.split(net, nnx.Param, ...)

        @jax.jit
        def run(parameters, rest):
            model = nnx.merge(graph, parameters, rest)
            return model(X), nnx.state(model, nnx.Not(nnx.Param))

        for step in range(3):
            y, rest = run(parameters, rest)
            assert same(expected(step), y)

    def test_a_saved_state_goes_on(self, net):
        """Seed and step are in the state, under a type of their own."""
        net(X)
        saved = nnx.to_pure_dict(nnx.state(net))
        assert [3, 0, 1] == nnx.state(net, tf.Address)["thinned"][...].tolist()
        other = tf.bind(Net(nnx.Rngs(7)), seed=8)
        state = nnx.state(other)
        nnx.replace_by_pure_dict(state, saved)
        nnx.update(other, state)

        assert same(expected(1), other(X))

    @pytest.mark.parametrize("writeable", [True, False])
    def test_a_state_in_numpys_arrays(self, net, writeable):
        """As checkpoints restore it, perhaps for reading only; the step is not counted in the restored array."""
        net(X)
        saved = jax.tree.map(np.array, nnx.to_pure_dict(nnx.state(net)))
        saved["thinned"].flags.writeable = writeable
        other = tf.bind(Net(nnx.Rngs(7)), seed=8)
        nnx.update(other, saved)

        assert same(expected(1), other(X))
        assert same(expected(2), other(X))
        assert [3, 0, 1] == saved["thinned"].tolist()

    def test_a_copy_goes_its_own_way(self, net):
        """`nnx.clone` copies the address too."""
        copy = nnx.clone(net)
        net(X)

        assert same(expected(0), copy(X))
        assert same(expected(1), net(X))

    def test_binding_again_and_unbinding(self, net):
        """The last one holds; a bound part of what is bound is unbound; free layers ask for keys again."""
        net(X)
        outer = nnx.Sequential(tf.bind(net, seed=4), nnx.Linear(8, 8, rngs=nnx.Rngs(0)))
        tf.bind(outer, seed=5)
        assert not hasattr(net, "thinned")
        assert type(net) is Net
        y = outer.layers[0].drop1
        tf.unbind(outer)
        tf.unbind(outer)

        assert type(outer) is nnx.Sequential
        with pytest.raises(ValueError, match="no `rngs` argument"):
            y(X)

    def test_vmapped_inputs(self, net):
        """`nnx.vmap` over inputs alone: one mask for all lanes."""
        y = nnx.vmap(lambda net, x: net(x), in_axes=(None, 0))(net, jnp.ones((3, 4, 8)))

        assert all(same(expected(0), lane) for lane in y)

    def test_models_without_layers_of_ours(self):
        """Run as before."""
        net = tf.bind(nnx.Linear(8, 8, rngs=nnx.Rngs(0)), seed=0)

        assert net(X).shape == X.shape

    def test_errors(self, net):
        """A layer outside a call, a seed that is none, what is no module, two layers with one site."""
        with pytest.raises(BindError, match=r"layer 'drop1' is bound, .* thinned.flax.bind\(part, seed\)"):
            net.drop1(X)
        with pytest.raises(AddressError, match="expected a seed"):
            tf.bind(net, seed=2**64)
        with pytest.raises(TypeError, match=r"expected a module of Flax NNX or Linen; got .* int"):
            tf.bind(3, seed=0)
        with pytest.raises(BindError, match="'a' twice"):
            tf.bind(nnx.Sequential(tf.Dropout(0.5, site="a"), tf.Dropout(0.5, site="a")), seed=0)


class TestConvert:
    """`thinned.flax.convert`."""

    def test_it_swaps_in_place_and_binds(self):
        """The same objects, under every reference; what draws for itself is named."""

        class Attends(nnx.Module):
            def __init__(self, rngs):
                self.drop = nnx.Dropout(0.5, rngs=rngs)
                self.attend = nnx.MultiHeadAttention(2, 8, dropout_rate=0.1, decode=False, rngs=rngs)

            def __call__(self, x):
                return self.drop(x)

        net = Attends(nnx.Rngs(0))
        layer = net.drop
        report = tf.convert(net, seed=3)

        assert {"drop": "Dropout(rate=0.5)"} == report.swapped
        assert ["attend"] == list(report.left)
        assert layer is net.drop
        assert same(dropped(X, 0.5, seed=3, site="drop"), net(X))
        assert {} == tf.convert(net).swapped

    def test_errors(self):
        """Before anything is swapped."""
        net = nnx.Sequential(nnx.Dropout(0.5), nnx.Dropout(1e-9))
        with pytest.raises(RateError, match="rounds to 0"):
            tf.convert(net)
        with pytest.raises(AddressError, match="expected a seed"):
            tf.convert(nnx.Sequential(net.layers[0]), seed=-(2**64))
        with pytest.raises(TypeError, match=r"write thinned.flax.linen.Dropout"):
            tf.convert(3)

        assert nnx.Dropout is type(net.layers[0])


class TestSites:
    """`thinned.sites`."""

    def test_every_use_has_a_line(self, net):
        """Names as a PyTorch model with these attributes has them; nothing is drawn and no step is taken."""
        table = thinned.sites(net, X)

        assert [line.name for line in table] == [
            "drop1", "blocks.0.drop", "blocks.0.drop#1", "blocks.1.drop", "blocks.1.drop#1",
        ]  # fmt: skip
        assert all(line.mask_shape == (4, 8) and line.id == site_id(line.name) for line in table)
        assert same(expected(0), net(X))
        assert not net.drop1.deterministic

    def test_without_inputs(self, net):
        """Names and rates, in the order of the attributes."""
        assert {"drop1", "blocks.0.drop", "blocks.1.drop"} == {line.name for line in thinned.sites(net)}

    def test_a_given_name_is_the_site(self):
        """Wherever the layer stands."""
        net = tf.bind(nnx.Sequential(tf.Dropout(0.5, site="fc1.drop")), seed=3)

        assert "fc1.drop" == thinned.sites(net)[0].name
        assert same(keep((4, 8), 0.5, seed=3, site="fc1.drop"), np.asarray(net(X) != 0))


def test_nothing_warns():
    """Not at import, not at use."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tf.bind(Net(nnx.Rngs(0)), seed=0)(X)


def test_rules_are_no_seed():
    """`convert` says who takes them."""
    with pytest.raises(TypeError, match=r"which only thinned\.torch\.convert takes"):
        thinned.flax.convert(nnx.Sequential(nnx.Dropout(0.5)), {"*": 0.1})
