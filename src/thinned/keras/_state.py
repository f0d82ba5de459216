"""Seed and step of a bound model, as a state that Keras saves and carries through its stateless trainer."""

from typing import Any

import keras
import numpy as np
from keras.src.saving.keras_saveable import KerasSaveable

from thinned.errors import BindError
from thinned.keras._backend import backend
from thinned.mask.address import seed64

_WORD = 0xFFFFFFFF


class Address(keras.random.SeedGenerator, KerasSaveable):  # type: ignore[misc]
    """The words (seed low, seed high, step) of a bound model, as one variable that is not trained.

    To Keras it is the state of a random generator: among `model.variables`, so that `stateless_call` and compiled
    training functions carry it, and not among `model.weights`, so that lists of weights keep their length. Unlike
    Keras' generators it is saved, under a name of its own, which older files do not have and need not have.

    Args:
        seed: the run.
        owner: name of the model, which tells its variable from those of bound models inside it.
    """

    def __init__(self, seed: Any, owner: str) -> None:
        self.name = "thinned_address"
        self.backend = keras.backend
        self._initial_seed = seed
        words = np.array(_words(seed64(seed), 0), backend.DTYPE)
        with keras.name_scope(owner):
            self.state = keras.Variable(
                words, dtype=backend.DTYPE, trainable=False, aggregation="none", name="thinned_address"
            )

    @property
    def seed(self) -> int:
        """The run, as the law has it."""
        low, high, _ = self._read()
        return low | high << 32

    @property
    def step(self) -> int:
        """Training calls so far."""
        return self._read()[2]

    def begin(self) -> tuple[Any, Any]:
        """The seed and the step of a call that begins now."""
        found: tuple[Any, Any] = backend.read(self.state.value)
        return found

    def advance(self) -> None:
        """One more training call."""
        self.state.assign(backend.grown(self.state.value))

    def save_own_variables(self, store: Any) -> None:
        """The words, as every backend reads them."""
        store["address"] = np.array(self._read(), np.uint32)

    def load_own_variables(self, store: Any) -> None:
        """The words, if the file has them: one that was made before the model was bound does not."""
        if "address" not in store.keys():  # noqa: SIM118  Keras' stores are no dictionaries
            return
        saved = np.asarray(store["address"])
        if saved.dtype != np.uint32 or saved.shape != (3,):
            raise BindError(
                "expected the saved address as uint32 words (seed low, seed high, step); got "
                f"{saved.dtype} of shape {saved.shape}. Was it cast or averaged with the weights?"
            )
        self.state.assign(saved.astype(backend.DTYPE))

    def get_config(self) -> dict[str, Any]:
        """The seed; the step is in the weights."""
        return {"seed": self.seed}

    def _obj_type(self) -> str:
        return "Loss"  # of the kinds that Keras' saving knows, in each version one that holds nothing else to save

    def _read(self) -> list[int]:
        return [int(word) & _WORD for word in backend.plain(self.state.value)]


def _words(seed: int, step: int) -> tuple[int, int, int]:
    return seed & _WORD, seed >> 32, step
