"""Which networks there are, which methods of the catalogue a perceptron can train with, and how strong each is.

The table holds names alone, so that a configuration can be checked where PyTorch is not open; `models.py` puts
each kind into a network.
"""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from thinned.errors import ConfigurationError
from thinned.mask import threshold

Kind: TypeAlias = Literal["activation", "rectifier", "linear", "loss", "step"]
"""Where a method sits. "activation": a layer at the activation. "rectifier": in the activation's place. "linear":
in the place of a linear layer, or around it. "loss": dropout, and another loss. "step": what is done to the weights
after each step."""

MODELS = {
    "mlp": "thinned.lab.models",
    "transformer": "thinned.lab.transformer",
    "published": "thinned.lab.published",
}
"""The networks, each a function in the module that is named, from `(shape, classes, configuration, seed)`."""


@dataclass(frozen=True, slots=True)
class Method:
    """How a method is used in a perceptron.

    Args:
        name: in the catalogue, and in `thinned.torch`.
        kind: where it sits.
        strength: what a configuration's `rates` are for it: "probability" of dropping, or "size", a number above
            0 in the method's own unit.
        unit: what the strength is, in words.
        maps: how many positions each channel of a layer of channels gets, as its units are seen as (channel,
            position); 0 leaves them as units.
    """

    name: str
    kind: Kind = "activation"
    strength: Literal["probability", "size"] = "probability"
    unit: str = "probability of dropping"
    maps: int = 0

    def check(self, value: float) -> None:
        """Pass a strength.

        Raises:
            RateError: a probability that no mask stands for.
            ConfigurationError: a size that is negative or not finite.
        """
        if self.strength == "probability":
            threshold(value)
        elif not 0 <= value < math.inf:
            raise ConfigurationError(
                f"expected a strength of 0 or more for {self.name} ({self.unit}); got {value}."
            )


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("Dropout"),
        Method("Dropout1d", maps=4),
        Method("AlphaDropout"),
        Method("FeatureAlphaDropout", maps=4),
        Method("GaussianDropout", unit="rate of the dropout with the same variance"),
        Method("UniformDropout", unit="rate of the dropout with the same variance"),
        Method("StochasticReLU", "rectifier"),
        Method("GaussianNoise", strength="size", unit="standard deviation"),
        Method("DropBlock1d", maps=4),
        Method("BatchDropout"),
        Method("DropConnectLinear", "linear", unit="probability of dropping a weight"),
        Method("Mixout", "linear", unit="probability of the initial weight"),
        Method("ConcreteDropout", "linear", unit="rate at the start of training"),
        Method("r_drop", "loss", unit="probability of dropping; `alpha` weighs the divergence"),
        Method("max_norm", "step", strength="size", unit="largest norm of a unit's weights"),
    )
}
"""By name. The others of the catalogue need what a perceptron has not: time, attention, tokens, recurrence."""
