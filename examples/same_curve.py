"""One seed, two frameworks, one learning curve: PyTorch and JAX train one network, with dropout switched on.

    python examples/same_curve.py --out runs/same-curve

Both begin with the same weights, see the same minibatches, and drop the same units, since a mask is a function of
its address and not of the framework that asks. `thinned study frameworks` does the same in up to nine frameworks,
in float32 too, and with a test of equivalence.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import thinned.jax
import thinned.torch
from thinned import mask
from thinned.lab.data import load
from thinned.lab.frameworks.batches import batches
from thinned.lab.frameworks.weights import drawn

jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]

SEED, RATES, HIDDEN, BATCH, LEARNING_RATE = 0, (0.2, 0.5), 256, 256, 0.5

Step: TypeAlias = tuple[float, list[Any]]
"""The loss of a step, and what came out of its two dropouts."""
Train: TypeAlias = Callable[[Any, Any], Step]


# 1. PyTorch: layers, bound to the seed. A layer's site is its name: drop1, drop2.


class Network(nn.Module):
    """The chapter's network."""

    def __init__(self, features: int, classes: int, drop: Callable[[float], nn.Module]) -> None:
        super().__init__()
        self.lin1, self.drop1 = nn.Linear(features, HIDDEN), drop(RATES[0])
        self.lin2, self.drop2 = nn.Linear(HIDDEN, HIDDEN), drop(RATES[1])
        self.lin3 = nn.Linear(HIDDEN, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores, and what came out of the dropouts."""
        d1 = self.drop1(off_is_minus_zero(self.lin1(x)))
        d2 = self.drop2(off_is_minus_zero(self.lin2(d1)))
        return self.lin3(d2), [d1, d2]


def off_is_minus_zero(z: Tensor) -> Tensor:
    """`relu`, but for the sign of 0: so the sign tells whether dropout kept a unit that is off."""
    return torch.where(z > 0, z, -0.0)


def in_torch(start: dict[str, Any], drop: Callable[[float], nn.Module] = thinned.torch.Dropout) -> Train:
    net = Network(start["lin1.weight"].shape[1], len(start["lin3.bias"]), drop).double()
    net.load_state_dict({name: torch.tensor(array, dtype=torch.float64) for name, array in start.items()})
    if drop is thinned.torch.Dropout:
        thinned.torch.bind(net, seed=SEED)
    sgd = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE)

    def train(x: Any, y: Any) -> Step:
        scores, dropped = net(torch.from_numpy(x))
        loss = nn.functional.cross_entropy(scores, torch.from_numpy(y))
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        return loss.item(), [d.detach().numpy() for d in dropped]

    return train


# 2. JAX: functions of the address, in one compiled step whose number is data.


def in_jax(start: dict[str, Any]) -> Train:
    w = {name: jnp.asarray(array, jnp.float64) for name, array in start.items()}
    count = 0

    def network(w: Any, x: Any, step: Any) -> Any:
        h, dropped = x, []
        for k, rate in enumerate(RATES, 1):
            z = h @ w[f"lin{k}.weight"].T + w[f"lin{k}.bias"]
            h = thinned.jax.dropout(jnp.where(z > 0, z, -0.0), rate, seed=SEED, site=f"drop{k}", step=step)
            dropped.append(h)
        return h @ w["lin3.weight"].T + w["lin3.bias"], dropped

    def loss(w: Any, x: Any, y: Any, step: Any) -> Any:
        scores, dropped = network(w, x, step)
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], 1).mean(), dropped

    @jax.jit
    def descend(w: Any, x: Any, y: Any, step: Any) -> Any:
        (value, dropped), gradient = jax.value_and_grad(loss, has_aux=True)(w, x, y, step)
        return jax.tree.map(lambda each, g: each - LEARNING_RATE * g, w, gradient), value, dropped

    def train(x: Any, y: Any) -> Step:
        nonlocal w, count
        w, value, dropped = descend(w, x, y, np.uint32(count))
        count += 1
        return float(value), [np.asarray(d) for d in dropped]

    return train


# 3. What is the same for both


@cache  # of arrays that nobody changes; the readable NumPy truth is slow
def law(shape: tuple[int, int], k: int, step: int) -> Any:
    return mask.keep(shape, RATES[k - 1], seed=SEED, site=f"drop{k}", step=step)


def curve(train: Train, data: Any, steps: int, wrong: list[int]) -> Iterator[float]:
    """The loss of each step; how many elements of its masks are not the law's goes into `wrong`."""
    x, y = data.train_x.reshape(len(data.train_y), -1).astype(np.float64), data.train_y
    for step, rows in enumerate(batches(len(y), BATCH, steps, SEED)):
        loss, dropped = train(x[rows], y[rows])
        for k, d in enumerate(dropped, 1):
            kept = (d != 0) | np.signbit(d)
            wrong.append(int((kept != law(d.shape, k, step)).sum()))
        yield loss


def picture(curves: dict[str, list[float]]) -> Figure:
    """Each curve thinner than the one below it, so that those that lie on each other are seen."""
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    for (name, losses), width in zip(curves.items(), (6, 2, 1), strict=True):
        axes.plot(range(1, len(losses) + 1), losses, label=name, linewidth=width)
    axes.set(xlabel="step", ylabel="training loss, nats")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="One learning curve in two frameworks.")
    parser.add_argument("--data", default="digits", help="digits, fashion-mnist or a path (default: digits)")
    parser.add_argument("--steps", type=int, default=200, help="of training (default: 200)")
    parser.add_argument("--out", type=Path, default=Path("runs/same-curve"), help="folder for the picture")
    asked = parser.parse_args(arguments)
    data = load(asked.data)
    start = drawn(data.train_x[0].size, HIDDEN, len(data.classes), SEED)
    torch.manual_seed(SEED)
    trains = {
        "PyTorch": in_torch(start),
        "JAX": in_jax(start),
        "PyTorch, its own dropout": in_torch(start, nn.Dropout),
    }
    curves, wrong = {}, {}
    for name, train in trains.items():
        wrong[name] = list[int]()
        curves[name] = list(curve(train, data, asked.steps, wrong[name]))
        print(f"{name}: {sum(map(bool, wrong[name]))} of {len(wrong[name])} masks are not the law's.")
    ours, theirs, own = map(np.array, curves.values())
    print(f"Losses of PyTorch and JAX differ by at most {np.max(np.abs(ours - theirs) / ours):.1e} relative,")
    print(
        f"those of PyTorch with the law's masks and with its own by up to {np.max(np.abs(ours - own) / ours):.1e}."
    )
    asked.out.mkdir(parents=True, exist_ok=True)
    picture(curves).savefig(asked.out / "same_curve.png", dpi=120)
    print(f"Picture: {asked.out / 'same_curve.png'}")


if __name__ == "__main__":
    main()
