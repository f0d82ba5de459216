"""Dropout for Flax: the law's masks, for layers and whole models of NNX and Linen."""

from thinned.extras import need

need("jax", "flax", "0.6")
need("flax", "flax", "0.11")

from thinned.flax import linen as linen
from thinned.flax._bind import Address as Address
from thinned.flax._bind import bind as bind
from thinned.flax._bind import unbind as unbind
from thinned.flax._convert import convert as convert
from thinned.flax._layers import Dropout as Dropout
from thinned.flax._sites import sites as sites
from thinned.methods.conversion import Report as Report

__all__ = ["Address", "Dropout", "Report", "bind", "convert", "linen", "sites", "unbind"]
