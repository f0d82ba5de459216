"""Every Hypothesis strategy of the suite; new ones belong here and nowhere else."""

from dataclasses import dataclass

from hypothesis import strategies as st

import thinned

SEEDS = st.one_of(
    st.sampled_from([0, 1, -1, 2**32 - 1, 2**32, 2**63, 2**64 - 1, -(2**63)]),
    st.integers(-(2**63), 2**64 - 1),
)
WORDS = st.one_of(st.sampled_from([0, 1, 2**32 - 1]), st.integers(0, 2**32 - 1))
DRAWS = st.one_of(st.sampled_from([0, 1, 2**16 - 1]), st.integers(0, 2**16 - 1))

RATES = st.one_of(
    st.sampled_from([0.0, 1.0, 2**-16, 1 - 2**-16, 0.1, 0.5]),
    st.floats(2**-16, 1 - 2**-16),
    st.integers(0, 65536).map(lambda level: level / 65536),
)
"""Constant rates that the law accepts."""


@st.composite
def addresses(draw, site=WORDS):
    """Keyword arguments of a draw: seed, site, step, draw."""
    return {"seed": draw(SEEDS), "site": draw(site), "step": draw(WORDS), "draw": draw(DRAWS)}


@dataclass(frozen=True)
class Place:
    """An array inside a larger one: its shape, the axes it shares, and where each position lies."""

    shape: tuple
    share: tuple
    global_shape: tuple
    index: tuple

    @property
    def window(self):
        """As the library's functions take it."""
        return self.global_shape, self.index

    @property
    def ids(self):
        """For each axis the global positions in the logical mask."""
        for axis, (size, index) in enumerate(zip(self.shape, self.index, strict=True)):
            if axis in self.share:
                yield [0]
            else:
                yield list(range(index, index + size)) if isinstance(index, int) else list(index)


@st.composite
def places(draw, max_axes=4, max_size=7):
    """Windows of every kind: starts, id arrays in any order with repeats, shared axes, empty axes."""
    axes = range(draw(st.integers(0, max_axes)))
    sizes = tuple(draw(st.integers(1, max_size)) for _ in axes)
    share = tuple(axis for axis in axes if draw(st.booleans()) and draw(st.booleans()))
    shape, index = [], []
    for axis in axes:
        local = draw(st.integers(0, sizes[axis]))
        start = st.integers(0, sizes[axis] - local)
        ids = st.lists(st.integers(0, sizes[axis] - 1), min_size=local, max_size=local)
        shape.append(local)
        index.append(draw(st.one_of(start, ids)))
    return Place(tuple(shape), share, sizes, tuple(index))


@st.composite
def strided(draw, max_axes=4, max_size=6):
    """How to make a tensor with odd strides: a shape, and then what is done to it, by name."""
    shape = tuple(draw(st.lists(st.integers(0, max_size), max_size=max_axes)))
    return shape, draw(st.sampled_from(["as it is", "transposed", "expanded", "sliced", "flipped order"]))


@st.composite
def shards(draw, max_size=40):
    """Consecutive rows of a batch: how many the whole has, where they start, how many they are."""
    size = draw(st.integers(1, max_size))
    start = draw(st.integers(0, size - 1))
    return size, start, draw(st.integers(1, size - start))


@st.composite
def products(draw, max_size=9):
    """Sizes (batch, time, out, in), none of them 0, and the window of a mask with axes (batch, out, in) or None."""
    batch, times, out = (draw(st.integers(1, max_size)) for _ in range(3))
    width = draw(st.one_of(st.integers(1, 70), st.sampled_from([128, 2049, 4100])))
    if draw(st.booleans()):
        return (batch, times, out, width), None
    index, sizes = [], []
    for size in (batch, out):
        more = draw(st.integers(0, 5))
        ids = st.lists(st.integers(0, size + more - 1), min_size=size, max_size=size)
        index.append(draw(st.one_of(st.integers(0, more), ids)))
        sizes.append(size + more)
    more = draw(st.integers(0, 5))
    return (batch, times, out, width), ((*sizes, width + more), (*index, draw(st.integers(0, more))))


_ENDS = st.floats(0, 1)
_LENGTHS = st.integers(1, 2**32 - 1)
SCHEDULES = st.one_of(
    st.builds(
        lambda a, b, steps, begin: thinned.linear(a, b, steps=steps, begin=begin),
        _ENDS,
        _ENDS,
        _LENGTHS,
        WORDS,
    ),
    st.builds(
        lambda a, b, steps, begin: thinned.cosine(a, b, steps=steps, begin=begin),
        _ENDS,
        _ENDS,
        _LENGTHS,
        WORDS,
    ),
    st.builds(lambda rate, until: thinned.early(rate, until=until), _ENDS, WORDS),
    st.builds(lambda rate, after: thinned.late(rate, after=after), _ENDS, WORDS),
)
"""Rates that follow the step."""
