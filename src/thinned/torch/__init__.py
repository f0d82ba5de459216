"""Dropout for PyTorch: the law's masks, for tensors, layers and whole models."""

from thinned.extras import need

need("torch", "torch", "2.7")

from thinned.methods.conversion import Report as Report
from thinned.torch._bind import bind as bind
from thinned.torch._bind import unbind as unbind
from thinned.torch._convert import convert as convert
from thinned.torch._draws import draws as draws
from thinned.torch._functional import dropout as dropout
from thinned.torch._functional import dropout_add as dropout_add
from thinned.torch._functional import relu_dropout as relu_dropout
from thinned.torch._patched import patched as patched
from thinned.torch._sites import sites as sites
from thinned.torch.layers.drop_path import DropPath as DropPath
from thinned.torch.layers.dropout import Dropout as Dropout
from thinned.torch.layers.embedding_dropout import EmbeddingDropout as EmbeddingDropout
from thinned.torch.layers.layer_drop import LayerDrop as LayerDrop
from thinned.torch.layers.locked_dropout import LockedDropout as LockedDropout
from thinned.torch.layers.patch_dropout import PatchDropout as PatchDropout
from thinned.torch.layers.spatial import Dropout1d as Dropout1d
from thinned.torch.layers.spatial import Dropout2d as Dropout2d
from thinned.torch.layers.spatial import Dropout3d as Dropout3d
from thinned.torch.layers.stochastic_depth import StochasticDepth as StochasticDepth

__all__ = [
    "DropPath",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "EmbeddingDropout",
    "LayerDrop",
    "LockedDropout",
    "PatchDropout",
    "Report",
    "StochasticDepth",
    "bind",
    "convert",
    "draws",
    "dropout",
    "dropout_add",
    "patched",
    "relu_dropout",
    "sites",
    "unbind",
]
