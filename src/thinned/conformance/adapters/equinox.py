"""Equinox's modules, which are called with a key."""

from collections.abc import Callable
from typing import Any

import equinox
import jax

from thinned.conformance.adapters.functions import refuse_stated, subject_of
from thinned.conformance.adapters.jax import Jax
from thinned.conformance.signature import parameters
from thinned.conformance.subject import Subject


class Equinox(Jax):
    """JAX under Equinox."""

    name = "Equinox"

    @property
    def version(self) -> str:
        """Of Equinox, and of JAX."""
        return f"{equinox.__version__} on JAX {jax.__version__}"


def equinox_subject(
    make_layer: Callable[[float], Any],
    *,
    kind: str,
    name: str,
    ours: bool,
    lacks: dict[str, str],
    **stated: Any,
) -> Subject:
    """A subject of what makes a module; the parameters of its call say how it is called."""
    refuse_stated(stated, "this one")
    known = parameters(make_layer(0.5).__call__)
    return subject_of(make_layer, known, Equinox(), kind=kind, name=name, ours=ours, lacks=lacks)
