"""The front end of the backend that Keras runs on; no other is imported."""

import importlib
from typing import Any

import keras

from thinned.errors import MissingExtraError

_BACKENDS = ("torch", "jax", "tensorflow")


def _chosen() -> Any:
    name = keras.backend.backend()
    if name not in _BACKENDS:
        raise MissingExtraError(
            f"expected Keras on one of {', '.join(_BACKENDS)}; got the backend {name!r}. Set KERAS_BACKEND before "
            "Keras is imported."
        )
    return importlib.import_module(f"thinned.keras._{name}")


backend = _chosen()
