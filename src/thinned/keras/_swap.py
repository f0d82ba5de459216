"""Keras' layers that draw, and ours that take their places."""

from typing import Any

import keras

from thinned.keras import layers
from thinned.keras._drawing import remember
from thinned.keras._names import is_automatic
from thinned.mask.rate import threshold
from thinned.methods.law import check_size

COUNTERPARTS: dict[type, type] = {
    getattr(keras.layers, name): getattr(layers, name)
    for name in (
        "Dropout",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "AlphaDropout",
        "GaussianDropout",
        "GaussianNoise",
    )
}


def amount(layer: Any) -> float:
    """The rate of one of these layers, or its standard deviation."""
    return float(layer.stddev if isinstance(layer, keras.layers.GaussianNoise) else layer.rate)


def check_amount(layer: Any) -> None:
    """Refuse what ours would refuse.

    Raises:
        RateError: a rate that no threshold stands for.
    """
    (check_size if isinstance(layer, keras.layers.GaussianNoise) else threshold)(amount(layer))


def swap(layer: Any) -> None:
    """Make a layer of Keras' one of ours: the same object with another class."""
    has_automatic_name = is_automatic(layer)
    layer.__class__ = COUNTERPARTS[type(layer)]
    remember(layer, has_automatic_name)


def stated(layer: Any) -> str:
    """A layer as a report shows it."""
    name = "stddev" if isinstance(layer, keras.layers.GaussianNoise) else "rate"
    return f"{type(layer).__name__}({name}={amount(layer):g})"
