"""Keras' layers, on the backend that Keras has in this process."""

import importlib
from collections.abc import Callable
from typing import Any

import keras

from thinned.conformance.adapters.functions import refuse_stated
from thinned.conformance.outcome import NotApplicableError
from thinned.conformance.runtime import Function, Runtime
from thinned.conformance.subject import Subject
from thinned.errors import SubjectError

_RUNTIMES = {"torch": "Torch", "jax": "Jax", "tensorflow": "TensorFlow"}


def _runtime() -> Runtime:
    """The backend's, seeded by Keras and recomputed by it."""
    backend = keras.backend.backend()
    if backend not in _RUNTIMES:
        raise SubjectError(f"expected Keras on one of {', '.join(_RUNTIMES)}; it is on {backend}.")
    base = getattr(importlib.import_module(f"thinned.conformance.adapters.{backend}"), _RUNTIMES[backend])

    class OfKeras(base):  # type: ignore[misc, valid-type]
        """The backend under Keras."""

        name = f"Keras on {base.name}"
        dtypes = ("float32", "float16", "bfloat16")
        own_generator = "random"
        restored = ""

        @property
        def version(self) -> str:
            """Of Keras, and of the backend."""
            return f"{keras.__version__} ({super().version})"

        def checkpointed(self, f: Function) -> Function:
            """By `keras.remat`."""
            saved: Function = keras.remat(f)
            return saved

        def vmapped(self, raw: Function, xs: Any, tokens: list[tuple[Any, ...]]) -> Any:
            """None: Keras has no vmap over layers."""
            raise NotApplicableError("Keras has no vmap over layers")

        def seed(self, n: int) -> None:
            """All that Keras knows."""
            super().seed(n)
            keras.utils.set_random_seed(n)

    made: Runtime = OfKeras()
    return made


class Layer:
    """A layer; on JAX the token of a call is the value of its variables, elsewhere it keeps them itself."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self._stateless = keras.backend.backend() == "jax"
        self.shape: tuple[int, ...] = (2, 2)

    @property
    def raw(self) -> Function:
        """A call in training."""
        return self._pure if self._stateless else self._plain

    def _plain(self, x: Any) -> Any:
        return self.layer(x, training=True)

    def _pure(self, x: Any, trainable: Any, others: Any) -> Any:
        return self.layer.stateless_call(trainable, others, x, training=True)[0]

    def token(self) -> tuple[Any, ...]:
        """The variables now; those that count draws then go on as a call makes them."""
        if not self._stateless:
            return ()
        now = tuple(
            [variable.value for variable in variables]
            for variables in (self.layer.trainable_variables, self.layer.non_trainable_variables)
        )
        self.layer(keras.ops.ones(self.shape), training=True)
        return now

    def __call__(self, x: Any) -> Any:
        """The next call in training."""
        return self.layer(x, training=True)

    def evaluate(self, x: Any) -> Any:
        """A call in evaluation."""
        return self.layer(x, training=False)


def keras_subject(
    make_layer: Callable[[float], Any],
    *,
    kind: str,
    name: str,
    ours: bool,
    lacks: dict[str, str],
    **stated: Any,
) -> Subject:
    """A subject of what makes a layer; Keras' own seed governs it."""
    refuse_stated(stated, "this layer")
    runtime = _runtime()

    def make(rate: float, seed: int) -> Layer:
        runtime.seed(seed)
        return Layer(make_layer(rate))

    def twin(rate: float, seed: int) -> tuple[Layer, Layer]:
        runtime.seed(seed)
        return Layer(make_layer(rate)), Layer(make_layer(rate))

    lacks = dict(lacks)
    if keras.backend.backend() == "torch":
        lacks["compile"] = "Keras does not compile on PyTorch unless it is told to"
    lacks["half"] = "a layer casts its inputs to its own dtype, which is stated when it is made"
    return Subject(name, kind, runtime, make, twin, lacks, frozenset(), ours)
