"""The layers beyond dropout, as the tests of Keras make them, and what the law says that they compute."""

from typing import NamedTuple

import keras
import numpy as np

import thinned.keras as tk
from thinned.mask import keep, normal, uniform
from thinned.methods.alpha import affine
from thinned.methods.drop_block import keep as keep_blocks

L = tk.layers
SEED, NAME = 2**40 + 5, "here"
LEVEL = 0.25
"""The rate of all of them: exact in the law."""


class Case(NamedTuple):
    """A layer, an input's shape, and its output of an input at a step of a model that is bound with `SEED`.

    Args:
        make: the layer, given more arguments.
        shape: of its input.
        expected: of an input and the address as keyword arguments.
        tolerance: relative to the input and its draw: 0 is bit for bit.
    """

    make: object
    shape: tuple
    expected: object
    tolerance: float = 0.0


def _dropped(share):
    def expected(x, **at):
        mask = keep(x.shape, LEVEL, share=share, **at)
        return np.where(mask, x * np.float32(1 / (1 - LEVEL)), np.float32(0))

    return expected


def _alpha(x, **at):
    a, b, c = (np.float32(value) for value in affine(LEVEL))
    return np.where(keep(x.shape, LEVEL, **at), x * a + b, c)


def _gaussian(x, **at):
    return x * (1 + normal(x.shape, **at) * (LEVEL / (1 - LEVEL)) ** 0.5)


def _uniform(x, **at):
    return x * (1 + np.sqrt(3 * LEVEL / (1 - LEVEL)) * (2 * uniform(x.shape, **at) - 1))


def _noise(x, **at):
    return x + LEVEL * normal(x.shape, **at)


def _relu(x, **at):
    return _dropped(())(np.maximum(x, 0), **at)


def _unscaled(x, **at):
    return np.where(keep(x.shape, LEVEL, share=(1, 2), **at), x, np.float32(0))


def _features(x, **at):
    a, b, c = (np.float32(value) for value in affine(LEVEL))
    return np.where(keep(x.shape, LEVEL, share=(1,), **at), x * a + b, c)


def _heads(x, **at):
    mask = keep(x.shape, LEVEL, share=(2, 3), **at)
    factor = np.float32(x.shape[1]) / mask.sum(1, keepdims=True).clip(1).astype("float32")
    return np.where(mask, x * factor, np.float32(0))


def _keys(x, **at):
    mask = keep(x.shape, LEVEL, **at)
    return np.where(mask | ~mask.any(-1, keepdims=True), x, np.float32(-np.inf))


def _groups(x, **at):
    rows = np.arange(len(x)) * 2 // len(x)
    mask = keep(x.shape, LEVEL, share=1, window=((2, *x.shape[1:]), (rows, 0, 0)), **at)
    return np.where(mask, x * np.float32(1 / (1 - LEVEL)), np.float32(0))


def _blocks(block, channel, share=()):
    """DropBlock by the truth, whose channels stand behind the batch; of one that is last, blocks of one."""

    def expected(x, **at):
        if channel == 1:
            mask = keep_blocks(x.shape, LEVEL, block, share=share, **at)
        elif share:
            mask = np.moveaxis(keep_blocks(np.moveaxis(x, -1, 1).shape, LEVEL, block, share=1, **at), 1, -1)
        else:
            mask = last(x.shape, block, **at)
        kept = mask.reshape(len(x), -1).sum(1).reshape(-1, *[1] * (x.ndim - 1))
        return np.where(mask, x * (mask[0].size / kept).astype("float32"), np.float32(0))

    return expected


def last(shape, block, **at):
    """The mask with channels last, from the words of its seeds."""
    from thinned.mask.address import Address
    from thinned.mask.sharing import layout
    from thinned.mask.truth import words
    from thinned.methods.drop_block import seed_shape, seed_threshold

    where = layout(seed_shape(shape, block, -1), wide=True)
    address = Address(at["seed"], at["site"], at.get("step", 0), 0)
    under = words(where.elements(), address) < seed_threshold(LEVEL, int(np.prod(block)))
    for axis, size in enumerate(block, start=1):
        under = np.lib.stride_tricks.sliding_window_view(under, size, axis).any(axis=-1)
    return ~under


ROUNDING = 2.0**-22
"""Four roundings of 2^-24 at most: of the draw's scale, the draw, the sum and the product."""

NORMAL = 2.0**-20 + ROUNDING
"""What the law allows a normal, of its radius, and those."""

CASES = {
    "LockedDropout": Case(lambda **a: L.LockedDropout(LEVEL, **a), (4, 5, 6), _dropped(1)),
    "LockedDropout, time major": Case(
        lambda **a: L.LockedDropout(LEVEL, time_major=True, **a), (4, 5, 6), _dropped(0)
    ),
    "DropPath": Case(lambda **a: L.DropPath(LEVEL, **a), (40, 2, 3), _dropped((1, 2))),
    "DropPath, unscaled": Case(
        lambda **a: L.DropPath(LEVEL, scale_by_keep=False, **a), (40, 2, 3), _unscaled
    ),
    "BatchDropout": Case(lambda **a: L.BatchDropout(LEVEL, **a), (5, 3, 16), _dropped((0, 1))),
    "BatchDropout, 2 groups": Case(lambda **a: L.BatchDropout(LEVEL, groups=2, **a), (5, 3, 16), _groups),
    "AlphaDropout": Case(lambda **a: L.AlphaDropout(LEVEL, **a), (8, 16), _alpha, ROUNDING),
    "FeatureAlphaDropout": Case(
        lambda **a: L.FeatureAlphaDropout(LEVEL, **a), (4, 5, 6), _features, ROUNDING
    ),
    "AttentionDropout": Case(lambda **a: L.AttentionDropout(LEVEL, **a), (3, 4, 5, 6), _dropped(())),
    "AttentionDropout, heads": Case(
        lambda **a: L.AttentionDropout(LEVEL, per="head", **a), (3, 4, 5, 6), _heads
    ),
    "DropKey": Case(lambda **a: L.DropKey(LEVEL, **a), (3, 4, 8, 2), _keys),
    "GaussianDropout": Case(lambda **a: L.GaussianDropout(LEVEL, **a), (8, 16), _gaussian, NORMAL),
    "UniformDropout": Case(lambda **a: L.UniformDropout(LEVEL, **a), (8, 16), _uniform, ROUNDING),
    "GaussianNoise": Case(lambda **a: L.GaussianNoise(LEVEL, **a), (8, 16), _noise, NORMAL),
    "StochasticReLU": Case(lambda **a: L.StochasticReLU(LEVEL, **a), (8, 16), _relu),
    "DropBlock1D": Case(lambda **a: L.DropBlock1D(LEVEL, 4, **a), (3, 9, 8), _blocks((4,), -1)),
    "DropBlock2D": Case(lambda **a: L.DropBlock2D(LEVEL, (2, 3), **a), (3, 6, 5, 8), _blocks((2, 3), -1)),
    "DropBlock2D, shared": Case(
        lambda **a: L.DropBlock2D(LEVEL, 3, share_channels=True, **a), (3, 6, 5, 8), _blocks((3, 3), -1, (1,))
    ),
    "DropBlock2D, channels first": Case(
        lambda **a: L.DropBlock2D(LEVEL, 3, data_format="channels_first", **a),
        (3, 8, 6, 5),
        _blocks((3, 3), 1),
    ),
    "DropBlock3D": Case(lambda **a: L.DropBlock3D(LEVEL, 2, **a), (2, 4, 3, 5, 6), _blocks((2, 2, 2), -1)),
    "DropBlock3D, channels first": Case(
        lambda **a: L.DropBlock3D(LEVEL, 2, data_format="channels_first", **a),
        (2, 6, 4, 3, 5),
        _blocks((2, 2, 2), 1),
    ),
}


def inputs(shape, seed=1):
    """Numbers of both signs, none of them 0."""
    return normal(shape, seed=seed).astype("float32")


def bound(case, **arguments):
    """A model of one layer, with a binding."""
    layer = case.make(name=NAME, **arguments)
    return tk.bind(keras.Sequential([keras.Input(case.shape[1:]), layer]), SEED)


def near(case, expected, actual, x):
    """Whether an output is what the law says."""
    if not case.tolerance:
        return np.array_equal(expected, actual)
    # A normal's radius is 6.66 at most; factors and shifts of these laws at this rate are below 4.
    return np.abs(expected - actual).max() <= case.tolerance * 7 * 4 * max(1, np.abs(x).max())
