"""Prediction under several masks: the mean over thinned networks, and the variance between them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from thinned.errors import AddressError, BindError
from thinned.torch import draws
from thinned.torch._bind import binding_of, named_modules, unwrapped
from thinned.torch._strangers import of_its_own

DRAWS = 1 << 16
"""How many draws one site and step have: the coordinate has 16 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What `samples` thinned networks say of the same inputs.

    Args:
        samples: how many networks were drawn.
        mean: arithmetic mean of their predictions, axes as the model's output. Of probabilities it is the
            Monte-Carlo estimate of the ensemble's.
        variance: of the predictions between networks, with divisor `samples - 1`, axes as `mean`; NaN for one.
        geometric_mean: of their probabilities, scaled to sum to 1, axes as `mean`; None for plain values.
    """

    samples: int
    mean: Tensor
    variance: Tensor
    geometric_mean: Tensor | None


def predict(
    model: nn.Module,
    x: Any,
    samples: int = 100,
    *,
    step: int = 0,
    first: int = 0,
    logits: bool = True,
    axis: int = -1,
) -> Prediction:
    """Average a bound model over thinned networks: Monte-Carlo dropout.

        mean = 1/K sum_k p_k,   geometric mean proportional to (prod_k p_k)^(1/K),   p_k = softmax(f(x; mask_k))

    Network k has the masks of `draw = first + k` at one `step`, so a prediction is a function of (weights, x, seed,
    step, first, samples): it repeats bit for bit, two models of one seed are thinned alike, and the first K draws
    of a longer prediction are the shorter one. Only layers of ours are in training mode meanwhile; batch
    normalisation and everything else evaluates. The model's modes, its step and its weights are afterwards what
    they were, also where a call fails.

    Args:
        model: bound (`thinned.torch.bind`), with at least one layer of ours and no dropout of PyTorch's own.
        x: its input; one argument.
        samples: thinned networks to draw, K.
        step: the coordinate of all draws; any number will do, the same one gives the same masks.
        first: the coordinate `draw` of the first network.
        logits: whether the model returns logits, to be averaged as probabilities; False averages what it
            returns, as regression needs.
        axis: of the classes in the logits.

    Returns:
        Means and variance in the dtype of the model's output, summed in float64 where the device has it.

    Raises:
        AddressError: less than one sample, or more draws than the coordinate's 2^16.
        BindError: a free model, a model without a layer of ours, or one with PyTorch's own dropout in it, which
            would stay off without a word.
        TypeError: a model that returns no tensor.

    Example:
        >>> import torch, thinned.torch
        >>> from thinned.uncertainty import predict
        >>> layers = torch.nn.Linear(4, 16), thinned.torch.Dropout(0.5), torch.nn.Linear(16, 3)
        >>> model = thinned.torch.bind(torch.nn.Sequential(*layers), seed=0).eval()
        >>> found = predict(model, torch.ones(2, 4), samples=50)
        >>> found.mean.shape, torch.allclose(found.mean.sum(-1), torch.ones(2))
        (torch.Size([2, 3]), True)
        >>> torch.equal(found.mean, predict(model, torch.ones(2, 4), samples=50).mean), model.training
        (True, False)

    References:
        Gal, Ghahramani, "Dropout as a Bayesian Approximation: Representing Model Uncertainty in Deep Learning",
        2016, https://arxiv.org/abs/1506.02142. Geometric mean: Srivastava et al., "Dropout: A Simple Way to
        Prevent Neural Networks from Overfitting", 2014, section 9.
    """
    total: _Moments | None = None
    for output in thinned_outputs(model, x, samples, step=step, first=first):
        log_p = _wide(output).log_softmax(axis) if logits else None
        value = _wide(output) if log_p is None else log_p.exp()
        total = total or _Moments(value, output.dtype)
        total.add(value, log_p)
    assert total is not None  # noqa: S101 - there is at least one sample
    return total.prediction(axis)


def thinned_outputs(
    model: nn.Module, x: Any, samples: int, *, step: int = 0, first: int = 0
) -> Iterator[Tensor]:
    """The outputs of a bound model's thinned networks, one at a time.

    For means over 1, 2, ... networks in one pass, or statistics that `predict` does not have. Between two of them
    the model is as it was.

    Args:
        model: as in `predict`.
        x: its input.
        samples: how many.
        step: the coordinate of all draws.
        first: the coordinate `draw` of the first.

    Yields:
        What the model returns under draw `first`, `first + 1`, ..., without gradients.

    Raises:
        AddressError, BindError, TypeError: as `predict`.

    Example:
        >>> import torch, thinned.torch
        >>> model = thinned.torch.bind(torch.nn.Sequential(thinned.torch.Dropout(0.5)), seed=0)
        >>> [int(output.sum()) for output in thinned_outputs(model, torch.ones(100), 3)]
        [78, 104, 122]
    """
    _check(model, samples, first)
    for draw in range(first, first + samples):
        with torch.no_grad(), _thinning(model), draws(model, draw, step):
            output = model(x)
        if not isinstance(output, Tensor):
            raise TypeError(
                f"expected a model that returns a tensor; got {type(output).__name__}. Wrap it in a module that "
                "returns its logits, and bind that."
            )
        yield output


@contextmanager
def _thinning(model: nn.Module) -> Iterator[None]:
    """Layers of ours draw, everything else evaluates; afterwards every module is in the mode it was in."""
    # Set as attributes: a module's own `train` may do more than that.
    modes = [(module, module.training) for module in unwrapped(model).modules()]
    try:
        for module, _ in modes:
            module.training = hasattr(type(module), "is_thinned")
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _check(model: nn.Module, samples: int, first: int) -> None:
    binding = binding_of(model)
    if binding is None:
        raise BindError(
            "expected a bound model, whose thinned networks have addresses; got a free one. Call "
            "thinned.torch.bind(model, seed), or thinned.torch.convert(model, seed) where its dropout is PyTorch's."
        )
    if not binding.layers:
        raise BindError(
            "expected a model with a layer that draws; got one without, whose samples would all be alike. Call "
            "thinned.torch.convert(model, seed) where its dropout is PyTorch's own."
        )
    strangers = [name for name, module in named_modules(unwrapped(model)) if of_its_own(module) is not None]
    if strangers:
        raise BindError(
            f"expected layers of ours alone; got PyTorch's own dropout in {', '.join(map(repr, strangers))}, whose "
            "masks have no address. Call thinned.torch.convert(model, seed)."
        )
    if samples < 1 or first < 0 or first + samples > DRAWS:
        raise AddressError(
            f"expected at least 1 sample, with draws in [0, {DRAWS}); got {samples} from draw {first}. Take "
            "further samples at another step."
        )


def _wide(output: Tensor) -> Tensor:
    return output.float() if output.device.type == "mps" else output.double()


class _Moments:
    """Running mean and variance, after Welford, which loses no digits to a large mean."""

    def __init__(self, like: Tensor, dtype: torch.dtype) -> None:
        self.count, self.dtype = 0, dtype
        self.mean, self.squares = torch.zeros_like(like), torch.zeros_like(like)
        self.log: Tensor | None = None

    def add(self, value: Tensor, log_p: Tensor | None) -> None:
        self.count += 1
        off = value - self.mean
        self.mean += off / self.count
        self.squares += off * (value - self.mean)
        if log_p is not None:
            self.log = log_p if self.log is None else self.log + log_p

    def prediction(self, axis: int) -> Prediction:
        variance = (
            self.squares / (self.count - 1) if self.count > 1 else torch.full_like(self.mean, torch.nan)
        )
        geometric = None if self.log is None else (self.log / self.count).softmax(axis).to(self.dtype)
        return Prediction(self.count, self.mean.to(self.dtype), variance.to(self.dtype), geometric)
