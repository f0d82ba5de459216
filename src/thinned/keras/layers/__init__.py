"""Layers: Keras' own, and others, with the law's draws. Free until their model is bound."""

from thinned.keras.layers.alpha import AlphaDropout as AlphaDropout
from thinned.keras.layers.alpha import FeatureAlphaDropout as FeatureAlphaDropout
from thinned.keras.layers.attention_dropout import AttentionDropout as AttentionDropout
from thinned.keras.layers.batch_dropout import BatchDropout as BatchDropout
from thinned.keras.layers.concrete_dropout import ConcreteDropout as ConcreteDropout
from thinned.keras.layers.drop_block import DropBlock1D as DropBlock1D
from thinned.keras.layers.drop_block import DropBlock2D as DropBlock2D
from thinned.keras.layers.drop_block import DropBlock3D as DropBlock3D
from thinned.keras.layers.drop_key import DropKey as DropKey
from thinned.keras.layers.drop_path import DropPath as DropPath
from thinned.keras.layers.dropconnect import DropConnect as DropConnect
from thinned.keras.layers.dropout import Dropout as Dropout
from thinned.keras.layers.embedding_dropout import EmbeddingDropout as EmbeddingDropout
from thinned.keras.layers.gaussian_dropout import GaussianDropout as GaussianDropout
from thinned.keras.layers.gaussian_noise import GaussianNoise as GaussianNoise
from thinned.keras.layers.layer_drop import LayerDrop as LayerDrop
from thinned.keras.layers.locked_dropout import LockedDropout as LockedDropout
from thinned.keras.layers.multi_head_attention import MultiHeadAttention as MultiHeadAttention
from thinned.keras.layers.patch_dropout import PatchDropout as PatchDropout
from thinned.keras.layers.spatial import SpatialDropout1D as SpatialDropout1D
from thinned.keras.layers.spatial import SpatialDropout2D as SpatialDropout2D
from thinned.keras.layers.spatial import SpatialDropout3D as SpatialDropout3D
from thinned.keras.layers.stochastic_depth import StochasticDepth as StochasticDepth
from thinned.keras.layers.stochastic_relu import StochasticReLU as StochasticReLU
from thinned.keras.layers.uniform_dropout import UniformDropout as UniformDropout
from thinned.keras.layers.weight_drop import WeightDrop as WeightDrop
from thinned.keras.layers.zoneout import Zoneout as Zoneout

__all__ = [
    "AlphaDropout",
    "AttentionDropout",
    "BatchDropout",
    "ConcreteDropout",
    "DropBlock1D",
    "DropBlock2D",
    "DropBlock3D",
    "DropConnect",
    "DropKey",
    "DropPath",
    "Dropout",
    "EmbeddingDropout",
    "FeatureAlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
    "LayerDrop",
    "LockedDropout",
    "MultiHeadAttention",
    "PatchDropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "StochasticDepth",
    "StochasticReLU",
    "UniformDropout",
    "WeightDrop",
    "Zoneout",
]
