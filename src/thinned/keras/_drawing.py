"""What every layer of ours has in common: an address for each draw, free or bound."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras.src.backend.common.symbolic_scope import in_symbolic_scope

from thinned.errors import AddressError, BindError
from thinned.keras._backend import backend
from thinned.keras._binding import Binding, Draw, adopt
from thinned.keras._rates import check_schedule, read, written
from thinned.mask.rate import threshold
from thinned.mask.sharing import Window
from thinned.methods.schedule import Schedule
from thinned.methods.site import check_site

Shape = Sequence[int | None]
"""Of an input; sizes that are not known yet are None."""


class Drawing(keras.Layer):  # type: ignore[misc]
    """A layer that draws: free until its model is bound, then each draw has an address.

    Behind it among a subclass's bases stands a Keras layer that takes a rate and a seed, or `Rated`. A subclass
    says what is done with the draws, and along which axes one is shared.
    """

    is_thinned = True
    parts: tuple[str, ...] = ("",)
    word: ClassVar[str] = "rate"
    """What Keras calls the rate, or what stands in its place."""

    arguments: ClassVar[tuple[str, ...]] = ()
    """The arguments that Keras' part does not write into a configuration."""

    site: str | None = None
    _binding: Binding | None = None
    _site_name = ""

    def __init__(self, rate: Any, *, site: str | None = None, **kwargs: Any) -> None:
        check_site(site)
        _check_seed(kwargs.get("seed"))
        check_schedule(rate)
        is_schedule = isinstance(rate, Schedule)
        if not is_schedule:
            self.check(rate)  # before Keras, which compares with numbers whatever it is given
        try:
            super().__init__(0.5 if is_schedule else rate, **kwargs)
        except ValueError as error:
            if "Unrecognized keyword" not in str(error):
                raise
            raise TypeError(str(error)) from None  # as Python says of any other function
        if is_schedule:
            setattr(self, self.word, rate)
        self.site = site
        remember(self, kwargs.get("name") is None)

    @property
    def amount(self) -> Any:
        """The rate, or what stands in its place: 0 draws nothing."""
        return getattr(self, self.word)

    def check(self, amount: Any) -> None:
        """Refuse a constant that is no rate.

        Raises:
            RateError: no threshold stands for it.
        """
        threshold(amount)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Draw in training; in evaluation and at rate 0 return what needs no draw."""
        if in_symbolic_scope():
            return self.undrawn(inputs)  # Keras asks for shapes: that is no draw
        drops = bool(training) and self.amount != 0
        if self._binding is None and drops:
            adopt(self)
        draws = self._draws(drops)
        if draws is None:
            return self.undrawn(inputs)
        rate = self._rate_at(draws[0].step)
        return self.drawn(inputs, rate, *(draw._asdict() for draw in draws))

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """The output in training, given the address of each part as keyword arguments of a function."""
        raise NotImplementedError

    def undrawn(self, x: Any) -> Any:
        """The output where nothing is drawn."""
        return x

    def window(self, x: Any) -> Window | None:
        """Where the rows of `x` lie in the global batch, for draws that differ between samples."""
        return None if self._binding is None else self._binding.window(x)

    def shared(self, shape: Shape) -> tuple[int, ...]:
        """The axes of an input of this shape that one draw is shared along.

        Raises:
            ShareError: a `noise_shape` that does not fit.
        """
        return ()

    def mask_shapes(self, shape: Shape) -> list[tuple[int | None, ...]]:
        """The shape of each part's mask, for the table of sites."""
        shared = self.shared(shape)
        return [tuple(1 if axis in shared else size for axis, size in enumerate(shape))] * len(self.parts)

    def stated_rate(self, step: int = 0) -> float:
        """The rate for the table of sites; of a schedule, what it is at a step, and 0 of what has none."""
        rate = vars(self).get("rate", 0.0)
        return rate(step) if isinstance(rate, Schedule) else float(rate)

    def rematerialized_call(self, layer_call: Any, *args: Any, **kwargs: Any) -> Any:
        """`layer_call` itself: nothing is kept for the backward pass but the address."""
        return layer_call

    def get_config(self) -> dict[str, Any]:
        """Keras' own, and ours; the site, where one was given; and whether Keras made the name up."""
        config: dict[str, Any] = super().get_config()
        config.update({name: getattr(self, name) for name in self.arguments})
        config[self.word] = written(self.amount)
        if self.site is not None:
            config["site"] = self.site
        if vars(self)["_has_automatic_name"]:
            config["automatic_name"] = True
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The reverse of `get_config`."""
        config = dict(config)
        config[cls.word] = read(config[cls.word])
        is_automatic = config.pop("automatic_name", False)
        layer = super().from_config(config)
        remember(layer, is_automatic)
        return layer

    def _draws(self, drops: bool) -> list[Draw] | None:
        """The address of each part, or None where nothing is drawn."""
        binding = self._binding
        if binding is None:
            return [self._fresh() for _ in self.parts] if drops else None
        found = [binding.use(self._site_name, drops, part) for part in self.parts]
        draws = [draw for draw in found if draw is not None]
        return draws if len(draws) == len(found) else None

    def _fresh(self) -> Draw:
        return Draw(backend.seed(self.seed_generator.next()), 0, 0)

    def _rate_at(self, step: Any, amount: Any = None) -> Any:
        amount = self.amount if amount is None else amount
        if not isinstance(amount, Schedule):
            return amount
        if self._binding is None:
            raise BindError(
                f"expected a bound model for {type(self).__name__} with {amount}, whose rate follows the "
                "model's step; got a free layer. Call thinned.keras.bind(model, seed)."
            )
        return backend.rate_at(amount, step)


class Rated(keras.Layer):  # type: ignore[misc]
    """A rate and a seed, as Keras' own layers take and keep them."""

    def __init__(self, rate: Any, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed
        self.supports_masking = True

    def get_config(self) -> dict[str, Any]:
        """Keras', and these two."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


class Alike(Rated):
    """The same of a layer whose output has its input's shape."""

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape


def _check_seed(seed: Any) -> None:
    """Refuse what the backends' generators would take in different ways, or not at all."""
    if seed is not None and not (isinstance(seed, int) and 0 <= seed < 1 << 31):
        raise AddressError(
            f"expected a free layer's seed in [0, 2^31), integers that Keras' generators have on every backend; "
            f"got {seed!r}. thinned.keras.bind takes 64 bits."
        )


def remember(layer: Any, is_automatic: bool) -> None:
    """Note whether Keras made a layer's name up, and see that it can draw when its rate is set later."""
    # Past Keras' __setattr__, which would track what needs no tracking.
    vars(layer)["_has_automatic_name"] = is_automatic
    if not hasattr(layer, "seed_generator"):  # Keras makes none at rate 0
        was_locked = layer._tracker.locked
        layer._tracker.unlock()
        layer.seed_generator = keras.random.SeedGenerator(layer.seed)
        layer._tracker.locked = was_locked
