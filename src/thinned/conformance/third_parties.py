"""Implementations that are not ours, group by group: what `docs/conformance.md` is made of.

    python -m thinned.conformance.third_parties GROUP

prints the reports of a group as one JSON document. Each group has a process of its own: Keras has one backend in
each, and MXNet an environment.
"""

import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from thinned.conformance.verification import verify
from thinned.errors import MissingExtraError

Case = tuple[str, Any, dict[str, Any]]
"""A name, a subject, and what is stated of it."""


_DECLARED: list[Any] = []
"""Operators live as long as the library that declares them."""


def _torch() -> Iterator[Case]:
    from torch import nn

    for name in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"):
        yield f"torch.nn.{name}", getattr(nn, name), {}


def _budget() -> Iterator[Case]:
    import torch
    from torch._functorch import config

    config.activation_memory_budget = 0.0
    yield "torch.nn.Dropout, memory budget 0", torch.nn.Dropout, {}


def _timm() -> Iterator[Case]:
    layers = _timm_layers()
    yield "timm DropPath", layers.DropPath, {}
    yield "timm DropBlock2d", lambda p: layers.DropBlock2d(p, block_size=7), {"method": "DropBlock2d"}


def _timm_layers() -> Any:
    """The layers of timm, also where torchvision's compiled part, which they do not use, cannot be loaded.

    torchvision asks for its operators by name when it is imported; a build of it for CUDA has none beside a PyTorch
    without it. Declared, they can be asked for, and nobody calls them here.
    """
    import torch

    if not importlib.util.find_spec("torchvision"):
        return importlib.import_module("timm.layers")
    try:
        return importlib.import_module("timm.layers")
    except RuntimeError:
        _DECLARED.append(torch.library.Library("torchvision", "FRAGMENT"))
        for operator in ("nms", "qnms"):
            _DECLARED[-1].define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        for name in [name for name in sys.modules if name.partition(".")[0] in {"torchvision", "timm"}]:
            del sys.modules[name]
        return importlib.import_module("timm.layers")


def _textbook() -> Iterator[Case]:
    import torch

    def dropout_layer(X: Any, dropout: float) -> Any:  # noqa: N803 - the book's own letters
        # "Dive into Deep Learning" (Zhang, Lipton, Li, Smola), section 5.6.2, retold.
        if dropout == 1:
            return torch.zeros_like(X)
        mask = (torch.rand(X.shape) > dropout).float()
        return mask * X / (1.0 - dropout)

    def notebook(X: Any, dropout: float) -> Any:  # noqa: N803
        mask = (torch.randn(X.shape) > dropout).float()
        return mask * X / (1.0 - dropout)

    yield "d2l, from scratch", dropout_layer, {}
    yield "a published solution", notebook, {}


def _flax() -> Iterator[Case]:
    yield "flax.nnx.Dropout", importlib.import_module("flax.nnx").Dropout, {}
    yield "flax.linen.Dropout", importlib.import_module("flax.linen").Dropout, {}


def _equinox() -> Iterator[Case]:
    yield "equinox.nn.Dropout", importlib.import_module("equinox").nn.Dropout, {}


def _haiku() -> Iterator[Case]:
    yield "haiku.dropout", importlib.import_module("haiku").dropout, {}


def _keras() -> Iterator[Case]:
    layers = importlib.import_module("keras").layers
    for name in ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout", "AlphaDropout"):
        yield f"keras {name}", getattr(layers, name), {}


def _tensorflow() -> Iterator[Case]:
    tf = importlib.import_module("tensorflow")

    def dropout(x: Any, rate: float) -> Any:
        return tf.nn.dropout(x, rate)

    yield "tf.nn.dropout", dropout, {"kind": "tensorflow-function"}


def _mxnet() -> Iterator[Case]:
    yield "mxnet.gluon.nn.Dropout", importlib.import_module("mxnet").gluon.nn.Dropout, {}


GROUPS: dict[str, tuple[Callable[[], Iterator[Case]], str, tuple[str, ...]]] = {
    "torch": (_torch, "", ("torch",)),
    "torch with a memory budget": (_budget, "", ("torch",)),
    "timm": (_timm, "", ("torch",)),
    "textbook": (_textbook, "", ("torch",)),
    "flax": (_flax, "", ("flax", "jax")),
    "equinox": (_equinox, "", ("equinox", "jax")),
    "haiku": (_haiku, "", ("haiku", "jax")),
    "keras on torch": (_keras, "torch", ("keras", "torch")),
    "keras on jax": (_keras, "jax", ("keras", "jax")),
    "keras on tensorflow": (_keras, "tensorflow", ("keras", "tensorflow")),
    "tensorflow": (_tensorflow, "", ("tensorflow",)),
    "mxnet": (_mxnet, "", ("mxnet",)),
}
"""What makes a group's cases, Keras' backend, and the packages whose versions are told."""


def reports(group: str) -> dict[str, Any]:
    """The reports of a group, and the versions that they are of.

    Raises:
        MissingExtraError: a package of the group that is not installed.
    """
    cases, backend, packages = GROUPS[group]
    if backend:
        os.environ["KERAS_BACKEND"] = backend
    try:
        versions = {name: importlib.import_module(name).__version__ for name in packages}
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"expected {', '.join(packages)} for the group {group!r}; {error.name} is not installed. Run: pip "
            "install 'thinned[dev]'"
        ) from error
    if group == "timm":
        _timm_layers()
        versions["timm"] = importlib.import_module("timm").__version__
    found = [{"name": name} | verify(subject, **stated).document() for name, subject, stated in cases()]
    return {"group": group, "versions": versions, "reports": found}


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    print(json.dumps(reports(sys.argv[1])))
