"""Any law of `thinned.methods` on tensors: eager by the kernel, in graphs by TensorFlow's own operations."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

import tensorflow as tf

from thinned.errors import DtypeError, ThinnedError
from thinned.mask.rate import LEVELS
from thinned.mask.sharing import Share, Window
from thinned.methods.law import MULTIPLY, NORMAL, SELECT, UNIFORM, WORD, Law, Setting
from thinned.tensorflow import _kernel
from thinned.tensorflow._address import Coordinate, Coordinates, Tensor, coordinates, counter, level, size
from thinned.tensorflow._draws import draws
from thinned.tensorflow._place import Read, place, read

Result = TypeVar("Result")

_DTYPES = (tf.float32, tf.float64, tf.bfloat16, tf.float16)

Address = tuple[Coordinate, Coordinate, Coordinate, Coordinate]


class Draw(NamedTuple):
    """Everything that an output depends on besides its input: all that a gradient needs.

    Args:
        law: what is drawn and done.
        amount: a threshold, or the bits of a size; in a graph perhaps a tensor: a threshold, or the size itself.
        at: the address.
        share: axes along which one draw is shared.
        window: where the tensor is part of a larger one.
    """

    law: Law
    amount: int | Tensor
    at: Coordinates
    share: Share
    window: Read | None


def apply(
    x: Any, law: Law, value: Any, address: Address, share: Share = (), window: Window | None = None
) -> Tensor:
    """A law on a tensor.

    Args:
        x: whatever TensorFlow makes a float tensor of.
        law: what is drawn and done.
        value: what the law's amount stands for: a rate, or a standard deviation; or a tensor of one number.
        address: seed, site, step, draw.
        share: axes along which one draw is shared.
        window: where `x` is part of a larger tensor.
    """
    return guarded(_apply, x, law, value, address, share, window)


def guarded(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call something that AutoGraph leaves alone, and have it leave our errors alone too."""
    try:
        return function(*arguments)
    except ThinnedError as error:
        # AutoGraph replaces the errors of a traced function, save those that ask to be left as they are.
        error.ag_pass_through = True  # type: ignore[attr-defined]
        raise


@tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
def _apply(x: Any, law: Law, value: Any, address: Address, share: Share, window: Window | None) -> Tensor:
    x, at = dense(x), coordinates(address)
    share = tuple(share) if isinstance(share, Iterable) else share  # it is read again for the gradient
    amount = size(value) if law.measure == "size" else level(value)
    return _run(x, Draw(law, amount, at, share, read(window)))


def dense(x: Any) -> Tensor:
    """`x` as a tensor of a dtype that can be scaled.

    Raises:
        DtypeError: another one, or one that is not dense.
    """
    if isinstance(x, (tf.RaggedTensor, tf.SparseTensor, tf.IndexedSlices)):
        raise DtypeError(
            f"expected a dense tensor; got a {type(x).__name__}, whose elements have no index in a mask. Drop "
            "from its values, or from x.to_tensor() or tf.sparse.to_dense(x)."
        )
    try:
        x = tf.convert_to_tensor(x)
    except (TypeError, ValueError) as error:
        raise DtypeError(
            f"expected a tensor to drop from; got {type(x).__name__}. Give it as one, tf.convert_to_tensor(x)."
        ) from error
    check_dtype(x.dtype, x.shape)
    return x


def check_dtype(dtype: Any, shape: Any) -> None:
    """Refuse what cannot be scaled.

    Raises:
        DtypeError: says what can.
    """
    if dtype not in _DTYPES:
        raise DtypeError(
            f"expected a tensor of float32, float64, bfloat16 or float16; got {dtype.name} of shape {shape}; "
            "convert it with tf.cast(x, tf.float32)."
        )


def _run(x: Tensor, draw: Draw) -> Tensor:
    """The law at an address; its gradient is a law at the same address, and draws again."""
    if tf.executing_eagerly():
        return _drawn(x, draw=draw)
    return tf.custom_gradient(lambda x: _with_gradient(x, draw))(x)


def _with_gradient(x: Tensor, draw: Draw) -> Any:
    shape, slope = x.shape, draw.law.gradient  # of the input a gradient needs no more

    def gradient(upstream: Tensor) -> Tensor:
        if slope is None:
            return upstream
        return _run(tf.ensure_shape(upstream, shape), draw._replace(law=slope))

    return _execute(x, draw), gradient


_drawn = tf.custom_gradient(_with_gradient)
"""Made once, since that takes time. Only in eager mode may it have arguments that are no tensors."""


def _execute(x: Tensor, draw: Draw) -> Tensor:
    law, amount, at, share, window = draw
    if tf.executing_eagerly() and _kernel.reaches(x):
        return _kernel.law(x, *draw)
    kind = law.kind[0]
    where = place(x, share, window, wide=kind in {WORD, NORMAL})
    setting = law.setting(amount) if isinstance(amount, int) else None
    if setting is not None and setting.combine == SELECT:
        if setting.level == LEVELS:
            return tf.zeros_like(x)
        if setting.level == 0 and setting[3:5] == (1, 0):
            return tf.identity(x)
    drawn = draws(kind, counter(at), where)
    return _settled(x, setting, drawn) if setting is not None else _traced(x, law, amount, drawn)


def precision(dtype: Any) -> Any:
    """What is computed in for tensors of a dtype."""
    return tf.float64 if dtype == tf.float64 else tf.float32


def _settled(x: Tensor, setting: Setting, drawn: Tensor) -> Tensor:
    """A setting on its draws."""
    exact = precision(x.dtype)
    a, b, c = (tf.constant(value, exact) for value in setting[3:])
    if setting.combine == SELECT:
        value = tf.cast(x, exact) * a
        value = tf.cast(value if setting.b == 0 else value + b, x.dtype)
        return tf.where(drawn >= tf.constant(setting.level, drawn.dtype), value, tf.cast(c, x.dtype))
    factor = a * on_scale(setting.draw, drawn, exact)
    if setting.combine == MULTIPLY:
        return tf.cast(tf.cast(x, exact) * (factor + b), x.dtype)
    return tf.cast(tf.cast(x, exact) + factor, x.dtype)


def _traced(x: Tensor, law: Law, amount: Tensor, drawn: Tensor) -> Tensor:
    """The same where the amount is known only as a graph runs."""
    exact, (draw, combine) = precision(x.dtype), law.kind
    is_rate = law.measure != "size"
    q = tf.cast(tf.minimum(amount, LEVELS - 1), tf.float64) / LEVELS if is_rate else amount
    a, b, c = (tf.cast(value, exact) for value in (law.factors or _inverted)(q, tf))
    value, nothing = tf.cast(x, exact), tf.zeros([], x.dtype)
    if combine == SELECT:
        # The threshold that drops all is one more than a half-word can hold.
        kept = drawn >= tf.cast(tf.minimum(amount, LEVELS - 1), drawn.dtype)
        result = tf.where(
            kept, tf.cast(value * a + tf.where(b == 0, -tf.zeros_like(b), b), x.dtype), tf.cast(c, x.dtype)
        )
    else:
        factor = a * on_scale(draw, drawn, exact)
        result = tf.cast(value * (factor + b) if combine == MULTIPLY else value + factor, x.dtype)
    if is_rate:
        return tf.where(amount < LEVELS, result, nothing)
    return tf.where(a == 0, x, result)


def on_scale(draw: int, drawn: Tensor, exact: Any) -> Tensor:
    """A draw `z` as laws have it: `2u - 1`, or a normal."""
    if draw != UNIFORM:
        return tf.cast(drawn, exact)
    return (2 * tf.cast(drawn, exact) + (1 - LEVELS)) / LEVELS


def _inverted(q: Any, _: Any) -> tuple[Any, Any, Any]:
    """Plain dropout's factors; exactly `65536 / (65536 - T)`, since `1 - q` is exact."""
    return 1 / (1 - q), -0.0, 0.0
