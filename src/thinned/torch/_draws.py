"""Several draws of one step: a context in which a bound model draws at a place that the user says."""

from types import TracebackType
from typing import Generic, SupportsIndex, TypeVar

import torch
from torch import nn

from thinned.errors import BindError
from thinned.mask.address import coordinate
from thinned.torch._bind import binding_of
from thinned.torch._binding import Again

Model = TypeVar("Model", bound=nn.Module)


class draws(Generic[Model]):  # noqa: N801 - a context manager, named as a verb
    """Within it, every draw of a bound model has this `draw` coordinate, at one step that stays.

        mask = f(seed, site, step, draw, element)

    A call within it takes no step of its own: the model's step is afterwards what it was before. So the second pass
    of R-Drop is draw 1 of the step that the first one took, and Monte-Carlo sample k is draw k of a step that the
    caller names. A draw that is asked for again comes again, bit for bit. Gradients and activation checkpoints
    repeat the draws of the call they belong to, inside the context or after it. The context may stand inside a
    compiled function, or around the call of a compiled model, where no change of `draw` or `step` compiles anew.
    It holds for the thread that enters it; within one another, the innermost counts.

    Args:
        model: bound; wrappers such as DDP and `torch.compile`'s are seen through.
        draw: which of several draws at one site and step, in [0, 2^16). An ordinary call is draw 0.
        step: of the calls within, in [0, 2^32). By default that of the `draws` around this one, else of this
            thread's last training call; where it has made none since a state was loaded, the model's last, or 0.

    Raises:
        BindError: the model is not bound.
        AddressError: a coordinate outside its width.

    Example:
        >>> import torch, thinned, thinned.torch
        >>> model = thinned.torch.bind(torch.nn.Sequential(thinned.torch.Dropout(0.5)), seed=0)
        >>> _ = model(torch.ones(8))  # step 0, draw 0
        >>> with thinned.torch.draws(model, 1):
        ...     twin = model(torch.ones(8))
        >>> (twin != 0).tolist() == thinned.mask.keep((8,), 0.5, seed=0, site="0", step=0, draw=1).tolist()
        True
        >>> model.thinned.step
        1
    """

    def __init__(self, model: Model, draw: SupportsIndex, step: SupportsIndex | None = None) -> None:
        binding = binding_of(model)
        if binding is None:
            raise BindError(
                "expected a bound model, whose draws have addresses; got a free one. Call "
                "thinned.torch.bind(model, seed), or call the free model again: each call draws afresh."
            )
        self._model, self._binding = model, binding
        self._again = Again(_coordinate("draw", draw), -1 if step is None else _coordinate("step", step))
        self._outer: Again | None = None

    def __enter__(self) -> Model:
        """From here on, calls of the model draw there; returns the model."""
        binding, again = self._binding, self._again
        if torch.compiler.is_compiling():
            self._outer = binding.traced_again
            if again.step < 0 and self._outer is not None:
                again = Again(again.draw, self._outer.step)
            binding.traced_again = again
        else:
            binding.active.again.append(binding.resolved(again))
        return self._model

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Back to what was before."""
        if torch.compiler.is_compiling():
            self._binding.traced_again = self._outer
        else:
            self._binding.active.again.pop()


def _coordinate(name: str, value: SupportsIndex) -> int:
    if torch.compiler.is_compiling() and type(value) is int:
        return (
            value  # perhaps symbolic: a check would compile anew for each; the law takes it modulo its width
        )
    return coordinate(name, value)
