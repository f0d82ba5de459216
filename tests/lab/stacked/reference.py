"""The chapter's training in float64, with a bound on what float32 can differ from it, in whatever order it sums.

`u = 2^-24` is float32's unit roundoff, and `gamma(n) = n u / (1 - n u)` bounds the relative error of a sum of n
products, or of n terms, in any order, with or without fused multiply-adds, relative to the sum of absolute values
(Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 3.1). Beside each value goes a bound `E` of
its absolute error, and each operation says how its result's bound follows from those of its operands. Exponentials
and logarithms are taken to be within 4 ulp, which is what the libraries of both sides state.
"""

import numpy as np

from thinned import mask
from thinned.lab.training import shuffled

U = 2.0**-24
LIBRARY = 8 * U
"""A relative error of 4 ulp."""


def gamma(n):
    """The relative error of n roundings."""
    return n * U / (1 - n * U)


class Reference:
    """A perceptron with plain dropout in float64, and bounds of what float32 makes of it.

    Args:
        weights: float64, axes (output, input), of each linear layer.
        biases: float64, axes (output,).
        rates: after each hidden layer.
        seed: of the masks.
    """

    def __init__(self, weights, biases, rates, seed):
        self.weights = [(weight, np.zeros_like(weight)) for weight in weights]
        self.biases = [(bias, np.zeros_like(bias)) for bias in biases]
        self.rates, self.seed = rates, seed

    def logits(self, x, step=None):
        """Logits and their bounds, axes (example, class); with what `gradients` needs."""
        hidden = x, np.zeros_like(x)
        kept = []
        for k, rate in enumerate(self.rates):
            z, error = self._affine(k, hidden)
            scale = np.zeros_like(z) + 1.0
            if rate and step is not None:
                keep = mask.keep(z.shape, rate, seed=self.seed, site=f"drop{k + 1}", step=step)
                scale = keep / (1 - mask.quantise(rate)) if rate < 1 else 0.0 * z
            kept.append((hidden, z, error, scale))
            value = np.maximum(z, 0) * scale
            hidden = value, error * scale * (1 + 2 * U) + 2 * U * np.abs(value)
        return *self._affine(len(self.rates), hidden), [*kept, hidden]

    def step(self, x, y, step, lr):
        """One step of plain SGD; the mean loss before it and its bound."""
        logits, error, kept = self.logits(x, step)
        loss, bound, gradient = self._loss(logits, error, y)
        updates = []
        hidden = kept.pop()
        for k in reversed(range(len(self.weights))):
            updates.append((k, self._product(gradient, hidden), self._sum(gradient)))
            if k:
                gradient = self._back(k, gradient)
                hidden, z, z_error, scale = kept.pop()
                value = gradient[0] * scale * (z > 0)
                # A unit that lies within its bound of zero may have been on either side.
                unsure = np.where(np.abs(z) <= z_error, np.abs(gradient[0]) * scale, 0)
                gradient = value, gradient[1] * scale * (1 + 2 * U) + unsure + 2 * U * np.abs(value)
        for k, weight, bias in updates:
            self.weights[k] = _moved(self.weights[k], weight, lr)
            self.biases[k] = _moved(self.biases[k], bias, lr)
        return loss, bound

    def measured(self, x, y):
        """Mean loss, its bound, accuracy, and the share of examples whose class the bounds leave open."""
        logits, error, _ = self.logits(x)
        loss, bound, _ = self._loss(logits, error, y)
        best = np.sort(logits, 1)
        unsure = best[:, -1] - best[:, -2] <= 2 * error.max(1)
        return loss, bound, np.mean(logits.argmax(1) == y), np.mean(unsure)

    def _affine(self, k, of):
        (x, e_x), (w, e_w), (b, e_b) = of, self.weights[k], self.biases[k]
        size = np.abs(x) @ np.abs(w).T + np.abs(b)
        error = np.abs(x) @ e_w.T + e_x @ (np.abs(w) + e_w).T + e_b
        return x @ w.T + b, error + gamma(x.shape[1] + 2) * (size + error)

    def _product(self, gradient, of):
        (g, e_g), (x, e_x) = gradient, of
        error = np.abs(g).T @ e_x + e_g.T @ (np.abs(x) + e_x)
        return g.T @ x, error + gamma(len(x) + 1) * (np.abs(g).T @ np.abs(x) + error)

    def _sum(self, gradient):
        g, e_g = gradient
        return g.sum(0), e_g.sum(0) + gamma(len(g)) * (np.abs(g) + e_g).sum(0)

    def _back(self, k, gradient):
        (g, e_g), (w, e_w) = gradient, self.weights[k]
        error = np.abs(g) @ e_w + e_g @ (np.abs(w) + e_w)
        return g @ w, error + gamma(w.shape[0] + 1) * (np.abs(g) @ np.abs(w) + error)

    def _loss(self, logits, error, y):
        """The mean cross-entropy, its bound, and the gradient of the logits with its bound."""
        count, classes = logits.shape
        top = logits.max(1, keepdims=True)
        p = np.exp(logits - top)
        p /= p.sum(1, keepdims=True)
        each = -np.log(p[np.arange(count), y])
        widest = error.max(1)
        # log-sum-exp moves by at most what its arguments do; its own roundings are those of C exponentials,
        # of their sum, of a logarithm, and of three differences of numbers of this size.
        own = (
            2 * LIBRARY
            + gamma(classes)
            + 4 * U * (np.ptp(logits, 1) + np.abs(logits).max(1) + np.log(classes))
        )
        bound = 2 * widest + own
        one_hot = np.eye(classes)[y]
        # d p = p (d l - <p, d l>), so |d p| <= 2 p max |d l|; to second order for what is far below 1.
        slope = p * (np.expm1(2 * bound) + LIBRARY)[:, None]
        gradient = (p - one_hot) / count, (slope + 4 * U) / count
        return each.mean(), bound.mean() + gamma(count + 2) * each.mean(), gradient


def _moved(parameter, gradient, lr):
    (value, error), (slope, e_slope) = parameter, gradient
    moved = value - lr * slope
    error = error + lr * e_slope
    return moved, error + 4 * U * (np.abs(value) + lr * np.abs(slope) + error)


def train(reference, data, *, seed, batch, lr, epochs):
    """Of each epoch: training loss and its bound, and what `measured` says of the test examples."""
    x, y = data.train_x.reshape(len(data.train_x), -1).astype(np.float64), data.train_y
    test_x, test_y = data.test_x.reshape(len(data.test_x), -1).astype(np.float64), data.test_y
    found, step = [], 0
    for epoch in range(epochs):
        order = shuffled(len(y), seed, epoch).numpy()
        total = bound = 0.0
        for start in range(0, len(y), batch):
            index = order[start : start + batch]
            loss, error = reference.step(x[index], y[index], step, lr)
            total, bound, step = total + loss * len(index), bound + error * len(index), step + 1
        found.append((total / len(y), bound / len(y), *reference.measured(test_x, test_y)))
    return found
