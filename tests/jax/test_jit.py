"""Kernels are compiled also where Numba is told to compile nothing."""

from tests.subprocesses import python

EVERY_KERNEL = """
    import jax, numpy as np, torch, thinned.jax, thinned.numpy, thinned.torch
    from thinned.mask import keep
    x, mask = np.ones((64, 32), np.float32), keep((64, 32), 0.5, seed=3)
    y = torch.from_numpy(x)
    print(np.array_equal(mask, thinned.numpy.dropout(x, 0.5, seed=3) != 0))
    print(np.array_equal(mask, np.asarray(jax.jit(lambda x: thinned.jax.dropout(x, 0.5, seed=3))(x)) != 0))
    print(bool(thinned.torch.alpha_dropout(y, 0.5, seed=3).isfinite().all()))
    print(bool(thinned.torch.drop_block(y.reshape(1, 2, 32, 32), 0.1, 3, seed=3).isfinite().all()))
    print(bool(thinned.torch.drop_connect(y, torch.ones(8, 32), 0.5, seed=3).isfinite().all()))
"""


def test_kernels_are_compiled_where_others_are_not(tmp_path):
    """`NUMBA_DISABLE_JIT` is for somebody else's functions, and for none of ours."""
    out, _ = python(EVERY_KERNEL, NUMBA_DISABLE_JIT=1, NUMBA_CACHE_DIR=tmp_path)

    assert out.split() == ["True"] * 5
