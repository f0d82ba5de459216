"""Some few elements of a mask in plain Python integers: what decides in microseconds whether a layer runs."""

from thinned.mask.philox import MULTIPLIERS, ROUNDS, WEYL

_LOW = 0xFFFFFFFF


def first_kept(count: int, level: int, address: tuple[int, int, int, int]) -> tuple[bool, ...]:
    """The first elements of a mask, exactly as `mask.keep` has them.

    Args:
        count: how many.
        level: T of the law, from 0 (keeps all) to 65536 (keeps none).
        address: seed, site, step, draw, as integers that are checked.

    Example:
        >>> from thinned.mask import keep
        >>> first_kept(3, 32768, (0, 1, 2, 3)) == tuple(keep((3,), 0.5, seed=0, site=1, step=2, draw=3).tolist())
        True
    """
    kept: list[bool] = []
    for block in range(-(-count // 8)):
        for word in _words(block, *address):
            kept += [word & 0xFFFF >= level, word >> 16 >= level]
    return tuple(kept[:count])


def _words(block: int, seed: int, site: int, step: int, draw: int) -> tuple[int, int, int, int]:
    """The four words of one Philox call."""
    c0, c1, c2, c3 = block & _LOW, (block >> 32) + (draw << 16), site, step
    k0, k1 = seed & _LOW, seed >> 32
    for _ in range(ROUNDS):
        first, second = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (second >> 32) ^ c1 ^ k0, second & _LOW, (first >> 32) ^ c3 ^ k1, first & _LOW
        k0, k1 = (k0 + WEYL[0]) & _LOW, (k1 + WEYL[1]) & _LOW
    return c0, c1, c2, c3
