"""Philox4x32-10: four 32-bit words, a pure function of a 128-bit counter and a 64-bit key."""

import numpy as np
import numpy.typing as npt

U32 = npt.NDArray[np.uint32]

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
"""What a round multiplies counter words 0 and 2 by (`PHILOX_M4x32_0` and `_1` of Random123)."""

WEYL = (0x9E3779B9, 0xBB67AE85)
"""What is added to the two key words after each round: the golden ratio and sqrt(3) - 1."""

ROUNDS = 10


def philox4x32(counter: npt.ArrayLike, key: npt.ArrayLike, rounds: int = ROUNDS) -> U32:
    """The four words that Philox4x32 gives for each counter.

    A round maps counter (c0, c1, c2, c3) under key (k0, k1) to

        (hi(M1 * c2) ^ c1 ^ k0,  lo(M1 * c2),  hi(M0 * c0) ^ c3 ^ k1,  lo(M0 * c0))

    and between rounds the key grows by the Weyl constants, modulo 2^32.

    Args:
        counter: uint32 array, axes (*batch, 4).
        key: uint32 array, axes (*batch, 2); broadcasts against `counter`.
        rounds: how many rounds; the law uses 10.

    Returns:
        uint32 array, axes (*batch, 4).

    Example:
        >>> [hex(word) for word in philox4x32([0, 0, 0, 0], [0, 0])]
        ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']

    References:
        Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011,
        https://doi.org/10.1145/2063384.2063405; constants and word order of Random123's `philox.h`.
    """
    c0, c1, c2, c3 = np.moveaxis(np.asarray(counter, np.uint32), -1, 0)
    k0, k1 = np.moveaxis(np.asarray(key, np.uint32), -1, 0).astype(np.uint64)
    for turn in range(rounds):
        high0, low0 = _high_low(MULTIPLIERS[0], c0)
        high1, low1 = _high_low(MULTIPLIERS[1], c2)
        key0 = (k0 + np.uint64(turn * WEYL[0])).astype(np.uint32)
        key1 = (k1 + np.uint64(turn * WEYL[1])).astype(np.uint32)
        c0, c1, c2, c3 = high1 ^ c1 ^ key0, low1, high0 ^ c3 ^ key1, low0
    return np.stack(np.broadcast_arrays(c0, c1, c2, c3), axis=-1)


def _high_low(multiplier: int, word: U32) -> tuple[U32, U32]:
    """The two halves of a 32 x 32 -> 64 bit product."""
    product = word.astype(np.uint64) * np.uint64(multiplier)
    return (product >> np.uint64(32)).astype(np.uint32), product.astype(np.uint32)
