"""Flax and Keras models: what their structure tells."""

import flax.linen as nn
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from flax import nnx

import thinned
from thinned.diagnosis.structure import same

pytestmark = pytest.mark.long

X = np.random.default_rng(0).random((16, 8), dtype=np.float32)


def nnx_model(*between, last=()):
    """Linear, what is between, linear, what comes last."""
    rngs = nnx.Rngs(1)
    return nnx.Sequential(
        nnx.Linear(8, 16, rngs=rngs), nnx.relu, *between, nnx.Linear(16, 4, rngs=rngs), *last
    )


def keras_model(*between, last=()):
    """The same."""
    return keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(16, "relu"), *between, keras.layers.Dense(4), *last]
    )


def nnx_drop(rate, seed=0):
    """With a stream of its own."""
    return nnx.Dropout(rate, rngs=nnx.Rngs(seed))


class TestNNX:
    """Modules of Flax NNX."""

    @pytest.mark.parametrize(
        ("model", "rules"),
        [
            (lambda: nnx_model(nnx_drop(0.5)), set()),
            (lambda: nnx_model(nnx_drop(0.0)), {"rate-zero"}),
            (lambda: nnx_model(nnx_drop(0.9)), {"high-rate"}),
            (lambda: nnx_model(nnx_drop(0.5), nnx_drop(0.5, 1)), {"twice-in-a-row"}),
            (lambda: nnx_model(nnx_drop(0.5), nnx.BatchNorm(16, rngs=nnx.Rngs(0))), {"before-batch-norm"}),
            (lambda: nnx_model(nnx.BatchNorm(16, rngs=nnx.Rngs(0)), nnx_drop(0.5)), set()),
            (lambda: nnx_model(last=[nnx_drop(0.5)]), {"after-last-layer"}),
            (
                lambda: nnx_model(nnx_drop(0.5), nnx.Linear(16, 16, rngs=nnx.Rngs(0)), nnx_drop(0.5)),
                {"same-mask-at-sites"},
            ),
        ],
    )
    def test_what_the_structure_tells(self, model, rules):
        """Rates, order, and streams that were made alike."""
        assert rules == thinned.audit(model(), jnp.asarray(X)).rules()

    def test_the_mode_is_seen_in_two_calls(self):
        """One module that never drops, and one that always does."""

        class Net(nnx.Module):
            def __init__(self, always):
                self.always = always
                self.linear, self.drop = nnx.Linear(8, 4, rngs=nnx.Rngs(0)), nnx_drop(0.5)

            def __call__(self, x):
                """Drop, then mix."""
                return self.linear(self.drop(x, deterministic=not self.always))

        assert {"active-in-eval"} == thinned.audit(Net(True), jnp.asarray(X)).rules()
        assert {"off-in-training"} == thinned.audit(Net(False), jnp.asarray(X)).rules()

    def test_the_model_keeps_its_keys_and_statistics(self):
        """A copy is run."""
        model = nnx_model(nnx_drop(0.5), nnx.BatchNorm(16, rngs=nnx.Rngs(0)))
        before = nnx.state(model)
        thinned.audit(model, jnp.asarray(X))

        assert int(before["layers"][2]["rngs"]["count"][...]) == int(model.layers[2].rngs.count[...])
        assert not model.layers[2].deterministic


class Linen(nn.Module):
    """With the mode that it is given, or one of its own."""

    rate: float = 0.5
    fixed: bool | None = None

    @nn.compact
    def __call__(self, x, train=False):
        """Two layers."""
        x = nn.relu(nn.Dense(16)(x))
        x = nn.Dropout(self.rate, deterministic=not train if self.fixed is None else self.fixed)(x)
        return nn.Dense(4)(x)


class TestLinen:
    """Modules of Flax Linen."""

    @pytest.mark.parametrize(
        ("model", "rules"),
        [
            (Linen(), set()),
            (Linen(0.9), {"high-rate"}),
            (Linen(0.0), {"rate-zero"}),
            (Linen(fixed=False), {"active-in-eval"}),
            (Linen(fixed=True), {"off-in-training"}),
        ],
    )
    def test_what_two_calls_in_each_mode_tell(self, model, rules):
        """With the mode by the name that the module knows it by."""
        report = thinned.audit(model, jnp.asarray(X))

        assert rules == report.rules()
        assert ["Dense_0", "Dropout_0", "Dense_1"] == [layer.name for layer in report.layers]


class TestKeras:
    """Keras models, on any backend."""

    @pytest.mark.parametrize(
        ("model", "rules"),
        [
            (lambda d, n: keras_model(d(0.5)), set()),
            (lambda d, n: keras_model(d(0.0)), {"rate-zero"}),
            (lambda d, n: keras_model(d(0.9)), {"high-rate"}),
            (lambda d, n: keras_model(d(0.5), d(0.5)), {"twice-in-a-row"}),
            (lambda d, n: keras_model(d(0.5), n()), {"before-batch-norm"}),
            (lambda d, n: keras_model(n(), d(0.5)), set()),
            (lambda d, n: keras_model(last=[d(0.5)]), {"after-last-layer"}),
            (
                lambda d, n: keras_model(d(0.5, seed=1), keras.layers.Dense(16), d(0.5, seed=1)),
                {"same-mask-at-sites"},
            ),
        ],
    )
    def test_what_the_structure_tells(self, model, rules):
        """Rates, order and seeds."""
        made = model(keras.layers.Dropout, keras.layers.BatchNormalization)

        assert rules == thinned.audit(made, X).rules()

    def test_weights_and_seeds_are_as_before(self):
        """Statistics and generators too."""
        model = keras_model(keras.layers.Dropout(0.5), keras.layers.BatchNormalization())
        before = [keras.ops.copy(each.value) for each in model.variables]
        thinned.audit(model, X)

        assert same(before, [each.value for each in model.variables])
        assert not same(before, [each.value + 1 for each in model.variables])
