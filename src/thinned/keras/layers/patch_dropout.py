"""Patch dropout as a layer: fewer tokens in training."""

from typing import Any

import keras

from thinned.errors import BindError, RateError
from thinned.keras._backend import backend
from thinned.keras._drawing import Drawing, Rated, Shape
from thinned.methods.patch_dropout import check_prefix, check_share, mask_shape
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class PatchDropout(Drawing, Rated):
    """Take a share `rate` of each sample's tokens out of the computation: the output has fewer.

        y = x[b, S_b],   S_b a random subset of floor(tokens (1 - rate)) tokens, at least one

    The subset of a sample is a function of its address and its place in the global batch; the law's whole words are
    drawn for the tokens behind the prefix, and the smallest stay. Training has fewer tokens than evaluation, so the
    layers behind it may not depend on how many there are; their shape is None to Keras.

    Args:
        rate: share of tokens that leaves, 0 <= rate < 1; may be set later, before a function that uses it is
            compiled.
        num_prefix_tokens: how many first tokens, such as the class token, stay in any case.
        ordered: keep the tokens in their order; else they come in the order of their draws.
        seed: of the free layer's generator, an integer in [0, 2^31); by default a random one.
        site: the name of its draws in a bound model; the layer's qualified name, by default.
        **kwargs: Keras' own: `name`, `dtype`, ...

    Raises:
        BindError: a bound batch that is not axis 0; on TensorFlow, tokens whose number a graph does not know.
        RateError: `rate` outside [0, 1), or a schedule, of which no compiled program could follow the shape.
        ShareError: a prefix that is no number of tokens; an input that is not (batch, token, *rest), or has no
            token behind the prefix.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.PatchDropout(0.75)
        >>> tuple(layer(keras.ops.ones((2, 1 + 16, 8)), training=True).shape)
        (2, 5, 8)

    References:
        Liu, Matsoukas, Strand, Azizpour, Smith, "PatchDropout: Economizing Vision Transformers Using Patch
        Dropout", 2023, https://arxiv.org/abs/2208.07220.
    """

    arguments = ("num_prefix_tokens", "ordered")

    def __init__(
        self,
        rate: Any = 0.5,
        num_prefix_tokens: int = 1,
        ordered: bool = False,
        seed: int | None = None,
        site: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, site=site, **kwargs)
        if isinstance(rate, Schedule):
            raise RateError(
                f"expected a number, since it decides how many tokens stay, which is a shape; got {rate}. Set "
                "layer.rate between compilations."
            )
        self.num_prefix_tokens = check_prefix(num_prefix_tokens)
        self.ordered = ordered
        self.supports_masking = False  # a mask would have to lose the same tokens

    def check(self, amount: Any) -> None:
        """Refuse a share that would leave no token.

        Raises:
            RateError: outside [0, 1), or NaN.
        """
        if not isinstance(amount, Schedule):
            check_share(amount)

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """The tokens that stay."""
        window, rows = self.window(x), None
        if window is not None:
            if self._binding is not None and self._binding.batch[0] != 0:  # type: ignore[index]
                raise BindError(
                    f"expected a batch on axis 0 of tokens (batch, token, *rest); the binding has it on axis "
                    f"{self._binding.batch[0]}."  # type: ignore[index]
                )
            rows = window[0][0], window[1][0]
        return backend.fewer(x, rate, self.num_prefix_tokens, self.ordered, rows, **at[0])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's, with a number of tokens that is not known."""
        mask_shape(input_shape, self.num_prefix_tokens)
        return (input_shape[0], None, *input_shape[2:])

    def mask_shapes(self, shape: Shape) -> list[tuple[int | None, ...]]:
        """A word for each token behind the prefix."""
        return [mask_shape(shape, self.num_prefix_tokens)]
