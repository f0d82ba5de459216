"""One logical array, cut among devices: the mask is that of the whole."""

from tests.subprocesses import python

HEAD = """
    import jax, jax.numpy as jnp, numpy as np, thinned.jax as tj
    from functools import partial
    from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
    from tests.jax.truth import dropped, odd_values, same
    def mesh_of(n, kind=AxisType.Auto):
        return jax.make_mesh((n,), ("d",), axis_types=(kind,), devices=jax.devices()[:n])
    MESHES = [mesh_of(n) for n in (1, 2, 4)]
"""


def on_devices(code):
    """Run code in a process with four devices, and meshes of one, two and all of them."""
    python(HEAD + code, XLA_FLAGS="--xla_force_host_platform_device_count=4", JAX_PLATFORMS="cpu")


class TestSharding:
    """On 1, 2 and 4 devices of one process."""

    def test_automatic(self):
        """XLA divides the work, along any axis, whether rows are whole blocks or not; the gradient too."""
        on_devices("""
    shapes = [((8, 24), P("d"), {}), ((8, 24), P(None, "d"), {}), ((8, 20), P("d"), {"share": 1}),
              ((8, 20), P(None, "d"), {}), ((8, 24), P(), {}),
              ((4, 8, 3), P("d"), {"window": ((64, 8, 3), (5, 0, 0))})]
    for mesh in (*MESHES, mesh_of(4, AxisType.Explicit)):
        for shape, spec, where in shapes:
            x = odd_values(shape, np.float32)
            expected = dropped(x, 0.3, seed=1, step=2, **where)
            @jax.jit
            def both(x, step):
                y, pull = jax.vjp(lambda x: tj.dropout(x, 0.3, seed=1, step=step, **where), x)
                return y, pull(x)[0]
            placed = jax.device_put(x, NamedSharding(mesh, spec))
            y, gradient = both(placed, 2)
            assert same(expected, y) and same(expected, gradient), (mesh, shape, spec, where)
            assert y.sharding.is_equivalent_to(placed.sharding, len(shape)), (y.sharding, spec)
    """)

    def test_work_is_divided(self):
        """No device computes the mask of another: nothing is gathered, and the largest array is a device's part."""
        on_devices("""
    for shape, spec in (((64, 64), P("d")), ((64, 64), P(None, "d")), ((64, 61), P("d"))):
        x = jax.device_put(jnp.ones(shape), NamedSharding(MESHES[2], spec))
        text = jax.jit(lambda x: tj.dropout(x, 0.3, seed=1)).lower(x).compile().as_text()
        assert not any(word in text for word in ("all-gather", "all-to-all", "collective-permute"))
        assert not any(f"[{n}]" in text or f"[{n // 8}]" in text for n in (4096, 64 * 61)), text
    """)

    def test_by_hand(self):
        """`shard_map`: each device gives its own window, by a start or by ids."""
        on_devices("""
    for mesh in MESHES:
        x = odd_values((8, 21), np.float32)
        order = jnp.arange(8)[::-1]
        @partial(jax.shard_map, mesh=mesh, in_specs=(P("d"), P()), out_specs=P("d"))
        def by_start(x, step):
            start = jax.lax.axis_index("d") * x.shape[0]
            return tj.dropout(x, 0.3, seed=1, step=step, window=((8, 21), (start, 0)))
        @partial(jax.shard_map, mesh=mesh, in_specs=(P("d"), P("d"), P()), out_specs=P("d"))
        def by_ids(x, ids, step):
            return tj.dropout(x, 0.3, seed=1, step=step, window=((8, 21), (ids, 0)))
        expected = dropped(x, 0.3, seed=1, step=2)
        reordered = dropped(x, 0.3, seed=1, step=2, window=((8, 21), (np.array(order), 0)))
        for run in (lambda f: f, jax.jit):
            assert same(expected, run(by_start)(x, jnp.uint32(2)))
            assert same(reordered, run(by_ids)(x, order, jnp.uint32(2)))
        y, pull = jax.vjp(lambda x: by_start(x, jnp.uint32(2)), x)
        assert same(expected, pull(x)[0])
    """)

    def test_one_input_for_many_addresses(self):
        """In `shard_map`, a replicated array under addresses that differ: gradients are summed."""
        on_devices("""
    for n, mesh in zip((1, 2, 4), MESHES):
        @partial(jax.shard_map, mesh=mesh, in_specs=(P(), P("d")), out_specs=P("d"))
        def run(x, seed):
            return tj.dropout(x, 0.5, seed=seed[0])[None]
        x = jnp.ones((3, 5))
        seeds = jnp.arange(n, dtype=jnp.uint32)
        expected = np.stack([dropped(x, 0.5, seed=seed) for seed in range(n)])
        assert same(expected, run(x, seeds))
        assert same(expected.sum(0), jax.jit(jax.grad(lambda x: run(x, seeds).sum()))(x))
    """)

    def test_lanes_on_an_explicit_mesh(self):
        """`vmap` over seeds that are divided among devices, with other coordinates that are not."""
        on_devices("""
    with jax.set_mesh(mesh_of(4, AxisType.Explicit)):
        x = jax.device_put(jnp.ones((8, 40)), P("d"))
        seeds = jax.device_put(jnp.arange(8), P("d"))
        @jax.jit
        def run(x, seeds, step):
            lanes = jax.vmap(lambda x, seed, draw: tj.dropout(x, 0.5, seed=seed, step=step, draw=draw))
            return lanes(x, seeds, seeds), jax.vmap(lambda seed: tj.dropout(jnp.ones(5), 0.5, seed=seed))(seeds)
        by_both, by_seed = (np.asarray(found) for found in run(x, seeds, 3))
    for lane in range(8):
        assert same(dropped(np.ones(40, np.float32), 0.5, seed=lane, step=3, draw=lane), by_both[lane])
        assert same(dropped(np.ones(5, np.float32), 0.5, seed=lane), by_seed[lane])
    """)

    def test_strict_promotion(self):
        """`jax_numpy_rank_promotion="raise"` is about the user's arrays."""
        on_devices("""
    jax.config.update("jax_numpy_rank_promotion", "raise")
    x = odd_values((8, 20), np.float32)
    expected = dropped(x, 0.3, seed=1)
    placed = jax.device_put(x, NamedSharding(MESHES[2], P("d")))
    assert same(expected, jax.jit(lambda x: tj.dropout(x, 0.3, seed=1))(placed))
    assert same(expected, jax.vmap(lambda s: tj.dropout(x, 0.3, seed=s))(jnp.arange(2))[1])
    part = jax.jit(lambda at: tj.dropout(x, 0.3, seed=1, window=((80, 20), (at, 0))))
    assert same(dropped(x, 0.3, seed=1, window=((80, 20), (np.arange(8)[::-1], 0))), part(jnp.arange(8)[::-1]))
    assert tj.uniform((4, 5, 7), seed=0).shape == (4, 5, 7)
    """)
