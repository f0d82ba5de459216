"""A bound model inside a compiled graph: its addresses are asked for at run time.

Python attributes cannot carry a step into a graph: it would be specialised to their values, and a checkpoint
inside a graph may not change them. Tensors that the next call overwrites cannot either, since a graph's
backward may read them later. So a graph holds operators that, at run time, are ordinary Python: a root call
begins with one, and each draw asks another. Both carry an *ordinal*, their place in the trace. It keeps the
compiler from merging two that look alike, and it names a draw when the graph's backward recomputes it, in
whatever order. Nothing in a graph depends on a layer's name or place, so equal blocks share one graph.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from thinned.errors import BindError
from thinned.torch._binding import Again, Binding, binding_at

_counts: dict[str, tuple[object, int]] = {}
"""What is counted in the trace under way, and which trace that is; used by one tracing thread at a time."""


def begin(binding: Binding, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Trace the start of a root call; its inputs depend on it, so that no draw comes first."""
    leaves, spec = tree_flatten((args, kwargs))
    place = next((i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)), None)
    if place is None:
        raise BindError("expected a tensor among the inputs of a bound model that is compiled; got none.")
    again = binding.traced_again
    draw, step = (-1, -1) if again is None else (again.draw, again.step)
    run = _number(), _count("call"), _steps(binding.anchor, again is None)
    call = torch.ops.thinned.advance(binding.anchor, run, draw, step)
    leaves[place] = torch.ops.thinned.after(leaves[place], call)
    return tree_unflatten(leaves, spec)  # type: ignore[no-any-return]


def ticket(binding: Binding, place: Tensor, x: Tensor) -> Tensor:
    """Trace a layer's draw: its ticket, without the threshold."""
    found: Tensor = torch.ops.thinned.ask(binding.anchor, place, x.detach(), _count("draw"), _last("call"))
    return found


def step_now(binding: Binding, x: Tensor) -> Tensor:
    """Trace a look at the step, for what follows it in evaluation."""
    found: Tensor = torch.ops.thinned.now(binding.anchor, x.detach())
    return found


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _count(what: str) -> int:
    trace, (last, count) = _trace(), _counts.get(what, (None, -1))
    count = count + 1 if last == trace else 0
    _counts[what] = trace, count
    return count


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _last(what: str) -> int:
    """The last that was counted in this trace, or -1."""
    trace, count = _counts.get(what, (None, -1))
    return count if trace == _trace() else -1


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _steps(anchor: Tensor, takes: bool) -> int:
    """How many steps of its binding this trace has taken, with the call that begins now."""
    what = f"steps of {int(anchor)}"
    trace, count = _counts.get(what, (None, 0))
    count = (count if trace == _trace() else 0) + takes
    _counts[what] = _trace(), count
    return count


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _number() -> int:
    """The number of this trace, unlike that of any other."""
    trace, number = _counts.get("number", (None, -1))
    if trace != _trace():
        number += 1
        _counts["number"] = _trace(), number
    return number


def _trace() -> tuple[object, int]:
    """What tells one trace from another: numbers alone begin anew when the compiler is reset."""
    context = torch._guards.CompileContext.try_get()
    return context, -1 if context is None else context.attempt


@torch.library.custom_op("thinned::advance", mutates_args=())
def advance(anchor: Tensor, run: Sequence[int], draw: int, step: int) -> Tensor:
    """A root call begins; its step.

    A compiler may run the calls of a graph in any order: `run` says where this one belongs. It holds the number of
    the trace, the call's ordinal, and how many steps the trace has taken by then. `draw` is -1 outside a `draws` of
    the same graph, `step` where that says none.
    """
    number, ordinal, steps = run
    again = None if draw < 0 else Again(draw, step)
    return torch.tensor(_binding(anchor).begin_traced(number, ordinal, steps, again), device="cpu")


@torch.library.custom_op("thinned::ask", mutates_args=())
def ask(anchor: Tensor, place: Tensor, x: Tensor, ordinal: int, call: int) -> Tensor:
    """A layer's ticket, but for the threshold. `x` only keeps the uses of a layer in their order.

    `call` is the ordinal of the root call of the same graph, or -1.
    """
    binding = _binding(anchor)
    draw = binding.use(binding.names[int(place)], ordinal, traced=call)
    binding.meet(x)
    return torch.tensor([binding.signed_seed, *draw], device="cpu")


@torch.library.custom_op("thinned::now", mutates_args=())
def now(anchor: Tensor, x: Tensor) -> Tensor:
    """The step that the model's next training call will have. `x` only keeps it behind the start of a root call."""
    return torch.tensor(_binding(anchor).step, device="cpu")


@torch.library.custom_op("thinned::after", mutates_args=())
def after(x: Tensor, call: Tensor) -> Tensor:
    """`x`, once `call` is there."""
    return x.clone()


@advance.register_fake
def _(anchor: Tensor, run: Sequence[int], draw: int, step: int) -> Tensor:
    return anchor.new_empty(())


@ask.register_fake
def _(anchor: Tensor, place: Tensor, x: Tensor, ordinal: int, call: int) -> Tensor:
    return anchor.new_empty(4)


@now.register_fake
def _(anchor: Tensor, x: Tensor) -> Tensor:
    return anchor.new_empty(())


@after.register_fake
def _(x: Tensor, call: Tensor) -> Tensor:
    return torch.empty_like(x)


@ask.register_vmap
def _(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, None]:
    """One mask for all lanes: the layer is called once."""
    anchor, place, x, *rest = inputs
    return ask(anchor, place, x, *rest), None


after.register_autograd(lambda ctx, gradient: (gradient, None))


def _binding(anchor: Tensor) -> Binding:
    binding = binding_at(int(anchor))
    if binding is None:
        raise BindError("the bound model that this graph was compiled for is gone; compile the model again.")
    return binding
