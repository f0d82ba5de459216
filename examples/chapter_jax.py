"""Dropout, as the textbook teaches it, in JAX: from scratch, with Flax's layers, and why they are one.

    python examples/chapter_jax.py --data digits --out runs/chapter-jax

1. `dropout_layer`: from a uniform draw to an array with holes.
2. `from_scratch`: a network that uses it; nothing but functions and arrays.
3. `train`: what is the same for every network.
4. `with_nnx`: the same network with NNX layers.
5. `with_a_key`: the same as a Linen module, whose training carries a key; `with_the_step`: and without it.
6. `lesson`: trains them, and shows that with the same draws they are the same network.

Zhang, Lipton, Li, Smola, "Dive into Deep Learning", section "Dropout", https://d2l.ai.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax  # type: ignore[import-untyped]
from command import options, save
from curves import Curves, Watch, in_terminal
from flax import linen as nn
from flax import nnx
from flax.training import train_state
from jax import Array

import thinned.flax
import thinned.jax
from thinned.lab.data import Data, default_name, load
from thinned.mask import quantise

RATES = (0.2, 0.5)  # of dropping: little near the input, much near the output
HIDDEN, BATCH, LEARNING_RATE = 256, 256, 0.5


# 1. From a uniform draw to an array with holes


def dropout_layer(x: Array, p: float, u: Array) -> Array:
    """Drop each element of `x` with probability `p`; `u` holds one uniform draw for each."""
    if not 0 <= p <= 1:
        raise ValueError(f"expected p in [0, 1], the probability of dropping; got {p}.")
    if p == 1:  # nobody is left, and x / (1 - p) would divide by zero
        return jnp.zeros_like(x)
    # u lies in [0, 1), so it falls below p with probability p. Those that stay grow by 1 / (1 - p), so that the
    # next layer expects the same sum as without dropout. `where` selects; multiplying by a mask would turn a
    # dropped infinity into NaN.
    return jnp.where(u >= p, x / (1 - p), 0)


# 2. A network from scratch

Weights: TypeAlias = dict[str, Array]

Draw: TypeAlias = Callable[[Sequence[int], str, Array], Array]
"""Where uniform draws come from: (shape, site, step) -> draws. In JAX a draw is always a function of something."""


def by_a_key(seed: int) -> Draw:
    """The textbook's draws: JAX's generator, whose key must be made anew for every layer and step, by hand."""

    def draw(shape: Sequence[int], site: str, step: Array) -> Array:
        key = jax.random.fold_in(jax.random.key(seed), step)
        return jax.random.uniform(jax.random.fold_in(key, int(site[-1])), shape)

    return draw


def by_the_law(seed: int) -> Draw:
    """The draws that belong to an address: the same in every framework."""
    return lambda shape, site, step: thinned.jax.uniform(shape, seed=seed, site=site, step=step)


def first_weights(inputs: int, classes: int) -> Weights:
    """Drawn from N(0, 0.01), 0.01 the deviation."""
    sizes = (inputs, HIDDEN, HIDDEN, classes)
    random = np.random.default_rng(0)
    weights = {}
    for i in (1, 2, 3):
        weights[f"W{i}"] = jnp.asarray(random.normal(0, 0.01, sizes[i - 1 : i + 1]), float)
        weights[f"b{i}"] = jnp.zeros(sizes[i])
    return weights


def mlp(weights: Weights, x: Array, thin: Callable[[Array, int], Array] = lambda h, which: h) -> Array:
    """Scores, axes (example, class). `thin` drops, in training; whoever predicts asks the whole network."""
    h = thin(jax.nn.relu(x @ weights["W1"] + weights["b1"]), 0)
    h = thin(jax.nn.relu(h @ weights["W2"] + weights["b2"]), 1)
    scores: Array = h @ weights["W3"] + weights["b3"]
    return scores


@dataclass
class Learner:
    """A network in training.

    Args:
        state: all that changes: weights, step, keys.
        update: (state, x, y) -> the next state, the loss, the scores.
        predict: (state, x) -> scores, without dropout.
        weights: state -> the weights, named as `first_weights` names them.
    """

    state: Any
    update: Callable[[Any, Array, Array], tuple[Any, Array, Array]]
    predict: Callable[[Any, Array], Array]
    weights: Callable[[Any], Weights]


def cross_entropy(scores: Array, y: Array) -> Array:
    loss: Array = optax.softmax_cross_entropy_with_integer_labels(scores, y).mean()
    return loss


def from_scratch(start: Weights, draw: Draw, rates: tuple[float, float] = RATES) -> Learner:
    """The network of section 2."""

    @jax.jit
    def update(state: tuple[Weights, Array], x: Array, y: Array) -> tuple[Any, Array, Array]:
        weights, step = state

        def thin(h: Array, which: int) -> Array:
            return dropout_layer(h, rates[which], draw(h.shape, f"drop{which + 1}", step))

        def loss(weights: Weights) -> tuple[Array, Array]:
            scores = mlp(weights, x, thin)
            return cross_entropy(scores, y), scores

        (value, scores), slopes = jax.value_and_grad(loss, has_aux=True)(weights)
        following = jax.tree.map(lambda w, slope: w - LEARNING_RATE * slope, weights, slopes)
        return (following, step + 1), value, scores

    return Learner(
        (start, jnp.uint32(0)), update, jax.jit(lambda state, x: mlp(state[0], x)), lambda state: state[0]
    )


# 3. What is the same for every network


def train(learner: Learner, data: Data, title: str, epochs: int, watch: Watch) -> Curves:
    """Minibatch gradient descent on the cross-entropy."""
    x, y = flat(data.train_x), jnp.asarray(data.train_y)
    test_x, test_y = flat(data.test_x), jnp.asarray(data.test_y)
    shuffle = np.random.default_rng(0)  # its own, so that every network sees the same batches
    curves = Curves(title, epochs)
    for _ in range(epochs):
        losses, hits = 0.0, 0
        order = shuffle.permutation(len(x))
        for first in range(0, len(x), BATCH):
            rows = order[first : first + BATCH]
            learner.state, loss, scores = learner.update(learner.state, x[rows], y[rows])
            losses += float(loss) * len(rows)
            hits += int((scores.argmax(1) == y[rows]).sum())
        # The training curves are taken with units dropped and the test curve without: that, and not a
        # mistake, is why the test accuracy may lie above the training accuracy.
        test = float((learner.predict(learner.state, test_x).argmax(1) == test_y).mean())
        curves.add(losses / len(x), hits / len(x), test)
        watch(curves)
    return curves


def flat(images: Any) -> Array:
    """Axes (example, pixel), in the precision that JAX is set to."""
    return jnp.asarray(images.reshape(len(images), -1), float)


# 4. The same network with NNX layers


class DropoutMLP(nnx.Module):
    """What you would really write: `Dropout` knows whether it trains, and, bound, its mask's address."""

    def __init__(self, inputs: int, classes: int, rngs: nnx.Rngs) -> None:
        self.lin1 = nnx.Linear(inputs, HIDDEN, rngs=rngs, param_dtype=float)
        self.drop1 = thinned.flax.Dropout(RATES[0], rngs=rngs)
        self.lin2 = nnx.Linear(HIDDEN, HIDDEN, rngs=rngs, param_dtype=float)
        self.drop2 = thinned.flax.Dropout(RATES[1], rngs=rngs)
        self.lin3 = nnx.Linear(HIDDEN, classes, rngs=rngs, param_dtype=float)

    def __call__(self, x: Array) -> Array:
        """Scores, axes (example, class)."""
        h = self.drop1(jax.nn.relu(self.lin1(x)))
        h = self.drop2(jax.nn.relu(self.lin2(h)))
        return self.lin3(h)


def with_nnx(start: Weights, seed: int) -> Learner:
    """Bound: the model counts its own steps, inside `nnx.jit` too."""
    net = DropoutMLP(start["W1"].shape[0], start["W3"].shape[1], nnx.Rngs(0))
    layers: list[Any] = [net.lin1, net.lin2, net.lin3]
    for i, linear in enumerate(layers, 1):
        linear.kernel[...], linear.bias[...] = start[f"W{i}"], start[f"b{i}"]
    thinned.flax.bind(net, seed=seed)
    optimizer = nnx.Optimizer(net, optax.sgd(LEARNING_RATE), wrt=nnx.Param)

    @nnx.jit
    def one_step(net: Any, optimizer: Any, x: Array, y: Array) -> tuple[Array, Array]:
        def loss(net: Any) -> tuple[Array, Array]:
            scores = net(x)
            return cross_entropy(scores, y), scores

        (value, scores), slopes = nnx.value_and_grad(loss, has_aux=True)(net)
        optimizer.update(net, slopes)
        return value, scores

    def update(state: Any, x: Array, y: Array) -> tuple[Any, Array, Array]:
        net.train()  # type: ignore[no-untyped-call]
        value, scores = one_step(net, optimizer, x, y)
        return state, value, scores

    def predict(state: Any, x: Array) -> Array:
        net.eval()  # type: ignore[no-untyped-call]
        return net(x)

    def weights(state: Any) -> Weights:
        named = list(enumerate(layers, 1))
        return {f"W{i}": layer.kernel[...] for i, layer in named} | {
            f"b{i}": layer.bias[...] for i, layer in named
        }

    return Learner(None, update, predict, weights)


# 5. The same network as a Linen module


class LinenMLP(nn.Module):
    """The textbook's: it owns no weights, they are passed to `apply`, and so is what dropout draws by."""

    classes: int

    @nn.compact
    def __call__(self, x: Array, training: bool) -> Array:
        """Scores, axes (example, class)."""
        x = nn.relu(nn.Dense(HIDDEN, name="lin1", param_dtype=float)(x))
        x = thinned.flax.linen.Dropout(RATES[0], deterministic=not training, name="drop1")(x)
        x = nn.relu(nn.Dense(HIDDEN, name="lin2", param_dtype=float)(x))
        x = thinned.flax.linen.Dropout(RATES[1], deterministic=not training, name="drop2")(x)
        scores: Array = nn.Dense(self.classes, name="lin3", param_dtype=float)(x)
        return scores


class TrainState(train_state.TrainState):  # type: ignore[no-untyped-call]
    """The textbook's: Flax's, and beside it the key that dropout draws by."""

    dropout_rng: Array


def with_a_key(start: Weights, seed: int) -> Learner:
    """The textbook's way: a key travels with the state, and must be renewed at every step."""
    net = LinenMLP(start["W3"].shape[1])
    create: Any = TrainState.create
    state = create(
        apply_fn=net.apply,
        params=as_parameters(start),
        tx=optax.sgd(LEARNING_RATE),
        dropout_rng=jax.random.key(seed),
    )

    @jax.jit
    def update(state: Any, x: Array, y: Array) -> tuple[Any, Array, Array]:
        dropout_rng, following = jax.random.split(state.dropout_rng)

        def loss(params: Any) -> tuple[Array, Array]:
            scores = state.apply_fn({"params": params}, x, training=True, rngs={"dropout": dropout_rng})
            return cross_entropy(scores, y), scores

        (value, scores), slopes = jax.value_and_grad(loss, has_aux=True)(state.params)
        return state.apply_gradients(grads=slopes, dropout_rng=following), value, scores

    return Learner(state, update, predict_with(net), lambda state: as_weights(state.params))


def with_the_step(start: Weights, seed: int) -> Learner:
    """The step *is* the key: the state counts its steps already, and with the seed that is all a mask needs."""
    net = LinenMLP(start["W3"].shape[1])
    create: Any = train_state.TrainState.create
    state = create(
        apply_fn=thinned.flax.bind(net, seed=seed).apply,
        params=as_parameters(start),
        tx=optax.sgd(LEARNING_RATE),
    )

    @jax.jit
    def update(state: Any, x: Array, y: Array) -> tuple[Any, Array, Array]:
        def loss(params: Any) -> tuple[Array, Array]:
            scores = state.apply_fn({"params": params}, x, training=True, step=state.step)
            return cross_entropy(scores, y), scores

        (value, scores), slopes = jax.value_and_grad(loss, has_aux=True)(state.params)
        return state.apply_gradients(grads=slopes), value, scores

    return Learner(state, update, predict_with(net), lambda state: as_weights(state.params))


def predict_with(net: LinenMLP) -> Callable[[Any, Array], Array]:
    def predict(state: Any, x: Array) -> Array:
        scores: Any = net.apply({"params": state.params}, x, training=False)
        return scores  # type: ignore[no-any-return]

    return jax.jit(predict)


def as_parameters(weights: Weights) -> dict[str, dict[str, Array]]:
    """Weights as Linen names them."""
    return {f"lin{i}": {"kernel": weights[f"W{i}"], "bias": weights[f"b{i}"]} for i in (1, 2, 3)}


def as_weights(parameters: dict[str, dict[str, Array]]) -> Weights:
    """And back."""
    return {f"{short}{i}": parameters[f"lin{i}"][long] for i in (1, 2, 3) for short, long in NAMES}


NAMES = (("W", "kernel"), ("b", "bias"))


# 6. The lesson


def largest_difference(one: Weights, other: Weights) -> float:
    """Between any weight of the one and the same weight of the other."""
    return max(float(jnp.abs(one[name] - other[name]).max()) for name in one)


def lesson(
    data: Data, epochs: int, live: Callable[[], AbstractContextManager[Watch]] = in_terminal, seed: int = 0
) -> tuple[list[Curves], float]:
    """Train the five networks; give their curves, and how far those with the same draws ended apart."""

    def trained(learner: Learner, title: str) -> Curves:
        with live() as watch:
            return train(learner, data, title, epochs, watch)

    shape = data.train_x[0].size, len(data.classes)
    start = first_weights(*shape)
    curves = [
        trained(from_scratch(start, by_a_key(seed)), "from scratch"),
        trained(with_a_key(start, seed), "Linen, with a key"),
    ]
    # In float64, where rounding stays far below anything that dropout does. The law compares 16-bit integers, so
    # a rate is a multiple of 2^-16: `quantise` gives the one meant.
    with jax.enable_x64(True):
        start = first_weights(*shape)
        rates = (quantise(RATES[0]), quantise(RATES[1]))
        scratch = from_scratch(start, by_the_law(seed), rates)
        layers, steps = with_nnx(start, seed), with_the_step(start, seed)
        curves.append(trained(scratch, "from scratch, the law's draws"))
        curves.append(trained(layers, "NNX, bound"))
        curves.append(trained(steps, "Linen, by the step"))
        weights = [learner.weights(learner.state) for learner in (scratch, layers, steps)]
        difference = max(largest_difference(weights[0], other) for other in weights[1:])
    return curves, difference


def textbook_epochs(data: Data) -> int:
    """Ten; on small data more, since it is steps that leave the flat start of N(0, 0.01), some hundred here."""
    return max(10, math.ceil(600 / math.ceil(len(data.train_x) / BATCH)))


def show_dropout_layer() -> None:
    x = jnp.arange(16.0).reshape(2, 8)
    u = jax.random.uniform(jax.random.key(0), x.shape)
    print("x:", x, sep="\n")
    for p in (0.0, 0.5, 1.0):
        print(f"dropout_layer(x, {p}):", dropout_layer(x, p, u), sep="\n")


def main(arguments: Sequence[str] | None = None) -> None:
    asked = options("Dropout in JAX, from scratch and with layers.", "runs/chapter-jax", arguments)
    show_dropout_layer()
    data = load(asked.data or default_name())
    epochs = asked.epochs or textbook_epochs(data)
    print(f"\n{data.source}")
    print(f"{len(data.train_x)} training and {len(data.test_x)} test examples, {epochs} epochs.\n")
    curves, difference = lesson(data, epochs)
    print(f"\nThe three networks with the same draws differ by at most {difference:.1e} in any weight.")
    save(curves, asked.out)


if __name__ == "__main__":
    main()
