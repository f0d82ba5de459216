"""The law in readable NumPy: slow, and what every kernel is compared with, bit by bit."""

from collections.abc import Sequence
from typing import SupportsFloat, SupportsIndex

import numpy as np
import numpy.typing as npt

from thinned.mask.address import Address
from thinned.mask.philox import U32, philox4x32
from thinned.mask.rate import LEVELS, threshold
from thinned.mask.sharing import I64, Share, Window, layout


def keep(
    shape: Sequence[int],
    rate: SupportsFloat,
    *,
    seed: SupportsIndex,
    site: SupportsIndex | str = 0,
    step: SupportsIndex = 0,
    draw: SupportsIndex = 0,
    share: Share = (),
    window: Window | None = None,
) -> npt.NDArray[np.bool_]:
    """The mask: True where an element is kept.

        keep = h >= T,   T = round_half_even(rate * 65536)

    Args:
        shape: of the array that the mask is for.
        rate: probability of dropping, 0 <= rate <= 1. Not the keep probability.
        seed: the run, in [-2^63, 2^64).
        site: the place in the network, a name or an integer in [0, 2^32).
        step: the training step, in [0, 2^32).
        draw: which of several draws at one site and step, in [0, 2^16).
        share: axes along which one draw is shared.
        window: `(global_shape, index)` where the array is part of a larger one; `index` holds, for each
            axis, a start or an array of global indices.

    Returns:
        bool array with `shape`, and 1 on shared axes.

    Raises:
        RateError, AddressError, ShareError, WindowError: see `thinned.errors`.

    Example:
        >>> keep((2, 8), 0.5, seed=0, site="fc1").astype(int)
        array([[0, 0, 1, 0, 0, 1, 1, 1],
               [1, 0, 1, 1, 1, 0, 0, 0]])
        >>> whole = keep((4, 5), 0.5, seed=3, step=9)
        >>> part = keep((2, 5), 0.5, seed=3, step=9, window=((4, 5), (2, 0)))
        >>> bool((whole[2:] == part).all())
        True

    References:
        `mask/SPEC.md`, the law, version 1. Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov,
        "Dropout", JMLR 15, 2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """
    level = threshold(rate)
    where = layout(shape, share, window)
    return np.asarray(half_words(where.elements(), Address(seed, site, step, draw)) >= level)


def uniform(
    shape: Sequence[int],
    *,
    seed: SupportsIndex,
    site: SupportsIndex | str = 0,
    step: SupportsIndex = 0,
    draw: SupportsIndex = 0,
    share: Share = (),
    window: Window | None = None,
) -> npt.NDArray[np.float64]:
    """The uniform draws behind the mask, in (0, 1).

        uniform = (h + 0.5) / 65536

    `uniform(...) > quantise(rate)` is `keep(rate)`, exactly, for every rate.

    Args:
        shape: of the array.
        seed: the run.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        share: axes along which one draw is shared.
        window: where the array is part of a larger one.

    Returns:
        float64 array with `shape`, and 1 on shared axes; exact in float32 too.

    Raises:
        AddressError, ShareError, WindowError: see `thinned.errors`.

    Example:
        >>> u = uniform((1000,), seed=1)
        >>> bool(((u > 0.3) == keep((1000,), 0.3, seed=1)).all())
        True
    """
    words = half_words(layout(shape, share, window).elements(), Address(seed, site, step, draw))
    return np.asarray((words + 0.5) / LEVELS)


def normal(
    shape: Sequence[int],
    *,
    seed: SupportsIndex,
    site: SupportsIndex | str = 0,
    step: SupportsIndex = 0,
    draw: SupportsIndex = 0,
    share: Share = (),
    window: Window | None = None,
) -> npt.NDArray[np.float64]:
    """Standard normal draws: Box-Muller on pairs of whole words.

        r = sqrt(-2 ln((w0 + 1) / 2^32)),   a = 2 pi w1 / 2^32,   (r cos a, r sin a)

    Args:
        shape: of the array.
        seed: the run.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        share: axes along which one draw is shared.
        window: where the array is part of a larger one.

    Returns:
        float64 array with `shape`, and 1 on shared axes.

    Raises:
        AddressError, ShareError, WindowError: see `thinned.errors`.

    Example:
        >>> normal((3,), seed=0).round(6).tolist()
        [0.991138, -0.924663, -0.617609]

    References:
        Box, Muller, "A Note on the Generation of Random Normal Deviates", 1958,
        https://doi.org/10.1214/aoms/1177706645. The pairing is fixed in `mask/SPEC.md`, section 8.
    """
    elements = layout(shape, share, window, wide=True).elements()
    address = Address(seed, site, step, draw)
    first = words(elements - elements % 2, address)
    second = words(elements - elements % 2 + 1, address)
    radius = np.sqrt(-2 * np.log((first + 1.0) / 2**32))
    angle = 2 * np.pi * (second / 2**32)
    value: npt.NDArray[np.float64] = radius * np.where(elements % 2 == 0, np.cos(angle), np.sin(angle))
    return np.asarray(value)


def half_words(elements: I64, address: Address) -> npt.NDArray[np.uint16]:
    """The 16-bit half-word of each element: eight elements to a block of four words, low half first."""
    lane = elements % 8
    word = _word(elements // 8, lane // 2, address)
    return (word >> (16 * (lane % 2)).astype(np.uint32)).astype(np.uint16)


def words(elements: I64, address: Address) -> U32:
    """The whole word of each element in the wide variant: four elements to a block."""
    return _word(elements // 4, elements % 4, address)


def _word(block: I64, which: I64, address: Address) -> U32:
    """Word `which` of the Philox call that `block` stands for."""
    low, high = block & 0xFFFFFFFF, block >> 32
    site, step = np.full_like(block, address.site), np.full_like(block, address.step)
    counter = np.stack([low, high + (address.draw << 16), site, step], axis=-1)
    return np.take_along_axis(philox4x32(counter, address.key), which[..., None], axis=-1)[..., 0]
