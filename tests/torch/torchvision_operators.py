"""Lets torchvision's Python part be imported where its compiled part cannot be loaded.

torchvision's wheel on PyPI is compiled for CUDA; beside a PyTorch without it, `import torchvision` ends in
"operator torchvision::nms does not exist", and with it that of timm and of parts of transformers. The models that
we test draw no boxes: the two operators that the import looks for are declared, and nothing computes them.
"""

import importlib.util
from pathlib import Path

import torch

NAMES = ("nms", "qnms")


def declare():
    """Declare them, unless torchvision's own can be loaded; returns what must be kept alive, or None."""
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return None
    try:
        torch.ops.load_library(str(next(Path(found.origin).parent.glob("_C.*"))))
    except (OSError, StopIteration):
        if hasattr(torch.ops.torchvision, NAMES[0]):
            return None  # somebody has declared them
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in NAMES:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return library
    return None
