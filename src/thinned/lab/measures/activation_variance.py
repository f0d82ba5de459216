"""The variance of each hidden layer's activations, as it is in training and as formulas say.

Dropout multiplies an activation `a` by `d / q`, where `d` is 1 with probability `q = 1 - rate`, else 0. Over the
examples and the masks together,

    Var(d a / q) = Var(a) + (1 - q) / q E[a^2],

which is `Var(a) / q + (1 - q) / q E[a]^2`. With the variance's divisor N - 1 and the mean square's N, the right
side is the expectation of the left over masks for *these* examples, whatever they are. The published answer to
the chapter's exercise has `q Var(a) + q (1 - q) E[a]^2`, which is Var(d a): of masks without the scale 1 / q
that `nn.Dropout` has.
"""

from torch import Tensor, nn

from thinned.lab.measures import Context, Examples
from thinned.lab.measures.hidden import Layer, evaluated, thinned
from thinned.mask import quantise

EXAMPLES = 1000
"""The first of the training examples: enough for 1 % of a variance."""


def measure(model: nn.Sequential, data: Examples, context: Context) -> dict[str, float]:
    """Variances of each hidden layer, numbered from 0; the mean over its units of each unit's over examples.

    Returns:
        `variance_train[k]`: in a training pass, after dropout, as the published notebook has it.
        `variance_test[k]`: in evaluation, all units there.
        `variance_formula[k]`: what the formula makes of the same pass before dropout.
        `variance_published[k]`: what the published formula makes of it.
        `variance_linear[k]`: of the linear layer's output in that pass.
        `variance_squares[k]`: what the published `Var(W x + b) = W^2 Var(x)` makes of its input.
    """
    x = data.train_x[:EXAMPLES]
    training, test = thinned(model, x, draw=context.epoch), evaluated(model, x)
    found: dict[str, float] = {}
    for k, (layer, whole, rate) in enumerate(zip(training, test, context.configuration.rates, strict=True)):
        weight = model.get_submodule(f"fc{k + 1}").weight
        assert isinstance(weight, Tensor)  # noqa: S101 - for the type checker
        named = variances(layer, weight, float(quantise(rate)))
        named["variance_test"] = variance(whole.after)
        found |= {f"{name}[{k}]": value for name, value in named.items()}
    return found


def variances(layer: Layer, weight: Tensor, rate: float) -> dict[str, float]:
    """What is measured of one layer in one pass, and what the formulas say of it."""
    square = float(layer.after.double().square().mean())
    spread = variance(layer.after)
    mean_square = float(layer.after.double().mean(0).square().mean())
    keep = 1 - rate
    return {
        "variance_train": variance(layer.dropped),
        "variance_formula": spread + rate / keep * square,
        "variance_published": keep * spread + keep * rate * mean_square,
        "variance_linear": variance(layer.before),
        "variance_squares": float(
            (weight.detach().double().square() @ layer.input.double().var(0, correction=1)).mean()
        ),
    }


def variance(activations: Tensor) -> float:
    """The mean over units of the variance over examples, with divisor N - 1.

    Example:
        >>> import torch
        >>> variance(torch.tensor([[0.0, 1.0], [2.0, 1.0]]))
        1.0
    """
    return float(activations.double().var(0, correction=1).mean())
