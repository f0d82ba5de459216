# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, call-arg, attr-defined, unreachable"
"""What kernels do with addresses: values at one, and how threads share pieces of work."""

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

PIECES = 4
"""How many pieces a thread has of its own, so that one that is slow leaves some to others."""

_BITS = 56


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def pointer(typing, address, kind):
    """An address as a pointer to values of a type."""
    kind_of = types.CPointer(kind.instance_type)

    def build(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(kind_of))

    return kind_of(types.int64, kind), build


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def take(typing, address, count):
    """Add to the word at an address, at once for all threads; returns what stood there."""

    def build(context, builder, signature, arguments):
        word = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", word, arguments[1], "monotonic")

    return types.int64(types.int64, types.int64), build


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def _mark(typing, address, bits):
    """Set bits of the word at an address, at once for all threads; returns what stood there."""

    def build(context, builder, signature, arguments):
        word = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("or", word, arguments[1], "monotonic")

    return types.int64(types.int64, types.int64), build


@njit(nogil=True)
def claim(at, pieces, last):
    """A piece that no thread has taken: its number, or `pieces` where none is left.

    Threads begin apart, each at its own stretch, and help the others when that is done: a thread then finds in its
    own cache what it wrote in the call before, and what a framework's threads wrote that divide arrays alike.

    The word at an address, zero at first, has a bit for each piece that is taken, and above them counts threads;
    where there are more pieces than bits, it counts pieces, which then go in order.

    Args:
        at: the address of the word.
        pieces: how many there are, of equal size.
        last: the thread's piece before; -1 at first.
    """
    if pieces > _BITS:
        return take(at, 1)
    if last < 0:
        last = (take(at, 1 << _BITS) >> _BITS) * PIECES - 1
    for after in range(pieces):
        piece = (last + 1 + after) % pieces
        if not (_mark(at, 1 << piece) >> piece) & 1:
            return piece
    return pieces
