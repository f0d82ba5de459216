# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, call-arg, attr-defined, unreachable"
"""What kernels do with addresses: values at one, and a counter that threads share."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


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
