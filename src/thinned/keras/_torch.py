"""Keras on PyTorch: addresses as integers in eager code, as tensors where something traces."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

import thinned.torch
from thinned.errors import BindError
from thinned.keras._channels_last import drop_block
from thinned.mask.rate import LEVELS
from thinned.methods.patch_dropout import count, mask_shape
from thinned.methods.schedule import Schedule
from thinned.torch._select import drop_heads
from thinned.torch._skipped import skipped
from thinned.torch._subset import tokens_at

DTYPE = "int64"
"""Of the words (seed low, seed high, step) that a bound model keeps."""

LOOPS = ()
"""None but Keras' own and Python's, whose steps are uses."""

_WORD = 0xFFFFFFFF


def _drop_head(x: Any, rate: Any, *, window: Any = None, seed: Any, site: Any = 0, step: Any = 0) -> Any:
    return drop_heads(x, rate, (seed, site, step, 0), window)


def fewer(
    x: Any, rate: float, prefix: int, ordered: bool, rows: Any, *, seed: Any, site: Any = 0, step: Any = 0
) -> Any:
    """The tokens of each sample that stay; on the meta device, `x`."""
    if x.is_meta:
        return x
    shape = mask_shape(x.shape, prefix)
    found = tokens_at(x, shape, count(shape[1], rate), (seed, site, step, 0), rows, ordered)
    first = torch.arange(prefix, device=x.device).expand(x.shape[0], prefix)
    chosen = torch.cat([first, found + prefix], dim=1)
    starts = torch.arange(x.shape[0], device=x.device)[:, None] * x.shape[1]
    return x.flatten(0, 1).index_select(0, (chosen + starts).flatten()).unflatten(0, chosen.shape)


def ids(x: Any) -> Any:
    """Global indices of rows, one axis, as a window takes them."""
    flat = x.detach().reshape(-1)
    return flat if flat.is_meta or torch.compiler.is_compiling() else flat.cpu().numpy()


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "dropout": thinned.torch.dropout,
    "alpha_dropout": thinned.torch.alpha_dropout,
    "gaussian_dropout": thinned.torch.gaussian_dropout,
    "uniform_dropout": thinned.torch.uniform_dropout,
    "gaussian_noise": thinned.torch.gaussian_noise,
    "stochastic_relu": thinned.torch.relu_dropout,
    "drop_block": drop_block,
    "drop_connect": thinned.torch.drop_connect,
    "drop_head": _drop_head,
    "drop_key": thinned.torch.drop_key,
    "zoneout": thinned.torch.zoneout,
}


def read(words: Any) -> tuple[Any, Any]:
    """The seed and the step, in a form that later changes of the words leave alone."""
    if words.is_meta:
        return 0, 0  # only shapes are asked for
    if torch.compiler.is_compiling():
        words = words.detach().clone()
        return words[0] | words[1] << 32, words[2]
    low, high, step = words.tolist()
    return low | high << 32, step


def plain(words: Any) -> Any:
    """The words as numbers."""
    return words.tolist()


def grown(words: Any) -> Any:
    """The words after one more training call."""
    step = words[2:].detach() + 1 & _WORD
    return torch.cat([words[:2].detach(), step])


def seed(pair: Any) -> Any:
    """A seed from what `SeedGenerator.next` gives."""
    if pair.is_meta:
        return 0
    if torch.compiler.is_compiling():
        low, high = (pair[at].to(torch.int64) & _WORD for at in (0, 1))
        return low | high << 32
    low, high = pair.tolist()
    return low & _WORD | (high & _WORD) << 32


def run(function: str, x: Any, *arguments: Any, **address: Any) -> Any:
    """A function of `thinned.torch`; on the meta device, where there are only shapes, `x`."""
    return x if x.is_meta else _FUNCTIONS[function](x, *arguments, **address)


def keep(x: Any, rate: Any, shape: Any = None, **address: Any) -> Any:
    """`thinned.torch.keep` for an array, or for another shape, where it is."""
    if x.is_meta:
        return x != 0
    return thinned.torch.keep(x.shape if shape is None else shape, rate, device=x.device, **address)


def uniform(x: Any, share: Any, window: Any, **address: Any) -> Any:
    """`thinned.torch.uniform` for an array."""
    return thinned.torch.uniform(x.shape, share=share, window=window, device=x.device, **address)


def conditional(
    kept: Any, run: Callable[[], Any], skip: Callable[[], Any], layers: Sequence[Any], inputs: Any
) -> Any:
    """`run()` where a layer is kept, else `skip()`; where Python cannot know, both, and one of them is taken."""
    if torch.compiler.is_compiling():
        return torch.where(kept, run(), skip())
    return run() if bool(kept) else skipped(skip(), layers, inputs)


def rate_at(schedule: Schedule, step: Any) -> Any:
    """What a schedule is at a step."""
    if not isinstance(step, torch.Tensor):
        return schedule(step)
    return torch.round(schedule.at(step.double(), torch) * LEVELS) / LEVELS


def counting(_: Any) -> Any:
    """The module whose `arange` counts the rows of an array."""
    return torch if torch.compiler.is_compiling() else np


def check_alone() -> None:
    """Refuse ranks whose rows nobody named."""
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
        raise BindError(
            f"expected bind(model, seed, batch=(axis, global_size, start)) under torch.distributed; got no batch "
            f"on rank {distributed.get_rank()} of {distributed.get_world_size()}, so samples would share masks."
        )


def has_frames() -> bool:
    """Not where `torch.compile` reads the code."""
    return not torch.compiler.is_compiling()


def track(model: Any, name: str, state: Any) -> None:
    """Put a variable in a model's `state_dict`; one that is not built yet will find it by itself."""
    model._post_track_variable(state)


def untrack(model: Any, name: str, state: Any) -> None:
    """Take it out."""
    model._post_untrack_variable(state)
