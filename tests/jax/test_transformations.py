"""`jit`, `vmap`, `scan`, `remat`, differentiation: the mask is the address's under all of them."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import thinned.jax as tj
from tests.jax.truth import WHERE, dropped, odd_values, same
from tests.subprocesses import python

X = odd_values((4, 30), np.float32)


def layer(x, rate=0.5, seed=0, step=0, **where):
    """A draw whose address is data."""
    return tj.dropout(x, rate, seed=seed, step=step, **where)


class TestCompilation:
    """One program for all addresses."""

    def test_nothing_compiles_anew(self):
        """As the seed, the step and the rate move."""
        traces = []

        @jax.jit
        def traced(x, rate, seed, step):
            traces.append(1)
            return layer(x, rate, seed, step)

        for step in range(3):
            assert same(dropped(X, step / 4, seed=step, step=step, draw=0), traced(X, step / 4, step, step))
        assert [1] == traces

    @pytest.mark.parametrize("whole", [True, False], ids=["jit", "without jit"])
    def test_disabled_jit(self, whole):
        """What a user does to debug."""
        with jax.disable_jit():
            assert same(dropped(X, 0.5, **WHERE), (jax.jit(layer) if whole else layer)(X, **WHERE))

    def test_export(self):
        """An exported program holds XLA's operations alone, so that any process can load it."""
        saved = export.export(jax.jit(layer))(X, 0.5, 1, 2).serialize()

        assert same(dropped(X, 0.5, seed=1, step=2), export.deserialize(saved).call(X, 0.5, 1, 2))
        assert b"thinned.kernel" not in saved

    def test_ahead_of_time(self):
        """Lowered and compiled by hand."""
        compiled = jax.jit(layer).lower(X, 0.5, 1, 2).compile()

        assert same(dropped(X, 0.5, seed=1, step=3), compiled(X, 0.5, 1, 3))

    def test_the_persistent_cache(self, tmp_path):
        """A program from the disk of another process finds this process's kernel."""
        code = f"""
            import jax, jax.numpy as jnp, thinned.jax as tj
            from tests.jax.truth import dropped, same
            jax.config.update("jax_compilation_cache_dir", {str(tmp_path)!r})
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
            jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
            x = jnp.ones(100_000)
            assert same(dropped(x, 0.5, seed=3), tj.dropout(x, 0.5, seed=3))
        """
        for _ in range(2):
            python(code)
        assert list(tmp_path.iterdir())


class TestKernel:
    """Programs for one CPU call the kernel; the same bits come without it."""

    def test_it_is_called(self):
        """Where this jaxlib is one that the handler was written for."""
        assert '"thinned.kernel"' in jax.jit(layer).lower(X).compile().as_text()

    @pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16, np.float16])
    @pytest.mark.parametrize(
        ("shape", "where"),
        [
            ((5, 7), {}),
            ((70_001,), {}),
            ((6, 3, 4, 4), {"share": (2, 3)}),
            ((6, 3, 4, 4), {"share": (0, 2)}),
            ((6, 40), {"window": ((20, 50), ([3, 1, 1, 19, 0, 7], 3))}),
        ],
    )
    def test_both_ways_agree(self, monkeypatch, dtype, shape, where):
        """On every layout."""
        x = odd_values(shape, dtype)
        fast = jax.jit(lambda x: tj.dropout(x, 0.3, **WHERE, **where))(x)
        monkeypatch.setattr("thinned.jax._call._is_known", lambda: False)
        plain = jax.jit(lambda x: tj.dropout(x, 0.3, **WHERE, **where))

        assert same(dropped(x, 0.3, **WHERE, **where), fast)
        assert same(fast, plain(x))
        assert "thinned.kernel" not in plain.lower(x).compile().as_text()

    def test_many_threads_call_at_once(self):
        """Each gets its own mask, and nobody waits for ever."""
        x = jnp.ones(200_000)
        expected = [dropped(x, 0.5, seed=0, step=step) for step in range(4)]
        found = {}
        compiled = jax.jit(layer)

        def work(step):
            found[step] = all(same(expected[step], compiled(x, step=step)) for _ in range(10))

        threads = [threading.Thread(target=work, args=(step,)) for step in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert dict.fromkeys(range(4), True) == found

    def test_several_in_one_program(self):
        """XLA may run independent draws side by side, in however few threads."""
        python(
            """
            import jax, jax.numpy as jnp, thinned.jax as tj
            from tests.jax.truth import dropped, same
            x = jnp.ones(300_000)
            many = jax.jit(lambda x: [tj.dropout(x + i, 0.5, seed=i) for i in range(16)])
            for _ in range(5):
                found = many(x)
            assert all(same(dropped(x + i, 0.5, seed=i), y) for i, y in enumerate(found))
            """,
            NPROC="1",
        )


class TestVmap:
    """What `vmap` means: a batched address draws for each lane, an unbatched one is one mask for all."""

    def test_over_seeds_steps_and_rates(self):
        """In any combination, gradients too."""
        steps, rates = jnp.arange(3), jnp.array([0.0, 0.3, 1.0])
        lanes = [dropped(X, float(rate), seed=7, step=step) for step, rate in enumerate((0, 0.3, 1))]

        def draw(step, rate):
            return layer(X, rate, 7, step)

        def gradient(step, rate):
            return jax.vjp(lambda x: layer(x, rate, 7, step), X)[1](X)[0]

        assert same(np.stack(lanes), jax.vmap(draw)(steps, rates))
        assert same(np.stack(lanes), jax.jit(jax.vmap(gradient))(steps, rates))

    def test_an_address_that_is_not_batched(self):
        """One mask for all lanes, wherever the lanes are."""
        mask = dropped(jnp.ones((3, 5)), 0.5, **WHERE)
        for axis, shape in enumerate([(2, 3, 5), (3, 2, 5), (3, 5, 2)]):
            y = jax.vmap(lambda x: layer(x, **WHERE), axis, axis)(jnp.ones(shape))
            assert all(same(mask, lane) for lane in np.moveaxis(y, axis, 0))

    def test_nested(self):
        """Lanes of addresses around lanes of inputs, and the other way round."""
        x = jnp.ones((2, 6))
        outer = jax.vmap(lambda seed: jax.vmap(lambda x: layer(x, seed=seed))(x))(jnp.arange(3))
        inner = jax.vmap(lambda x: jax.vmap(lambda seed: layer(x, seed=seed))(jnp.arange(3)))(x)
        expected = np.stack([np.stack([dropped(x[0], 0.5, seed=seed)] * 2) for seed in range(3)])

        assert same(expected, outer)
        assert same(expected.swapaxes(0, 1), inner)

    def test_windows_with_batched_starts(self):
        """Each lane has its own rows."""
        x = jnp.ones((3, 2, 5))
        parts = jax.vmap(lambda x, start: layer(x, window=((6, 5), (start, 0))))(x, jnp.array([4, 0, 2]))
        whole = dropped(jnp.ones((6, 5)), 0.5, seed=0)

        assert same(np.stack([whole[4:], whole[:2], whole[2:4]]), parts)


class TestDifferentiation:
    """The gradient is the same operation at the same address, and nothing else is kept."""

    def test_every_mode(self):
        """Forward, reverse, and each over the other."""
        x, tangent = jnp.arange(1.0, 31.0), jnp.arange(30.0)
        mask = dropped(jnp.ones(30), 0.5, **WHERE)

        def loss(x):
            return (layer(x, **WHERE) ** 3).sum()

        slope, curve = 3 * mask**3 * np.asarray(x) ** 2, np.diag(6 * mask**3 * np.asarray(x))
        np.testing.assert_allclose(slope, jax.grad(loss)(x), rtol=1e-6)
        np.testing.assert_allclose((slope * tangent).sum(), jax.jvp(loss, (x,), (tangent,))[1], rtol=1e-5)
        for hessian in (
            jax.hessian(loss),
            jax.jacrev(jax.jacrev(loss)),
            jax.jacfwd(jax.jacfwd(loss)),
            jax.jacrev(jax.jacfwd(loss)),
        ):
            np.testing.assert_allclose(curve, hessian(x), rtol=1e-6)

    @pytest.mark.parametrize("order", ["grad of vmap", "vmap of grad", "grad of jit", "grad of scan"])
    def test_no_mask_is_kept(self, order):
        """Between forward and backward only the address passes: eight words or so for a thousand elements."""
        x, seeds = jnp.ones((3, 1000)), jnp.arange(3)
        run = {
            "grad of vmap": lambda x: jax.vmap(lambda x, seed: layer(x, seed=seed))(x, seeds),
            "vmap of grad": lambda x: layer(x, **WHERE),
            "grad of jit": lambda x: jax.jit(layer)(x, seed=seeds[0]),
            "grad of scan": lambda x: jax.lax.scan(lambda _, i: (None, layer(x, step=i)), None, seeds)[1],
        }[order]

        def pulled(x):
            return jax.vjp(run, x)[1]

        kept = jax.vmap(pulled)(x) if order == "vmap of grad" else pulled(x)

        assert sum(np.size(leaf) for leaf in jax.tree.leaves(kept)) < 50

    def test_the_rate_has_no_gradient(self):
        """A threshold is a step function: its derivative is 0 wherever it has one."""
        assert 0 == jax.grad(lambda rate: layer(X, rate).sum())(0.5)

    @pytest.mark.parametrize("policy", [None, jax.checkpoint_policies.nothing_saveable])
    def test_remat(self, policy):
        """A recomputation repeats its mask."""
        x = jnp.arange(1.0, 31.0)

        def loss(x, step):
            return (jnp.sin(layer(x, step=step)) ** 2).sum()

        again = jax.checkpoint(loss, policy=policy)
        assert same(jax.jit(jax.grad(loss))(x, 3), jax.jit(jax.grad(again))(x, 3))

    def test_scan(self):
        """A step that is counted by a loop, forward and backward."""
        x = jnp.ones(30)

        def loss(x):
            return jax.lax.scan(
                lambda total, step: (total + layer(x, step=step).sum(), None), 0.0, jnp.arange(4)
            )[0]

        assert same(sum(dropped(x, 0.5, seed=0, step=step) for step in range(4)), jax.grad(loss)(x))
