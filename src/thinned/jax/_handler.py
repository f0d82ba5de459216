# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, call-arg, call-overload"
# mypy: disable-error-code="unreachable, attr-defined"
"""The CPU kernel as XLA calls it: a handler of its foreign function interface, in Numba.

XLA hands over a frame (`xla/ffi/api/c_api.h` of jaxlib): operands, a result, and its thread pool. The handler makes
the block of `kernels.block`, offers it to the pool, works on it itself, and returns when nobody works on it any
more. It waits for no thread that has not begun, so a pool that is busy, or has one thread, delays nothing; one that
comes later finds no piece left, and whoever is last frees the block. No Python runs here, and no lock is taken.

Numba keeps the compiled handler by the age of this file alone: touch it when `kernels.block`
or the codes of `methods.law` change.

Operands: x;  uint32 (ticket, 6 words; kind; 2 words each of rows, run, inner; operation);  uint32 (rows, 2), the
bases;  and of any law but plain dropout its a, b and c, in float32 or float64.
"""

import ctypes
import sys

import llvmlite.binding
import numba
from llvmlite import ir
from numba import carray, float32, float64, int32, int64, types, uint32
from numba.extending import intrinsic

from thinned.kernels import block as slot
from thinned.kernels.compiled import kernel
from thinned.kernels.jit import enabled, njit
from thinned.kernels.noise import COMBINE
from thinned.mask.rate import LEVELS
from thinned.methods.law import ADD, EVERYTHING, HALF, MULTIPLY, SELECT

DTYPES = ("float32", "float64", "bfloat16", "float16")
KINDS = (*(("thin", dtype) for dtype in DTYPES), *(("law", dtype) for dtype in DTYPES))
_BYTES = (4, 8, 2, 2) * 2
"""What `kind` counts, kernels and stored types, and the sizes of these."""

_LAW = len(DTYPES)
"""The first kind that has numbers."""

HEADER = 14
"""Words in the second operand."""

# Behind the block's own words: who works on it, who may still look at it, and which kernel it is for.
_ACTIVE, _OWNERS, _KERNEL = slot.COUNT, slot.COUNT + 1, slot.COUNT + 2
_NUMBERS, _WORDS = slot.COUNT + 3, slot.COUNT + 6  # a, b and c as float64; the size of it all
_SELECT = HALF | SELECT << COMBINE
_A, _B, _C = EVERYTHING.a, EVERYTHING.b, EVERYTHING.c

# Where things stand in XLA's structures, in bytes.
_EXTENSION, _API, _CONTEXT, _ARGS, _RESULTS, _DATA = 8, 16, 24, 72, 112, 24
_SCHEDULE, _THREADS = 136, 144

VERSION = (0, 3)
"""Of the interface that was looked at; XLA refuses a handler that answers with another one than its own."""

_GRAIN, _PAGE = 1 << 14, 1 << 21
_TABLE = "thinned_xla_table"

table = (ctypes.c_int64 * (2 + len(KINDS)))()
"""Addresses of `_help`, of `madvise` and of the kernels. A symbol and no constant: the handler is kept on disk."""

llvmlite.binding.add_symbol(_TABLE, ctypes.addressof(table))


@intrinsic
def _table(typing):
    """The table's address in this process."""

    def build(context, builder, signature, arguments):
        module = builder.module
        found = module.globals.get(_TABLE) or ir.GlobalVariable(module, ir.IntType(64), _TABLE)
        return builder.ptrtoint(found, ir.IntType(64))

    return int64(), build


@intrinsic
def _at(typing, address, kind):
    """An address as a pointer to values of a type."""
    pointer = types.CPointer(kind.instance_type)

    def build(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(types.int64, kind), build


@intrinsic
def _add(typing, address, value):
    """Add to the word at an address, in one order for all threads; returns what stood there."""

    def build(context, builder, signature, arguments):
        word = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", word, arguments[1], "seq_cst")

    return int64(int64, int64), build


@intrinsic
def _call(typing, function, argument):
    """Call a C function of one address; what it returns, if anything."""

    def build(context, builder, signature, arguments):
        word = ir.IntType(64)
        code = builder.inttoptr(arguments[0], ir.FunctionType(word, [word]).as_pointer())
        return builder.call(code, [arguments[1]])

    return int64(int64, int64), build


@intrinsic
def _advise(typing, function, address, size):
    """Call `madvise(address, size, MADV_HUGEPAGE)`."""

    def build(context, builder, signature, arguments):
        word, number = ir.IntType(64), ir.IntType(32)
        code = builder.inttoptr(arguments[0], ir.FunctionType(number, [word, word, number]).as_pointer())
        return builder.zext(builder.call(code, [arguments[1], arguments[2], number(14)]), word)

    return int64(int64, int64, int64), build


_malloc = types.ExternalFunction("malloc", int64(int64))
_free = types.ExternalFunction("free", types.void(int64))


@njit
def _word(address):
    return carray(_at(address, int64), 1)[0]


@njit
def _release(block):
    if _add(block + 8 * _OWNERS, -1) == 1:
        _free(block)


@njit
def _work(block):
    _add(block + 8 * _ACTIVE, 1)
    _call(_word(block + 8 * _KERNEL), block)
    _add(block + 8 * _ACTIVE, -1)


def _help(block):
    """What the pool runs."""
    _work(block)
    _release(block)


@njit
def _ask_for_large_pages(address, size):
    """As `kernels.pages` does for the other front ends, and why."""
    function = _word(_table() + 8)
    low, high = (address + _PAGE - 1) & -_PAGE, (address + size) & -_PAGE
    if function != 0 and size >= 2 * _PAGE and high > low:
        _advise(function, low, high - low)


@njit
def _threads(frame):
    """How many threads the pool has."""
    memory = _malloc(40)  # the question, and behind it the answer
    words = carray(_at(memory, int64), 5)
    words[0], words[1], words[2], words[3], words[4] = 32, 0, _word(frame + _CONTEXT), memory + 32, 1
    failed = _call(_word(_word(frame + _API) + _THREADS), memory)
    found = 1 if failed else words[4]
    _free(memory)
    return found


@njit
def _schedule(frame, block):
    """Offer the block to the pool; whether it was taken."""
    memory = _malloc(40)
    words = carray(_at(memory, int64), 5)
    words[0], words[1], words[2] = 40, 0, _word(frame + _CONTEXT)
    words[3], words[4] = _word(_table()), block
    failed = _call(_word(_word(frame + _API) + _SCHEDULE), memory)
    _free(memory)
    return failed == 0


@njit
def _introduce(extension):
    """Answer which version of the interface this was written for."""
    version = carray(_at(_word(extension + 24) + 24, int32), 2)
    version[0], version[1] = VERSION


@njit
def _operand(frame, number):
    return _word(_word(_word(frame + _ARGS) + 8 * number) + _DATA)


@njit
def _write_numbers(frame, block, kind):
    """A law's numbers, where its kernel looks for them: a float64 each."""
    to = carray(_at(block + 8 * _NUMBERS, float64), 3)
    if kind == _LAW + 1:
        wide = carray(_at(_operand(frame, 3), float64), 3)
        for place in range(3):
            to[place] = wide[place]
    else:
        narrow = carray(_at(_operand(frame, 3), float32), 3)
        for place in range(3):
            to[place] = narrow[place]


@njit
def _settle(block, operation):
    """What is special at the ends: rate 1 selects zeros, also in the place of NaN; of size 0 nothing is added."""
    word = carray(_at(block, int64), _WORDS)
    numbers = carray(_at(block + 8 * _NUMBERS, float64), 3)
    word[slot.R], word[slot.OP] = block + 8 * _NUMBERS, operation
    combine = operation >> COMBINE
    if combine == MULTIPLY and word[slot.LEVEL] >= LEVELS:
        word[slot.OP] = _SELECT
    elif combine == ADD and numbers[0] == 0:
        word[slot.OP], word[slot.LEVEL] = _SELECT, 0
        numbers[0], numbers[1], numbers[2] = _A, _B, _C


def _handle(frame):
    """XLA's entry: 0 says that all is well."""
    extension = _word(frame + _EXTENSION)
    if extension != 0:
        if carray(_at(extension + 8, int32), 1)[0] == 1:
            _introduce(extension)
        return 0
    header = carray(_at(_operand(frame, 1), uint32), HEADER)
    rows = int64(header[7]) | int64(header[8]) << 32
    run = int64(header[9]) | int64(header[10]) << 32
    inner = int64(header[11]) | int64(header[12]) << 32
    size = rows * run
    grain = max(1, _GRAIN // inner)
    threads = 1 if size < 2 * grain else max(1, min(_threads(frame), size // grain // 2))
    block = _malloc(8 * _WORDS)
    word = carray(_at(block, int64), _WORDS)
    word[:] = 0
    word[slot.X] = word[slot.R] = _operand(frame, 0)
    word[slot.Y] = _word(_word(_word(frame + _RESULTS)) + _DATA)
    word[slot.ELEMENTS], word[slot.BASES], word[slot.ROWS] = size * inner, _operand(frame, 2), rows
    word[slot.IN_PLACE] = word[slot.X] == word[slot.Y]
    word[slot.RUN], word[slot.INNER], word[slot.SIZE] = run, inner, size
    word[slot.PIECE] = size if threads == 1 else max(grain, -(-size // (4 * threads)))
    level = int64(header[5])
    word[slot.LEVEL] = level
    carray(_at(block + 8 * slot.SCALE, float64), 1)[0] = 65536.0 / (65536 - level) if level < 65536 else 0.0
    word[slot.KEY0], word[slot.KEY1] = header[0], header[1]
    word[slot.SITE], word[slot.STEP], word[slot.DRAW] = header[2], header[3], header[4]
    kind = int64(header[6])
    word[_KERNEL] = _word(_table() + 8 * (2 + kind))
    if kind >= _LAW:
        _write_numbers(frame, block, kind)
        _settle(block, int64(header[13]))
    if word[slot.IN_PLACE] == 0:
        _ask_for_large_pages(word[slot.Y], size * inner * _BYTES[kind])
    word[_OWNERS] = threads
    for _ in range(threads - 1):
        if not _schedule(frame, block):
            _release(block)
    _work(block)
    while _add(block + 8 * _ACTIVE, 0) != 0:
        pass
    _release(block)
    return 0


def prepare(name: str, dtype: str) -> int:
    """Have a kernel for a dtype ready; the address of the handler."""
    handler, helper = _compiled()
    table[0] = helper.address
    table[1] = _madvise()
    table[2 + KINDS.index((name, dtype))] = kernel(name, dtype).address
    address: int = handler.address
    return address


def _madvise() -> int:
    """The address of Linux's function; 0 elsewhere."""
    if sys.platform != "linux":
        return 0
    return ctypes.cast(ctypes.CDLL(None).madvise, ctypes.c_void_p).value or 0


_kept: list = []  # type: ignore[type-arg]


def _compiled():
    if not _kept:
        try:
            _kept.append(_pair(on_disk=True))
        except Exception:
            # No folder to keep it in, or a damaged file: that costs a second a process. An error of our own
            # comes up again.
            _kept.append(_pair(on_disk=False))
    return _kept[0]


def _pair(*, on_disk):
    with enabled():
        return (
            numba.cfunc(int64(int64), cache=on_disk, error_model="numpy")(_handle),
            numba.cfunc(types.void(int64), cache=on_disk, error_model="numpy")(_help),
        )
