"""PyTorch's modules."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from thinned.conformance.adapters.torch import Torch
from thinned.conformance.subject import Subject

Caller = Callable[..., Any] | None
"""How a layer is called, where that is stated: with the layer and an input."""


class Module:
    """A module; PyTorch's generator, which the subject's maker seeded, is its randomness."""

    def __init__(self, layer: nn.Module, train: Caller, evaluate: Caller) -> None:
        self.layer, self._train, self._evaluate = layer.train(), train, evaluate

    @property
    def raw(self) -> Callable[..., Any]:
        """The module in training."""
        self.layer.train()
        return self.layer if self._train is None else partial(self._train, self.layer)

    def token(self) -> tuple[Any, ...]:
        """None: the module draws from a global generator."""
        return ()

    def __call__(self, x: Any) -> Any:
        """The next call in training."""
        return self.raw(x)

    def evaluate(self, x: Any) -> Any:
        """A call in evaluation."""
        try:
            self.layer.eval()
            return self.layer(x) if self._evaluate is None else self._evaluate(self.layer, x)
        finally:
            self.layer.train()


def module_subject(
    make_layer: Callable[[float], nn.Module],
    *,
    kind: str,
    name: str,
    ours: bool,
    lacks: dict[str, str],
    train: Caller = None,
    evaluate: Caller = None,
) -> Subject:
    """A subject of what makes a module."""
    runtime = Torch()

    def make(rate: float, seed: int) -> Module:
        runtime.seed(seed)
        return Module(make_layer(rate), train, evaluate)

    def twin(rate: float, seed: int) -> tuple[Module, Module]:
        runtime.seed(seed)
        return Module(make_layer(rate), train, evaluate), Module(make_layer(rate), train, evaluate)

    return Subject(name, kind, runtime, make, twin, lacks, frozenset({"torch"}), ours)
