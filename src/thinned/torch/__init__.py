"""Dropout for PyTorch: the law's masks, for tensors, layers and whole models."""

from thinned.extras import need

need("torch", "torch", "2.7")

from thinned.methods.conversion import Report as Report
from thinned.torch._bind import bind as bind
from thinned.torch._bind import unbind as unbind
from thinned.torch._blocks import drop_block as drop_block
from thinned.torch._convert import convert as convert
from thinned.torch._draws import draws as draws
from thinned.torch._functional import dropout as dropout
from thinned.torch._functional import dropout_add as dropout_add
from thinned.torch._functional import relu_dropout as relu_dropout
from thinned.torch._noise import alpha_dropout as alpha_dropout
from thinned.torch._noise import feature_alpha_dropout as feature_alpha_dropout
from thinned.torch._noise import gaussian_dropout as gaussian_dropout
from thinned.torch._noise import gaussian_noise as gaussian_noise
from thinned.torch._noise import uniform_dropout as uniform_dropout
from thinned.torch._patched import patched as patched
from thinned.torch._raw import keep as keep
from thinned.torch._raw import normal as normal
from thinned.torch._raw import uniform as uniform
from thinned.torch._sites import sites as sites
from thinned.torch.layers.alpha import AlphaDropout as AlphaDropout
from thinned.torch.layers.alpha import FeatureAlphaDropout as FeatureAlphaDropout
from thinned.torch.layers.drop_block import DropBlock1d as DropBlock1d
from thinned.torch.layers.drop_block import DropBlock2d as DropBlock2d
from thinned.torch.layers.drop_block import DropBlock3d as DropBlock3d
from thinned.torch.layers.drop_path import DropPath as DropPath
from thinned.torch.layers.dropout import Dropout as Dropout
from thinned.torch.layers.embedding_dropout import EmbeddingDropout as EmbeddingDropout
from thinned.torch.layers.gaussian_dropout import GaussianDropout as GaussianDropout
from thinned.torch.layers.gaussian_noise import GaussianNoise as GaussianNoise
from thinned.torch.layers.layer_drop import LayerDrop as LayerDrop
from thinned.torch.layers.locked_dropout import LockedDropout as LockedDropout
from thinned.torch.layers.patch_dropout import PatchDropout as PatchDropout
from thinned.torch.layers.spatial import Dropout1d as Dropout1d
from thinned.torch.layers.spatial import Dropout2d as Dropout2d
from thinned.torch.layers.spatial import Dropout3d as Dropout3d
from thinned.torch.layers.stochastic_depth import StochasticDepth as StochasticDepth
from thinned.torch.layers.stochastic_relu import StochasticReLU as StochasticReLU
from thinned.torch.layers.uniform_dropout import UniformDropout as UniformDropout

__all__ = [
    "AlphaDropout",
    "DropBlock1d",
    "DropBlock2d",
    "DropBlock3d",
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
    "PatchDropout",
    "Report",
    "StochasticDepth",
    "StochasticReLU",
    "UniformDropout",
    "alpha_dropout",
    "bind",
    "convert",
    "draws",
    "drop_block",
    "dropout",
    "dropout_add",
    "feature_alpha_dropout",
    "gaussian_dropout",
    "gaussian_noise",
    "keep",
    "normal",
    "patched",
    "relu_dropout",
    "sites",
    "unbind",
    "uniform",
    "uniform_dropout",
]
