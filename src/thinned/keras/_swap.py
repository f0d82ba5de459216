"""Keras' dropout layers, and ours that take their places."""

from typing import Any

import keras

from thinned.keras import layers
from thinned.keras._names import is_automatic
from thinned.keras.layers import remember

COUNTERPARTS: dict[type, type] = {
    keras.layers.Dropout: layers.Dropout,
    keras.layers.SpatialDropout1D: layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D: layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D: layers.SpatialDropout3D,
}


def swap(layer: Any) -> None:
    """Make a layer of Keras' one of ours: the same object with another class."""
    has_automatic_name = is_automatic(layer)
    layer.__class__ = COUNTERPARTS[type(layer)]
    remember(layer, has_automatic_name)
