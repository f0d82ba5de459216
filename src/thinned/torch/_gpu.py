"""Plans run on CUDA tensors by the Triton kernel, where there is one: `kernels.gpu` for tensors."""

import importlib.util
from contextlib import AbstractContextManager, nullcontext
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor

from thinned.kernels.execute import Coordinates
from thinned.mask.plan import Plan


def serves(x: Tensor) -> bool:
    """Whether the kernel runs on this tensor; otherwise plain operations give the same bits."""
    return x.is_cuda and available()


@cache
def available() -> bool:
    """Whether Triton is installed: it comes with PyTorch's builds for GPUs."""
    return importlib.util.find_spec("triton") is not None


@cache
def kernels() -> Any:
    """`thinned.kernels.gpu`, opened when it is first needed."""
    from thinned.kernels import gpu

    return gpu


def current(device: torch.device) -> AbstractContextManager[object]:
    """Makes a device the current one, which is where Triton launches; nothing where it is already."""
    if device.type != "cuda" or device.index == torch.cuda.current_device():
        return _HERE
    return torch.cuda.device(device)


_HERE = nullcontext()


def thin(op: int, x: Tensor, y: Tensor, how: Plan, address: Coordinates, residual: Tensor | None) -> None:
    """`y = k x s` and its fused forms, for contiguous tensors."""
    size = x.numel()
    if not size:
        return
    rows, added = how.rows(), x if residual is None else residual
    with current(x.device):
        if len(rows.bases) == 1 and rows.inner == 1 and not rows.bases[0]:
            kernels().thin_row(op, x, added, y, size, how.threshold, how.scale, address)
        else:
            kernels().thin_rows(
                op,
                x,
                added,
                y,
                _bases(how, x.device),
                rows.run,
                rows.inner,
                size,
                how.threshold,
                how.scale,
                address,
            )


@lru_cache(maxsize=64)
def _bases(how: Plan, device: torch.device) -> Tensor:
    # Plans compare by identity and are themselves kept for each shape, so a training loop copies nothing.
    return torch.from_numpy(how.rows().bases).to(device)
