"""NNX: what a binding does to classes, to copies, to layers that move, and to models within models."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import thinned
import thinned.flax as tf
from tests.jax.truth import dropped, same
from tests.subprocesses import python
from thinned.errors import BindError

X = jnp.ones((4, 8))


class Net(nnx.Module):
    """A layer, reached by a call or by another method."""

    def __init__(self):
        self.drop = tf.Dropout(0.5)

    def __call__(self, x):
        """By the method."""
        return self.encode(x)

    def encode(self, x):
        """Drop."""
        return self.drop(x)


class Derived(Net):
    """Its call is that of the class it derives from, and more."""

    def __call__(self, x):
        """Once more."""
        return self.drop(super().__call__(x))


class Outside(nnx.Module, pytree=False):
    """A module that is no pytree."""

    def __init__(self):
        self.drop = tf.Dropout(0.5)

    def __call__(self, x):
        """Drop."""
        return self.drop(x)


class Student(nnx.Module):
    """Calls a method of another model."""

    def __init__(self):
        self.drop = tf.Dropout(0.5)

    def __call__(self, x, teacher):
        """Its own, and the other's."""
        return self.drop(x), teacher.encode(x)

    def encode(self, x):
        """Drop."""
        return self.drop(x)


class Holds(nnx.Module):
    """Holds a layer that it was given."""

    def __init__(self, layer, name):
        self.held = name
        setattr(self, name, layer)

    def __call__(self, x):
        """Drop."""
        return getattr(self, self.held)(x)


def at(name, step=0, seed=3, x=X):
    """What a layer gives of ones at an address."""
    return dropped(x, 0.5, seed=seed, site=name, step=step)


def pickled(it):
    """There and back."""
    return pickle.loads(pickle.dumps(it))  # noqa: S301


class TestClass:
    """The class of a bound model is the user's own."""

    def test_it_stays(self):
        """And instances that are not bound are called as before."""
        net = tf.bind(Net(), seed=3)

        assert type(net) is Net
        with pytest.raises(ValueError, match="no `rngs` argument"):
            Net()(X)

    @pytest.mark.parametrize("again", [pickled, copy.deepcopy, nnx.clone])
    def test_copies_go_on(self, again):
        """Pickled, copied or cloned: seed, step and names are kept."""
        net = tf.bind(Net(), seed=3)
        net(X)

        assert same(at("drop", 1), again(net)(X))

    def test_a_graph_definition_is_pickled(self):
        """As checkpoints of split models need."""
        graph, state = nnx.split(tf.bind(Net(), seed=3))

        assert same(at("drop"), nnx.merge(pickled(graph), state)(X))

    def test_another_process_unpickles(self, tmp_path):
        """There the class has not been bound before."""
        net = tf.bind(Net(), seed=3)
        net(X)
        (tmp_path / "net").write_bytes(pickle.dumps(net))
        python(f"""
            import pathlib, pickle
            net = pickle.loads(pathlib.Path({str(tmp_path / "net")!r}).read_bytes())
            from tests.flax.test_nnx_roots import X, at, same
            assert same(at("drop", 1), net(X))
        """)

    def test_no_pytree(self):
        """A module that is none stays none, inside `nnx.jit` too."""
        net, run = tf.bind(Outside(), seed=3), nnx.jit(lambda net, x: net(x))

        for step in range(2):
            assert same(at("drop", step), run(net, X))

    def test_a_registry_of_subclasses(self):
        """Binding makes no class, so no hook of the user's runs."""

        class Registered(Net):
            def __init_subclass__(cls, *, key, **kwargs):
                super().__init_subclass__(**kwargs)

        class Entry(Registered, key="entry"):
            pass

        assert same(at("drop"), tf.bind(Entry(), seed=3)(X))

    def test_derived_calls(self):
        """A call of the base class from within is no call of its own, whichever was bound first."""
        tf.bind(Net(), seed=0)
        net = tf.bind(Derived(), seed=3)

        for step in range(2):
            assert same(at("drop#1", step, x=at("drop", step)), net(X))

    def test_compiled_calls(self):
        """A `__call__` that is itself decorated."""

        class Compiled(Net):
            @nnx.jit
            def __call__(self, x):
                return self.drop(x), self.drop(x)

        net = tf.bind(Compiled(), seed=3)
        for step in range(2):
            one, two = net(X)
            assert same(at("drop", step), one)
            assert same(at("drop#1", step), two)

    def test_functions_in_the_class_are_still_read(self):
        """`convert` names random functions of a class that was bound before."""

        class Draws(nnx.Module):
            def __call__(self, x):
                return jax.random.bernoulli(jax.random.key(0), 0.5, x.shape)

        assert tf.convert(tf.bind(Draws(), seed=0)).left


class TestTwoModels:
    """Layers that are in no call of their own model, or in two models."""

    def test_another_bound_models_layer(self):
        """Inside a call of one model a layer of another is called outside of its own."""
        teacher, student = tf.bind(Net(), seed=7), tf.bind(Student(), seed=3)
        teacher(X)
        graph, state = nnx.split(teacher)
        state = nnx.to_pure_dict(state)

        with pytest.raises(BindError, match=r"layer 'drop' is bound, .* outside"):
            student(X, teacher)
        with pytest.raises(BindError, match=r"layer 'drop' is bound, .* outside"):
            nnx.jit(lambda student, x: student(x, nnx.merge(graph, state)))(student, X)
        with pytest.raises(BindError, match=r"layer 'drop' is bound, .* outside"):
            student(X, nnx.clone(student))

    def test_after_an_error(self):
        """Layers are closed again, and no step is taken."""
        net = tf.bind(Net(), seed=3)
        with pytest.raises(TypeError):
            net(object())
        with pytest.raises(BindError, match="outside"):
            net.encode(X)

        assert same(at("drop"), net(X))

    def test_a_shared_layer(self):
        """It has a name in each; whichever is unbound, the other goes on."""
        layer = tf.Dropout(0.5)
        one, two = tf.bind(Holds(layer, "one"), seed=3), tf.bind(Holds(layer, "two"), seed=4)

        assert same(at("one"), one(X))
        assert same(at("two", seed=4), two(X))
        assert same(at("one", 1), one(X))
        assert ["one"] == [line.name for line in thinned.sites(one)]
        tf.unbind(one)
        assert same(at("two", 1, seed=4), two(X))

    def test_a_part_that_is_bound_later(self):
        """Has its own address in its own calls, wherever they are made."""

        class Outer(nnx.Module):
            def __init__(self):
                self.part = Net()
                self.drop = tf.Dropout(0.5)

            def __call__(self, x):
                return self.drop(x), self.part(x), self.part.encode(x)

        outer = tf.bind(Outer(), seed=3)
        tf.bind(outer.part, seed=5)

        for step in range(2):
            mine, own, reached = outer(X)
            assert same(at("drop", step), mine)
            assert same(at("drop", step, seed=5), own)
            assert same(at("part.drop", step), reached)


class TestLayersThatMove:
    """Names are looked up at each call."""

    def test_a_layer_that_was_put_in(self):
        """After binding: it draws at its path, as `thinned.sites` says."""
        net = tf.bind(Net(), seed=3)
        net(X)
        net.drop = tf.Dropout(0.25)

        assert same(dropped(X, 0.25, seed=3, site="drop", step=1), net(X))
        assert 0.25 == thinned.sites(net)[0].rate

    def test_two_with_one_name(self):
        """Are refused at the call as they are by `bind`."""
        net = tf.bind(Net(), seed=3)
        net.other = tf.Dropout(0.5, site="drop")

        with pytest.raises(BindError, match="'drop' twice"):
            net(X)


class TestLooks:
    """`thinned.sites` follows a call without drawing."""

    def test_what_is_compiled_in_a_look_serves_no_call(self):
        """Of a part with a program of its own, whether the model is bound or not; and every look sees it."""
        part = nnx.jit(lambda drop, x: drop(x))

        class Parts(Net):
            def __call__(self, x):
                return part(self.drop, x)

        net = Parts()
        net.eval()
        for _ in range(2):
            assert ["drop"] == [line.name for line in thinned.sites(net, X)]
        assert same(X, net(X))
        net.train()
        assert same(at("drop"), tf.bind(net, seed=3)(X))
        assert ["drop"] == [line.name for line in thinned.sites(net, X)]


class TestState:
    """What a bound model has among its variables."""

    def test_one_variable(self):
        """Which is of the kind that keys are: filters that named all kinds still do."""
        net = tf.bind(Net(), seed=3)
        run = nnx.jit(lambda net, x: net(x))
        run(net, X)
        _, parameters, rest = nnx.split(net, nnx.Param, nnx.RngState)

        assert [] == jax.tree.leaves(parameters)
        assert ["thinned"] == list(rest)

    @pytest.mark.parametrize("splits", [2, 3])
    def test_lanes_with_keys_of_their_own(self, splits):
        """An address has one mask for all lanes; whoever asks for different ones is told, not given one."""

        class Keys(nnx.Module):
            def __init__(self):
                self.drop = nnx.Dropout(0.5, rngs=nnx.Rngs(0))

            def __call__(self, x):
                return self.drop(x)

        net = Keys()
        tf.convert(net, seed=3)

        def run(axes):
            lanes = nnx.vmap(lambda net, x: net(x), in_axes=(nnx.StateAxes(axes), 0))
            return nnx.split_rngs(splits=splits)(lanes)(net, jnp.ones((splits, 8)))

        with pytest.raises((BindError, ValueError), match=r"expected one address|inconsistent sizes"):
            run({nnx.RngState: 0, ...: None})
        lanes = run({tf.Address: None, nnx.RngState: 0, ...: None})
        assert all(same(at("drop", x=jnp.ones(8)), lane) for lane in lanes)


class TestManyUses:
    """The k-th use in one call."""

    def test_more_than_there_are_names(self):
        """The use after the last name has the first one and the next draw: no mask is repeated."""

        class Many(Net):
            def __call__(self, x):
                turns = nnx.scan(in_axes=(nnx.Carry, 0), out_axes=(nnx.Carry, 0))(
                    lambda drop, x: (drop, drop(x))
                )
                loop = turns(self.drop, jnp.ones((2049, 64)))[1]
                return loop, self.drop(x)

        loop, last = tf.bind(Many(), seed=3)(X)

        assert same(dropped(jnp.ones(64), 0.5, seed=3, site="drop#1023"), loop[1023])
        assert same(dropped(jnp.ones(64), 0.5, seed=3, site="drop", draw=1), loop[1024])
        assert same(dropped(jnp.ones(64), 0.5, seed=3, site="drop", draw=2), loop[2048])
        assert same(dropped(X, 0.5, seed=3, site="drop#1", draw=2), last)
        assert 2049 == len(np.unique(loop, axis=0))
