"""The law once more, from SPEC.md alone, in Python integers: prints `src/thinned/mask/vectors.txt`.

    python tests/mask/independent.py > src/thinned/mask/vectors.txt

It imports neither NumPy nor `thinned`, on purpose: it agrees with the library only where both are right.
"""

import hashlib
import math
import struct
import sys
from fractions import Fraction
from itertools import product

HEADER = """\
# Known answers of the law of masks, version 1 (SPEC.md).
# Printed by tests/mask/independent.py; never edited by hand.
#
# One case a line:  kind  name=value ...  ->  answer.  Lines that begin with # say nothing. A coordinate that
# a line does not name is 0. share lists axes. window=SIZES@INDEX has, for each axis, a global size and then a
# start, or [ids] in brackets. Rates are decimal float64 literals.
#
# How words and bits run. 32-bit words are 8 hexadecimal digits, half-words 4, most significant digit first;
# lists of words run in stream order, c0 first. Elements are in row-major order of the local mask.
#   philox     counter words c0 c1 c2 c3 and key words k0 k1  ->  the four words
#   site       text in double quotes  ->  the site's number
#   threshold  a constant rate  ->  T, and T of the wide variant; "error" where it is refused
#   scale      T  ->  the scale in float64 and in float32, as bit patterns
#   keep       ->  one digit an element: 1 kept, 0 dropped
#   half       ->  the half-word h of each element; uniform is (h + 0.5) / 65536
#   wide       ->  the whole word of each element
#   normal     ->  twelve decimals of each element; implementations lie within 2^-20 of the radius
#   product    a stored value (bit pattern) and a rate  ->  what it becomes where it is kept
#
# How the inputs were chosen. philox: Random123's three published cases, all zeros, all ones and digits of
# pi. Addresses: each coordinate at 0, 1 and its largest value with the others 0, then all at their largest,
# then the digits of pi (243f6a88 85a308d3 13198a2e 03707344 a409). Elements: the first two blocks, both
# sides of where a block's index passes 32 bits, and the last below the limit. Rates: 0, 1, the nearest
# neighbours of both, 0.1, 0.5, ties to even on both sides; for the neighbours, elements whose half-words
# are 0000 and ffff, the only ones that they decide. Normals: also the largest and the smallest radius of
# 2^25 elements. Products: zero, one, the neighbours of rounding, subnormals, the largest.
"""

PI = {"seed": 0x85A308D3243F6A88, "site": 0x13198A2E, "step": 0x03707344, "draw": 0xA409}
LARGEST = {"seed": 2**64 - 1, "site": 2**32 - 1, "step": 2**32 - 1, "draw": 2**16 - 1}


def philox(counter, key):
    """SPEC 3.1."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [q // 2**32 ^ c[1] ^ k[0], q % 2**32, p // 2**32 ^ c[3] ^ k[1], p % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


def block(index, seed=0, site=0, step=0, draw=0):
    """SPEC 3.2 and 3.3: the four words of a block."""
    seed %= 2**64
    number = site_number(site) if isinstance(site, str) else site
    counter = [index % 2**32, index // 2**32 + draw * 2**16, number, step]
    return philox(counter, [seed % 2**32, seed // 2**32])


def half_word(element, **address):
    """SPEC 4.1."""
    stream = b"".join(word.to_bytes(4, "little") for word in block(element // 8, **address))
    return int.from_bytes(stream[element % 8 * 2 :][:2], "little")


def whole_word(element, **address):
    """SPEC 6."""
    return block(element // 4, **address)[element % 4]


def normal(element, **address):
    """SPEC 8."""
    w0, w1 = (whole_word(element // 2 * 2 + i, **address) for i in (0, 1))
    radius = math.sqrt(-2 * math.log((w0 + 1) / 2**32))
    turn = 2 * math.pi * (w1 / 2**32)
    return radius * (math.sin(turn) if element % 2 else math.cos(turn))


def site_number(text):
    """SPEC 1.1."""
    first, second, third, fourth = hashlib.sha256(text.encode("utf-8")).digest()[:4]
    return first + 2**8 * second + 2**16 * third + 2**24 * fourth


def threshold(rate, levels=65536):
    """SPEC 4.2 and 4.4, in exact arithmetic: `Fraction` rounds ties to even."""
    if math.isnan(rate) or not 0 <= rate <= 1:
        return None
    level = round(Fraction(rate) * levels)
    certain = level in {0, levels} and rate not in {0, 1}
    return None if certain else level


def scale(level):
    """SPEC 5.1."""
    return 65536 / (65536 - level) if level < 65536 else 0.0


def elements(shape, share=(), window=None):
    """SPEC 2: the element index of each position of the local mask, in row-major order."""
    sizes, index = window or (shape, (0,) * len(shape))
    local = [range(1 if axis in share else size) for axis, size in enumerate(shape)]
    for position in product(*local):
        element = 0
        for axis, (p, size, start) in enumerate(zip(position, sizes, index, strict=True)):
            if axis not in share:
                element = element * size + (start + p if isinstance(start, int) else start[p])
        yield element


def line(kind, answer, **inputs):
    """One case, as the header describes it."""
    words = [kind, *(f"{name}={_text(name, value)}" for name, value in inputs.items()), "->", answer]
    return " ".join(words)


def _text(name, value):
    if name == "window":
        sizes, index = value
        entries = (str(i) if isinstance(i, int) else f"[{','.join(map(str, i))}]" for i in index)
        return f"{','.join(map(str, sizes))}@{','.join(entries)}"
    if isinstance(value, str):
        return f'"{value}"' if name in {"site", "text"} else value
    return ",".join(map(str, value)) if isinstance(value, (tuple, list)) else repr(value)


def keep(shape, rate, share=(), window=None, **address):
    """A line of kept and dropped elements."""
    level = threshold(rate)
    mask = "".join(str(int(half_word(e, **address) >= level)) for e in elements(shape, share, window))
    where = {"shape": shape} | ({"share": share} if share else {}) | ({"window": window} if window else {})
    return line("keep", mask, rate=rate, **where, **address)


def stream(kind, shape, window=None, **address):
    """A line of half-words, words or normal values."""
    draw = {"half": half_word, "wide": whole_word, "normal": normal}[kind]
    form = {"half": "{:04x}", "wide": "{:08x}", "normal": "{:.12f}"}[kind]
    found = " ".join(form.format(draw(e, **address)) for e in elements(shape, window=window))
    return line(kind, found, shape=shape, **({"window": window} if window else {}), **address)


def addresses():
    """Each coordinate at its edges, then all together."""
    yield {"seed": 0}
    for name, largest in LARGEST.items():
        yield {name: 1} | ({} if name == "seed" else {"seed": 0})
        yield {name: largest} | ({} if name == "seed" else {"seed": 0})
    yield {"seed": 2**32}
    yield {"seed": -1}
    yield {"seed": -(2**63)}
    yield LARGEST
    yield PI
    yield {"seed": 0, "site": "encoder.layers.0.dropout#1"}


def positions(per_block):
    """Windows of one axis that reach the far element indices, for so many elements a block."""
    limit = per_block * 2**48
    for start, size in ((0, 16), (7, 3), (per_block * 2**32 - 2, 4), (limit - 9, 9)):
        yield (size,), ((limit,), (start,))


def philox_lines():
    """Random123's published cases."""
    pi = "243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0"
    for text in (" ".join(["00000000"] * 6), " ".join(["ffffffff"] * 6), pi):
        given = [int(word, 16) for word in text.split()]
        answer = " ".join(f"{word:08x}" for word in philox(given[:4], given[4:]))
        words = text.split()
        yield line("philox", answer, counter=",".join(words[:4]), key=",".join(words[4:]))


def site_lines():
    """Text becomes a number."""
    for text in ("", "fc1", "FC1", "encoder.layers.0.dropout", "encoder.layers.0.dropout#1", "größe", "層.1"):
        yield line("site", f"{site_number(text):08x}", text=text)


def rate_lines():
    """Every edge of the rate, and scales."""
    tie = 0.5 / 65536
    rates = [0.0, 1.0, 2**-16, 1 - 2**-16, 0.1, 0.5, 1 / 3, tie, math.nextafter(tie, 1), 3 * tie, 5 * tie]
    for rate in [
        *rates,
        1 - tie,
        1 - 3 * tie,
        math.nextafter(1, 0),
        5e-324,
        -5e-324,
        1.1,
        math.nan,
        math.inf,
    ]:
        found = (threshold(rate), threshold(rate, 2**32))
        yield line("threshold", " ".join("error" if t is None else str(t) for t in found), rate=rate)
    for level in (0, 1, 6554, 32768, 43691, 65535, 65536):
        (bits64,) = struct.unpack("<Q", struct.pack("<d", scale(level)))
        (bits32,) = struct.unpack("<I", struct.pack("<f", scale(level)))
        yield line("scale", f"{bits64:016x} {bits32:08x}", T=level)


def mask_lines():
    """Masks over addresses, far elements, rates, sharing and windows."""
    for address in addresses():
        yield stream("half", (16,), **address)
        yield keep((16,), 0.5, **address)
    for shape, window in positions(8):
        yield stream("half", shape, window, **PI)
        yield keep(shape, 0.5, window=window, **PI)
    for rate in (0.0, 1.0, 2**-16, 1 - 2**-16, 0.1, 0.5):
        yield keep((64,), rate, **PI)
    for start, rate in product((20508, 16491), (0.0, 2**-16, 1 - 2**-16, 1.0)):
        yield keep((3,), rate, window=((65536,), (start,)), **PI)
    for level in (0x79CB, 0x79CC, 0x79CD):  # the first element's half-word is 79cc
        yield keep((1,), level / 65536, **PI)
    for share in ((), (0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2)):
        yield keep((3, 4, 5), 0.5, share=share, **PI)
    yield keep((), 0.5, **PI)
    yield keep((3, 0, 2), 0.5, **PI)
    yield from window_lines()


def window_lines():
    """Shards, shuffled samples, and both with sharing."""
    yield keep((2, 5), 0.5, window=((8, 5), (6, 0)), **PI)
    yield keep((2, 2), 0.5, window=((8, 5), (3, 3)), **PI)
    yield keep((4, 5), 0.5, window=((8, 5), ((7, 0, 3, 3), 0)), **PI)
    yield keep((2, 3), 0.5, window=((8, 5), ((5, 2), (4, 0, 1))), **PI)
    yield keep((2, 3, 4), 0.5, share=(1,), window=((8, 3, 4), ((5, 2), 0, 0)), **PI)
    yield keep((2, 3, 4), 0.5, share=(0,), window=((8, 6, 4), (9, 2, 0)), **PI)
    yield keep((2, 2), 0.5, window=((1 << 40, 1 << 11), ((1 << 39, (1 << 40) - 1), (1 << 11) - 2)), **PI)


def other_draws():
    """Wide words and normal values."""
    for kind in ("wide", "normal"):
        for address in ({"seed": 0}, LARGEST, PI):
            yield stream(kind, (8,), **address)
        for shape, window in positions(4):
            yield stream(kind, shape, window, **PI)
    for start in (7259496, 11796912):  # where w0 is 83, and 2^32 - 39
        yield stream("normal", (2,), ((2**24,), (start,)), **PI)


STORED = {
    "float64": ("<d", "<Q", 16),
    "float32": ("<f", "<I", 8),
    "float16": ("<e", "<H", 4),
    "bfloat16": ("<f", "<I", 4),
}


def kept(dtype, bits, rate):
    """SPEC 5.1 and 5.2: the bits of a kept element."""
    form, word, _ = STORED[dtype]
    (x,) = struct.unpack(form, struct.pack(word, bits << 16 if dtype == "bfloat16" else bits))
    if dtype == "float64":
        return struct.unpack("<Q", struct.pack("<d", x * scale(threshold(rate))))[0]
    # The product of two float32 values is exact in a Python float, so this rounds once.
    y = _float32(x * _float32(scale(threshold(rate))))
    if dtype == "bfloat16":
        (wide,) = struct.unpack("<I", struct.pack("<f", y))
        return (wide + 0x7FFF + (wide >> 16) % 2) >> 16  # to nearest, ties to even
    try:
        return struct.unpack(word, struct.pack(form, y))[0]
    except OverflowError:  # float16: beyond 65504 by half a unit or more
        return 0x7C00 if y > 0 else 0xFC00


def _float32(value):
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def product_lines():
    """Kept values of each dtype."""
    values = {
        "float64": (
            0,
            1,
            0x3FF0000000000000,
            0x400921FB54442D18,
            0xC00921FB54442D18,
            0x7FEFFFFFFFFFFFFF,
            0x7FF << 52,
        ),
        "float32": (0, 1, 0x3F800000, 0x40490FDB, 0xC0490FDB, 0x00800000, 0x7F7FFFFF, 0x7F800000),
        "float16": (0, 1, 0x3C00, 0x3C01, 0x3C05, 0x4248, 0xC248, 0x03FF, 0x7800, 0x7B52, 0x7BFF, 0x7C00),
        "bfloat16": (0, 1, 0x3F80, 0x3F81, 0x3F85, 0x4049, 0xC049, 0x007F, 0x7F00, 0x7F7F, 0x7F80),
    }
    for dtype, patterns in values.items():
        digits = STORED[dtype][2]
        for rate, bits in product((0.0, 0.1, 0.5), patterns):
            answer = f"{kept(dtype, bits, rate):0{digits}x}"
            yield line("product", answer, dtype=dtype, rate=rate, x=f"{bits:0{digits}x}")


def document():
    """The whole file."""
    rooms = (philox_lines, site_lines, rate_lines, mask_lines, other_draws, product_lines)
    return HEADER + "".join("\n" + "\n".join(room()) + "\n" for room in rooms)


if __name__ == "__main__":
    sys.stdout.buffer.write(document().encode("utf-8"))
