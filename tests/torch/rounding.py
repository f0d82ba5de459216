"""How far two ways to sum may differ: first-order bounds for a multilayer perceptron, forward and backward.

A dot product of n terms in any order, or with zeros left out, is within `gamma |a| . |b|` of the exact one, where
`gamma = n u / (1 - n u)` (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 3.1). A function
with derivatives of at most L, and second ones of at most M, passes an error `e` of its argument on as `L e`, and as
`M e |g|` to the gradient `g` that comes back. Each is within a few units in the last place of the exact function.
What is of second order in u is left to the factor 2 at the end, which also covers that both sides err.
"""

import torch

ULPS = 8
"""What a function of a library, and the two products around it, may be off by."""


class Magnitudes:
    """Bounds on values and on errors of a network `linear, f, factor, ..., linear`, layer by layer.

    Args:
        layers: weight, bias and the factors of the units behind it (None behind the last), each.
        lipschitz: L and M of f.
        u: half a unit in the last place, of 1.
    """

    def __init__(self, layers, lipschitz, u):
        self.layers, (self.slope, self.curve), self.u = layers, lipschitz, u

    def gamma(self, n):
        """The factor of a sum of n products."""
        return (n + 1) * self.u / (1 - (n + 1) * self.u)

    def bounds(self, x, run, gradient):
        """How far each parameter's gradient, and the output, may be off: twice the first-order error.

        Args:
            x: the input, axes (row, feature).
            run: the exact values of each layer's output behind `f` and factors.
            gradient: of the loss, exact, by the output.
        """
        values, errors = [x.abs()], [torch.zeros_like(x)]
        slopes = []
        for (weight, bias, factors), value in zip(self.layers, run, strict=True):
            wide = torch.cat([weight.abs(), bias.abs()[:, None]], 1)
            inner = torch.cat([values[-1], torch.ones_like(values[-1][:, :1])], 1)
            error = errors[-1] @ weight.abs().T + self.gamma(inner.shape[1]) * inner @ wide.T
            slopes.append(error)
            if factors is not None:
                error = factors * self.slope * error + ULPS * self.u * value.abs()
            values.append(value.abs())
            errors.append(error)
        found = []
        size, error = gradient.abs(), ULPS * self.u * gradient.abs() + errors[-1]
        for place in reversed(range(len(self.layers))):
            weight, _, factors = self.layers[place]
            if factors is not None:
                error = factors * (self.slope * error + (self.curve * slopes[place] + ULPS * self.u) * size)
                size = factors * self.slope * size
            rows = len(size)
            found.append(error.sum(0) + self.gamma(rows) * size.sum(0))
            found.append(
                error.T @ values[place] + size.T @ errors[place] + self.gamma(rows) * size.T @ values[place]
            )
            error = error @ weight.abs() + self.gamma(size.shape[1]) * size @ weight.abs()
            size = size @ weight.abs()
        return 2 * errors[-1], [2 * bound for bound in reversed(found)]
