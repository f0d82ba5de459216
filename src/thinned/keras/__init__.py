"""Dropout for Keras 3: the law's masks, for layers and whole models, the same on every backend."""

from thinned.extras import need
from thinned.keras._installed import installed

with installed():
    need("keras", "keras", "3.10")

from thinned.keras import layers as layers
from thinned.keras._bind import bind as bind
from thinned.keras._bind import unbind as unbind
from thinned.keras._convert import convert as convert
from thinned.keras._sites import sites as sites
from thinned.methods.conversion import Report as Report

__all__ = ["Report", "bind", "convert", "layers", "sites", "unbind"]
