"""What every module of ours that draws has in common: an address for each draw, free or bound."""

from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from thinned.errors import BindError
from thinned.mask.sharing import Window, layout
from thinned.methods.schedule import Schedule
from thinned.methods.site import part_name
from thinned.torch._binding import Binding
from thinned.torch._ticket import Coordinate, is_traced
from thinned.torch._traced import ticket

Address: TypeAlias = tuple[Coordinate, Coordinate, Coordinate, Coordinate]
"""Seed, site, step, draw: integers in eager code, tensors of one where something traces."""


class Drawing(nn.Module):
    """A module that draws: free until its model is bound, then each draw has an address.

    A subclass asks `address` once for each draw of a call, and hands it on to a pure function. Where it draws more
    than once a call, `parts` names its draws, and their sites are `name/part`.
    """

    is_thinned = True
    parts: tuple[str, ...] = ("",)
    site: str | None = None
    _binding: Binding | None = None
    _name = ""
    _places: dict[str, Tensor]
    _former: tuple[tuple[Binding, str, dict[str, Tensor]], ...] = ()

    def address(self, x: Tensor, part: str = "") -> Address:
        """The address of the next draw; a free module's is a fresh key.

        Args:
            x: what is computed with, which tells whether something traces; a compiled graph keeps draws in the
                order of their `x`.
            part: which of `parts` draws.

        Raises:
            BindError: a bound module outside a call of its model.
        """
        binding = self._binding
        if binding is None:
            return fresh_key(x), 0, 0, 0
        if is_traced(x):
            seed, site, step, draw = self.ticket(x, part).unbind()
            return seed, site, step, draw
        found = binding.use(part_name(self._name, part))
        return binding.seed, found.site, found.step, found.draw

    def ticket(self, x: Tensor, part: str = "") -> Tensor:
        """The same as a tensor of four, for a bound module where something traces.

        It is data that an operator makes, so that no step and no layer recompiles anything.
        """
        binding = self._binding
        assert binding is not None  # noqa: S101 - for the type checker
        if torch.compiler.is_compiling():
            return ticket(binding, self._places[part], x)
        if torch._C._get_tracing_state() is not None:
            raise BindError(
                f"layer {self._name!r} is bound, and torch.jit.trace would freeze its step: every call would have "
                "the same mask. Use torch.compile or torch.export, or trace the model in evaluation."
            )
        # A transformation or a dispatch mode, in eager code: the address is known here.
        found = binding.use(part_name(self._name, part))
        return torch.tensor([binding.signed_seed, *found], device="cpu")

    def window(self, x: Tensor) -> Window | None:
        """Where the rows of `x` lie in the global batch, for draws that differ between samples."""
        return None if self._binding is None else self._binding.window(x)

    def rate_at(self, rate: Any, address: Address) -> Any:
        """A rate as it is at an address: of a schedule, its value at that step.

        Raises:
            BindError: a schedule in a free module, which has no step.
            RateError: a ramp over the depth, which `convert` makes one rate for each layer of.
        """
        if not isinstance(rate, Schedule):
            return rate
        if self._binding is None and rate.steps is not None:
            raise BindError(
                f"expected a bound model for {type(self).__name__} with {rate}, whose rate follows the model's "
                "step; got a free layer. Call thinned.torch.bind(model, seed)."
            )
        step = address[2]
        return rate.at(step.double(), torch) if isinstance(step, Tensor) else rate(int(step))

    def shared(self, x: Tensor) -> tuple[int, ...]:
        """The axes of an input that one draw is shared along."""
        return ()

    def draws(self, x: Tensor) -> list[tuple[str, tuple[int, ...] | None]]:
        """The draws of a call on `x`, for the table of sites: each one's part, and the shape of its mask.

        One for each of `parts`, shared along `shared(x)`; a subclass whose masks have other shapes says so.
        """
        mask_shape = layout(tuple(x.shape), self.shared(x)).mask_shape
        return [(part, mask_shape) for part in self.parts]

    def stated_rate(self, part: str = "") -> float:
        """The rate of a part for the table of sites: `p`, and of a schedule what it is at the next step."""
        return self._stated(vars(self).get("p", 0.0))

    def _stated(self, rate: Any) -> float:
        if not isinstance(rate, Schedule):
            return float(rate)
        return rate(0 if self._binding is None else self._binding.step)

    def join(self, binding: Binding, name: str, first: int) -> None:
        """Draw by this binding from now on; after it, again by the one before.

        Args:
            binding: who gives the addresses.
            name: of the site.
            first: the place of the first part among the binding's names.
        """
        if self._binding is not None:
            self._former = (*self._former, (self._binding, self._name, self._places))
        self._binding, self._name = binding, name
        self._places = {
            part: torch.tensor(first + place, device="cpu") for place, part in enumerate(self.parts)
        }

    def leave(self, binding: Binding) -> None:
        """Draw by the binding before this one, or freely again."""
        self._former = tuple(former for former in self._former if former[0] is not binding)
        if self._binding is not binding:
            return
        self._binding = None
        if self._former:
            *former, (self._binding, self._name, self._places) = self._former
            self._former = tuple(former)


def fresh_key(x: Tensor) -> int | Tensor:
    """A seed from PyTorch's generator, so that `torch.manual_seed` governs it; a tensor where `x` is traced."""
    key = torch.randint(0x7FFFFFFFFFFFFFFF, (), device="cpu")
    return key if is_traced(x) else int(key)
