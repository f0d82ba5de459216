"""Dropout for Flax: the law's masks, for layers and whole models of NNX and Linen."""

from thinned.extras import need

need("jax", "flax", "0.6")
need("flax", "flax", "0.11")

from thinned.flax import linen as linen
from thinned.flax._attention import AttentionDropout as AttentionDropout
from thinned.flax._attention import DotProductAttention as DotProductAttention
from thinned.flax._attention import DropKey as DropKey
from thinned.flax._bind import Address as Address
from thinned.flax._bind import bind as bind
from thinned.flax._bind import unbind as unbind
from thinned.flax._concrete import ConcreteDropout as ConcreteDropout
from thinned.flax._concrete import concrete_regulariser as concrete_regulariser
from thinned.flax._connect import DropConnectLinear as DropConnectLinear
from thinned.flax._convert import convert as convert
from thinned.flax._depth import LayerDrop as LayerDrop
from thinned.flax._depth import StochasticDepth as StochasticDepth
from thinned.flax._embedding import EmbeddingDropout as EmbeddingDropout
from thinned.flax._layers import AlphaDropout as AlphaDropout
from thinned.flax._layers import BatchDropout as BatchDropout
from thinned.flax._layers import DropBlock1d as DropBlock1d
from thinned.flax._layers import DropBlock2d as DropBlock2d
from thinned.flax._layers import DropBlock3d as DropBlock3d
from thinned.flax._layers import Dropout as Dropout
from thinned.flax._layers import DropPath as DropPath
from thinned.flax._layers import FeatureAlphaDropout as FeatureAlphaDropout
from thinned.flax._layers import GaussianDropout as GaussianDropout
from thinned.flax._layers import GaussianNoise as GaussianNoise
from thinned.flax._layers import LockedDropout as LockedDropout
from thinned.flax._layers import StochasticReLU as StochasticReLU
from thinned.flax._layers import UniformDropout as UniformDropout
from thinned.flax._sites import sites as sites
from thinned.flax._tokens import PatchDropout as PatchDropout
from thinned.flax._zoneout import ZoneoutCell as ZoneoutCell
from thinned.methods.conversion import Report as Report

__all__ = [
    "Address",
    "AlphaDropout",
    "AttentionDropout",
    "BatchDropout",
    "ConcreteDropout",
    "DotProductAttention",
    "DropBlock1d",
    "DropBlock2d",
    "DropBlock3d",
    "DropConnectLinear",
    "DropKey",
    "DropPath",
    "Dropout",
    "EmbeddingDropout",
    "FeatureAlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
    "LayerDrop",
    "LockedDropout",
    "PatchDropout",
    "Report",
    "StochasticDepth",
    "StochasticReLU",
    "UniformDropout",
    "ZoneoutCell",
    "bind",
    "concrete_regulariser",
    "convert",
    "linen",
    "sites",
    "unbind",
]
