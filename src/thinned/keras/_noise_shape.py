"""Keras' `noise_shape` as shared axes."""

from collections.abc import Sequence

from thinned.errors import ShareError


def shared_by(noise_shape: Sequence[int | None] | None, shape: Sequence[int | None]) -> tuple[int, ...]:
    """The axes along which a mask of `noise_shape` is broadcast over an array of `shape`.

    As in Keras, None stands for the array's own size, and a `noise_shape` with fewer axes is aligned at the end.

    Args:
        noise_shape: of the mask, or None for the array's own.
        shape: of the array; sizes that are not known yet are None, and fit.

    Raises:
        ShareError: a mask that does not broadcast to the array.

    Example:
        >>> shared_by((None, 1, 3), (8, 5, 3)), shared_by((3,), (8, 5, 3))
        ((1,), (0, 1))
    """
    if noise_shape is None:
        return ()
    missing = len(shape) - len(noise_shape)
    sizes = [1] * missing + [
        shape[axis] if n is None else n for axis, n in enumerate(noise_shape[: len(shape)])
    ]
    fits = missing >= 0 and all(
        n in (1, size, None) or size is None for n, size in zip(sizes, shape, strict=True)
    )
    if not fits:
        raise ShareError(
            f"expected a noise_shape whose entries are 1, None or the input's size, at most {len(shape)} of them; "
            f"got {tuple(noise_shape)} for an input of shape {tuple(shape)}."
        )
    return tuple(axis for axis, (n, size) in enumerate(zip(sizes, shape, strict=True)) if n == 1 != size)
