"""What to say where Keras is there and the backend that it is set to is not."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from thinned.errors import MissingExtraError

_PACKAGES = {"torch": "torch", "jax": "jax", "jaxlib": "jax", "tensorflow": "tensorflow"}


@contextmanager
def installed() -> Iterator[None]:
    """Name the extra that brings Keras' backend, where importing Keras fails for want of it.

    Raises:
        MissingExtraError: Keras is set to a backend that is not installed.

    Example:
        >>> with installed():
        ...     raise ModuleNotFoundError("No module named 'jax'", name="jax")
        Traceback (most recent call last):
        thinned.errors.MissingExtraError: expected the backend that Keras is set to, 'jax'; got ...
    """
    try:
        yield
    except ModuleNotFoundError as error:
        extra = _PACKAGES.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        setting = os.environ.get("KERAS_BACKEND", "in ~/.keras/keras.json, or Keras' default")
        raise MissingExtraError(
            f"expected the backend that Keras is set to, {extra!r}; got no package of it. Run: pip install "
            f"'thinned[keras,{extra}]', or set KERAS_BACKEND (now: {setting}) to one of torch, jax and tensorflow."
        ) from error
