"""The same bits on another processor, and no index outside its array."""

from tests.subprocesses import python

CHECKS = """
    import numpy as np
    from tests.kernels.arrays import DTYPES, OPS, check, check_relu_gradient
    from thinned.kernels import execute, half_types, noise
    execute.GRAIN = 1
    stretch = 8 * noise.BLOCK
    every = np.arange(2**16, dtype=np.uint16).view(np.int16)
    float32, float16 = DTYPES[0], DTYPES[3]
    for op in OPS.values():
        check((2**16,), 0.1, float16, op=op, x=every)
        for dtype in (float32, float16):
            for start in (0, 3):
                for size in (1, 5, stretch - 3, stretch - 2, 2 * stretch + 5):
                    check((size,), 0.3, dtype, op=op, window=((2**51,), (2**35 - 8 + start,)))
            check((40, 13), 0.3, dtype, op=op, threads=3, window=((64, 29), (3, 5)))
            check((3, 2, 2 * stretch + 5), 0.3, dtype, op=op, share=2, in_place=True)
    for dtype in (float32, float16):
        check_relu_gradient(2 * stretch + 5, 0.3, dtype, threads=2)
    print(half_types.from_float16 is half_types._from_float16)
"""


class TestPortable:
    """Kernels compiled for the plainest processor of this family, with every index checked."""

    def test_the_plainest_processor_gives_the_same_bits(self, tmp_path):
        """Without wide vectors, and with float16 converted by integer arithmetic and not by hardware.

        Numba's bounds check turns an index outside its array, which might go unnoticed, into an error.
        """
        settings = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_BOUNDSCHECK": 1}
        out, _ = python(CHECKS, NUMBA_CACHE_DIR=tmp_path, **settings)

        assert out == "True\n"
