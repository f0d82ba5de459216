"""Swap a model's dropout layers for ours, in place, and say what could not be swapped."""

from collections.abc import Mapping
from typing import Any, SupportsIndex

from torch import nn

from thinned.errors import BindError, ConvertError
from thinned.mask.rate import threshold
from thinned.methods.conversion import Report
from thinned.torch._bind import attach, binding_of, site_name, unwrapped
from thinned.torch._counterparts import counterpart
from thinned.torch._rules import planned
from thinned.torch._strangers import why_left
from thinned.torch._ticket import signed


def convert(
    model: nn.Module,
    rules: Mapping[str, nn.Module] | None = None,
    seed: SupportsIndex | None = None,
    *,
    dry_run: bool = False,
) -> Report:
    """Swap a model's dropout layers for ours, in place: each for its like, or for what a pattern says.

    Without rules, each `nn.Dropout`, `nn.Dropout1d`, `2d` and `3d`, `nn.AlphaDropout`, `nn.FeatureAlphaDropout`,
    timm's and transformers' `DropPath`, timm's `DropBlock2d` and `PatchDropout`, transformers' `StableDropout` and
    torchvision's row-wise `StochasticDepth` become the layers of `thinned.torch` that do the same; so do the
    dropouts of PEFT's adapters. A rule gives the layers whose names match a pattern a copy of a template instead:

        convert(model, {"encoder.*.dropout": LockedDropout(0.1), "*.drop_path": DropPath(linear(0, 0.2))}, seed=0)

    A layer stays the same object with another class: its mode, hooks and every reference to it hold, and so do the
    state dict and, where ours has that base, `isinstance(layer, nn.Dropout)`.

    Args:
        model: any module, wrapped or not.
        rules: pattern -> a layer of ours. Patterns are shell globs over qualified names, `*` also matches dots.
            Where several match a layer, the first counts. What a rule may swap is a dropout layer, or an
            `nn.Identity` that keeps the place of one, as timm and PEFT have it at rate 0. A ramp over the depth
            (`thinned.linear` or `cosine` without steps) becomes one rate for each layer, in the model's order, from
            the first to the last that the rule swaps. Where a block has two drop paths that are to have one rate,
            give each its own rule: `"*.drop_path1"` and `"*.drop_path2"`.
        seed: with one, the model is bound as well; see `bind`. Loading a state dict of a bound model brings its
            seed and step with it; to begin a new run from its weights, `bind` again.
        dry_run: report what would be done, and do nothing.

    Returns:
        A report: what was swapped, and what draws in a way that no layer can replace (functional calls,
        attention, fused recurrent layers), for which there is `patched`. Print it.

    Raises:
        ConvertError: a pattern that matches nothing, or something that is no dropout; a template that is no free
            layer of ours. Nothing is swapped then.
        RateError: a layer whose rate no threshold stands for; nothing is swapped then.
        AddressError: a seed outside its width.
        BindError: no seed, where a rule would swap a layer of a bound model.
        TypeError: no PyTorch module.

    Example:
        >>> import torch, thinned, thinned.torch
        >>> block = lambda: torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.1))
        >>> model = torch.nn.Sequential(block(), block(), torch.nn.Dropout(0.5))
        >>> rules = {"*.1": thinned.torch.DropPath(thinned.linear(0, 0.25))}
        >>> print(thinned.torch.convert(model, rules, seed=0))
        swapped 3, left 0
          0.1: DropPath(p=0.0, scale_by_keep=True)
          1.1: DropPath(p=0.25, scale_by_keep=True)
          2: Dropout(p=0.5, inplace=False)
    """
    if rules is not None and not isinstance(rules, Mapping):
        raise ConvertError(
            f"expected rules as a mapping from patterns to layers; got {rules!r}. "
            + (f"A seed is named: seed={rules!r}." if isinstance(rules, int) else "Write {pattern: layer}.")
        )
    root = unwrapped(model)
    names = _names(root)
    swaps, unreached = planned(root, names, rules or {})
    for module in names:
        if module not in swaps and (layer := counterpart(module)) is not None:
            threshold(layer.p)  # type: ignore[arg-type]
            layer.train(module.training)
            swaps[module] = layer
    if seed is not None:
        signed(seed)
    elif not dry_run and (bound := [module for module in swaps if _is_bound(module, root)]):
        raise BindError(
            f"expected a seed, since the model is bound and {names[bound[0]][0]!r} would draw freely in it; got "
            "none. Give convert a seed, or unbind the model first."
        )
    report = Report(dry_run=dry_run)
    report.swapped = {names[module][0]: repr(swaps[module]) for module in names if module in swaps}
    for module, (name, *_) in names.items():
        reason = unreached.get(module) or (None if module in swaps else why_left(module))
        if reason is not None:
            report.left[name] = reason
    if dry_run:
        return report
    for module, layer in swaps.items():
        _become(module, layer)
    if seed is not None:
        attach(model, seed)
    return report


def _names(root: nn.Module) -> dict[nn.Module, list[str]]:
    """Every module of a model, with all its names, as the sites have them."""
    found: dict[nn.Module, list[str]] = {}
    for path, module in root.named_modules(remove_duplicate=False):
        found.setdefault(module, []).append(site_name(root, path))
    return found


def _is_bound(module: Any, root: nn.Module) -> bool:
    return binding_of(root) is not None or getattr(module, "_binding", None) is not None


def _become(module: nn.Module, layer: nn.Module) -> None:
    """Make one object what another is, and keep what was hung on it.

    A module may be known to others than its owner: to hooks, lists, wrappers. All of them see the new layer.
    """
    hooks = {name: value for name, value in vars(module).items() if "hooks" in name}
    module.__class__ = type(layer)
    state = {**vars(layer), **hooks}
    vars(module).clear()
    vars(module).update(state)
