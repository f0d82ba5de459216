"""Linen: transformations of modules, and what a call leaves in the collection."""

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn
from flax.core import DenyList

import thinned
import thinned.flax as tf
from tests.jax.truth import dropped, same
from thinned.errors import BindError
from thinned.flax.linen import Dropout

X = jnp.ones((4, 8))
KEY = {"dropout": jax.random.key(0)}


def at(name, step=0, seed=3, x=X):
    """What a layer gives of ones at an address."""
    return dropped(x, 0.5, seed=seed, site=name, step=step)


class Block(nn.Module):
    """One layer."""

    @nn.compact
    def __call__(self, x):
        """Drop."""
        return Dropout(0.5, deterministic=False, name="drop")(x)


Compiled = nn.jit(Block)


class Decorated(nn.Module):
    """Its call is compiled."""

    @nn.jit
    @nn.compact
    def __call__(self, x):
        """Drop."""
        return Dropout(0.5, deterministic=False, name="drop")(x)


class By(nn.Module):
    """A function that lifts, given the block."""

    def setup(self):
        """Of a name of its own."""
        self.block = Block()

    def __call__(self, x):
        """Drop."""
        return nn.jit(lambda block, x: block(x))(self.block, x)


class Twice(nn.Module):
    """Two blocks of one class and name at two places, each called twice."""

    block: type = Compiled

    @nn.compact
    def __call__(self, x):
        """All outputs, by name."""
        found = {}
        for name in ("one", "two"):
            part = Within(self.block, name=name)
            found[f"{name}.block.drop"], found[f"{name}.block.drop#1"] = part(x), part(x)
        return found


class Within(nn.Module):
    """A block inside."""

    block: type

    def setup(self):
        """Of a name of its own."""
        self.inner = self.block(name="block")

    def __call__(self, x):
        """As it is."""
        return self.inner(x)


class TestCompiled:
    """`nn.jit`, whose programs outlive the call."""

    @pytest.mark.parametrize("block", [Compiled, Decorated])
    @pytest.mark.parametrize("outer", [lambda f: f, jax.jit], ids=["eager", "jit"])
    def test_every_step_seed_use_and_place(self, block, outer):
        """One program serves them all, or as many as are needed."""
        for seed in (3, 4):
            net = tf.bind(Twice(block), seed=seed)
            run = outer(lambda step, net=net: net.apply({}, X, step=step))
            for step in range(3):
                found = run(step)
                assert 4 == len(found)
                assert all(same(at(name, step, seed), y) for name, y in found.items())

    def test_the_root_itself(self):
        """By its class or its method."""
        for root in (Compiled(), Decorated()):
            for step in range(2):
                assert same(at("drop", step), tf.bind(root, seed=3).apply({}, X, step=step))

    def test_a_lifted_function(self):
        """Of a part of the model."""
        for step in range(2):
            assert same(at("block.drop", step), tf.bind(By(), seed=3).apply({}, X, step=step))

    def test_nothing_passes_between_bound_free_and_looks(self):
        """What was compiled for one of them serves no other."""

        @nn.jit
        class Fresh(Block):
            pass

        net = Twice(Fresh)
        names = [line.name for line in thinned.sites(net, X)]
        bound = tf.bind(net, seed=3)
        assert all(same(at(name, 1), y) for name, y in bound.apply({}, X, step=1).items())
        with pytest.raises(BindError, match="expected a step"):
            bound.apply({}, X)
        free = [net.apply({}, X, rngs={"dropout": jax.random.key(key)})["one.block.drop"] for key in (0, 1)]

        assert sorted(bound.apply({}, X, step=1)) == sorted(names)
        assert not same(*free)
        assert not same(X, free[0])
        assert names == [line.name for line in thinned.sites(net, X)]

    def test_gradients(self):
        """Forward and backward are one mask, compiled or recomputed inside."""
        for block in (Compiled, nn.remat(Block), nn.jit(nn.remat(Block))):
            net = tf.bind(Within(block), seed=3)
            slope = jax.grad(lambda x, step, net=net: net.apply({}, x, step=step).sum())
            for step in range(2):
                assert same(at("block.drop", step), slope(X, step))


class TestBranches:
    """`nn.cond`."""

    def test_one_layer_in_both(self):
        """Each branch has the first use."""

        class Either(nn.Module):
            def setup(self):
                self.drop = Dropout(0.5, deterministic=False)

            def __call__(self, x, first):
                y = nn.cond(first, lambda net, x: net.drop(x), lambda net, x: -net.drop(x), self, x)
                only = nn.cond(first, lambda net, x: net.drop(x), lambda _, x: x, self, x)
                return y, only, self.drop(x)

        net = tf.bind(Either(), seed=3)
        for first in (True, False):
            y, only, last = jax.jit(net.apply)({}, X, first, step=1)
            assert same(at("drop", 1), y if first else -y + 0)
            assert same(at("drop#1", 1) if first else X, only)
            assert same(at("drop#2" if first else "drop#1", 1), last)


class TestRefused:
    """Loops and lanes, unless they are told of the collection."""

    @pytest.mark.parametrize(
        "lifted",
        [
            nn.vmap(Block, variable_axes={"params": 0}, split_rngs={"params": True, "dropout": True}),
            nn.vmap(Block, variable_axes={}, split_rngs={"dropout": False}),
        ],
        ids=["split", "alike"],
    )
    def test_lanes(self, lifted):
        """Whether keys are split for them or not; with keys at hand or not."""
        for keys in ({}, {"rngs": KEY}):
            with pytest.raises(BindError, match=r"nn.vmap\(variable_axes="):
                tf.bind(Within(lifted), seed=3).apply({}, jnp.ones((3, 8)), step=0, **keys)

    def test_one_mask_for_all_lanes(self):
        """Where it is asked for."""
        lifted = nn.vmap(Block, variable_axes={"thinned": None}, split_rngs={})
        lanes = tf.bind(Within(lifted), seed=3).apply({}, jnp.ones((3, 4, 8)), step=1)

        assert all(same(at("block.drop", 1), lane) for lane in lanes)

    def test_turns(self):
        """Of `nn.scan`."""

        class Loop(nn.Module):
            def setup(self):
                self.drop = Dropout(0.5, deterministic=False)

            def __call__(self, x):
                turn = nn.scan(lambda net, x, _: (net.drop(x), None), length=3)
                return turn(self, x, None)[0]

        with pytest.raises(BindError, match=r"Call thinned.jax.dropout there"):
            tf.bind(Loop(), seed=3).apply({}, X, step=0)

    def test_turns_that_carry_their_count(self):
        """A loop that carries the collection numbers its turns, where the layer is there before the loop."""

        class Loop(nn.Module):
            def setup(self):
                self.drop = Dropout(0.5, deterministic=False)

            def __call__(self, x):
                turn = nn.scan(lambda net, _, x: (None, net.drop(x)), variable_carry="thinned")
                return turn(self, None, x)[1]

        ys = tf.bind(Loop(), seed=3).apply({}, jnp.ones((3, 4, 8)), step=1)

        for name, y in zip(("drop", "drop#1", "drop#2"), ys, strict=True):
            assert same(at(name, 1), y)

    def test_two_layers_with_one_site(self):
        """As in NNX."""

        class Two(nn.Module):
            @nn.compact
            def __call__(self, x):
                return [Dropout(0.5, deterministic=False, site="a")(x) for _ in range(2)]

        with pytest.raises(BindError, match="'a' twice"):
            tf.bind(Two(), seed=3).apply({}, X, step=0)


class TestForeign:
    """A model that is applied inside another's call."""

    def test_it_has_its_own(self):
        """A free one its keys, a bound one its address."""

        class Outer(nn.Module):
            @nn.compact
            def __call__(self, x):
                free = Block().clone(parent=None)
                return (
                    free.apply({}, x, rngs=KEY),
                    tf.bind(free, seed=9).apply({}, x, step=5),
                    Block(name="own")(x),
                )

        free, bound, own = tf.bind(Outer(), seed=3).apply({}, X, step=1)

        assert same(Block().apply({}, X, rngs=KEY), free)
        assert same(at("drop", 5, seed=9), bound)
        assert same(at("own.drop", 1), own)


class Trains(nn.Module):
    """A layer, in training or not."""

    @nn.compact
    def __call__(self, x, train):
        """Drop, and note something."""
        self.sow("seen", "x", x)
        return Dropout(0.5, deterministic=not train, name="drop")(x)

    def encode(self, x):
        """Another method."""
        return self(x, True)


class TestCollection:
    """`thinned`, among the variables."""

    def test_the_seed_is_that_of_bind(self):
        """Whatever was saved under another; the step is the saved one."""
        saved = tf.bind(Trains(), seed=3).init(jax.random.key(0), X, True)
        net = tf.bind(Trains(), seed=4)
        y, changed = net.apply(saved, X, True, mutable="thinned")

        assert same(at("drop", 0, seed=4), y)
        assert same(at("drop", 0, seed=4), net.apply(saved, X, True))
        assert [4, 0, 1] == changed["thinned"]["address"].tolist()
        assert [4, 0, 6] == net.apply(saved, X, True, step=5, mutable=["thinned"])[1]["thinned"][
            "address"
        ].tolist()

    @pytest.mark.parametrize("mutable", [DenyList("params"), True, ["thinned", "seen"]])
    @pytest.mark.parametrize("outer", [lambda f: f, jax.jit], ids=["eager", "jit"])
    def test_it_advances_with_others(self, mutable, outer):
        """However they are named; nothing else of ours is in them, and evaluation takes no step."""
        net = tf.bind(Trains(), seed=3)
        variables = net.init(jax.random.key(0), X, False)
        for train, step in ((True, 1), (False, 1), (True, 2)):
            _, changed = outer(lambda it, train=train: net.apply(it, X, train, mutable=mutable))(variables)
            variables = {**variables, **changed}

            assert {"thinned", "seen"} == set(changed)
            assert {"address": [3, 0, step]} == {k: v.tolist() for k, v in changed["thinned"].items()}

    def test_others_alone(self):
        """Then it is not there."""
        net = tf.bind(Trains(), seed=3)

        assert ["seen"] == list(net.apply({}, X, True, step=0, mutable=["seen"])[1])
        assert {} == net.apply({}, X, True, step=0, mutable=["other"])[1]

    @pytest.mark.parametrize(
        "method", ["encode", Trains.encode, Trains().encode, lambda net, x: net(x, True)]
    )
    def test_other_methods(self, method):
        """By name or as functions."""
        assert same(at("drop", 2), tf.bind(Trains(), seed=3).apply({}, X, step=2, method=method))
