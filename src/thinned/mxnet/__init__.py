"""Dropout for MXNet 1.9 and Gluon: the law's masks, for arrays, symbols, blocks and whole networks."""

import numpy as np

from thinned.errors import MissingExtraError
from thinned.extras import need

try:
    need("mxnet", "mxnet", "1.9")
except AttributeError as error:  # MXNet asks for names that NumPy dropped
    raise MissingExtraError(
        f"expected NumPy 1.23.5 or older, which MXNet 1.9.1 needs (it asks for numpy.bool); got "
        f"{np.__version__}. Make an environment of its own, with Python 3.11, and run there: "
        "pip install 'thinned[mxnet]'"
    ) from error

from thinned.methods.conversion import Report as Report
from thinned.mxnet._bind import bind as bind
from thinned.mxnet._bind import unbind as unbind
from thinned.mxnet._convert import convert as convert
from thinned.mxnet._functional import dropout as dropout
from thinned.mxnet._layers import Dropout as Dropout
from thinned.mxnet._sites import sites as sites

__all__ = ["Dropout", "Report", "bind", "convert", "dropout", "sites", "unbind"]
