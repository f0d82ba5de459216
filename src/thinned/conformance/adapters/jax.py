"""JAX as the checks see it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from thinned.conformance.outcome import NotApplicableError
from thinned.conformance.runtime import Form, Function, Runtime


class Jax(Runtime):
    """On its default device."""

    name = "JAX"
    own_generator = ""

    @property
    def version(self) -> str:
        """Of JAX."""
        return str(jax.__version__)

    @property
    def dtypes(self) -> tuple[str, ...]:  # type: ignore[override]
        """With float64 where that is switched on."""
        wide = ("float64",) if getattr(jax.config, "jax_enable_x64", False) else ()
        return ("float32", *wide, "float16", "bfloat16")

    def array(self, x: Any, dtype: str = "float32") -> Any:
        """On the default device."""
        return jnp.array(x, dtype)

    def numpy(self, y: Any) -> Any:
        """Values alone."""
        y = jnp.asarray(y)
        return np.array(y if y.dtype in {jnp.float32, jnp.float64} else y.astype(jnp.float32))

    def form(self, y: Any) -> Form:
        """Of an array."""
        return Form(tuple(y.shape), str(y.dtype), ", ".join(sorted(map(str, y.devices()))))

    def strided(self, x: Any) -> Any:
        """None: how arrays lie in memory is the compiler's business."""
        raise NotApplicableError("arrays of JAX have no strides that a user sees")

    def vjp(self, f: Function, x: Any, g: Any) -> tuple[Any, Any]:
        """By `jax.vjp`."""
        y, back = jax.vjp(f, x)
        return y, back(g)[0]

    def second(self, f: Function, x: Any, v: Any) -> tuple[Any, Any]:
        """By `jax.vjp` inside of `jax.grad`, so that `f` is called once."""

        def directional(x: Any) -> tuple[Any, Any]:
            y, back = jax.vjp(f, x)
            return (back(3 * y**2)[0] * v).sum(), y

        found, y = jax.grad(directional, has_aux=True)(x)
        return y, found

    def checkpointed(self, f: Function) -> Function:
        """By `jax.checkpoint`."""
        saved: Function = jax.checkpoint(f)
        return saved

    def compiled(self, raw: Function, backend: str) -> Function:
        """By `jax.jit`; the token is an argument."""
        program: Function = jax.jit(raw)
        return program

    def vmapped(self, raw: Function, xs: Any, tokens: list[tuple[Any, ...]]) -> Any:
        """By `jax.vmap` over inputs and tokens."""
        columns = jax.tree.map(lambda *parts: jnp.stack([jnp.asarray(part) for part in parts]), *tokens)
        return jax.vmap(raw)(xs, *columns)

    def randomness(self, role: str, seed: int, turn: int) -> Any:
        """A number, or a typed key."""
        if role == "seed":
            return super().randomness(role, seed, turn)
        return jax.random.fold_in(jax.random.key(seed), turn)
