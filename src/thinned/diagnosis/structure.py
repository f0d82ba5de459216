"""Flax and Keras models: what the order of their layers' calls, their rates and two calls in each mode tell."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from thinned.diagnosis.finding import Finding, Layer, Place
from thinned.diagnosis.rule import all_rules

HIGHEST = 0.8


@dataclass
class Called:
    """One call of one layer.

    Args:
        name: its path.
        kind: its class.
        rate: of dropping, where it drops; else None.
        normalises: whether it keeps statistics of batches.
        weighted: whether it has weights that mix units.
        moments: mean and variance of its output.
    """

    name: str
    kind: str
    rate: float | None
    normalises: bool
    weighted: bool
    moments: tuple[float, float] | None = None


@dataclass
class Structure:
    """What was seen of a model.

    Args:
        layers: every dropout layer that it has, with its rate.
        train: calls in training, in order.
        evaluation: the same in evaluation.
        train_repeats: whether two calls in training, with other keys, gave the same; None where it was not run.
        evaluation_repeats: the same in evaluation.
        alike: groups of dropout layers whose keys are the same, and how that is known.
    """

    layers: list[Called] = field(default_factory=list)
    train: list[Called] = field(default_factory=list)
    evaluation: list[Called] = field(default_factory=list)
    train_repeats: bool | None = None
    evaluation_repeats: bool | None = None
    alike: list[tuple[list[str], str]] = field(default_factory=list)


def is_dropout(kind: str) -> bool:
    """By its name; a class that only holds dropouts has no rate."""
    return any(word in kind.lower() for word in ("dropout", "droppath", "drop_path"))


def moments(value: Any) -> tuple[float, float] | None:
    """Mean and variance of the first float array in what a layer returned."""
    first = value[0] if isinstance(value, (tuple, list)) and value else value
    try:
        array = np.asarray(first.detach().cpu() if hasattr(first, "detach") else first, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError):
        return None
    return (float(array.mean()), float(array.var())) if array.size else None


def layers(seen: Structure) -> tuple[Layer, ...]:
    """Activations in both modes, of layers that ran in both."""
    others = {call.name: call for call in seen.evaluation}
    return tuple(
        Layer(call.name, call.kind, call.moments, others[call.name].moments)  # type: ignore[arg-type]
        for call in seen.train
        if call.moments is not None and call.name in others and others[call.name].moments is not None
    )


def findings(seen: Structure) -> Iterator[Finding]:
    """Every rule that a structure can tell."""
    for check in (_modes, _rates, _alike, _order):
        yield from check(seen)


def _place(call: Called) -> Place:
    return Place(call.name, call.kind)


def _modes(seen: Structure) -> Iterator[Finding]:
    active = [call for call in seen.train if call.rate]
    where = _place(active[0]) if active else Place("")
    others = tuple(map(_place, active[1:]))
    if seen.evaluation_repeats is False:
        yield all_rules()["active-in-eval"].finding(
            place=where,
            more=others,
            evidence=f"2 calls in evaluation gave different outputs; {len(active)} dropout layers were called.",
            mend="Hand on the mode: deterministic (Flax) or training (Keras), and set it in evaluation.",
        )
    if seen.train_repeats is True and active:
        yield all_rules()["off-in-training"].finding(
            place=where,
            more=others,
            evidence=(
                f"2 calls in training with other keys gave the same output, though {len(active)} dropouts have "
                f"rates of up to {max(call.rate or 0 for call in active):g}."
            ),
            mend="Hand on the mode: deterministic=False (Flax) or training=True (Keras) in training.",
        )


def _rates(seen: Structure) -> Iterator[Finding]:
    zero = [_place(layer) for layer in seen.layers if layer.rate == 0]
    if zero:
        yield all_rules()["rate-zero"].finding(
            place=zero[0],
            more=tuple(zero[1:]),
            evidence=f"{len(zero)} of {len(seen.layers)} dropout layers have rate 0 and drop nothing.",
        )
    for layer in seen.layers:
        if layer.rate is not None and layer.rate > HIGHEST:
            yield all_rules()["high-rate"].finding(
                place=_place(layer), evidence=f"The rate is {layer.rate:g}."
            )


def _alike(seen: Structure) -> Iterator[Finding]:
    for names, how in seen.alike:
        kinds = {call.name: call.kind for call in (*seen.layers, *seen.train)}
        first, *others = [Place(name, kinds.get(name, "")) for name in names]
        yield all_rules()["same-mask-at-sites"].finding(
            place=first,
            more=tuple(others),
            evidence=f"{len(names)} dropout layers {how}: on inputs of one shape their masks are the same.",
            mend="Give each layer a key or a seed of its own; in Flax hand on one nnx.Rngs object.",
        )


def _order(seen: Structure) -> Iterator[Finding]:
    """Neighbours in the order of calls, which in these frameworks stands for the way of the data."""
    last: Called | None = None  # the last dropout, until a normalisation
    before: Called | None = None  # the dropout just before, until weights
    for call in seen.train:
        if call.rate is not None and call.rate > 0:
            if before is not None and before.name != call.name:
                keep = (1 - (before.rate or 0)) * (1 - call.rate)
                yield all_rules()["twice-in-a-row"].finding(
                    place=_place(call),
                    evidence=f"It is called after {before.name}, with no weights in between: {keep:.3g} are kept.",
                )
            last = before = call
        elif call.normalises:
            if last is not None:
                yield all_rules()["before-batch-norm"].finding(
                    place=_place(last), evidence=_shift(last, call, seen)
                )
            last = before = None
        elif call.weighted:
            before = None
    if seen.train and seen.train[-1].rate:
        yield all_rules()["after-last-layer"].finding(
            place=_place(seen.train[-1]),
            evidence=f"Of {len(seen.train)} calls of layers it is the last.",
        )


def _shift(drop: Called, norm: Called, seen: Structure) -> str:
    """The variance of what stands before the normalisation, in both modes."""
    names = [call.name for call in seen.train]
    place = names.index(norm.name)
    previous = seen.train[place - 1] if place else drop
    other = next((call for call in seen.evaluation if call.name == previous.name), None)
    told = f"{norm.name} ({norm.kind}) is called after it, with no other normalisation in between"
    if previous.moments is None or other is None or other.moments is None or not other.moments[1]:
        return f"{told}; its rate is {drop.rate:g}."
    ratio = previous.moments[1] / other.moments[1]
    return (
        f"{told}; the variance of what it reads is {ratio:.3f} times as large in training as in evaluation."
    )


def alike(keys: Sequence[tuple[str, Any]]) -> list[list[str]]:
    """Names with equal keys, where there are at least two."""
    groups: dict[Any, list[str]] = {}
    for name, key in keys:
        groups.setdefault(key, []).append(name)
    return [names for names in groups.values() if len(names) > 1]


Run = Callable[[bool], Any]


def same(a: Any, b: Any) -> bool:
    """Whether two outputs are the same."""
    pairs = zip(_leaves(a), _leaves(b), strict=True)
    return all(np.array_equal(x, y, equal_nan=True) for x, y in pairs)


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in _leaves(item)]
    return [np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)]
