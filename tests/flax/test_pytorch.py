"""The catalogue in NNX and Linen is PyTorch's: masks at one address, outputs and gradients within rounding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen as linen_nn
from flax import nnx

import thinned
import thinned.flax as tf
import thinned.torch as tt
from tests.jax.truth import same
from thinned.mask import keep

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


class TestZoneout:
    """A recurrent cell whose states stay: `RNN(ZoneoutCell(cell))` and PyTorch's cell, step by step."""

    X = RNG.standard_normal((3, 5, 4)).astype("float32")

    def made(self, **options):
        """NNX, Linen and its variables, and PyTorch, with the same weights."""
        cell = nnx.LSTMCell(4, 6, rngs=nnx.Rngs(0))
        net = tf.bind(nnx.RNN(tf.ZoneoutCell(cell, 0.25, site=SITE, **options)), SEED)
        names = {"i": "i", "f": "f_", "g": "g", "o": "o"}
        inner = [getattr(cell, "i" + name).kernel[...] for name in names.values()]
        outer = [getattr(cell, "h" + name.rstrip("_")) for name in names]
        params = {f"i{name}": {"kernel": k} for name, k in zip(names, inner, strict=True)}
        params |= {
            f"h{name}": {"kernel": d.kernel[...], "bias": d.bias[...]}
            for name, d in zip(names, outer, strict=True)
        }
        linen = tf.linen.ZoneoutCell(
            linen_nn.LSTMCell(6),
            0.25,
            site=SITE,
            deterministic=options.pop("deterministic", False),
            **options,
        )
        linen = tf.bind(linen_nn.RNN(linen, variable_carry="thinned"), SEED)
        other = torch.nn.LSTMCell(4, 6)
        other.weight_ih.data = torch.tensor(np.concatenate([np.asarray(k).T for k in inner]))
        other.weight_hh.data = torch.tensor(np.concatenate([np.asarray(d.kernel[...]).T for d in outer]))
        other.bias_ih.data = torch.tensor(np.concatenate([np.asarray(d.bias[...]) for d in outer]))
        other.bias_hh.data.zero_()
        p_cell = options.get("rate_cell")
        steps = Steps(tt.ZoneoutCell(other, 0.25, p_cell, site=SITE))
        return net, (linen, {"params": {"cell": {"cell": params}}}), tt.bind(steps, SEED)

    @pytest.mark.parametrize("options", [{}, {"rate_cell": 0.5}], ids=["one rate", "two"])
    def test_is_pytorch_s(self, options):
        """Outputs, and the gradient of the input, in three steps of the model."""
        net, (linen, variables), other = self.made(**options)

        def run(net, x):
            return nnx.value_and_grad(lambda net, x: ((y := net(x)).sum(), y), argnums=1, has_aux=True)(
                net, x
            )

        compiled = nnx.jit(run)
        for step in range(3):
            x = torch.tensor(self.X, requires_grad=True)
            y = other(x)
            y.sum().backward()
            (_, found), slope = (compiled if step else run)(net, jnp.asarray(self.X))
            # Five steps of an LSTM, each some twenty roundings of numbers below 1.
            np.testing.assert_allclose(found, y.detach(), rtol=0, atol=200 * 2.0**-24)
            np.testing.assert_allclose(slope, x.grad, rtol=0, atol=1000 * 2.0**-24)
            np.testing.assert_allclose(
                linen.apply(variables, self.X, step=step), found, rtol=0, atol=200 * 2.0**-24
            )
        names = [f"{SITE}/hidden", f"{SITE}/cell"]
        assert [*names] == [line.name for line in tf.sites(net, self.X)][:2]

    def test_evaluation_is_the_mean(self):
        """Also of a schedule, at the model's step."""
        net, (linen, variables), other = self.made()
        net.eval()
        expected = other.eval()(torch.tensor(self.X)).detach()
        np.testing.assert_allclose(net(self.X), expected, rtol=0, atol=200 * 2.0**-24)
        net.cell.rate = thinned.linear(0.0, 0.5, steps=2)
        net.thinned[...] = net.thinned[...].at[2].set(1)
        np.testing.assert_allclose(net(self.X), expected, rtol=0, atol=200 * 2.0**-24)
        cell = linen.module.cell.clone(rate=thinned.linear(0.0, 0.5, steps=2), deterministic=True)
        found = tf.bind(linen.module.clone(cell=cell), SEED).apply(variables, self.X, step=1)
        np.testing.assert_allclose(found, expected, rtol=0, atol=200 * 2.0**-24)

    def test_errors(self):
        """What is no cell, and a rate of a memory that is not there."""
        with pytest.raises(TypeError, match="expected a cell, such as LSTMCell"):
            tf.ZoneoutCell(nnx.Linear(3, 3, rngs=nnx.Rngs(0)))
        with pytest.raises(TypeError, match="with an LSTM only"):
            tf.linen.ZoneoutCell(linen_nn.GRUCell(3), rate_cell=0.5)


class Steps(torch.nn.Module):
    """PyTorch's cell, run over (batch, time, feature)."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x):
        """All hidden states."""
        state, found = None, []
        for value in x.unbind(1):
            state = self.cell(value, state)
            found.append(state[0])
        return torch.stack(found, 1)


class TestDepth:
    """Blocks and layers that are not run."""

    X = RNG.standard_normal((3, 4)).astype("float32")

    def pair(self, kind):
        """Each framework's, of linear layers with the same weights, and how often ours were run."""
        runs = []

        class Counting(nnx.Linear):
            def __call__(self, x):
                jax.debug.callback(lambda: runs.append(1))
                return super().__call__(x)

        layers = [Counting(4, 4, rngs=nnx.Rngs(seed)) for seed in range(4)]
        others = [torch.nn.Linear(4, 4) for _ in layers]
        for layer, other in zip(layers, others, strict=True):
            other.weight.data = torch.tensor(np.asarray(layer.kernel[...]).T.copy())
            other.bias.data = torch.tensor(np.asarray(layer.bias[...]))
        if kind == "LayerDrop":
            ours, theirs = tf.LayerDrop(layers, 0.5, site=SITE), tt.LayerDrop(others, 0.5, site=SITE)
        else:
            ours = tf.StochasticDepth(layers[0], 0.5, site=SITE)
            theirs = tt.StochasticDepth(others[0], 0.5, site=SITE)
        return tf.bind(nnx.Sequential(ours), SEED), tt.bind(torch.nn.Sequential(theirs), SEED), runs

    @pytest.mark.parametrize("kind", ["StochasticDepth", "LayerDrop"])
    def test_is_pytorch_s(self, kind):
        """In six steps, eager and compiled, with gradients of zero for what did not run."""
        net, other, runs = self.pair(kind)

        def run(net, x):
            return nnx.value_and_grad(lambda net: ((y := net(x)).sum(), y), has_aux=True)(net)

        compiled, seen = nnx.jit(run), set()
        for step in range(6):
            other.zero_grad()
            y = other(torch.tensor(self.X))
            y.sum().backward()
            runs.clear()
            (_, found), slopes = (compiled if step % 2 else run)(net, jnp.asarray(self.X))
            jax.effects_barrier()
            kept = int(keep((4 if kind == "LayerDrop" else 1,), 0.5, seed=SEED, site=SITE, step=step).sum())
            seen.add(kept)
            assert kept == len(runs)
            np.testing.assert_allclose(found, y.detach(), rtol=0, atol=200 * 2.0**-24)
            ours = [np.asarray(leaf) for leaf in jax.tree.leaves(slopes) if np.ndim(leaf) == 2]
            theirs = [p.grad.numpy().T for p in other.parameters() if p.dim() == 2]
            for expected, actual in zip(theirs, ours, strict=True):
                np.testing.assert_allclose(actual, expected, rtol=0, atol=1000 * 2.0**-24)
        assert len(seen) > 1

    def test_linen(self):
        """The same in Linen, eager and compiled, and all of it when variables are made."""
        net, _, _ = self.pair("LayerDrop")
        layers = [linen_nn.Dense(4) for _ in range(4)]
        bound = tf.bind(tf.linen.LayerDrop(layers, 0.5, site=SITE, deterministic=False), SEED)
        given = {
            f"layers_{i}": {"kernel": layer.kernel[...], "bias": layer.bias[...]}
            for i, layer in enumerate(net.layers[0].layers)
        }
        made = bound.init(jax.random.key(0), self.X)["params"]
        assert jax.tree.map(jnp.shape, made) == jax.tree.map(jnp.shape, given)
        compiled = jax.jit(lambda step: bound.apply({"params": given}, self.X, step=step))
        for step in range(3):
            expected = net(self.X)
            np.testing.assert_allclose(compiled(step), expected, rtol=0, atol=200 * 2.0**-24)
            found = bound.apply({"params": given}, self.X, step=step)
            np.testing.assert_allclose(found, expected, rtol=0, atol=200 * 2.0**-24)
        block = tf.linen.StochasticDepth(linen_nn.Dense(4), 0.5, site="a", deterministic=False)
        variables = tf.bind(block, SEED).init(jax.random.key(0), self.X)
        y = linen_nn.Dense(4).apply({"params": variables["params"]["branch"]}, self.X)
        run = jax.jit(lambda step: tf.bind(block, SEED).apply(variables, self.X, step=step))
        for step in range(4):
            kept = bool(keep((1,), 0.5, seed=SEED, site="a", step=step))
            np.testing.assert_allclose(run(step), self.X + 2 * y * kept, rtol=1e-6, atol=1e-6)

    def test_layers_inside(self):
        """A dropout inside a branch has the masks that it has elsewhere, and counts its uses by runs."""
        inner = tf.Dropout(0.5, site="in")
        net = tf.bind(nnx.Sequential(tf.StochasticDepth(inner, 0.5, site=SITE)), SEED)
        run = nnx.jit(lambda net, x: net(x))
        for step in range(4):
            kept = bool(keep((1,), 0.5, seed=SEED, site=SITE, step=step))
            mask = keep((3, 4), 0.5, seed=SEED, site="in", step=step)
            close(
                1 + 4 * kept * mask,
                (run if step % 2 else net.__call__)(*([net] if step % 2 else []), jnp.ones((3, 4))),
            )

    def test_errors(self):
        """A layer that cannot be left out; a schedule in a free layer."""
        wide = nnx.Linear(4, 5, rngs=nnx.Rngs(0))
        for layer in (tf.LayerDrop([wide], 1e-4), tf.StochasticDepth(wide, 1e-4)):
            with pytest.raises(ValueError, match="expected"):
                tf.bind(nnx.Sequential(layer), 0)(self.X)
        with pytest.raises(ValueError, match="every n-th layer"):
            tf.LayerDrop([wide]).keep_every(0)
        for make in (tf.StochasticDepth, tf.linen.StochasticDepth, lambda it: tf.LayerDrop([it]),
                     lambda it: tf.linen.LayerDrop([it])):  # fmt: skip
            with pytest.raises(TypeError, match="a module of Flax"):
                make(jax.nn.gelu)
