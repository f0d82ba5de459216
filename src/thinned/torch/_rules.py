"""What the rules of `convert` do: which layers a pattern matches, and what each of them becomes."""

import copy
from collections.abc import Mapping
from typing import Any

from torch import nn

from thinned.errors import ConvertError
from thinned.methods.conversion import is_only_read
from thinned.methods.patterns import listed, matches, nearest
from thinned.methods.schedule import Schedule

Names = Mapping[nn.Module, list[str]]
"""The modules of a model, in its order, with all the names that each has."""


def planned(
    root: nn.Module, names: Names, rules: Mapping[str, nn.Module]
) -> tuple[dict[nn.Module, nn.Module], dict[nn.Module, str]]:
    """For each module that a rule matches, the layer that it becomes, or why the rule cannot reach it.

    Raises:
        ConvertError: see `convert`.
    """
    swaps: dict[nn.Module, nn.Module] = {}
    unreached: dict[nn.Module, str] = {}
    read = _only_read(root) if rules else {}
    for pattern, template in rules.items():
        _check_template(pattern, template)
        found = _matched(pattern, names)
        for module in found:
            if module in read:
                unreached[module] = f"{pattern!r} cannot reach it, since {read[module]}"
        reached = [module for module in found if module not in read]
        if not reached:
            name = names[found[0]][0]
            raise ConvertError(
                f"expected a pattern that matches a layer which is called; {name!r}: {unreached[found[0]]}."
            )
        free = [module for module in reached if module not in swaps]
        if not free:
            raise ConvertError(
                f"expected a pattern that is the first to match some layer; all that {pattern!r} matches, "
                f"{listed([names[module][0] for module in found])}, earlier patterns match as well. Put it before "
                "them."
            )
        for place, module in enumerate(free):
            swaps[module] = _copied(template, module, place, len(free))
    return swaps, unreached


def _only_read(root: nn.Module) -> dict[nn.Module, str]:
    """Dropout layers that no one calls, as in the attention of transformers and timm; and what their owner does."""
    found: dict[nn.Module, str] = {}
    for owner in root.modules():
        kind = type(owner).__name__
        for name, part in owner.named_children():
            if not isinstance(part, nn.modules.dropout._DropoutNd):
                continue
            if is_only_read(type(owner).forward, name, "p"):
                found[part] = (
                    f"{kind} reads its p and drops in a function; set that, and use thinned.torch.patched"
                )
            elif name == "attn_drop" and getattr(owner, "fused_attn", False):
                found[part] = (
                    f"{kind} reads its p while its fused_attn is True, and drops in a function; set fused_attn = "
                    "False there, or set p, and use thinned.torch.patched"
                )
    return found


def _check_template(pattern: Any, template: Any) -> None:
    if not isinstance(pattern, str):
        raise ConvertError(
            f"expected patterns over layers' names, such as '*.dropout'; got {pattern!r} of type "
            f"{type(pattern).__name__}. Write names as text."
        )
    if not isinstance(template, nn.Module) or not hasattr(type(template), "is_thinned"):
        raise ConvertError(
            f"expected a layer of thinned.torch as what {pattern!r} becomes, such as thinned.torch.Dropout(0.1); "
            f"got {template!r}."
        )
    if any(True for _ in template.children()) or getattr(template, "_binding", None) is not None:
        raise ConvertError(
            f"expected a free layer that stands in a dropout's place as what {pattern!r} becomes; got "
            f"{type(template).__name__}, which is bound or holds other modules. Make a new one, or put it into the "
            "model by hand."
        )


def _matched(pattern: str, names: Names) -> list[nn.Module]:
    """The modules that a pattern matches, each of which can be swapped."""
    found = [module for module, own in names.items() if matches(pattern, own)]
    able = [module for module in names if _can_be_swapped(module) and _is_called_dropout(module, names)]
    if not found:
        near = nearest(pattern, [names[module][0] for module in able])
        raise ConvertError(
            f"expected a pattern that matches a layer; {pattern!r} matches none of {len(names)} modules. "
            + (f"The nearest are {listed(near)}." if near else "The model has no dropout.")
        )
    inside = {id(module) for module in found if _can_be_swapped(module)}
    # A container is matched along with what is in it: `*drop*` matches a ModuleDict of dropouts.
    found = [
        module
        for module in found
        if id(module) in inside or not any(id(part) in inside for part in module.modules())
    ]
    wrong = [module for module in found if id(module) not in inside]
    if wrong:
        near = nearest(pattern, [names[module][0] for module in able])
        raise ConvertError(
            "expected a pattern that matches dropout layers only, or an nn.Identity in the place of one; "
            f"{pattern!r} matches {names[wrong[0]][0]!r}, a {type(wrong[0]).__name__}"
            + (f", and {len(wrong) - 1} more that cannot be swapped" if len(wrong) > 1 else "")
            + ". Narrow the pattern"
            + (f", perhaps to {listed(near)}." if near else ".")
        )
    return found


def _can_be_swapped(module: nn.Module) -> bool:
    """Whether a module does nothing but drop, or nothing at all."""
    if isinstance(module, nn.Identity):
        return True
    if "drop" not in type(module).__name__.lower():
        return False
    return not any(True for _ in module.children()) and not any(True for _ in module.parameters())


def _is_called_dropout(module: nn.Module, names: Names) -> bool:
    """Whether it is worth a hint: not every nn.Identity is."""
    return not isinstance(module, nn.Identity) or any("drop" in name for name in names[module])


def _copied(template: nn.Module, module: nn.Module, place: int, count: int) -> nn.Module:
    """The template for one place: ramps over the depth are constants there."""
    layer: Any = copy.deepcopy(template)
    for name, value in vars(template).items():
        if isinstance(value, Schedule) and value.steps is None:
            setattr(layer, name, value.along(place, count))
    if layer.site is None:
        layer.site = getattr(module, "site", None)
    layer.train(module.training)
    return layer  # type: ignore[no-any-return]
