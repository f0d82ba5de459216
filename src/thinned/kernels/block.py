"""What a kernel works on: one block of 64-bit words, at an address that any team of threads can be given.

The words are addresses, sizes and numbers, `SCALE` the bits of a float64. Threads take pieces by an atomic counter
in the block, `NEXT`, so one that comes late finds nothing left and delays nobody.

Numba keeps compiled code by the age of its file alone: touch `cpu.py`, `noise.py`, `entry.py` and `jax/_handler.py`
when the order here changes.
"""

import ctypes

DROP, RELU, ADD = 0, 1, 2
"""What `OP` says: y = k x s;  y = k relu(x) s;  y = k x s + r."""

COUNT = 20

(
    X, R, Y, ELEMENTS, BASES, ROWS, OP, IN_PLACE, RUN, INNER, SIZE, PIECE, NEXT, LEVEL, SCALE, DRAW, SITE, STEP,
    KEY0, KEY1,
) = range(COUNT)  # fmt: skip

Block = ctypes.Array[ctypes.c_int64]
"""The type of a block."""
