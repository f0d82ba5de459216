"""Dropout for PyTorch: the law's masks, for tensors, layers and whole models."""

from thinned.extras import need

need("torch", "torch", "2.7")

from thinned.methods.conversion import Report as Report
from thinned.torch._bind import bind as bind
from thinned.torch._bind import unbind as unbind
from thinned.torch._blocks import drop_block as drop_block
from thinned.torch._compact import CompactReport as CompactReport
from thinned.torch._compact import compact as compact
from thinned.torch._compact import uncompact as uncompact
from thinned.torch._concrete import concrete_dropout as concrete_dropout
from thinned.torch._connect import drop_connect as drop_connect
from thinned.torch._convert import convert as convert
from thinned.torch._draws import draws as draws
from thinned.torch._functional import dropout as dropout
from thinned.torch._functional import dropout_add as dropout_add
from thinned.torch._functional import relu_dropout as relu_dropout
from thinned.torch._max_norm import max_norm as max_norm
from thinned.torch._mixout import mixout as mixout
from thinned.torch._noise import alpha_dropout as alpha_dropout
from thinned.torch._noise import feature_alpha_dropout as feature_alpha_dropout
from thinned.torch._noise import gaussian_dropout as gaussian_dropout
from thinned.torch._noise import gaussian_noise as gaussian_noise
from thinned.torch._noise import uniform_dropout as uniform_dropout
from thinned.torch._patched import patched as patched
from thinned.torch._r_drop import r_drop as r_drop
from thinned.torch._r_drop import r_drop_loss as r_drop_loss
from thinned.torch._raw import keep as keep
from thinned.torch._raw import normal as normal
from thinned.torch._raw import uniform as uniform
from thinned.torch._select import drop_key as drop_key
from thinned.torch._select import zoneout as zoneout
from thinned.torch._sites import sites as sites
from thinned.torch.layers.alpha import AlphaDropout as AlphaDropout
from thinned.torch.layers.alpha import FeatureAlphaDropout as FeatureAlphaDropout
from thinned.torch.layers.attention_dropout import AttentionDropout as AttentionDropout
from thinned.torch.layers.batch_dropout import BatchDropout as BatchDropout
from thinned.torch.layers.concrete_dropout import ConcreteDropout as ConcreteDropout
from thinned.torch.layers.concrete_dropout import concrete_regulariser as concrete_regulariser
from thinned.torch.layers.drop_block import DropBlock1d as DropBlock1d
from thinned.torch.layers.drop_block import DropBlock2d as DropBlock2d
from thinned.torch.layers.drop_block import DropBlock3d as DropBlock3d
from thinned.torch.layers.drop_key import DropKey as DropKey
from thinned.torch.layers.drop_path import DropPath as DropPath
from thinned.torch.layers.dropconnect import DropConnectConv1d as DropConnectConv1d
from thinned.torch.layers.dropconnect import DropConnectConv2d as DropConnectConv2d
from thinned.torch.layers.dropconnect import DropConnectLinear as DropConnectLinear
from thinned.torch.layers.dropout import Dropout as Dropout
from thinned.torch.layers.embedding_dropout import EmbeddingDropout as EmbeddingDropout
from thinned.torch.layers.gaussian_dropout import GaussianDropout as GaussianDropout
from thinned.torch.layers.gaussian_noise import GaussianNoise as GaussianNoise
from thinned.torch.layers.layer_drop import LayerDrop as LayerDrop
from thinned.torch.layers.locked_dropout import LockedDropout as LockedDropout
from thinned.torch.layers.mixout import Mixout as Mixout
from thinned.torch.layers.patch_dropout import PatchDropout as PatchDropout
from thinned.torch.layers.spatial import Dropout1d as Dropout1d
from thinned.torch.layers.spatial import Dropout2d as Dropout2d
from thinned.torch.layers.spatial import Dropout3d as Dropout3d
from thinned.torch.layers.stochastic_depth import StochasticDepth as StochasticDepth
from thinned.torch.layers.stochastic_relu import StochasticReLU as StochasticReLU
from thinned.torch.layers.uniform_dropout import UniformDropout as UniformDropout
from thinned.torch.layers.weight_drop import WeightDrop as WeightDrop
from thinned.torch.layers.zoneout import Zoneout as Zoneout
from thinned.torch.layers.zoneout import ZoneoutCell as ZoneoutCell

__all__ = [
    "AlphaDropout",
    "AttentionDropout",
    "BatchDropout",
    "CompactReport",
    "ConcreteDropout",
    "DropBlock1d",
    "DropBlock2d",
    "DropBlock3d",
    "DropConnectConv1d",
    "DropConnectConv2d",
    "DropConnectLinear",
    "DropKey",
    "DropPath",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "EmbeddingDropout",
    "FeatureAlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
    "LayerDrop",
    "LockedDropout",
    "Mixout",
    "PatchDropout",
    "Report",
    "StochasticDepth",
    "StochasticReLU",
    "UniformDropout",
    "WeightDrop",
    "Zoneout",
    "ZoneoutCell",
    "alpha_dropout",
    "bind",
    "compact",
    "concrete_dropout",
    "concrete_regulariser",
    "convert",
    "draws",
    "drop_block",
    "drop_connect",
    "drop_key",
    "dropout",
    "dropout_add",
    "feature_alpha_dropout",
    "gaussian_dropout",
    "gaussian_noise",
    "keep",
    "max_norm",
    "mixout",
    "normal",
    "patched",
    "r_drop",
    "r_drop_loss",
    "relu_dropout",
    "sites",
    "unbind",
    "uncompact",
    "uniform",
    "uniform_dropout",
    "zoneout",
]
