"""Where a layer's k-th use in one call draws, whether k is known as the program is traced or not."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thinned.mask.address import site_id
from thinned.methods.site import use_name

USES = 1024
"""How many names a layer has in one call; the use after the last has the first name and the next draw."""


def place_of(name: str, count: int | Array) -> dict[str, Any]:
    """Site and draw of a layer's `count`-th use, from 0, in one call of the model."""
    if isinstance(count, jax.core.Tracer):
        return {"site": jnp.asarray(_sites(name))[count % USES], "draw": count // USES}
    draw, number = divmod(int(count), USES)
    return {"site": _site(name, number), "draw": draw}


@cache
def _site(name: str, count: int) -> int:
    return site_id(use_name(name, count))


@cache
def _sites(name: str) -> Any:
    return np.array([_site(name, count) for count in range(USES)], np.uint32)
