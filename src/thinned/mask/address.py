"""Where a draw stands: seed, site, step, draw. With an element's index, it *is* the draw."""

import hashlib
import operator
from dataclasses import dataclass
from functools import lru_cache
from typing import SupportsIndex

from thinned.errors import AddressError

ELEMENT_LIMIT = 1 << 51
"""Element indices stay below this, so that the index of a block of eight fits its 48 bits."""

WIDE_ELEMENT_LIMIT = 1 << 50
"""The same where a block holds four whole words: beyond it, one draw would run into the next."""

_WIDTHS = {"site": 32, "step": 32, "draw": 16}


def site_id(site: SupportsIndex | str) -> int:
    """The 32-bit number of a place in the network.

    A name becomes the first four bytes, little endian, of the SHA-256 of its UTF-8 text; an integer is
    itself.

    Raises:
        AddressError: an integer outside [0, 2^32), or another type.

    Example:
        >>> site_id("encoder.layers.0.dropout"), site_id(7)
        (1116965250, 7)
    """
    if isinstance(site, str):
        return _name_id(site)
    return coordinate("site", site)


@lru_cache(maxsize=4096)
def _name_id(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")


@dataclass(frozen=True, slots=True)
class Address:
    """One draw: everything that a mask depends on besides its shape, sharing and rate.

    Args:
        seed: the run, an integer in [-2^63, 2^64); a negative one is its two's complement.
        site: the place in the network, a name or an integer in [0, 2^32).
        step: the training step, in [0, 2^32).
        draw: which of several draws at one site and step, in [0, 2^16).

    Raises:
        AddressError: a coordinate outside its width, or not an integer.

    Example:
        >>> Address(seed=-1, site="fc1").key
        (4294967295, 4294967295)
    """

    seed: int
    site: int = 0
    step: int = 0
    draw: int = 0

    def __init__(
        self,
        seed: SupportsIndex,
        site: SupportsIndex | str = 0,
        step: SupportsIndex = 0,
        draw: SupportsIndex = 0,
    ) -> None:
        for name, value in zip(self.__slots__, coordinates(seed, site, step, draw), strict=True):
            object.__setattr__(self, name, value)

    @property
    def key(self) -> tuple[int, int]:
        """The Philox key: the seed's low and high 32 bits."""
        return self.seed & 0xFFFFFFFF, self.seed >> 32


def coordinates(
    seed: SupportsIndex, site: SupportsIndex | str = 0, step: SupportsIndex = 0, draw: SupportsIndex = 0
) -> tuple[int, int, int, int]:
    """An address as four plain integers, checked: what kernels take.

    Raises:
        AddressError: a coordinate outside its width, or not an integer.

    Example:
        >>> coordinates(-1, "fc1", step=12)
        (18446744073709551615, 4185788619, 12, 0)
    """
    # Most calls come with plain integers: a step costs them a tenth of what the way below does.
    if (
        type(seed) is type(site) is type(step) is type(draw) is int
        and 0 <= seed < 1 << 64
        and 0 <= site < 1 << 32
        and 0 <= step < 1 << 32
        and 0 <= draw < 1 << 16
    ):
        return seed, site, step, draw
    return seed64(seed), site_id(site), coordinate("step", step), coordinate("draw", draw)


def coordinate(name: str, value: SupportsIndex) -> int:
    """A `site`, `step` or `draw`, checked against its width.

    Raises:
        AddressError: not an integer, or too wide.

    Example:
        >>> coordinate("step", 12)
        12
    """
    number = _integer(name, value)
    width = _WIDTHS[name]
    if not 0 <= number < 1 << width:
        raise AddressError(f"expected {name} in [0, 2^{width}); got {number}.")
    return number


def seed64(seed: SupportsIndex) -> int:
    """A seed as the unsigned 64-bit integer that the law uses.

    Raises:
        AddressError: not an integer in [-2^63, 2^64).

    Example:
        >>> seed64(-1) == 2**64 - 1
        True
    """
    value = _integer("seed", seed)
    if not -(1 << 63) <= value < 1 << 64:
        raise AddressError(f"expected a seed in [-2^63, 2^64); got {value}.")
    return value % (1 << 64)


def _integer(name: str, value: SupportsIndex) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        words = " or a name" if name == "site" else ""
        raise AddressError(
            f"expected {name} as an integer{words}; got {value!r} of type {type(value).__name__}."
        ) from None
