"""Dropout for Keras 3: the law's masks, for layers and whole models, the same on every backend."""

from thinned.extras import need
from thinned.keras._installed import installed

with installed():
    need("keras", "keras", "3.10")

from thinned.keras import layers as layers
from thinned.keras._bind import bind as bind
from thinned.keras._bind import unbind as unbind
from thinned.keras._convert import convert as convert
from thinned.keras._max_norm import MaxNorm as MaxNorm
from thinned.keras._r_drop import r_drop_loss as r_drop_loss
from thinned.keras._sites import sites as sites
from thinned.methods.conversion import Report as Report

__all__ = ["MaxNorm", "Report", "bind", "convert", "layers", "r_drop_loss", "sites", "unbind"]
