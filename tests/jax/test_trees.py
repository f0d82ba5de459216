"""Functions of trees of weights, and of two predictions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen as nn
from flax import nnx

import thinned.jax as tj
import thinned.torch as tt
from tests.jax.truth import dropped, same
from thinned.errors import ConfigurationError
from thinned.mask import keep
from thinned.methods.max_norm import projected

RNG = np.random.default_rng(0)


def numbers(*shape):
    """Float32, of mean 0."""
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


PARAMS = {"cell": {"hi": {"kernel": numbers(4, 5), "bias": numbers(5)}, "ii": {"kernel": numbers(3, 5)}}}


class TestWeightDrop:
    """Single weights, by name."""

    def test_drops_what_is_named(self):
        """At the leaf's own site; all else is left as it is."""
        found = tj.weight_drop(PARAMS, 0.5, "*.h?.kernel", seed=7, step=3)["cell"]
        kernel = PARAMS["cell"]["hi"]["kernel"]
        assert same(dropped(kernel, 0.5, seed=7, site="cell.hi.kernel", step=3), found["hi"]["kernel"])
        assert found["hi"]["bias"] is PARAMS["cell"]["hi"]["bias"]
        assert found["ii"]["kernel"] is PARAMS["cell"]["ii"]["kernel"]
        there = tj.weight_drop(PARAMS, 0.5, seed=7, site="rnn")["cell"]["ii"]["kernel"]
        expected = dropped(PARAMS["cell"]["ii"]["kernel"], 0.5, seed=7, site="rnn/cell.ii.kernel")
        assert same(expected, there)
        with pytest.raises(ConfigurationError, match="name leaves of the tree"):
            tj.weight_drop(PARAMS, 0.5, "*.hh.kernel", seed=7)

    def test_recurrent_networks(self):
        """Of NNX and Linen are named alike, and a dropped weight has no gradient."""
        cell = nnx.LSTMCell(3, 4, rngs=nnx.Rngs(0))
        params = nnx.state(cell, nnx.Param)
        thin = tj.weight_drop(params, 0.5, "h[ifgo].kernel", seed=7)
        masks = {name: keep((4, 4), 0.5, seed=7, site=f"{name}.kernel") for name in ("hi", "hf", "hg", "ho")}
        for name in masks:
            expected = dropped(params[name]["kernel"][...], 0.5, seed=7, site=f"{name}.kernel")
            assert same(expected, thin[name]["kernel"][...])
        assert same(params["ii"]["kernel"][...], thin["ii"]["kernel"][...])

        linen = nn.LSTMCell(4)
        x, carry = numbers(2, 3), (numbers(2, 4), numbers(2, 4))
        variables = linen.init(jax.random.key(0), carry, x)

        def loss(params):
            thin = tj.weight_drop(params, 0.5, "h?.kernel", seed=7)
            return linen.apply({"params": thin}, carry, x)[1].sum()

        slopes = jax.jit(jax.grad(loss))(variables["params"])
        for name, mask in masks.items():
            assert same(mask, np.asarray(slopes[name]["kernel"]) != 0)


class TestMixout:
    """Weights that are, by chance, the pretrained ones."""

    def test_is_pytorch_s(self):
        """Of one leaf; and a target of zeros makes it dropout."""
        w, w0 = numbers(6, 5), numbers(6, 5)
        at = {"seed": 5, "step": 2}
        found = jax.jit(lambda w: tj.mixout({"w": w}, {"w": w0}, 0.5, site="fc", **at)["w"])(w)
        expected = tt.mixout(
            torch.tensor(np.asarray(w)), torch.tensor(np.asarray(w0)), 0.5, site="fc/w", **at
        )
        np.testing.assert_allclose(found, expected, rtol=4 * 2.0**-24, atol=2.0**-22)
        mask = keep((6, 5), 0.5, site="fc/w", **at)
        assert same(np.asarray(found)[~mask], np.asarray(w0)[~mask])
        zeros = tj.mixout({"w": w}, {"w": jnp.zeros_like(w)}, 0.5, site="fc", **at)["w"]
        assert same(dropped(w, 0.5, site="fc/w", **at), zeros)
        with pytest.raises(ValueError, match=r"structure|key"):
            tj.mixout({"w": w}, {"v": w0}, 0.5, seed=0)

    def test_an_array_is_a_tree_without_names(self):
        """Its site is the one that is given, as PyTorch's."""
        w, w0 = numbers(6, 5), numbers(6, 5)
        found = np.asarray(tj.mixout(w, w0, 0.5, site="fc", seed=5))
        mask = keep((6, 5), 0.5, site="fc", seed=5)
        assert same(found[~mask], np.asarray(w0)[~mask])
        assert same(dropped(w, 0.5, site="fc", seed=5), tj.weight_drop(w, 0.5, site="fc", seed=5))


class TestMaxNorm:
    """Units within a ball."""

    def test_projects(self):
        """Each unit of the kernels, and nothing else; what is within keeps every bit."""
        params = {
            "conv": {"kernel": numbers(3, 3, 4, 5), "bias": numbers(5)},
            "fc": {"kernel": numbers(6, 7)},
        }
        found = tj.max_norm(params, 2.0)
        for layer in params:
            kernel = np.asarray(params[layer]["kernel"])
            expected = projected(kernel, 2.0, (kernel.ndim - 1,))
            np.testing.assert_allclose(found[layer]["kernel"], expected, rtol=16 * 2.0**-24)
        assert found["conv"]["bias"] is params["conv"]["bias"]
        assert same(params["fc"]["kernel"], tj.max_norm(params, 100.0)["fc"]["kernel"])
        assert same(found["fc"]["kernel"], tj.max_norm(found, 2.0)["fc"]["kernel"])
        compiled = jax.jit(lambda w: tj.max_norm(w, 2.0))(params["fc"]["kernel"])
        np.testing.assert_allclose(compiled, found["fc"]["kernel"], rtol=16 * 2.0**-24)
        assert same(tj.max_norm(np.asarray(params["fc"]["kernel"]), 2.0), found["fc"]["kernel"])
        state = nnx.state(nnx.Linear(3, 4, rngs=nnx.Rngs(0)))
        assert float(jnp.linalg.norm(tj.max_norm(state, 0.1)["kernel"][...], axis=0).max()) < 0.1001

    def test_errors(self):
        """A radius, an axis, a tree that do not fit."""
        with pytest.raises(ValueError, match="c, the largest norm"):
            tj.max_norm(numbers(2, 2), 0.0)
        with pytest.raises(ValueError, match="an axis 3 of units"):
            tj.max_norm(numbers(2, 2), 1.0, axis=3)
        with pytest.raises(ConfigurationError, match="name leaves"):
            tj.max_norm({"embedding": numbers(2, 2)}, 1.0)


class TestRDrop:
    """The loss of two draws."""

    @pytest.mark.parametrize("soft", [False, True])
    def test_is_pytorch_s(self, soft):
        """With gradients; classes stand last."""
        one, two = numbers(6, 5), numbers(6, 5).at[0, 3].set(-jnp.inf)
        one = one.at[0, 3].set(-jnp.inf)
        targets = np.array([1, 2, -100, 0, 4, 4])
        if soft:
            targets = np.asarray(jax.nn.softmax(numbers(6, 5))).copy()
            targets[0] = np.eye(5, dtype="float32")[1]
        ours, slope = jax.jit(jax.value_and_grad(lambda x: tj.r_drop_loss(x, two, targets, 0.7)))(one)
        given = torch.tensor(np.asarray(one), requires_grad=True)
        theirs = tt.r_drop_loss(
            given[1:] if soft else given, torch.tensor(np.asarray(two))[1 if soft else 0 :],
            torch.tensor(targets)[1 if soft else 0 :], 0.7,
        )  # fmt: skip
        if soft:  # PyTorch's own cross-entropy has no answer where a probability is 0 and its logit -inf
            ours = tj.r_drop_loss(one[1:], two[1:], targets[1:], 0.7)
        else:
            theirs.backward()
            np.testing.assert_allclose(slope, given.grad, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-5)

    def test_errors(self):
        """Shapes and weights."""
        with pytest.raises(ValueError, match="logits of one shape"):
            tj.r_drop_loss(numbers(2, 3), numbers(2, 4), jnp.zeros(2, int))
        with pytest.raises(ValueError, match="alpha"):
            tj.r_drop_loss(numbers(2, 3), numbers(2, 3), jnp.zeros(2, int), -1)


class TestConnected:
    """`drop_connect`, an example at a time."""

    def test_is_pytorch_s(self):
        """Whole, and part of a larger batch."""
        x, w = numbers(4, 3, 6), numbers(5, 6)
        at = {"seed": 5, "step": 2, "site": "fc"}
        expected = tt.drop_connect(torch.tensor(np.asarray(x)), torch.tensor(np.asarray(w)), 0.5, **at)
        np.testing.assert_allclose(tj.drop_connect(x, w, 0.5, **at), expected, rtol=1e-5, atol=1e-5)
        part = tj.drop_connect(x[2:], w, 0.5, window=((4, 5, 6), (2, 0, 0)), **at)
        np.testing.assert_allclose(part, expected[2:], rtol=1e-5, atol=1e-5)
        part = tj.drop_connect(x[np.array([3, 1])], w, 0.5, window=((4, 5, 6), ([3, 1], 0, 0)), **at)
        np.testing.assert_allclose(part, expected[[3, 1]], rtol=1e-5, atol=1e-5)
