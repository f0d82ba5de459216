"""PyTorch as the checks see it."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from thinned.conformance.outcome import NotApplicableError
from thinned.conformance.runtime import Form, Function, Runtime


class Torch(Runtime):
    """On the CPU, or where its default device is."""

    name = "PyTorch"
    dtypes = ("float32", "float64", "float16", "bfloat16")
    own_generator = "torch"
    restored = "torch"

    @property
    def version(self) -> str:
        """Of PyTorch."""
        return str(torch.__version__)

    def array(self, x: Any, dtype: str = "float32") -> Any:
        """A tensor on the default device."""
        return torch.as_tensor(x).to(
            device=torch.get_default_device(), dtype=getattr(torch, dtype), copy=True
        )

    def numpy(self, y: Any) -> Any:
        """Values alone."""
        y = y.detach().cpu()
        return (y if y.dtype in {torch.float32, torch.float64} else y.float()).numpy()

    def form(self, y: Any) -> Form:
        """Of a tensor."""
        return Form(tuple(y.shape), str(y.dtype).removeprefix("torch."), str(y.device))

    def strided(self, x: Any) -> Any:
        """Of the same values, transposed in memory."""
        return x.transpose(0, 1).contiguous().transpose(0, 1)

    def strides(self, y: Any) -> tuple[int, ...] | None:
        """As the tensor says."""
        return tuple(y.stride())

    def vjp(self, f: Function, x: Any, g: Any) -> tuple[Any, Any]:
        """By autograd."""
        x = x.detach().requires_grad_()
        y = f(x)
        if not y.requires_grad:
            raise NotApplicableError("its output has no gradient: it was made outside of autograd")
        (dx,) = torch.autograd.grad(y, x, g)
        return y.detach(), dx

    def second(self, f: Function, x: Any, v: Any) -> tuple[Any, Any]:
        """By autograd, twice."""
        x = x.detach().requires_grad_()
        y = f(x)
        (dx,) = torch.autograd.grad(y.pow(3).sum(), x, create_graph=True)
        (ddx,) = torch.autograd.grad(dx, x, v)
        return y.detach(), ddx

    def checkpointed(self, f: Function) -> Function:
        """By `torch.utils.checkpoint`, which restores PyTorch's own generator."""
        return lambda x: checkpoint(f, x, use_reentrant=False)

    def compiled(self, raw: Function, backend: str) -> Function:
        """By `torch.compile`."""
        torch.compiler.reset()
        return torch.compile(copy_of(raw), backend=backend or "inductor", dynamic=False)

    def vmapped(self, raw: Function, xs: Any, tokens: list[tuple[Any, ...]]) -> Any:
        """By `torch.vmap`, lanes different."""
        if not tokens[0]:
            return torch.vmap(raw, randomness="different")(xs)
        if not all(isinstance(part, int) for part in tokens[0]):
            raise NotApplicableError("a generator object is no argument that torch.vmap can batch")
        columns = [torch.tensor(column) for column in zip(*tokens, strict=True)]
        return torch.vmap(raw)(xs, *columns)

    def seed(self, n: int) -> None:
        """PyTorch's, NumPy's and Python's."""
        super().seed(n)
        torch.manual_seed(n)

    def randomness(self, role: str, seed: int, turn: int) -> Any:
        """A number, or a generator with it."""
        number = int(super().randomness("seed", seed, turn))
        return number if role == "seed" else torch.Generator().manual_seed(number)

    def origin(self) -> int:
        """As PyTorch says."""
        return torch.initial_seed()

    def generators(self) -> dict[str, bytes]:
        """With PyTorch's."""
        return super().generators() | {"torch": torch.get_rng_state().numpy().tobytes()}

    def kept(self) -> Callable[[], None]:
        """With PyTorch's."""
        others, state = super().kept(), torch.get_rng_state()

        def put_back() -> None:
            others()
            torch.set_rng_state(state)

        return put_back


def copy_of(raw: Function) -> Function:
    """A module apart, so that what compiling leaves in it stays there; a function is its own."""
    return copy.deepcopy(raw) if isinstance(raw, torch.nn.Module) else raw
