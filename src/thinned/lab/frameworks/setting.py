"""What one training is, in plain values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

SITES = ("drop1", "drop2")
"""The layers that drop, by name: the same in every framework, so the same sites."""

LINEAR = ("lin1", "lin2", "lin3")


@dataclass(frozen=True, slots=True)
class Setting:
    """One training of the chapter's network: two hidden layers, dropout after each, plain gradient descent.

    Args:
        dtype: of weights, activations and losses: "float64" or "float32".
        drops: "law", or "built-in" for the framework's own dropout.
        restart: 0 begins with the weights as they were drawn; every other number moves each of them by one unit
            in the last place of a float32, up or down.
        steps: of training.
        seed: of the weights, the order of examples, and the masks.
        rates: of dropping after each hidden layer.
        hidden: units of each hidden layer.
        lr: learning rate.
        batch: examples of a minibatch; those of an epoch that fill none are left out.
    """

    dtype: str
    drops: str
    restart: int
    steps: int
    seed: int
    rates: tuple[float, float] = (0.2, 0.5)
    hidden: int = 256
    lr: float = 0.5
    batch: int = 256

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"rates": list(self.rates)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Setting":
        """The reverse of `as_json`.

        Example:
            >>> setting = Setting("float64", "law", 0, 200, 0)
            >>> Setting.from_json(setting.as_json()) == setting
            True
        """
        first, second = values["rates"]
        return cls(**{**values, "rates": (first, second)})
