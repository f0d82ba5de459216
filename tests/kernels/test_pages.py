"""Large pages are asked for where they lie wholly within, and nowhere else."""

import numpy as np
import pytest

from thinned.kernels import pages

HUGE = 1 << 21


@pytest.fixture
def asked(monkeypatch):
    """What the system was asked for: (address, size, advice)."""
    found = []
    monkeypatch.setattr(pages, "_call", lambda *words: found.append(words))
    return found


class TestAskForLarge:
    """`ask_for_large`."""

    @pytest.mark.parametrize(
        ("address", "size", "start", "length"),
        [
            (8 * HUGE, 4 * HUGE, 8 * HUGE, 4 * HUGE),
            (8 * HUGE + 16, 4 * HUGE, 9 * HUGE, 3 * HUGE),
            (8 * HUGE - 16, 4 * HUGE, 8 * HUGE, 3 * HUGE),
        ],
    )
    def test_only_whole_pages(self, asked, address, size, start, length):
        """So no byte outside the array becomes resident."""
        pages.ask_for_large(address, size)

        assert [(start, length, 14)] == asked

    def test_small_arrays_are_left_alone(self, asked):
        """A call costs as much as a page gains."""
        pages.ask_for_large(0, pages.LEAST - 1)

        assert [] == asked

    def test_where_the_system_has_none(self, monkeypatch):
        """Nothing happens."""
        monkeypatch.setattr(pages, "_call", None)

        pages.ask_for_large(0, 8 * HUGE)

    @pytest.mark.skipif(pages._call is None, reason="this system has no madvise")
    def test_real_memory(self):
        """The system takes the advice, and the memory is as good as before."""
        x = np.empty(16 * HUGE, np.uint8)
        pages.ask_for_large(x.ctypes.data, x.nbytes)
        x[:] = 7

        assert x.min() == x.max() == 7
