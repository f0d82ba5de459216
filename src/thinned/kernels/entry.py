# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, call-arg, attr-defined, unreachable"
"""The way from Python into a kernel: one call, which completes a block on its own stack and has it worked on.

Between two calls of a kernel an interpreter's data leave the cache, so whatever it touches on the way costs more
than it seems to; packing the same words in Python is a tenth of a small call's time
(`docs/decisions/0002-teams.md`).

Numba keeps the compiled code by the age of this file alone: touch it when `kernels.block` or `memory` changes.
"""

from typing import Any

from llvmlite import ir
from numba import carray, int64, types
from numba.core import cgutils
from numba.extending import intrinsic

from thinned.kernels import block as slot
from thinned.kernels.memory import pointer

KERNEL, THREADS, TEAM, COUNT = slot.COUNT, slot.COUNT + 1, slot.COUNT + 2, slot.COUNT + 3
"""Behind the words of a block: the kernel's address, at most how many threads, and who starts them, the address of
a function like `GOMP_parallel` of GNU's OpenMP, which returns when all of them have."""

SIGNATURE = types.void(*[int64] * 10)

_WORD, _INT = ir.IntType(64), ir.IntType(32)


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def _room(typing):
    """The address of a block that the function around it has while it runs."""

    def build(context, builder, signature, arguments):
        return builder.ptrtoint(cgutils.alloca_once(builder, ir.ArrayType(_WORD, slot.COUNT)), _WORD)

    return int64(), build


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def _call(typing, kernel, block):
    """Call a kernel."""

    def build(context, builder, signature, arguments):
        function = ir.FunctionType(ir.VoidType(), [_WORD]).as_pointer()
        builder.call(builder.inttoptr(arguments[0], function), [arguments[1]])
        return context.get_dummy_value()

    return types.void(int64, int64), build


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def _start(typing, team, kernel, block, threads):
    """Have threads call a kernel, and wait for them."""

    def build(context, builder, signature, arguments):
        function = ir.FunctionType(ir.VoidType(), [_WORD, _WORD, _INT, _INT]).as_pointer()
        team, kernel, block, threads = arguments
        builder.call(
            builder.inttoptr(team, function),
            [kernel, block, builder.trunc(threads, _INT), ir.Constant(_INT, 0)],
        )
        return context.get_dummy_value()

    return types.void(int64, int64, int64, int64), build


def enter(known, op, x, r, y, draw, site, step, key0, key1):
    """Call a kernel: `known` is the address of what its calls have in common, `COUNT` words.

    There `IN_PLACE` says whether it matters that the output is the input.
    """
    common: Any = carray(pointer(known, int64), COUNT)
    block: Any = _room()
    words: Any = carray(pointer(block, int64), slot.COUNT)
    for i in range(slot.COUNT):
        words[i] = common[i]
    words[slot.X], words[slot.R], words[slot.Y] = x, r, y
    words[slot.OP], words[slot.IN_PLACE] = op, common[slot.IN_PLACE] if x == y else 0
    words[slot.DRAW], words[slot.SITE], words[slot.STEP] = draw, site, step
    words[slot.KEY0], words[slot.KEY1] = key0, key1
    if common[THREADS] == 1:
        _call(common[KERNEL], block)
    else:
        _start(common[TEAM], common[KERNEL], block, common[THREADS])
