"""Which layer of ours does what a layer of somebody else's does.

Layers of timm, transformers and torchvision are known by their package and the name of their class, so nobody's
package is imported.
"""

import copy
import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from thinned.torch.layers.alpha import AlphaDropout, FeatureAlphaDropout
from thinned.torch.layers.drop_block import DropBlock2d
from thinned.torch.layers.drop_path import DropPath
from thinned.torch.layers.dropout import Dropout
from thinned.torch.layers.patch_dropout import PatchDropout
from thinned.torch.layers.spatial import Dropout1d, Dropout2d, Dropout3d

SAME: dict[type[nn.Module], type[nn.Module]] = {
    nn.Dropout: Dropout,
    nn.Dropout1d: Dropout1d,
    nn.Dropout2d: Dropout2d,
    nn.Dropout3d: Dropout3d,
    nn.AlphaDropout: AlphaDropout,
    nn.FeatureAlphaDropout: FeatureAlphaDropout,
}
"""PyTorch's own classes, whose objects have all that ours need."""


def counterpart(module: nn.Module) -> nn.Module | None:
    """A layer of ours that does what this one does, or None; the module itself is not changed.

    Raises:
        RateError: a rate that no threshold stands for.
    """
    same = SAME.get(type(module))
    if same is not None:
        layer = copy.copy(module)
        layer.__class__ = same
        return layer
    found = _foreign(module)
    return None if found is None else found(module)


def why_not(module: nn.Module) -> str | None:
    """Why a layer that is known has no counterpart; None where it has one, or is not known."""
    package, name = _origin(module)
    if (package, name) == ("timm", "DropBlock2d") and counterpart(module) is None:
        return "DropBlock2d with noise, or without its scale, has no counterpart"
    reason = _ALONE.get((package, name))
    if reason is not None and any(getattr(module, rate, 0) for rate in ("drop", "p", "drop_prob", "prob")):
        return f"{name} {reason}; it draws from PyTorch's generator"
    rate = _layer_drop(module) if package == "transformers" else 0
    if rate:
        return (
            f"its loop leaves layers out with probability {rate}, drawn from PyTorch's or NumPy's generator; set "
            "its layerdrop to 0, or write the loop over thinned.torch.LayerDrop(layers).running(x)"
        )
    return None


def _foreign(module: nn.Module) -> Callable[[Any], nn.Module | None] | None:
    package, name = _origin(module)
    if package in {"timm", "transformers"} and name.endswith("DropPath"):
        return _drop_path
    return _FOREIGN.get((package, name))


def _origin(module: nn.Module) -> tuple[str, str]:
    return type(module).__module__.partition(".")[0], type(module).__name__


def _drop_path(theirs: Any) -> nn.Module:
    return DropPath(theirs.drop_prob or 0.0, getattr(theirs, "scale_by_keep", True))


def _stochastic_depth(theirs: Any) -> nn.Module | None:
    return DropPath(theirs.p) if theirs.mode == "row" else None


def _drop_block(theirs: Any) -> nn.Module | None:
    if theirs.with_noise or not theirs.scale_by_keep:
        return None
    # Their scale multiplies the chance of a seed, and so the share that is dropped.
    rate = theirs.drop_prob * theirs.gamma_scale
    return DropBlock2d(rate, theirs.block_size, share_channels=theirs.couple_channels)


def _patch_dropout(theirs: Any) -> nn.Module:
    with_indices = type(theirs).__name__ == "PatchDropoutWithIndices"
    return PatchDropout(theirs.prob, theirs.num_prefix_tokens, theirs.ordered, with_indices)


_FOREIGN: dict[tuple[str, str], Callable[[Any], nn.Module | None]] = {
    ("timm", "DropBlock2d"): _drop_block,
    ("timm", "PatchDropout"): _patch_dropout,
    ("timm", "PatchDropoutWithIndices"): _patch_dropout,
    ("torchvision", "StochasticDepth"): _stochastic_depth,
    ("transformers", "StableDropout"): lambda theirs: Dropout(theirs.drop_prob),
}

_ALONE = {
    ("timm", "ResidualDrop"): "holds its branch, and draws in its own forward",
    ("peft", "MultiplicativeDropoutLayer"): "replaces blocks of a rotation by the identity",
    ("torchvision", "StochasticDepth"): "of mode 'batch' stands behind its branch",
}


def _layer_drop(module: Any) -> float:
    """The rate at which a stack of transformers leaves its layers out."""
    forward = inspect.unwrap(type(module).forward)
    if "layerdrop" not in forward.__code__.co_names:
        return 0.0
    settings = [module, getattr(module, "config", None)]
    return float(
        next((found for each in settings if (found := getattr(each, "layerdrop", None)) is not None), 0)
    )
