"""What a framework can do for a check: make and read arrays, differentiate, compile, seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from thinned.conformance.outcome import NotApplicableError

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Form:
    """What a check may compare of two arrays beside their values."""

    shape: tuple[int, ...]
    dtype: str
    device: str


class Runtime:
    """A framework, as the checks see it. What one cannot do raises `NotApplicableError` with the reason.

    `raw(x, *token)` is one training call of a subject; the token is its randomness, where that is an argument.
    """

    name = "NumPy"
    dtypes: tuple[str, ...] = ("float32", "float64", "float16")
    own_generator = "numpy"
    """Whose global generator a subject may use: the name of one of `generators`."""

    repeats_draws = True
    """Whether recomputation is said to repeat the draws of the framework's own generator."""

    restored: str = ""
    """The only global generator that recomputation puts back; "" where it is said to repeat whatever is drawn."""

    @property
    def version(self) -> str:
        """Of the framework."""
        return np.__version__

    def array(self, x: Any, dtype: str = "float32") -> Any:
        """A NumPy array as the framework's own, of this dtype."""
        return np.array(x, dtype)

    def numpy(self, y: Any) -> Any:
        """The framework's array as NumPy's, halves as float32."""
        y = np.asarray(y)
        return y if y.dtype in {np.float32, np.float64} else y.astype(np.float32)

    def form(self, y: Any) -> Form:
        """Shape, dtype and device."""
        return Form(tuple(y.shape), str(y.dtype), "cpu")

    def strided(self, x: Any) -> Any:
        """An array with the values of `x`, whose first two axes are swapped in memory."""
        return np.ascontiguousarray(np.swapaxes(x, 0, 1)).swapaxes(0, 1)

    def strides(self, y: Any) -> tuple[int, ...] | None:
        """In elements; None where a user cannot see them."""
        return tuple(each // y.itemsize for each in y.strides)

    def vjp(self, f: Function, x: Any, g: Any) -> tuple[Any, Any]:
        """One call `y = f(x)`, and the gradient of `sum(y g)`."""
        raise NotApplicableError(f"{self.name} has no gradients")

    def second(self, f: Function, x: Any, v: Any) -> tuple[Any, Any]:
        """One call `y = f(x)`, and the gradient of `sum(v d/dx sum(y^3))`."""
        raise NotApplicableError(f"{self.name} has no gradients")

    def checkpointed(self, f: Function) -> Function:
        """The same function, computed again in the backward pass."""
        raise NotApplicableError(f"{self.name} has no recomputation")

    def compiled(self, raw: Function, backend: str) -> Function:
        """The same function, compiled."""
        raise NotApplicableError(f"{self.name} compiles nothing")

    def vmapped(self, raw: Function, xs: Any, tokens: list[tuple[Any, ...]]) -> Any:
        """One call for each lane of `xs`, vectorised, each with randomness of its own."""
        raise NotApplicableError(f"{self.name} has no vmap")

    def seed(self, n: int) -> None:
        """Seed every global generator that a subject may draw from."""
        random.seed(n)
        np.random.seed(n % 2**32)  # noqa: NPY002 - strangers draw from it

    def randomness(self, role: str, seed: int, turn: int) -> Any:
        """What a subject's parameter of this role (key, generator, seed) gets at its call number `turn`."""
        return (seed * 1009 + turn) % 2**31 if role == "seed" else np.random.default_rng([seed, turn])

    def origin(self) -> int | None:
        """What the framework's own generator was last seeded with; None where that cannot be seen."""
        return None

    def generators(self) -> dict[str, bytes]:
        """The state of each global generator."""
        _, words, *rest = np.random.get_state()  # noqa: NPY002
        state = np.asarray(words).tobytes() + repr(rest).encode()
        return {"numpy": state, "random": repr(random.getstate()).encode()}

    def kept(self) -> Callable[[], None]:
        """What puts the global generators back as they are now."""
        numbers, python = np.random.get_state(), random.getstate()  # noqa: NPY002

        def put_back() -> None:
            np.random.set_state(numbers)  # noqa: NPY002
            random.setstate(python)

        return put_back
