"""IDX, the format of MNIST and Fashion-MNIST: a small header, then bytes in row-major order."""

import gzip
import math
import zlib

import numpy as np
import numpy.typing as npt

from thinned.errors import DataError

UNSIGNED_BYTE = 0x08
"""The type code in the magic number's third byte; the only one that these data sets use."""


def unpack(archive: bytes, name: str, axes: int) -> npt.NDArray[np.uint8]:
    """The array in a gzipped IDX archive.

    The header holds two zero bytes, a type code, the number of axes, and each axis' size as a big-endian
    32-bit integer.

    Args:
        archive: the gzipped bytes.
        name: of the archive, for errors.
        axes: how many axes the array must have.

    Returns:
        uint8 array, read-only, with the shape that the header states.

    Raises:
        DataError: not gzip, not IDX, another type or number of axes, or a body of another length.

    Example:
        >>> header = bytes([0, 0, 8, 1, 0, 0, 0, 3])
        >>> unpack(gzip.compress(header + bytes([7, 8, 9])), "three.gz", axes=1)
        array([7, 8, 9], dtype=uint8)

    References:
        LeCun, Cortes, Burges, "The MNIST database", section "The IDX file format",
        http://yann.lecun.com/exdb/mnist/.
    """
    return parse(_gunzip(archive, name), name, axes)


def parse(content: bytes, name: str, axes: int) -> npt.NDArray[np.uint8]:
    """The array in IDX bytes that are already unpacked; see `unpack`.

    Raises:
        DataError: as `unpack`.
    """
    shape = _shape(content, name, axes)
    start = 4 + 4 * axes
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"expected {math.prod(shape)} bytes after the header of shape {shape}; got "
            f"{len(content) - start} in {name}. The archive is cut short or has something appended; "
            "fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _gunzip(archive: bytes, name: str) -> bytes:
    try:
        return gzip.decompress(archive)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"expected a whole gzip archive; got {error} in {name}. Fetch it again.") from error


def _shape(content: bytes, name: str, axes: int) -> tuple[int, ...]:
    expected = bytes([0, 0, UNSIGNED_BYTE, axes])
    if content[:4] != expected:
        raise DataError(
            f"expected the IDX magic number {expected.hex()} (unsigned bytes, {axes} axes); "
            f"got {content[:4].hex() or 'nothing'} at the start of {name}. Is it another file, or renamed?"
        )
    sizes = content[4 : 4 + 4 * axes]
    if len(sizes) != 4 * axes:
        raise DataError(
            f"expected an IDX header of {4 + 4 * axes} bytes; got {len(content)} in {name}. Fetch it again."
        )
    return tuple(int.from_bytes(sizes[at : at + 4], "big") for at in range(0, 4 * axes, 4))
