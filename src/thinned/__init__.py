"""Dropout as a pure function of an address.

    mask = f(seed, site, step, draw, element)

The same mask, bit for bit, in every framework and on every device; no generator state, no stored mask.
`thinned.mask` is the law; `thinned.torch` and its neighbours apply it; `thinned.lab` asks when it helps.
Importing this package imports no framework.
"""

from thinned import mask as mask

__version__ = "0.1.0"
__all__ = ["__version__", "mask"]
