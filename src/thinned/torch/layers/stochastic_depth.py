"""Stochastic depth: a residual branch that is run in some steps, and in the others costs nothing."""

from typing import Any

from torch import Tensor, nn

from thinned.mask.rate import scale, threshold
from thinned.mask.single import first_kept
from thinned.methods.schedule import Schedule, check_rate
from thinned.methods.site import check_site
from thinned.torch._drawing import Drawing
from thinned.torch._functional import thin
from thinned.torch._skipped import decides_by_data, is_off, skipped


class StochasticDepth(Drawing):
    """A residual block that leaves its branch out, for the whole batch, with probability `p` in training.

        y = shortcut(x) + k branch(x) / (1 - T / 65536),   T = round(65536 p),   k the mask's only element

    A dropped branch **is not run**: its step costs a copy of `shortcut(x)`. Its parameters, and whatever else it
    would have read, then have gradients of zero and not none, so that an optimiser with momentum or decay goes on
    and DistributedDataParallel needs no `find_unused_parameters`. All ranks of a bound model drop the same
    branches, without a word to each other: the address does not depend on the batch. Evaluation gives
    `shortcut(x) + branch(x)`.

    Under `torch.compile`, `torch.func` and forward-mode differentiation the branch is run and masked: the same
    numbers, without the saving. Two things inside a branch tell the difference. A BatchNorm takes in a batch only
    where it runs. And where a branch is called more than once in a call of the model, its layers that draw count
    their uses (`name#k`) as they happen.

    Args:
        branch: a module; called as `branch(x, *args, **kwargs)`, it returns one tensor like `shortcut(x)`.
        p: probability of dropping, 0 <= p <= 1, or a schedule of the step; may be set later.
        shortcut: a module, called as `shortcut(x)`; by default the identity.
        site: the name of its draws in a bound model; the module's qualified name, by default.

    Raises:
        RateError: `p` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.
        TypeError: a branch that is no module, or returns something else than a tensor.
        ValueError: a branch whose result has not the shape of the shortcut's.

    Example:
        >>> import torch, thinned.torch
        >>> block = thinned.torch.StochasticDepth(torch.nn.Linear(4, 4), 1.0)
        >>> x = torch.ones(2, 4)
        >>> y = block(x)
        >>> torch.equal(x, y)
        True
        >>> y.sum().backward()
        >>> block.branch.bias.grad
        tensor([0., 0., 0., 0.])

    References:
        Huang, Sun, Liu, Sedra, Weinberger, "Deep Networks with Stochastic Depth", 2016,
        https://arxiv.org/abs/1603.09382. We differ: rescaling at training time rather than at test time; and the
        ReLU behind their sum is yours to add.
    """

    p: Any

    def __init__(
        self,
        branch: nn.Module,
        p: float | Schedule = 0.5,
        shortcut: nn.Module | None = None,
        *,
        site: str | None = None,
    ) -> None:
        super().__init__()
        for module in (branch,) if shortcut is None else (branch, shortcut):
            if not isinstance(module, nn.Module):
                raise TypeError(
                    "expected a branch, and a shortcut, that are modules, whose parameters have gradients where "
                    f"they are not run; got {type(module).__name__}. Write the function as the forward of a module."
                )
        self.branch, self.shortcut = branch, shortcut
        self.p = check_rate(p)
        check_site(site)
        self.site = site

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The shortcut, and in evaluation or where it is kept, the branch."""
        shortcut: Tensor = x if self.shortcut is None else self.shortcut(x)
        if is_off(self, self.p):
            return shortcut + self._branch(shortcut, x, *args, **kwargs)
        address = self.address(x)
        rate = self.rate_at(self.p, address)
        if decides_by_data(x, rate, address):
            branch = self._branch(shortcut, x, *args, **kwargs)
            return shortcut + thin(branch, rate, address, self.shared(branch))
        level = threshold(rate)
        (kept,) = first_kept(1, level, address)  # type: ignore[arg-type]
        if not kept:
            return skipped(shortcut, [self.branch], (args, kwargs), added=True)
        return shortcut + self._branch(shortcut, x, *args, **kwargs) * scale(level)

    def _branch(self, shortcut: Tensor, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """What the branch gives, in the type of the shortcut: it must not depend on what is dropped."""
        found = self.branch(x, *args, **kwargs)
        if not isinstance(found, Tensor):
            raise TypeError(
                f"expected a branch that returns one tensor; got {type(found).__name__} from "
                f"{type(self.branch).__name__}. Wrap the part of it that is added to the shortcut."
            )
        if found.shape != shortcut.shape:
            raise ValueError(
                f"expected a branch that returns a tensor like the shortcut's, of shape {tuple(shortcut.shape)}; "
                f"got {tuple(found.shape)} from {type(self.branch).__name__}. Give a shortcut=..., a module that "
                "maps the input to that shape."
            )
        return found.to(shortcut.dtype)

    def shared(self, x: Tensor) -> tuple[int, ...]:
        return tuple(range(x.dim()))

    def extra_repr(self) -> str:
        """The rate, and the site where one was given."""
        return f"p={self.p}" + ("" if self.site is None else f", site={self.site!r}")
